/* What the optimizer's state is kept in: the same steps beside those of plain arrays on the device. */
#include "../cmocka_all.h"
#include "base/halves.h"
#include "device/isa.h"
#include "train/optimizer.h"
#include "words.h"

#include <math.h>

enum { PARAMS = 3, STEPS = 5 };

/* A set alone, or one of two processes that share out masters and moments over values in bf16. */
typedef struct rig {
    ts_device *dev;
    ts_param_set set;
    ts_param *p[PARAMS];
    words w;
    ts_optimizer z;
    double copied[TS_WAYS]; /* bytes of the last step */
    int64_t inside;         /* most bytes of the optimizer on the device in it */
} rig;

static float value_of(int64_t seed, int64_t i, int64_t k)
{
    uint32_t u = (uint32_t)(seed * 7919 + i * 104729 + k + 1) * 2654435761u;
    u ^= u >> 15;
    u *= 2246822519u;
    return (float)((u ^ u >> 13) >> 8) * 0x1p-23f - 1;
}

static bool parts; /* masters of the next one are in halves */
static unsigned isa = TS_ISA_ALL; /* what its device may use */

static rig *rig_make(const char *text, bool shared)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = isa }, &r->dev));
    OK(ts_param_set_init(&r->set, r->dev));
    OK(ts_param_add(&r->set, "matrix", 40, 50, true, &r->p[0]));
    OK(ts_param_add(&r->set, "vector", 70, 0, false, &r->p[1]));
    OK(ts_param_add(&r->set, "large", 67, 129, true, &r->p[2]));
    words_parse(&r->w, text);
    if (shared)
        ts_param_set_share(&r->set, &(ts_shard_options){ .level = TS_SHARD_STATE, .size = 2, .rank = 1,
                                                         .unit = 4096, .values = TS_DTYPE_BF16 });
    r->set.parts_masters = parts;
    OK(ts_param_set_allocate(&r->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&r->set));
    for (int i = 0; i < PARAMS; i++) {
        float v[67 * 129];
        const int64_t n = ts_param_count(r->p[i]);
        for (int64_t k = 0; k < n; k++)
            v[k] = value_of(0, i, k);
        OK(ts_param_put(r->p[i], 0, n, v));
    }
    OK(ts_optimizer_init(&r->z, &r->w.o, &r->set, NULL));
    return r;
}

static void rig_free(rig *r)
{
    ts_optimizer_deinit(&r->z);
    words_free(&r->w);
    ts_param_set_deinit(&r->set);
    ts_device_close(&r->dev);
    free(r);
}

static void rig_step(rig *r, int t)
{
    for (int i = 0; i < PARAMS; i++)
        for (int64_t k = 0; k < ts_param_count(r->p[i]); k++)
            r->p[i]->grad[k] = k % 7 == 3 ? 0 : value_of(t, i, k) * powf(10, (float)-(k % 5));
    for (int w = 0; w < TS_WAYS; w++)
        r->copied[w] = -r->dev->copied[w];
    const double taken = r->dev->mem.taken[TS_MEM_OPTIM];
    OK(ts_optimizer_step(&r->z, r->set.grads->data, 1e-2 / t, 0.5));
    r->inside = (int64_t)(r->dev->mem.taken[TS_MEM_OPTIM] - taken);
    for (int64_t u = 0; u < r->set.shards.n_units; u++)
        ts_param_set_fill_own(&r->set, u);
    for (int w = 0; w < TS_WAYS; w++)
        r->copied[w] += r->dev->copied[w];
}

static void same_bytes(const char *what, const void *a, const void *b, size_t n)
{
    if (memcmp(a, b, n))
        fail_msg("%s: not the same bits", what);
}

/* Own masters, values and moments of two rigs. */
static void same_state(const rig *a, const rig *b)
{
    for (int64_t i = 0; i < a->set.shards.n_pieces; i++) {
        const ts_shard_piece *x = &a->set.shards.piece[i], *y = &b->set.shards.piece[i];
        const size_t n = (size_t)x->n, size = ts_dtype_size(x->p->dtype), at = (size_t)x->at * size;
        same_bytes("masters", ts_shard_piece_master(x), ts_shard_piece_master(y), n * 4);
        same_bytes("values", (char *)x->p->value + at, (char *)y->p->value + at, n * size);
        same_bytes("m", ts_optimizer_at(a->z.m, a->z.m_dtype, x, false), ts_optimizer_at(b->z.m, b->z.m_dtype, y, false),
                   n * ts_dtype_size(a->z.m_dtype));
        if (a->z.v)
            same_bytes("v", ts_optimizer_at(a->z.v, a->z.v_dtype, x, false), ts_optimizer_at(b->z.v, b->z.v_dtype, y, false),
                       n * ts_dtype_size(a->z.v_dtype));
    }
}

/* ---- in the host's memory ---- */

/* Bytes of an element: two moments, and masters that are kept apart. */
static void swapped_as(const char *text, const char *away, bool shared, int64_t times, int64_t size)
{
    char options[256];
    snprintf(options, sizeof options, "%s %s", text, away);
    rig *a = rig_make(text, shared), *b = rig_make(options, shared);
    const int64_t own = b->set.shards.most; /* for which all make room */
    for (int t = 1; t <= STEPS; t++) {
        rig_step(a, t);
        rig_step(b, t);
        same_state(a, b);
        assert_int_equal(b->dev->mem.now[TS_MEM_OPTIM], 0);
        assert_int_equal(b->dev->mem.now[TS_MEM_SWAP], own * size);
        if (!times)
            continue;
        const int64_t slice = (own / 64 + times - 1) / times * 64;
        assert_int_equal(b->inside, (times > 1 ? 2 : 1) * slice * size);
        assert_true(b->copied[TS_TO_DEVICE] == (double)(own * size));
        assert_true(b->copied[TS_TO_HOST] == (double)(own * size));
    }
    assert_true(!shared || b->dev->mem.now[TS_MEM_WEIGHT] == a->dev->mem.now[TS_MEM_WEIGHT] - own * 4);
    rig_free(a);
    rig_free(b);
}

static void swapped_has_the_same_bits(void **state)
{
    (void)state;
    swapped_as("", "--swap-optimizer", false, 16, 8);
    swapped_as("", "--swap-optimizer", true, 16, 12);
    swapped_as("--weight-decay 0.1", "--swap-optimizer --swap-optimizer-times 0", true, 1, 12);
    swapped_as("", "--swap-optimizer --swap-optimizer-times 1000", true, 1000, 12);
    swapped_as("--optimizer sgd", "--swap-optimizer --swap-optimizer-times 3", true, 3, 8);
    swapped_as("--use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16",
               "--swap-optimizer --swap-optimizer-times 5", false, 5, 4);
}

static void virtual_is_read_in_place(void **state)
{
    (void)state;
    rig *a = rig_make("", true), *b = rig_make("--virtual-optimizer all", true);
    const int64_t own = b->set.shards.most; /* for which all make room */
    for (int t = 1; t <= STEPS; t++) {
        rig_step(a, t);
        rig_step(b, t);
        same_state(a, b);
        assert_int_equal(b->dev->mem.now[TS_MEM_OPTIM], 0);
        assert_int_equal(b->dev->mem.now[TS_MEM_SWAP], own * 8);
        assert_int_equal(b->inside, 0);
        assert_true(b->copied[TS_TO_DEVICE] == 0 && b->copied[TS_TO_HOST] == 0);
    }
    rig_free(a);
    rig_free(b);
}

/* As many bytes as are given, as large a share of either moment; each stage its own. */
static void virtual_in_part(void **state)
{
    (void)state;
    rig *a = rig_make("", true), *b = rig_make("--virtual-optimizer 6 0.5 4", true);
    const int64_t own = b->set.shards.most;
    assert_true(ts_train_virtual_bytes(&b->w.o, 1) == 0x1p29 && ts_train_virtual_bytes(&b->w.o, 2) == 0x1p32);
    assert_int_equal(b->dev->mem.now[TS_MEM_SWAP], 0);
    ts_optimizer_lend(&b->z, 2 * 64 * 5 + 100); /* whole stretches of 64 bytes alone */
    assert_int_equal(b->dev->mem.now[TS_MEM_SWAP], 2 * 64 * 5);
    assert_int_equal(b->dev->mem.now[TS_MEM_OPTIM], own * 8 - 2 * 64 * 5);
    for (int t = 1; t <= STEPS; t++) {
        rig_step(a, t);
        rig_step(b, t);
        same_state(a, b);
    }
    rig_free(a);
    rig_free(b);
}

/* ---- masters in halves ---- */

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* There and back: all low halves with all kinds of high ones, ties of odd and even ones among them. */
static void halves_give_the_number_back(void **state)
{
    (void)state;
    static const uint16_t high[] = { 0, 1, 2, 0x7F, 0x80, 0x81, 0x3F7F, 0x3F80, 0x3F81, 0x7F7E, 0x7F7F };
    for (size_t h = 0; h < 2 * sizeof high / sizeof *high; h++)
        for (uint32_t low = 0; low < 65536; low++) {
            const uint32_t u = (uint32_t)(high[h / 2] | (h % 2) << 15) << 16 | low;
            const float x = float_of(u);
            float back = ts_f32_join(ts_f32_to_bf16(x), ts_f32_low(x), ts_f32_ties_up(x));
            if (memcmp(&back, &x, 4))
                fail_msg("%a came back as %a", (double)x, (double)back);
        }
    for (uint32_t u = 1; u < 0x7F000000u; u += 0x7FFF) { /* all exponents */
        const float x = float_of(u), back = ts_f32_join(ts_f32_to_bf16(x), ts_f32_low(x), ts_f32_ties_up(x));
        assert_memory_equal(&x, &back, 4);
    }
}

/* A set whose weights have been put anew, ties both ways among them. */
static void put_ties(rig *r)
{
    for (int i = 0; i < PARAMS; i++) {
        float v[67 * 129];
        const int64_t n = ts_param_count(r->p[i]);
        for (int64_t k = 0; k < n; k++) {
            float x = value_of(9, i, k);
            uint32_t u;
            memcpy(&u, &x, 4);
            v[k] = k % 3 ? x : float_of((u & 0xFFFF0000u) | 0x8000u);
        }
        OK(ts_param_put(r->p[i], 0, n, v));
    }
    if (r->set.low)
        OK(ts_param_set_mark_ties(&r->set));
    else
        for (int64_t u = 0; u < r->set.shards.n_units; u++)
            ts_param_set_fill_own(&r->set, u);
}

static void join_all(const ts_shard_piece *x, float *to)
{
    if (ts_param_is_parted(x->p))
        OK(ts_shard_piece_join(x, 0, x->n, to));
    else
        memcpy(to, ts_shard_piece_master(x), (size_t)x->n * sizeof *to);
}

static rig *parted_rig(const char *text)
{
    parts = true;
    rig *r = rig_make(text, true);
    parts = false;
    return r;
}

/* As masters that are kept apart: values, moments and what the halves give together; two bytes less. */
static void halves_have_the_same_bits(void **state)
{
    (void)state;
    static const char *const with[] = { "--weight-decay 0.1", "--use-precision-aware-optimizer --exp-avg-dtype bf16" };
    for (int k = 0; k < 2; k++) {
        rig *a = rig_make(with[k], true), *b = parted_rig(with[k]);
        const int64_t own = ts_shards_own(&a->set.shards);
        float w[67 * 129];
        double left, right;
        assert_int_equal(a->dev->mem.now[TS_MEM_WEIGHT] - b->dev->mem.now[TS_MEM_WEIGHT], 2 * own);
        put_ties(a);
        put_ties(b);
        assert_true(b->set.n_ties > 100);
        for (int t = 0; t <= STEPS; t++) {
            if (t > 0)
                rig_step(a, t), rig_step(b, t);
            for (int64_t i = 0; i < a->set.shards.n_pieces; i++) {
                const ts_shard_piece *x = &a->set.shards.piece[i], *y = &b->set.shards.piece[i];
                const size_t n = (size_t)x->n, size = ts_dtype_size(x->p->dtype), at = (size_t)x->at * size;
                join_all(y, w);
                same_bytes("masters", ts_shard_piece_master(x), w, n * 4);
                same_bytes("values", (char *)x->p->value + at, (char *)y->p->value + at, n * size);
                same_bytes("m", ts_optimizer_at(a->z.m, a->z.m_dtype, x, false), ts_optimizer_at(b->z.m, b->z.m_dtype, y, false),
                           n * ts_dtype_size(a->z.m_dtype));
                const float *v = ts_optimizer_at(a->z.v, TS_DTYPE_F32, x, false), *s = ts_optimizer_at(b->z.v, TS_DTYPE_F32, y, false);
                for (int64_t e = 0; e < x->n; e++)
                    assert_true(v[e] == fabsf(s[e]));
            }
            OK(ts_optimizer_params_norm(&a->z, &left));
            OK(ts_optimizer_params_norm(&b->z, &right));
            assert_true(left == right);
        }
        rig_free(a);
        rig_free(b);
    }
}

/* ---- an average ---- */

static const float *average_of(const rig *r, const ts_shard_piece *x)
{
    return ts_optimizer_at(r->z.ema, TS_DTYPE_F32, x, false);
}

/* As AdamW, and behind it a loop over the new values. */
static void average_is_a_separate_loop(void **state)
{
    (void)state;
    static const char *const with[] = { "", "--weight-decay 0.1 --quant-states fp8",
                                        "--use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16" };
    static const char *const decay[] = { "0.9", "0", "1", "0.9999" };
    for (size_t k = 0; k < 3 * 4 * 2; k++) {
        char text[256];
        snprintf(text, sizeof text, "%s --optimizer-selection fused_ema_adamw --ema-decay %s", with[k % 3], decay[k / 3 % 4]);
        rig *a = rig_make(with[k % 3], k >= 12), *b = rig_make(text, k >= 12);
        const float d = strtof(decay[k / 3 % 4], NULL), rest = 1 - d;
        float *s = calloc((size_t)ts_shards_own(&a->set.shards), sizeof *s);
        const ts_shards *h = &a->set.shards;
        for (int64_t i = 0; i < h->n_pieces; i++)
            memcpy(s + h->piece[i].own, ts_shard_piece_master(&h->piece[i]), (size_t)h->piece[i].n * sizeof *s);
        for (int t = 1; t <= STEPS; t++) {
            rig_step(a, t);
            rig_step(b, t);
            if (!a->z.m_code.codes)
                same_state(a, b);
            for (int64_t i = 0; i < h->n_pieces; i++) {
                const ts_shard_piece *x = &h->piece[i], *y = &b->set.shards.piece[i];
                const float *w = ts_shard_piece_master(x);
                same_bytes("masters", w, ts_shard_piece_master(y), (size_t)x->n * sizeof *w);
                for (int64_t e = 0; e < x->n; e++)
                    s[x->own + e] = d * s[x->own + e] + rest * w[e];
                same_bytes("average", s + x->own, average_of(b, y), (size_t)x->n * sizeof *s);
                if (d == 0)
                    same_bytes("average of decay 0", w, average_of(b, y), (size_t)x->n * sizeof *s);
                for (int64_t e = 0; d == 1 && e < x->n && !b->set.master; e++)
                    assert_true(average_of(b, y)[e] == value_of(0, x->p->index, x->at + e));
            }
        }
        free(s);
        rig_free(a);
        rig_free(b);
    }
}

/* ---- in few bits ---- */

static void read_moments(const rig *r, bool second, int64_t i, float *to)
{
    const ts_shard_piece *x = &r->set.shards.piece[i];
    const ts_state_code *c = second ? &r->z.v_code : &r->z.m_code;
    const ts_storage *own = second ? r->z.v : r->z.m;
    if (c->codes)
        OK(ts_state_code_read(c, own, x, 0, x->n, to));
    else
        memcpy(to, ts_optimizer_at(own, TS_DTYPE_F32, x, false), (size_t)x->n * sizeof *to);
}

/* As large as a step between codes may be, of a number and of its block's largest (tests/unit/base/test_codes.c
 * knows the steps). */
static bool near(float got, double want, double relative, double of_block, double most)
{
    return fabs((double)got - want) <= fmax(relative * fabs(want), of_block * most);
}

/* One step from what is stored is AdamW's in fp32; what is stored then misses its moments by a step of codes. */
static void coded_as(const char *text, bool shared, double relative, double of_block)
{
    rig *r = rig_make(text, shared);
    const ts_shards *s = &r->set.shards;
    float *m[2 * PARAMS + 8], *v[2 * PARAMS + 8], *p[2 * PARAMS + 8];
    for (int t = 1; t <= STEPS; t++) {
        for (int64_t i = 0; i < s->n_pieces; i++) {
            const size_t n = (size_t)s->piece[i].n;
            m[i] = calloc(n, sizeof **m), v[i] = calloc(n, sizeof **v), p[i] = calloc(n, sizeof **p);
            read_moments(r, false, i, m[i]);
            read_moments(r, true, i, v[i]);
            memcpy(p[i], ts_shard_piece_master(&s->piece[i]), n * sizeof **p);
        }
        rig_step(r, t);
        for (int64_t i = 0; i < s->n_pieces; i++) {
            const ts_shard_piece *x = &s->piece[i];
            const ts_train_options *o = &r->w.o;
            float *mine = calloc((size_t)x->n, sizeof *mine), *square = calloc((size_t)x->n, sizeof *square);
            read_moments(r, false, i, mine);
            read_moments(r, true, i, square);
            for (int64_t block = 0; block < x->n; block += TS_CODES_BLOCK) {
                const int64_t end = block + TS_CODES_BLOCK < x->n ? block + TS_CODES_BLOCK : x->n;
                double m_most = 0, v_most = 0;
                for (int64_t k = block; k < end; k++) {
                    const double g = 0.5 * (double)x->p->grad[x->at + k];
                    m[i][k] = (float)(o->adam_beta1 * (double)m[i][k] + (1 - o->adam_beta1) * g);
                    v[i][k] = (float)(o->adam_beta2 * (double)v[i][k] + (1 - o->adam_beta2) * g * g);
                    m_most = fmax(m_most, fabs((double)m[i][k]));
                    v_most = fmax(v_most, (double)v[i][k]);
                }
                for (int64_t k = block; k < end; k++) {
                    const double mean = (double)m[i][k] / (1 - pow(o->adam_beta1, t)),
                                 root = sqrt((double)v[i][k] / (1 - pow(o->adam_beta2, t))),
                                 wd = x->p->decays ? o->weight_decay : 0,
                                 want = (double)p[i][k] - 1e-2 / t * (mean / (root + o->adam_eps) + wd * (double)p[i][k]);
                    assert_true(fabs((double)((float *)ts_shard_piece_master(x))[k] - want) < 2e-6);
                    if (!near(mine[k], (double)m[i][k], relative, of_block, m_most))
                        fail_msg("%s: step %d: %g for %g in a block up to %g", text, t, (double)mine[k], (double)m[i][k], m_most);
                    assert_true(near(square[k], (double)v[i][k], 2 * relative, of_block, v_most));
                }
            }
            free(mine), free(square), free(m[i]), free(v[i]), free(p[i]);
        }
    }
    rig_free(r);
}

static void coded_misses_by_a_step(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        coded_as("--quant-states fp8", shared, 0x1p-3, 0x1p-9 / 448);
        coded_as("--quant-states hif8 --weight-decay 0.1", shared, 0x1p-2, 2e-6);
        coded_as("--quant-states mxfp8", shared, 0x1p-3, 3e-3);
        coded_as("--optimizer adamw_8bit", shared, 0.5, 1.4e-6);
        coded_as("--use-precision-aware-optimizer --exp-avg-dtype fp16 --exp-avg-sq-dtype fp16", shared, 0x1p-10, 0x1p-22);
        coded_as("--use-precision-aware-optimizer --exp-avg-sq-dtype fp8", shared, 0x1p-3, 0x1p-16);
    }
}

/* Two bytes an element, and a scale of four for each block of 64 of each kind; mx: of one for 32. */
static void coded_takes_as_many_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t code, scale; /* bytes of a code, and of the scales of a block */
    } kind[] = { { "--quant-states fp8", 1, 4 },
                 { "--quant-states mxfp8", 1, 2 },
                 { "--use-precision-aware-optimizer --exp-avg-dtype fp16 --exp-avg-sq-dtype fp16", 2, 4 } };
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        rig *r = rig_make(kind[i].text, true);
        const int64_t own = ts_shards_own(&r->set.shards);
        assert_int_equal(r->z.m->bytes + r->z.v->bytes, 2 * (own * kind[i].code + own / 64 * kind[i].scale));
        rig_free(r);
    }
    rig *r = rig_make("--optimizer adamw_8bit", false); /* 2000 and 70 elements stay fp32 */
    assert_int_equal(r->z.m->bytes, (2048 + 128) * 4 + (67 * 129 + 63) / 64 * (64 + 4));
    rig_free(r);
}

/* Written as read, it is the same. */
static void coded_is_written_as_read(void **state)
{
    (void)state;
    static const char *const text[] = { "--quant-states fp8", "--quant-states hif8", "--quant-states mxfp8",
                                        "--optimizer adamw_8bit" };
    for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
        rig *a = rig_make(text[k], true), *b = rig_make(text[k], true);
        float v[67 * 129];
        for (int t = 1; t <= STEPS; t++)
            rig_step(a, t);
        for (int64_t i = 0; i < a->set.shards.n_pieces; i++)
            for (int second = 0; second < 2; second++) {
                read_moments(a, second, i, v);
                OK(ts_state_code_write(second ? &b->z.v_code : &b->z.m_code, second ? b->z.v : b->z.m,
                                       &b->set.shards.piece[i], v));
                float again[67 * 129];
                read_moments(b, second, i, again);
                same_bytes(text[k], v, again, (size_t)a->set.shards.piece[i].n * sizeof *v);
            }
        rig_free(a);
        rig_free(b);
    }
}

/* The tests that compare bits, for every kind of kernel. */
static void of_every_kernel(void **state)
{
    static const unsigned kinds[] = { 0, TS_ISA_AVX2 };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        isa = kinds[i];
        halves_have_the_same_bits(state);
        average_is_a_separate_loop(state);
        coded_is_written_as_read(state);
    }
    isa = TS_ISA_ALL;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(swapped_has_the_same_bits),
                                        cmocka_unit_test(virtual_is_read_in_place),
        cmocka_unit_test(virtual_in_part),
                                        cmocka_unit_test(halves_give_the_number_back),
                                        cmocka_unit_test(halves_have_the_same_bits),
                                        cmocka_unit_test(average_is_a_separate_loop),
                                        cmocka_unit_test(coded_misses_by_a_step),
                                        cmocka_unit_test(coded_takes_as_many_bytes),
                                        cmocka_unit_test(coded_is_written_as_read),
                                        cmocka_unit_test(of_every_kernel) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
