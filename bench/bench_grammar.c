/* What constrained output costs beside decoding: time for the mask of a step, by how often its state was met.
 *   bench_grammar TOKENIZER SCHEMA.json [SAMPLES]
 * Samples are drawn uniformly from the allowed tokens; with a third argument they are written, a line each as JSON texts of
 * them, for a validator of JSON schemas. */
#include "base/thread.h"
#include "infer/constraint.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct tally {
    double cold, warm, take;
    int64_t n_cold, n_warm;
} tally;

static int32_t draw(const ts_grammar *g, int32_t state, const uint64_t *bits, int64_t vocab, uint32_t *x)
{
    int64_t n = 0;
    for (int64_t w = 0; w <= vocab / 64; w++)
        n += __builtin_popcountll(bits[w]);
    *x = *x * 1664525u + 1013904223u;
    if (ts_grammar_may_end(g, state) && (n == 0 || *x >> 30 == 0))
        return -1;
    *x = *x * 1664525u + 1013904223u;
    for (int64_t k = (int64_t)((uint64_t)*x * (uint64_t)n >> 32), id = 0;; id++)
        if (bits[id >> 6] >> (id & 63) & 1 && k-- == 0)
            return (int32_t)id;
}

static ts_status sample(ts_constraint *c, int64_t vocab, uint32_t *x, tally *t, ts_str *text, const ts_tokenizer *tok)
{
    const ts_grammar *g = ts_constraint_grammar(c);
    const uint64_t *bits;
    enum { MOST = 2000 };
    int32_t state = ts_grammar_start(g);
    ts_str_reset(text);
    for (int i = 0; i < MOST; i++) {
        const double t0 = ts_now();
        TS_TRY(ts_constraint_mask(c, state, &bits));
        const double t1 = ts_now();
        const int32_t id = draw(g, state, bits, vocab, x);
        *(t1 - t0 > 2e-6 ? &t->cold : &t->warm) += t1 - t0;
        *(t1 - t0 > 2e-6 ? &t->n_cold : &t->n_warm) += 1;
        if (id < 0)
            return TS_OK;
        TS_TRY(ts_tokenizer_bytes(tok, id, text));
        TS_TRY(ts_constraint_take(c, state, id, &state));
    }
    ts_str_reset(text); /* not whole */
    return TS_OK;
}

static ts_status run(const char *tokenizer, const char *file, int64_t samples)
{
    ts_tokenizer *tok = NULL;
    ts_grammar *g = NULL;
    ts_token_list *list = NULL;
    ts_constraint *c = NULL;
    json_t *schema = NULL;
    ts_str text = { 0 };
    tally t = { 0 };
    uint32_t x = 1;
    TS_TRY(ts_tokenizer_open(tokenizer, NULL, &tok));
    TS_TRY(ts_json_read(file, &schema));
    const double begin = ts_now();
    TS_TRY(ts_grammar_of_schema(schema, file, &text));
    TS_TRY(ts_grammar_parse(text.s, text.len, file, &g));
    const double parsed = ts_now();
    const int64_t vocab = ts_tokenizer_vocab_size(tok);
    TS_TRY(ts_token_list_create(tok, vocab, &list));
    TS_TRY(ts_constraint_create(&g, list, &c));
    const double made = ts_now();
    for (int64_t i = 0; i < samples || i < 100; i++) {
        TS_TRY(sample(c, vocab, &x, &t, &text, tok));
        if (i < samples && text.len)
            printf("%s\n", text.s);
    }
    fprintf(stderr, "%lld tokens; grammar %.1f ms, tokens sorted %.1f ms; masks: %lld made in %.0f us each, %lld known in %.2f us; %d states\n",
            (long long)vocab, 1e3 * (parsed - begin), 1e3 * (made - parsed), (long long)t.n_cold, 1e6 * t.cold / (double)(t.n_cold + !t.n_cold),
            (long long)t.n_warm, 1e6 * t.warm / (double)(t.n_warm + !t.n_warm), (int)ts_grammar_states(ts_constraint_grammar(c)));
    ts_constraint_destroy(&c);
    ts_token_list_destroy(&list);
    ts_str_deinit(&text);
    json_decref(schema);
    ts_tokenizer_destroy(&tok);
    return TS_OK;
}

int main(int argc, char **argv)
{
    if (argc < 3 || run(argv[1], argv[2], argc > 3 ? atoll(argv[3]) : 0) != TS_OK) {
        fprintf(stderr, "bench_grammar TOKENIZER SCHEMA.json [SAMPLES]: %s\n", ts_error_message());
        return 1;
    }
    return 0;
}
