/* Scoring and generation through the public interface, beside the program. */
#include "api.h"

#include <math.h>

static const char llama[] = "tests/golden/families/llama"; /* without a tokenizer */
static const char one_thread[] = "--threads=1";
static const char *const few[] = { one_thread };

/* A model with a tokenizer, made once. */
static struct made {
    place p;
    char model[128];
} made;

static int make_model(void **state)
{
    char tokenizer[128], data[128], prefix[128];
    ts_training *t;
    (void)state;
    ts_log_to(TS_LOG_ERROR, NULL, NULL);
    place_make(&made.p);
    snprintf(tokenizer, sizeof tokenizer, "%s/tok", made.p.dir);
    snprintf(prefix, sizeof prefix, "%s/d", made.p.dir);
    snprintf(data, sizeof data, "%s/d_text_document", made.p.dir);
    snprintf(made.model, sizeof made.model, "%s/model", made.p.dir);
    spill(at(&made.p, "in.txt"), "One line of text.\nAnd another line of text, which is longer.\n");
    const char *learn[] = { "--input", made.p.text, "--vocab-size 280", "--output", tokenizer };
    const char *convert[] = { "--input",     made.p.text,       "--tokenizer-name-or-path",
                              tokenizer,     "--output-prefix", prefix,
                              "--append-eod" };
    const char *train[] = { "--num-layers 2",
                            "--hidden-size 32",
                            "--num-attention-heads 4",
                            "--swiglu",
                            "--ffn-hidden-size 64",
                            "--normalization RMSNorm",
                            "--position-embedding-type rope",
                            "--disable-bias-linear",
                            "--max-position-embeddings 64",
                            "--tokenizer-name-or-path",
                            tokenizer,
                            "--seq-length 16",
                            "--lr 1e-2",
                            "--micro-batch-size 4",
                            "--train-iters 3",
                            "--split 100,0,0",
                            "--data-path",
                            data,
                            "--eval-iters 0",
                            "--init-method-std 0.3",
                            "--make-vocab-size-divisible-by 1",
                            one_thread };
    OK(ts_tokenizer_train(learn, N(learn)));
    OK(ts_data_preprocess(convert, N(convert), NULL));
    OK(ts_training_open(train, N(train), &t));
    OK(ts_training_run(t, NULL, NULL));
    OK(ts_training_save_hf(t, made.model, NULL));
    ts_training_close(&t);
    return 0;
}

static int drop_model(void **state)
{
    (void)state;
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    place_remove(&made.p);
    return 0;
}

/* ---- other forms ---- */

static void test_convert(void **state)
{
    char to[160], save[200];
    const char *options[] = { save, "--params-dtype bf16", "--check" };
    const char *twice[] = { save, "--load-dir x" };
    ts_convert_result r = { 0 };
    (void)state;
    snprintf(to, sizeof to, "%s/bf16", made.p.dir);
    snprintf(save, sizeof save, "--save-dir %s", to);
    OK(ts_convert(made.model, options, N(options), &r));
    assert_string_equal(r.architecture, "LlamaForCausalLM");
    assert_string_equal(r.from, "hf");
    assert_true(r.iteration == -1 && r.tensors == 20 && r.checked);
    assert_true(r.difference > 0 && r.difference < 0.1 * r.largest_logit);
    REFUSED(ts_convert(NULL, options, N(options), NULL), "folder must");
    REFUSED(ts_convert(made.model, twice, N(twice), NULL), "give one");
    REFUSED(ts_convert(made.model, NULL, 0, NULL), "--save-dir is missing");
}

/* ---- scores ---- */

static void test_score(void **state)
{
    const int32_t ids[] = { 3, 17, 4, 78, 9, 4 };
    double logprobs[N(ids)], alone[N(ids)];
    bool greedy[N(ids)];
    char line[1024] = "\"logprobs\": [null";
    float *z;
    ts_lm *lm = NULL;
    (void)state;
    OK(ts_lm_open(llama, few, 1, &lm));
    assert_int_equal(ts_lm_vocab_size(lm), 79);
    assert_string_equal(ts_lm_family(lm), "llama");
    assert_false(ts_lm_has_tokenizer(lm));
    assert_true(ts_lm_parameters(lm) > 1000);
    OK(ts_lm_score(lm, ids, N(ids), logprobs, greedy));
    OK(ts_lm_score(lm, ids, N(ids), alone, NULL));
    assert_memory_equal(logprobs, alone, sizeof alone);
    assert_true(logprobs[0] == 0);
    for (size_t i = 1; i < N(ids); i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), ", %.9g", logprobs[i]);
    strcat(line, "], \"sum\"");
    spill(at(&made.p, "ids.jsonl"), "{\"ids\": [3, 17, 4, 78, 9, 4]}\n");
    char *said = program("score --load %s --input %s --threads 1", llama, made.p.text);
    if (!strstr(said, line))
        fail_msg("no %s in %s", line, said);
    free(said);
    z = calloc(N(ids) * 79, sizeof *z);
    OK(ts_lm_logits(lm, ids, N(ids), z));
    for (size_t i = 1; i < N(ids); i++) {
        const float *row = z + (i - 1) * 79;
        double sum = 0;
        for (int v = 0; v < 79; v++)
            sum += exp((double)row[v]);
        assert_true(fabs((double)row[ids[i]] - log(sum) - logprobs[i]) < 1e-5);
        for (int v = 0; v < 79; v++)
            assert_true(!greedy[i] || row[v] <= row[ids[i]]);
    }
    free(z);
    ts_lm_close(&lm);
    assert_null(lm);
}

/* ---- generation ---- */

typedef struct heard {
    char text[4096];     /* pieces in a row */
    char lines[4][4096]; /* as the program writes an answer */
    size_t pieces, n_ids, last, answers;
    size_t stop_after, end_with; /* ids; ts_status of done, negated */
    bool is_stopped;
} heard;

static int on_piece(void *ctx, const ts_lm_piece *p)
{
    heard *h = ctx;
    h->pieces++;
    h->last += p->is_last;
    assert_true(p->n_ids >= h->n_ids);
    h->n_ids = p->is_last ? 0 : p->n_ids;
    if (p->text)
        strncat(h->text, p->text, p->n_text);
    return h->stop_after && p->n_ids >= h->stop_after;
}

static int on_done(void *ctx, const ts_lm_answer *a)
{
    heard *h = ctx;
    char *line = h->lines[a->prompt];
    h->answers++;
    h->is_stopped = a->is_stopped;
    strcpy(line, "{\"ids\": [");
    for (size_t i = 0; i < a->n_ids; i++)
        sprintf(line + strlen(line), "%s%d", i ? ", " : "", (int)a->ids[i]);
    strcat(line, "]");
    if (a->text && h->pieces)
        assert_string_equal(a->text, h->text);
    sprintf(line + strlen(line), ", \"finish_reason\": \"%s\"", a->is_stopped ? "stop" : "length");
    for (size_t i = 0; a->logprobs && i < a->n_ids; i++)
        sprintf(line + strlen(line), "%s%.9g", i ? ", " : ", \"logprobs\": [", a->logprobs[i]);
    strcat(line, a->logprobs ? "]}" : "}");
    return -(int)h->end_with;
}

static void test_generate_like_program(void **state)
{
    static const char *const ways[][4] = {
        { "--max-new-tokens=9", "--greedy", "--logprobs" },
        { "--max-new-tokens=9", "--do-sample", "--seed=4", "--top-k=20" },
        { "--max-new-tokens=6", "--num-beams=3" },
    };
    const int32_t a[] = { 3, 17, 4 }, b[] = { 7 }, c[] = { 50, 51, 52, 53, 54, 55 };
    const ts_lm_prompt prompts[] = { { .ids = a, .n_ids = 3 },
                                     { .ids = b, .n_ids = 1 },
                                     { .ids = c, .n_ids = 6 } };
    ts_lm *lm;
    char line[512];
    (void)state;
    spill(at(&made.p, "p.jsonl"),
          "{\"ids\": [3, 17, 4]}\n{\"ids\": [7]}\n{\"ids\": [50, 51, 52, 53, 54, 55]}\n");
    OK(ts_lm_open(llama, few, 1, &lm));
    for (size_t i = 0; i < N(ways); i++) {
        static heard h;
        const ts_lm_hooks hooks = { .size = sizeof hooks, .ctx = &h, .done = on_done };
        size_t n = 0;
        h = (heard){ 0 };
        while (n < 4 && ways[i][n])
            n++;
        OK(ts_lm_generate(lm, prompts, 3, ways[i], n, &hooks));
        assert_int_equal(h.answers, 3);
        char *said = program("infer --load %s --input %s --output - --threads 1 %s", llama,
                             made.p.text, words(ways[i], n, line, sizeof line));
        char *at_line = said;
        for (int k = 0; k < 3; k++) {
            char *end = strchr(at_line, '\n');
            assert_non_null(end);
            *end = 0;
            assert_string_equal(at_line, h.lines[k]);
            at_line = end + 1;
        }
        free(said);
    }
    ts_lm_close(&lm);
}

static void test_text(void **state)
{
    static const char text[] = "One line";
    static heard h;
    const ts_lm_hooks hooks = { sizeof hooks, &h, on_piece, on_done, NULL };
    const ts_lm_prompt prompt = { .text = text, .n_text = sizeof text - 1 };
    const char *options[] = { "--max-new-tokens 12", "--greedy", "--ignore-eos" };
    int32_t *ids;
    char *back;
    size_t n;
    ts_lm *lm;
    (void)state;
    h = (heard){ 0 };
    OK(ts_lm_open(made.model, few, 1, &lm));
    assert_true(ts_lm_has_tokenizer(lm));
    OK(ts_lm_encode(lm, text, sizeof text - 1, &ids, &n));
    OK(ts_lm_decode(lm, ids, n, &back, NULL));
    assert_string_equal(back, text);
    ts_memory_free(ids);
    ts_memory_free(back);
    OK(ts_lm_generate(lm, &prompt, 1, options, 3, &hooks));
    assert_int_equal(h.pieces, 13); /* and one for what was held back */
    assert_int_equal(h.last, 1);
    assert_false(h.is_stopped);
    char *said = program("infer --load %s --prompt 'One line' --threads 1 --max-new-tokens 12 "
                         "--greedy --ignore-eos",
                         made.model);
    said[strlen(said) - 1] = 0; /* its line feed */
    assert_string_equal(said, h.text);
    free(said);
    h = (heard){ .stop_after = 4 };
    OK(ts_lm_generate(lm, &prompt, 1, options, 3, &hooks));
    assert_true(h.is_stopped);
    assert_int_equal(h.pieces, 5);
    h = (heard){ .end_with = 5 };
    assert_int_equal(ts_lm_generate(lm, &prompt, 1, options, 3, &hooks), TS_ERR_INTERRUPTED);
    const ts_lm_hooks none = { .size = sizeof none };
    OK(ts_lm_generate(lm, &prompt, 1, options, 3, &none));
    OK(ts_lm_generate(lm, NULL, 0, options, 3, &none));
    ts_lm_close(&lm);
}

/* ---- wrong use ---- */

static void test_open_refusals(void **state)
{
    ts_lm *lm = NULL;
    (void)state;
    REFUSED(ts_lm_open(NULL, NULL, 0, &lm), "folder");
    REFUSED(ts_lm_open(llama, NULL, 0, NULL), "out");
    REFUSED(ts_lm_open("/no/such", NULL, 0, &lm), "/no/such");
    REFUSED(ts_lm_open(made.p.dir, NULL, 0, &lm), made.p.dir);
    REFUSED(ts_lm_open(llama, (const char *[]){ "--therads=1" }, 1, &lm), "--threads");
    REFUSED(ts_lm_open(llama, (const char *[]){ "--threads=0" }, 1, &lm), "threads");
    REFUSED(ts_lm_open(llama, (const char *[]){ "--load=x" }, 1, &lm), "give one");
    REFUSED(ts_lm_open(llama, (const char *[]){ "--bf16", "--fp16" }, 2, &lm), "--fp16");
    REFUSED(ts_lm_open(llama, (const char *[]){ "--device=sim" }, 1, &lm), "sim");
    REFUSED(ts_lm_open(llama, (const char *[]){ "--tokenizer-name-or-path=/none" }, 1, &lm),
            "/none");
    assert_null(lm);
    ts_lm_close(&lm);
    ts_lm_close(NULL);
    assert_int_equal(ts_lm_vocab_size(NULL) + ts_lm_parameters(NULL), 0);
    assert_null(ts_lm_family(NULL));
    assert_false(ts_lm_has_tokenizer(NULL));
}

static void test_use_refusals(void **state)
{
    const int32_t good[] = { 1, 2 }, bad[] = { 1, 79 };
    double l[2];
    float *z = calloc(2 * 79, sizeof *z);
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n;
    ts_lm *lm;
    (void)state;
    OK(ts_lm_open(llama, few, 1, &lm));
    REFUSED(ts_lm_score(NULL, good, 2, l, NULL), "lm");
    REFUSED(ts_lm_score(lm, NULL, 2, l, NULL), "ids");
    REFUSED(ts_lm_score(lm, good, 2, NULL, NULL), "logprobs");
    REFUSED(ts_lm_score(lm, good, 0, l, NULL), "no tokens");
    REFUSED(ts_lm_score(lm, bad, 2, l, NULL), "id 79");
    REFUSED(ts_lm_routing(NULL, NULL, NULL), "lm");
    REFUSED(ts_lm_routing(lm, "a", "b"), "record a or replay b");
    REFUSED(ts_lm_routing(lm, "a", NULL), "no experts");
    OK(ts_lm_routing(lm, NULL, NULL));
    REFUSED(ts_lm_logits(NULL, good, 2, z), "lm");
    REFUSED(ts_lm_logits(lm, bad, 2, z), "id 79");
    REFUSED(ts_lm_logits(lm, good, 2, NULL), "logits");
    REFUSED(ts_lm_encode(lm, "a", 1, &ids, &n), "no tokenizer");
    REFUSED(ts_lm_encode(NULL, "a", 1, &ids, &n), "lm");
    REFUSED(ts_lm_encode(lm, NULL, 1, &ids, &n), "text");
    REFUSED(ts_lm_decode(lm, good, 2, &text, &n), "no tokenizer");
    REFUSED(ts_lm_decode(NULL, good, 2, &text, &n), "lm");
    assert_null(ids);
    assert_null(text);
    OK(ts_lm_score(lm, good, 2, l, NULL)); /* none of these did harm */
    ts_lm_close(&lm);
    free(z);
}

static void test_generate_refusals(void **state)
{
    const int32_t bad[] = { 1, 79 }, good[] = { 1 };
    const ts_lm_prompt fine = { .ids = good, .n_ids = 1 }, far = { .ids = bad, .n_ids = 2 },
                       none = { 0 }, empty = { .ids = good, .n_ids = 0 },
                       text = { "a", 1, NULL, 0 };
    static heard h;
    const ts_lm_hooks hooks = { sizeof hooks, &h, on_piece, on_done, NULL }, old = { 0 };
    ts_lm *lm;
    (void)state;
    h = (heard){ 0 };
    OK(ts_lm_open(llama, few, 1, &lm));
    REFUSED(ts_lm_generate(NULL, &fine, 1, NULL, 0, &hooks), "lm");
    REFUSED(ts_lm_generate(lm, NULL, 1, NULL, 0, &hooks), "prompts");
    REFUSED(ts_lm_generate(lm, &fine, 1, NULL, 0, NULL), "hooks");
    REFUSED(ts_lm_generate(lm, &fine, 1, NULL, 0, &old), "size");
    REFUSED(ts_lm_generate(lm, &far, 1, NULL, 0, &hooks), "id 79");
    REFUSED(ts_lm_generate(lm, &none, 1, NULL, 0, &hooks), "neither ids nor text");
    REFUSED(ts_lm_generate(lm, &empty, 1, NULL, 0, &hooks), "no tokens");
    REFUSED(ts_lm_generate(lm, &text, 1, NULL, 0, &hooks), "no tokenizer");
    REFUSED(ts_lm_generate(lm, &fine, 1, (const char *[]){ "--top-p=3" }, 1, &hooks), "top-p");
    REFUSED(ts_lm_generate(lm, &fine, 1, (const char *[]){ "--stop=x" }, 1, &hooks), "--stop");
    REFUSED(ts_lm_generate(lm, &fine, 1, (const char *[]){ "--lr=1" }, 1, &hooks), "--lr");
    assert_int_equal(h.answers, 0);
    ts_lm_close(&lm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_score),        cmocka_unit_test(test_generate_like_program),
        cmocka_unit_test(test_text),         cmocka_unit_test(test_open_refusals),
        cmocka_unit_test(test_use_refusals), cmocka_unit_test(test_generate_refusals),
    };
    return cmocka_run_group_tests(tests, make_model, drop_model);
}
