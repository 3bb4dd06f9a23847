/* Texts beside each other in a batch are what they are alone, to the bit: with prompts in pieces and shared beginnings,
 * when pages run out, in families of every kind of cache. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "device/isa.h"
#include "infer/generate.h"
#include "infer/kv_codes.h"
#include "infer/lookup.h"
#include "infer/scheduler.h"
#include "model/open.h"

#include <string.h>

enum { TEXTS = 9, MOST = 180 };

typedef struct fixture {
    ts_device *dev;
    ts_model model;
} fixture;

static void open_model(fixture *f, const char *name, ts_dtype compute, int threads)
{
    char path[256];
    const ts_device_options o = { .threads = threads, .isa = TS_ISA_ALL };
    *f = (fixture){ 0 };
    OK(ts_device_open("cpu", &o, &f->dev));
    snprintf(path, sizeof path, "tests/golden/families/%s", name);
    OK(ts_model_load(path, &(ts_model_use){ .dev = f->dev, .compute = compute, .inference = true },
                     &f->model));
}

static void close_model(fixture *f)
{
    ts_model_deinit(&f->model);
    assert_int_equal(f->dev->mem.now[TS_MEM_ACT], 0);
    ts_device_close(&f->dev);
}

/* What became of a text. */
typedef struct result {
    int32_t ids[MOST];
    double logprobs[MOST];
    int64_t n;
    bool is_stopped, is_done;
    ts_status st;
} result;

static ts_sampling settings(void)
{
    return (ts_sampling){ .do_sample = true,
                          .temperature = 1.5,
                          .top_p = 1,
                          .repetition_penalty = 1.1,
                          .keep = 1,
                          .seed = 11,
                          .eos = { 7 },
                          .n_eos = 1 };
}

/* ---- alone ---- */

static ts_status on_done(void *ctx, const ts_gen_line *line, const ts_gen_text *t)
{
    result *r = (result *)ctx + line->number;
    memcpy(r->ids, t->ids, t->n * sizeof *t->ids);
    memcpy(r->logprobs, t->logprobs, t->n * sizeof *t->logprobs);
    r->n = (int64_t)t->n;
    r->is_stopped = t->is_stopped;
    return TS_OK;
}

static void run_alone(fixture *f, const ts_gen_line *lines, int64_t n, result *out)
{
    ts_engine *e;
    const ts_gen_config c = { .num_beams = 1, .length_penalty = 1, .logprobs = true, .sampling = settings() };
    const ts_gen_hooks hooks = { .ctx = out, .done = on_done };
    OK(ts_engine_create(f->model.decoder, 1, &e));
    OK(ts_generate(e, &f->model.decoder->arch, &c, lines, n, &hooks));
    ts_engine_destroy(&e);
}

/* ---- in a batch ---- */

static ts_status take(void *ctx, const ts_choice *c, bool *stop)
{
    result *r = ctx;
    (void)stop;
    r->ids[r->n] = c->id;
    r->logprobs[r->n++] = c->logprob;
    return TS_OK;
}

static void end(void *ctx, ts_status st, bool is_stopped)
{
    result *r = ctx;
    assert_false(r->is_done);
    r->is_done = true;
    r->is_stopped = is_stopped;
    r->st = st;
}

static ts_scheduler_request request_of(const ts_gen_line *l, result *r)
{
    return (
        ts_scheduler_request){ .prompt = l->prompt.ids,
                               .n_prompt = l->prompt.n,
                               .max_new = l->max_new,
                               .ctx = r,
                               .token = take,
                               .done = end,
                               .choice = { .sampling = settings(), .line = l->number, .logprobs = true } };
}

/* Two join at the beginning and one more every other step; text `gone` is taken out on the way. */
static ts_scheduler_figures run_batch(fixture *f, const ts_scheduler_options *o, const ts_gen_line *lines,
                                      int64_t n, int64_t gone, result *out)
{
    ts_scheduler *b;
    ts_scheduled *t[TEXTS] = { NULL };
    int64_t joined = 0;
    OK(ts_scheduler_create(f->model.decoder, o, &b));
    for (int64_t step = 0; joined < n || !ts_scheduler_is_idle(b); step++) {
        for (; joined < n && (joined < 2 || step >= 2 * joined); joined++) {
            const ts_scheduler_request r = request_of(&lines[joined], &out[joined]);
            OK(ts_scheduler_add(b, &r, &t[joined]));
        }
        OK(ts_scheduler_step(b));
        if (gone >= 0 && t[gone] && (out[gone].n == 2 || out[gone].is_done)) {
            if (!out[gone].is_done)
                ts_scheduler_cancel(b, t[gone]);
            t[gone] = NULL, gone = -1;
        }
    }
    const ts_scheduler_figures figures = ts_scheduler_look(b);
    assert_int_equal(figures.tokens_held, 0);
    ts_scheduler_destroy(&b);
    return figures;
}

static void compare(const char *what, const result *want, const result *got, int64_t n, int64_t gone)
{
    for (int64_t i = 0; i < n; i++) {
        if (i == gone)
            continue;
        if (!got[i].is_done || got[i].st != TS_OK)
            fail_msg("%s: text %lld: %s", what, (long long)i,
                     got[i].is_done ? ts_error_message() : "never ends");
        if (got[i].n != want[i].n || got[i].is_stopped != want[i].is_stopped ||
            memcmp(got[i].ids, want[i].ids, (size_t)want[i].n * sizeof *want[i].ids) ||
            memcmp(got[i].logprobs, want[i].logprobs, (size_t)want[i].n * sizeof *want[i].logprobs))
            fail_msg("%s: text %lld is another one than alone", what, (long long)i);
    }
}

/* Prompts of which every other one begins like the first. */
static void make_lines(const fixture *f, const int64_t *lengths, int64_t new, int32_t *ids,
                       ts_gen_line *lines)
{
    const ts_rng rng = ts_rng_stream(3, TS_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < TEXTS; i++)
        for (int64_t k = 0; k < MOST; k++) {
            uint32_t u[4];
            ts_rng_block(&rng, (uint64_t)(i % 2 == 0 && k < 40 ? k : i * MOST + k), u);
            ids[i * MOST + k] = (int32_t)(u[0] % (uint32_t)f->model.decoder->arch.vocab);
        }
    for (int64_t i = 0; i < TEXTS; i++)
        lines[i] = (ts_gen_line){ i, { .ids = ids + i * MOST, .n = lengths[i] }, new };
}

typedef struct batch_case {
    const char *name;
    ts_dtype dtype;
    bool has_pages;
    ts_kv_code code; /* of keys and values, in slots and in pages */
} batch_case;

/* Guesses that are seldom right. */
static int64_t guess_badly(void *ctx, const int32_t *ids, int64_t n, int64_t most, int32_t *out)
{
    (void)ctx;
    for (int64_t i = 0; i < most; i++)
        out[i] = ids[(n * 7 + i) % n];
    return most - (n & 1);
}

static void check_case(const batch_case *c, const int64_t *lengths, int64_t new)
{
    static int32_t ids[TEXTS * MOST];
    static result want[TEXTS], got[TEXTS];
    static int64_t ngram = 2;
    const ts_scheduler_options ways[] = {
        { .texts = 4, .step_tokens = 7, .tokens = 100000, .reuse = true },
        { .texts = 3, .step_tokens = 64, .reuse = true, .remembers = true, .drafts = 2, .drafter = guess_badly },
        { .texts = 6, .step_tokens = 33, .tokens = 100000 },
        { .texts = 4, .step_tokens = 64, .tokens = 100000, .reuse = true, .drafts = 5, .drafter = ts_lookup_guess, .drafter_ctx = &ngram },
    };
    ts_gen_line lines[TEXTS];
    fixture f;
    open_model(&f, c->name, c->dtype, 1);
    OK(ts_engine_use_codes(f.model.decoder, c->code));
    make_lines(&f, lengths, new, ids, lines);
    run_alone(&f, lines, TEXTS, want);
    close_model(&f);
    open_model(&f, c->name, c->dtype, 2);
    OK(ts_engine_use_codes(f.model.decoder, c->code));
    assert_int_equal(ts_engine_has_pages(f.model.decoder), c->has_pages);
    for (int w = 0; w < 4; w++) {
        ts_scheduler_options o = ways[w];
        memset(got, 0, sizeof got);
        if (!o.tokens) /* as few as the longest text alone needs */
            for (int64_t i = 0; i < TEXTS; i++)
                o.tokens = lengths[i] + new > o.tokens ? lengths[i] + new : o.tokens;
        const ts_scheduler_figures n = run_batch(&f, &o, lines, TEXTS, w == 1 ? 4 : -1, got);
        compare(c->name, want, got, TEXTS, w == 1 ? 4 : -1);
        if (lengths[0] > 2 * TS_ENGINE_PAGE) {
            assert_true(w != 1 || n.preempted > 0);
            assert_true(w != 0 || n.reused_tokens > 0);
        }
        assert_true(w != 2 || n.reused_tokens == 0);
        assert_true(w == 0 || w == 2 || !c->has_pages ? !n.drafted : n.drafted >= n.accepted);
    }
    close_model(&f);
}

static void test_pages(void **state)
{
    (void)state;
    static const int64_t lengths[TEXTS] = { 45, 1, 50, 100, 41, 17, 130, 16, 48 };
    static const batch_case cases[] = {
        { "llama", TS_DTYPE_F32, true, TS_KV_PLAIN },  { "gemma2", TS_DTYPE_BF16, true, TS_KV_PLAIN },
        { "qwen3", TS_DTYPE_F16, true, TS_KV_PLAIN },  { "gpt_oss", TS_DTYPE_F32, true, TS_KV_PLAIN },
        { "bloom", TS_DTYPE_F32, true, TS_KV_PLAIN },  { "ministral3-window", TS_DTYPE_BF16, true, TS_KV_PLAIN },
        { "llama4", TS_DTYPE_F32, true, TS_KV_PLAIN }, { "llama", TS_DTYPE_F32, true, TS_KV_INT8 },
        { "gemma2", TS_DTYPE_BF16, true, TS_KV_FP8 }, { "gemma3n", TS_DTYPE_F32, true, TS_KV_INT8 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], lengths, 40);
}

/* Angles that depend on the length, and what is kept in slots. */
static void test_others(void **state)
{
    (void)state;
    static const int64_t lengths[TEXTS] = { 20, 3, 18, 9, 24, 1, 12, 30, 17 };
    static const batch_case cases[] = {
        { "llama-dynamic", TS_DTYPE_F32, true, TS_KV_PLAIN }, { "phi3-longrope", TS_DTYPE_F32, true, TS_KV_PLAIN },
        { "mamba2", TS_DTYPE_F32, false, TS_KV_PLAIN },       { "deepseek_v2", TS_DTYPE_BF16, false, TS_KV_PLAIN },
        { "jamba", TS_DTYPE_F32, false, TS_KV_PLAIN },        { "minicpm3", TS_DTYPE_F32, false, TS_KV_PLAIN },
        { "deepseek_v2", TS_DTYPE_BF16, false, TS_KV_INT8 }, { "jamba", TS_DTYPE_F32, false, TS_KV_FP8 },
        { "falcon_h1", TS_DTYPE_F32, false, TS_KV_INT8 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], lengths, 20);
}

/* The same prompt three times, at once: two of them compute what is behind its whole pages alone. Then a talk goes on
 * with an answer in it: what was remembered in between is found, and changes nothing. */
static void test_beginnings(void **state)
{
    (void)state;
    enum { PROMPT = 70, NEW = 40, WHOLE = PROMPT / TS_ENGINE_PAGE * TS_ENGINE_PAGE,
           TALK = (PROMPT + NEW) / TS_ENGINE_PAGE * TS_ENGINE_PAGE };
    static int32_t ids[TEXTS * MOST];
    static result got[TEXTS], cold;
    static const int64_t lengths[TEXTS] = { PROMPT, PROMPT, PROMPT };
    const ts_scheduler_options o = { .texts = 3, .step_tokens = 200, .tokens = 10000, .reuse = true, .remembers = true };
    ts_gen_line lines[TEXTS];
    ts_scheduled *t;
    ts_scheduler *b;
    fixture f;
    open_model(&f, "llama", TS_DTYPE_F32, 2);
    make_lines(&f, lengths, NEW, ids, lines);
    memset(got, 0, sizeof got);
    OK(ts_scheduler_create(f.model.decoder, &o, &b));
    ts_scheduler_request r = { 0 };
    for (int i = 0; i < 3; i++) {
        r = request_of(&lines[0], &got[i]);
        r.choice.sampling.n_eos = 0;
        r.choice.line = i;
        OK(ts_scheduler_add(b, &r, &t));
    }
    while (!got[0].is_done || !got[1].is_done || !got[2].is_done)
        OK(ts_scheduler_step(b));
    assert_int_equal(ts_scheduler_look(b).prompt_tokens, PROMPT + 2 * (PROMPT - WHOLE));
    assert_int_equal(ts_scheduler_look(b).reused_tokens, 2 * WHOLE);
    assert_false(ts_scheduler_is_idle(b));
    while (!ts_scheduler_is_idle(b))
        OK(ts_scheduler_step(b));
    assert_int_equal(ts_scheduler_look(b).remembered_tokens, 3 * (TALK - WHOLE));

    memcpy(ids + PROMPT, got[1].ids, NEW * sizeof *ids); /* the answer, and a question */
    ids[PROMPT + NEW] = 3;
    r = request_of(&(ts_gen_line){ 0, { .ids = ids, .n = PROMPT + NEW + 1 }, NEW }, &got[3]);
    OK(ts_scheduler_add(b, &r, &t));
    while (!got[3].is_done)
        OK(ts_scheduler_step(b));
    assert_int_equal(ts_scheduler_look(b).reused_tokens, 2 * WHOLE + TALK);
    ts_scheduler_destroy(&b);
    OK(ts_scheduler_create(f.model.decoder, &(ts_scheduler_options){ .texts = 1, .step_tokens = 512, .tokens = 10000 }, &b));
    r.ctx = &cold;
    OK(ts_scheduler_add(b, &r, &t));
    while (!ts_scheduler_is_idle(b))
        OK(ts_scheduler_step(b));
    ts_scheduler_destroy(&b);
    compare("a talk", &cold, &got[3], 1, -1);
    close_model(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
