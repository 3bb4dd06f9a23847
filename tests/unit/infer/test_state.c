/* Generation with a layer that keeps something else than keys and values: a running sum of what it has
 * read, one row a sequence. The engine knows nothing of it, and what it gives is what the whole sequence
 * gives at once. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "infer/engine.h"
#include "infer/score.h"
#include "model/open.h"

#include <math.h>
#include <string.h>

enum { N = 5, LONGEST = 9, MORE = 4 };

/* ---- the layer ---- */

typedef struct sum_state {
    ts_layer_state base;
    int64_t width;
    float *sum; /* [slots, width] */
} sum_state;

static sum_state *of(ts_layer_state *s) { return (sum_state *)(void *)s; }
static int reserved;

static ts_status reserve(ts_layer_state *s, int64_t tokens, const int32_t *length)
{
    (void)s, (void)tokens, (void)length;
    reserved++;
    return TS_OK;
}

static void copy(ts_layer_state *s, int64_t to, int64_t from, int64_t length)
{
    (void)length;
    memcpy(of(s)->sum + to * of(s)->width, of(s)->sum + from * of(s)->width,
           (size_t)of(s)->width * sizeof(float));
}

static size_t slot_bytes(const ts_layer_state *s)
{
    return (size_t)((const sum_state *)(const void *)s)->width * sizeof(float);
}

static void put_aside(ts_layer_state *s, int64_t slot, int64_t length, void *to)
{
    (void)length;
    memcpy(to, of(s)->sum + slot * of(s)->width, slot_bytes(s));
}

static void put_back(ts_layer_state *s, int64_t slot, int64_t length, const void *from)
{
    (void)length;
    memcpy(of(s)->sum + slot * of(s)->width, from, slot_bytes(s));
}

static void destroy(ts_layer_state *s)
{
    ts_free(&of(s)->sum);
    ts_free(&s);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots,
                            ts_layer_state **out)
{
    static const ts_layer_state_kind kind = { reserve,   copy,     slot_bytes,
                                              put_aside, put_back, destroy };
    sum_state *s;
    (void)dtype;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->base = (ts_layer_state){ .kind = &kind, .dev = dev, .slots = slots };
    s->width = *(const int64_t *)module;
    *out = &s->base;
    return ts_alloc(&s->sum, (size_t)(slots * s->width), sizeof *s->sum);
}

/* y[t] = the mean of x[0..t] of the sequence, kept as a sum. */
static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y)
{
    const int64_t width = *(const int64_t *)module;
    ts_layer_state *s = run->state ? run->state[layer] : NULL;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], width, y));
    for (int64_t b = 0; b < run->B; b++) {
        const int64_t before = s ? run->q_start[b] : 0, n = s ? run->q_len[b] : run->S;
        float *sum = s ? of(s)->sum + (run->slot0 + b) * width : NULL, own[256] = { 0 };
        assert_true(width <= 256);
        sum = sum ? sum : own;
        for (int64_t k = 0; before == 0 && k < width; k++)
            sum[k] = 0;
        for (int64_t t = 0; t < run->S; t++)
            for (int64_t k = 0; k < width; k++) {
                const int64_t at = (b * run->S + t) * width + k;
                sum[k] += t < n ? ((float *)ts_tensor_data(x))[at] : 0;
                ((float *)ts_tensor_data(*y))[at] =
                    t < n ? sum[k] / (float)(before + t + 1) : 0;
            }
    }
    return TS_OK;
}

/* ---- the tests ---- */

static int32_t token(int64_t line, int64_t i) { return (int32_t)((line * 17 + i * 13 + line * i) % 60); }

/* The logits behind the first n tokens of a line, from all of them at once. */
static void at_once(ts_decoder *d, int64_t line, int64_t n, float *out)
{
    int32_t ids[LONGEST + MORE];
    ts_tape *tape;
    float *all;
    const int64_t vocab = d->arch.vocab;
    for (int64_t i = 0; i < n; i++)
        ids[i] = token(line, i);
    OK(ts_tape_create(d->dev, &(ts_tape_options){ 0 }, &tape));
    OK(ts_alloc(&all, (size_t)(n * vocab), sizeof *all));
    OK(ts_score_logits(d, tape, ids, n, NULL, all));
    memcpy(out, all + (n - 1) * vocab, (size_t)vocab * sizeof *out);
    ts_free(&all);
    ts_tape_destroy(&tape);
}

static void expect(ts_decoder *d, const ts_logits *z, const int64_t *line, const int64_t *n)
{
    float want[512];
    assert_true(d->arch.vocab <= 512);
    for (int64_t i = 0; i < N; i++) {
        at_once(d, line[i], n[i], want);
        for (int64_t k = 0; k < d->arch.vocab; k++)
            assert_true(fabsf(z->v[i * z->ld + k] - want[k]) < 1e-4f * (1 + fabsf(want[k])));
    }
}

/* Prompts of several lengths, tokens one by one, slots in another order in between. */
static void continues(ts_decoder *d)
{
    static const int64_t from[N] = { 2, 0, 1, 4, 4 }; /* a cycle, a copy, one that nobody wants */
    int32_t ids[N][LONGEST], next[N];
    int64_t line[N], n[N], old_line[N], old_n[N];
    ts_prompt p[N];
    ts_engine *e;
    ts_logits z;
    for (int64_t i = 0; i < N; i++) {
        line[i] = i, n[i] = LONGEST - i;
        for (int64_t k = 0; k < n[i]; k++)
            ids[i][k] = token(i, k);
        p[i] = (ts_prompt){ .ids = ids[i], .n = n[i] };
    }
    OK(ts_engine_create(d, N, &e));
    OK(ts_engine_prefill(e, 0, 2, p, &z));
    OK(ts_engine_prefill(e, 2, N - 2, p + 2, &z));
    for (int step = 0; step < MORE; step++) {
        if (step == 1) {
            memcpy(old_line, line, sizeof line), memcpy(old_n, n, sizeof n);
            OK(ts_engine_reorder(e, from, N));
            for (int64_t i = 0; i < N; i++)
                line[i] = old_line[from[i]], n[i] = old_n[from[i]];
        }
        for (int64_t i = 0; i < N; i++)
            next[i] = token(line[i], n[i]), n[i]++;
        OK(ts_engine_decode(e, N, next, &z));
        expect(d, &z, line, n);
    }
    ts_engine_destroy(&e);
}

static void with_a_running_sum(bool everywhere)
{
    ts_device *dev;
    ts_model m;
    int64_t width;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32, .inference = true };
    OK(ts_model_load("tests/golden/families/llama", &use, &m));
    ts_decoder *d = m.decoder;
    width = d->arch.hidden;
    for (int64_t l = 0; l < d->arch.n_layers; l++)
        if (everywhere || l % 2)
            d->block[l].mixer = (ts_sublayer){ .forward = forward, .module = &width, .make_state = make_state };
    reserved = 0;
    continues(d);
    assert_true(reserved > 0);
    ts_model_deinit(&m);
    ts_device_close(&dev);
}

static void beside_attention(void **state)
{
    (void)state;
    with_a_running_sum(false);
}

static void alone(void **state)
{
    (void)state;
    with_a_running_sum(true);
}

/* What the layers of a family keep themselves: a layer keeps `width` floats of a token. */
static void of_family(const char *folder, int64_t width)
{
    enum { TOKENS = 10 };
    const int32_t length[1] = { 0 };
    ts_device *dev;
    ts_model m;
    ts_layer_state *s = NULL;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32, .inference = true };
    OK(ts_model_load(folder, &use, &m));
    const ts_sublayer *mixer = &m.decoder->block[0].mixer;
    OK(mixer->make_state(mixer->module, dev, TS_DTYPE_F32, 1, &s));
    OK(s->kind->reserve(s, TOKENS, length));
    assert_int_equal(s->kind->slot_bytes(s), TOKENS * width * (int64_t)sizeof(float));
    ts_layer_state_destroy(&s);
    continues(m.decoder);
    ts_model_deinit(&m);
    ts_device_close(&dev);
}

/* Of latent attention the latent vector of 12 and the rotated part of 4, whatever the heads: with keys and
 * values of 3 heads of 10 and 8 it would be 54. */
static void latent(void **state)
{
    (void)state;
    of_family("tests/golden/families/deepseek_v2", 12 + 4);
    of_family("tests/golden/families/deepseek_v2-yarn", 12 + 4);
    of_family("tests/golden/families/deepseek_v3", 12 + 4);
    of_family("tests/golden/families/minicpm3", 12 + 4);
    of_family("tests/golden/families/deepseek_v32", 12 + 4 + 6); /* the indexer's key; it chooses 6 of up to 13 */
    of_family("tests/golden/families/glm_moe_dsa", 12 + 4 + 6);  /* every other layer goes by the last choice */
}

/* A layer that attends to another's keys and values keeps nothing; heads of a layer may be of its own width. */
static void shared(void **state)
{
    (void)state;
    ts_device *dev;
    ts_model m;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32, .inference = true };
    OK(ts_model_load("tests/golden/families/gemma4", &use, &m));
    const ts_decoder *d = m.decoder;
    for (int64_t l = 0; l < d->arch.n_layers; l++)
        assert_true((d->block[l].mixer.make_state != NULL) == (l < 2));
    continues(m.decoder);
    ts_model_deinit(&m);
    ts_device_close(&dev);
    of_family("tests/golden/families/gemma4", 2 * 2 * 8);
    of_family("tests/golden/families/gemma3n", 2 * 2 * 8);
}

/* The rows that a short convolution has seen; keys and values beside a scan's state; keys of a window and what entries of
 * several tokens are made of. */
static void hybrids(void **state)
{
    static const char *const folders[] = { "lfm2", "lfm2-bias", "lfm2_moe", "falcon_h1", "falcon_h1-norm",
                                           "granitemoehybrid", "olmo", "cohere2", "baichuan2", "mamba",
                                           "falcon_mamba", "jamba", "hunyuan_large",
                                           "glm_moe_dsa-freq", "longcat_flash", "longcat_flash_ngram", "mamba3", "mamba3-norm", "zamba2",
                                           "zamba2-old",
                                           "step3p5", "deepseek_v4" };
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[64];
        ts_device *dev;
        ts_model m;
        snprintf(path, sizeof path, "tests/golden/families/%s", folders[i]);
        OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
        const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32, .inference = true };
        OK(ts_model_load(path, &use, &m));
        continues(m.decoder);
        ts_model_deinit(&m);
        ts_device_close(&dev);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latent),
        cmocka_unit_test(shared),
        cmocka_unit_test(hybrids),
        cmocka_unit_test(beside_attention),
        cmocka_unit_test(alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
