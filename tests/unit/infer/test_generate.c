/* Generation with tiny models of every family: against transformers, against scoring without a
 * cache, and line by line the same bits whatever the batch. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "device/isa.h"
#include "infer/generate.h"
#include "infer/score.h"
#include "model/open.h"

#include <math.h>
#include <string.h>

static const char folder[] = "tests/golden/families";

typedef struct fixture {
    ts_device *dev;
    ts_model model;
} fixture;

static void open_as(fixture *f, const char *name, int threads, ts_model_use use)
{
    char path[256];
    const ts_device_options o = { .threads = threads, .isa = TS_ISA_ALL };
    *f = (fixture){ 0 };
    OK(ts_device_open("cpu", &o, &f->dev));
    use.dev = f->dev;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    OK(ts_model_load(path, &use, &f->model));
}

static void open_model(fixture *f, const char *name, ts_dtype compute, int threads)
{
    open_as(f, name, threads, (ts_model_use){ .compute = compute, .inference = true });
}

static void close_model(fixture *f)
{
    ts_model_deinit(&f->model);
    assert_int_equal(f->dev->mem.now[TS_MEM_ACT], 0);
    assert_int_equal(f->dev->mem.now[TS_MEM_WEIGHT], 0);
    ts_device_close(&f->dev);
}

static ts_gen_config plain(void)
{
    return (ts_gen_config){
        .num_beams = 1,
        .length_penalty = 1,
        .sampling = { .temperature = 1, .top_p = 1, .repetition_penalty = 1, .keep = 1 }
    };
}

/* Results of all lines. */
typedef struct collected {
    ts_gen_text *text; /* by line */
    int64_t done;
} collected;

static ts_status collect(void *ctx, const ts_gen_line *line, const ts_gen_text *t)
{
    collected *c = ctx;
    ts_gen_text *to = &c->text[line->number];
    assert_int_equal(to->n, 0);
    TS_TRY(ts_grow(&to->ids, &to->cap_ids, t->n, sizeof *to->ids));
    memcpy(to->ids, t->ids, t->n * sizeof *t->ids);
    if (t->logprobs) {
        TS_TRY(ts_grow(&to->logprobs, &to->cap_logprobs, t->n, sizeof *to->logprobs));
        memcpy(to->logprobs, t->logprobs, t->n * sizeof *t->logprobs);
    }
    to->n = t->n;
    to->is_stopped = t->is_stopped;
    c->done++;
    return TS_OK;
}

static void generate(fixture *f, const ts_gen_config *c, const ts_gen_line *lines, int64_t n,
                     int64_t batch, collected *out)
{
    ts_engine *e = NULL;
    const ts_gen_hooks hooks = { .ctx = out, .done = collect };
    out->done = 0;
    OK(ts_alloc(&out->text, (size_t)n, sizeof *out->text));
    OK(ts_engine_create(f->model.decoder, ts_gen_slots(c, batch, n), &e));
    OK(ts_generate(e, &f->model.decoder->arch, c, lines, n, &hooks));
    assert_int_equal(out->done, n);
    ts_engine_destroy(&e);
}

static void discard(collected *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ts_gen_text_deinit(&c->text[i]);
    ts_free(&c->text);
}

/* ---- against transformers ---- */

static double number(const json_t *o, const char *key, double def)
{
    const json_t *v = json_object_get(o, key);
    return v ? json_number_value(v) : def;
}

static ts_gen_config settings_of(const json_t *c)
{
    const json_t *s = json_object_get(c, "settings"), *early = json_object_get(s, "early_stopping"),
                 *eos = json_object_get(c, "eos");
    ts_gen_config g = plain();
    g.sampling.repetition_penalty = number(s, "repetition_penalty", 1);
    g.sampling.min_new_tokens = (int64_t)number(s, "min_new_tokens", 0);
    g.num_beams = (int64_t)number(s, "num_beams", 1);
    g.length_penalty = number(s, "length_penalty", 1);
    g.early_stopping = json_is_true(early)     ? TS_EARLY_TRUE
                       : json_is_string(early) ? TS_EARLY_NEVER
                                               : TS_EARLY_FALSE;
    for (size_t i = 0; i < json_array_size(eos); i++)
        g.sampling.eos[g.sampling.n_eos++] = (int32_t)json_integer_value(json_array_get(eos, i));
    return g;
}

static ts_prompt ids_of(const json_t *list)
{
    int32_t *v = NULL;
    OK(ts_alloc(&v, json_array_size(list), sizeof *v));
    for (size_t i = 0; i < json_array_size(list); i++)
        v[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return (ts_prompt){ .ids = v, .n = (int64_t)json_array_size(list) };
}

static void free_ids(const ts_prompt *p)
{
    int32_t *v = (int32_t *)(uintptr_t)p->ids;
    ts_free(&v);
}

static void check_golden(const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "case"));
    char *what = json_dumps(json_object_get(c, "settings"), 0);
    const ts_gen_config g = settings_of(c);
    const ts_prompt prompt = ids_of(json_object_get(c, "prompt")),
                    want = ids_of(json_object_get(c, "ids"));
    const ts_gen_line line = { 0, prompt, (int64_t)number(c, "new", 0) };
    fixture f;
    collected got;
    open_model(&f, name, TS_DTYPE_F32, 1);
    generate(&f, &g, &line, 1, 1, &got);
    if ((int64_t)got.text[0].n != want.n)
        fail_msg("%s %s: %zu tokens, expected %lld", name, what, got.text[0].n, (long long)want.n);
    for (int64_t i = 0; i < want.n; i++)
        if (got.text[0].ids[i] != want.ids[i])
            fail_msg("%s %s: token %lld is %d, expected %d", name, what, (long long)i,
                     (int)got.text[0].ids[i], (int)want.ids[i]);
    bool ends = false;
    for (int i = 0; i < g.sampling.n_eos; i++)
        ends = ends || g.sampling.eos[i] == want.ids[want.n - 1];
    assert_int_equal(got.text[0].is_stopped, ends);
    discard(&got, 1);
    close_model(&f);
    free_ids(&prompt);
    free_ids(&want);
    free(what);
}

static void test_transformers(void **state)
{
    (void)state;
    json_t *cases = NULL;
    OK(ts_json_read("tests/golden/infer/generate.json", &cases));
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_golden(json_array_get(cases, i));
    json_decref(cases);
}

/* ---- against scoring ---- */

/* Each new token is the arg-max of the text before it, run through the model at once; and its
 * log-probability is that of the scores. Where angles change with the length (dynamic), a cache
 * keeps what it was filled with, so only lengths below that are compared. */
static void check_scoring(const char *name)
{
    enum { PROMPT = 6, NEW = 14, ALL = PROMPT + NEW };
    fixture f;
    open_model(&f, name, TS_DTYPE_F32, 2);
    const ts_arch *a = &f.model.decoder->arch;
    int64_t new = NEW;
    for (int i = 0; i < a->n_ropes; i++)
        if (a->rope[i].scaling == TS_ROPE_DYNAMIC && a->rope[i].max_positions < ALL)
            new = a->rope[i].max_positions - PROMPT;
    int32_t ids[ALL] = { 5, 9, 33, 17, 60, 4 };
    const ts_gen_line line = { 0, { .ids = ids, .n = PROMPT }, new };
    ts_gen_config g = plain();
    g.logprobs = true;
    collected got;
    generate(&f, &g, &line, 1, 1, &got);
    assert_int_equal(got.text[0].n, new);
    ts_tape *tape = NULL;
    const ts_tape_options to = { 0 };
    double logprobs[ALL];
    float *z = NULL;
    OK(ts_tape_create(f.dev, &to, &tape));
    OK(ts_alloc(&z, (size_t)(ALL * a->vocab), sizeof *z));
    for (int64_t i = 0; i < new; i++) {
        const int64_t n = PROMPT + i;
        bool greedy[ALL];
        ids[n] = got.text[0].ids[i];
        OK(ts_score_logits(f.model.decoder, tape, ids, n, NULL, z));
        const float *last = z + (n - 1) * a->vocab;
        const int32_t best = ts_argmax(last, a->vocab);
        if (ids[n] != best && !(last[best] - last[ids[n]] < 1e-5f * fabsf(last[best])))
            fail_msg("%s: new token %lld is %d, but the arg-max is %d", name, (long long)i,
                     (int)ids[n], (int)best);
        OK(ts_score_ids(f.model.decoder, tape, ids, n + 1, NULL, NULL, logprobs, greedy));
        const double lp = (double)last[ids[n]] - ts_log_sum_exp(last, a->vocab);
        if (!(fabs(got.text[0].logprobs[i] - lp) < 2e-5))
            fail_msg("%s: log-probability %lld is %.8f, scored as %.8f", name, (long long)i,
                     got.text[0].logprobs[i], lp);
    }
    ts_free(&z);
    ts_tape_destroy(&tape);
    discard(&got, 1);
    close_model(&f);
}

static void for_all_families(void (*fn)(const char *name))
{
    char **names = NULL;
    size_t n = 0;
    OK(ts_dir_list(folder, &names, &n));
    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        fn(names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
}

static void test_scoring(void **state)
{
    (void)state;
    for_all_families(check_scoring);
}

/* ---- bits ---- */

enum { LINES = 9 };

static void check_same(const char *what, const collected *a, const collected *b)
{
    for (int i = 0; i < LINES; i++) {
        const ts_gen_text *x = &a->text[i], *y = &b->text[i];
        if (x->n != y->n || memcmp(x->ids, y->ids, x->n * sizeof *x->ids) ||
            memcmp(x->logprobs, y->logprobs, x->n * sizeof *x->logprobs))
            fail_msg("%s: line %d depends on the batch", what, i);
    }
}

/* Lines of these lengths alone on one thread, and among each other: so many of a batch, up to the 0. */
static void check_batches(const char *name, ts_dtype dtype, ts_quant quant, const int64_t *lengths, int64_t new,
                          const int64_t *batch)
{
    const ts_model_use use = { .compute = dtype, .inference = true, .quant = quant };
    ts_gen_line lines[LINES];
    int32_t *ids = NULL;
    collected alone, many;
    fixture f;
    open_as(&f, name, 1, use);
    ts_gen_config g = plain();
    g.logprobs = true;
    g.sampling.do_sample = true;
    g.sampling.temperature = 1.5;
    g.sampling.repetition_penalty = 1.1;
    g.sampling.eos[g.sampling.n_eos++] = 7; /* lines end at different times */
    const ts_rng rng = ts_rng_stream(3, TS_RNG_TEST, 0, 0);
    OK(ts_alloc(&ids, 1000 * LINES, sizeof *ids));
    for (uint32_t i = 0; i < 1000 * LINES; i++) {
        uint32_t u[4];
        ts_rng_block(&rng, i, u);
        ids[i] = (int32_t)(u[0] % (uint32_t)f.model.decoder->arch.vocab);
    }
    for (int i = 0; i < LINES; i++)
        lines[i] = (ts_gen_line){ i, { .ids = ids + 1000 * i, .n = lengths[i] }, new };
    generate(&f, &g, lines, LINES, 1, &alone);
    close_model(&f);
    for (size_t i = 0; batch[i] > 0; i++) {
        open_as(&f, name, 2, use);
        generate(&f, &g, lines, LINES, batch[i], &many);
        check_same(name, &alone, &many);
        discard(&many, LINES);
        close_model(&f);
    }
    discard(&alone, LINES);
    ts_free(&ids);
}

static void check_bits(const char *name, ts_dtype dtype, ts_quant quant, const int64_t *lengths, int64_t new)
{
    static const int64_t batch[] = { 1, 2, 4, LINES, 0 };
    check_batches(name, dtype, quant, lengths, new, batch);
}

/* There are many families. Sanitizers look for other things than bits. */
static void check_short_bits(const char *name)
{
    static const int64_t lengths[LINES] = { 1, 2, 20, 19, 7, 15, 4, 20, 16 };
#if !defined(TESSERA_SANITIZED)
    static const int64_t some[] = { 2, LINES, 0 };
    check_batches(name, TS_DTYPE_F32, TS_QUANT_NONE, lengths, 18, some);
#endif
    static const int64_t four[] = { 4, 0 };
    check_batches(name, TS_DTYPE_BF16, TS_QUANT_NONE, lengths, 18, four);
}

static void test_bits(void **state)
{
    (void)state;
    static const int64_t lengths[LINES] = { 250, 700, 3, 255, 256, 520, 100, 511, 90 };
    for_all_families(check_short_bits);
    check_bits("llama", TS_DTYPE_F32, TS_QUANT_NONE, lengths,
               40); /* caches of several pieces, growth */
    check_bits("gemma2", TS_DTYPE_BF16, TS_QUANT_NONE, lengths, 40);
    check_bits("qwen3", TS_DTYPE_F16, TS_QUANT_NONE, lengths, 40);
}

static void test_quant_bits(void **state)
{
    (void)state;
    static const int64_t lengths[LINES] = { 50, 140, 3, 64, 65, 128, 1, 200, 90 };
    check_bits("llama", TS_DTYPE_F32, TS_QUANT_INT8, lengths, 20);
    check_bits("gemma2", TS_DTYPE_BF16, TS_QUANT_NF4, lengths, 20);
    check_bits("phi3", TS_DTYPE_BF16, TS_QUANT_INT8, lengths, 20);
    check_bits("qwen3", TS_DTYPE_F16, TS_QUANT_NF4, lengths, 20);
}

/* ---- forms of weights ---- */

static void score_as(const char *name, const ts_model_use *use, double *logprobs, int64_t *bytes)
{
    static const int32_t ids[] = { 4, 8, 15, 16, 23, 42, 5, 31, 77, 2, 60, 11 };
    bool greedy[12];
    ts_tape *tape = NULL;
    const ts_tape_options to = { 0 };
    fixture f;
    open_as(&f, name, 1, *use);
    OK(ts_tape_create(f.dev, &to, &tape));
    OK(ts_score_ids(f.model.decoder, tape, ids, 12, NULL, NULL, logprobs, greedy));
    *bytes = f.dev->mem.now[TS_MEM_WEIGHT];
    ts_tape_destroy(&tape);
    close_model(&f);
}

/* Weights held once say the same, to the bit, as rows with forms beside them, and take no more. (In
 * few bits these tiny matrices are mostly padding.) */
static void check_forms(const char *name)
{
#if defined(TESSERA_SANITIZED)
    static const ts_dtype types[] = { TS_DTYPE_BF16 };
#else
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
#endif
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        double a[12], b[12];
        int64_t rows, one, bits8, bits4;
        ts_model_use use = { .compute = types[t] };
        score_as(name, &use, a, &rows);
        use.inference = true;
        score_as(name, &use, b, &one);
        if (memcmp(a, b, sizeof a))
            fail_msg("%s: %s weights in one form say something else", name,
                     ts_dtype_name(types[t]));
        assert_true(one <= rows);
        use.quant = TS_QUANT_INT8;
        score_as(name, &use, b, &bits8);
        use.quant = TS_QUANT_NF4;
        score_as(name, &use, b, &bits4);
        assert_true(bits4 < bits8);
    }
}

static void test_forms(void **state)
{
    (void)state;
    for_all_families(check_forms);
}

/* ---- the engine ---- */

/* Slots in another order are as if their prompts had been there: cycles, copies, one that nobody
 * wants. */
static void test_reorder(void **state)
{
    (void)state;
    enum { N = 6 };
    static const int32_t ids[] = { 4, 8, 15, 16, 23, 42, 5, 31, 77, 2, 60, 11 };
    static const int64_t from[N] = { 1, 2, 0, 5, 5, 3 };
    static const int32_t next[N] = { 9, 8, 7, 6, 5, 4 };
    ts_prompt p[N], q[N];
    ts_engine *e[2];
    ts_logits z[2], y;
    fixture f;
    open_model(&f, "llama", TS_DTYPE_F32, 1);
    for (int i = 0; i < N; i++)
        p[i] = (ts_prompt){ .ids = ids + i, .n = 6 - i % 3 };
    for (int i = 0; i < N; i++)
        q[i] = p[from[i]];
    for (int k = 0; k < 2; k++) {
        OK(ts_engine_create(f.model.decoder, N, &e[k]));
        OK(ts_engine_prefill(e[k], 0, N, k ? q : p, &y));
    }
    OK(ts_engine_reorder(e[0], from, N));
    for (int k = 0; k < 2; k++)
        OK(ts_engine_decode(e[k], N, next, &z[k]));
    for (int i = 0; i < N; i++) {
        assert_int_equal(ts_engine_length(e[0], i), q[i].n + 1);
        assert_memory_equal(z[0].v + i * z[0].ld, z[1].v + i * z[1].ld,
                            (size_t)z[0].ld * sizeof(float));
    }
    for (int k = 0; k < 2; k++)
        ts_engine_destroy(&e[k]);
    close_model(&f);
}

static void test_limit(void **state)
{
    (void)state;
    ts_gen_config c = plain();
    ts_arch a;
    int64_t n;
    ts_arch_init(&a);
    a.position = TS_POSITION_LEARNED;
    a.max_positions = 40;
    c.max_new_tokens = 10;
    OK(ts_gen_limit(&c, &a, 20, &n));
    assert_int_equal(n, 10);
    OK(ts_gen_limit(&c, &a, 36, &n));
    assert_int_equal(n, 5); /* the last one is not read again */
    REFUSED(ts_gen_limit(&c, &a, 41, &n), TS_ERR_USER, "40 positions");
    REFUSED(ts_gen_limit(&c, &a, 0, &n), TS_ERR_USER, "no tokens");
    c.max_new_tokens = 0;
    c.max_length = 30;
    OK(ts_gen_limit(&c, &a, 20, &n));
    assert_int_equal(n, 10);
    REFUSED(ts_gen_limit(&c, &a, 30, &n), TS_ERR_USER, "--max-new-tokens");
    ts_arch_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transformers), cmocka_unit_test(test_scoring),
        cmocka_unit_test(test_bits),         cmocka_unit_test(test_reorder),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_quant_bits),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests_name("infer generate", tests, NULL, NULL);
}
