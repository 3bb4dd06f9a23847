/* Attention: rows of padding with a cache; keys in the queries' rows and apart from them; the
 * log-sum-exp; what masks cost. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "device/sim/sim.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { B = 3, S = 4, HEADS = 2, DIM = 8, WIDTH = HEADS * DIM };
static const int32_t start[B] = { 0, 3, 2 }, len[B] = { 4, 1, 2 };

/* Whatever was in the memory before: what follows reads all rows. */
static void padding_is_zero(ts_dtype t)
{
    ts_device *dev;
    ts_tape *tape;
    ts_tensor *qkv, *y;
    ts_kv_cache cache = { .capacity = 8 };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    OK(ts_storage_create(dev, TS_MEM_OTHER, B * 8 * 2 * WIDTH * sizeof(float), &cache.kv));
    memset(cache.kv->data, 0, B * 8 * 2 * WIDTH * sizeof(float));
    OK(ts_tape_new(tape, t, B * S, 3 * WIDTH, &qkv));
    memset(ts_tensor_data(qkv), 0x3c, ts_tensor_bytes(qkv));
    OK(ts_tape_push(tape));
    OK(ts_tape_new(tape, t, B * S, WIDTH, &y)); /* its place is the next one's */
    memset(ts_tensor_data(y), 0xff, ts_tensor_bytes(y));
    ts_tape_pop(tape, NULL);
    const ts_attention_op o = { .B = B, .S = S, .n_q = HEADS, .n_kv = HEADS, .head_dim = DIM,
                                .scale = 1, .cache = &cache, .q_start = start, .q_len = len };
    OK(ts_op_attention(tape, &o, qkv, NULL, &y, NULL));
    const size_t row = WIDTH * ts_dtype_size(t);
    static const char zero[WIDTH * sizeof(float)];
    for (int b = 0; b < B; b++)
        for (int i = 0; i < S; i++) {
            const char *at = (const char *)ts_tensor_data(y) + (size_t)(b * S + i) * row;
            assert_int_equal(memcmp(at, zero, row) == 0, i >= len[b]);
        }
    ts_storage_release(&cache.kv);
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

static void padding(void **state)
{
    (void)state;
    padding_is_zero(TS_DTYPE_F32);
    padding_is_zero(TS_DTYPE_BF16);
}

/* ---- without a cache ---- */

enum { N_Q = 4, N_KV = 2, R = N_Q / N_KV, D = 8, FUSED = (N_Q + 2 * N_KV) * D };
enum { ROWS = 7, KEYS = 11 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
} rig;

static void open_rig(rig *r, unsigned isa)
{
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = isa }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
}

static void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    ts_device_close(&r->dev);
}

static float value(int64_t i) { return (float)((i * 7919 + 13) % 201 - 100) / 64; }

/* A leaf with some values. */
static ts_tensor *leaf(ts_tape *tape, int64_t rows, int64_t width, int64_t seed)
{
    ts_tensor *t;
    OK(ts_tape_new(tape, TS_DTYPE_F32, rows, width, &t));
    for (int64_t i = 0; i < rows * width; i++)
        ((float *)ts_tensor_data(t))[i] = value(i + seed);
    t->wants_grad = true;
    return t;
}

static float *data(const ts_tensor *t) { return ts_tensor_data(t); }

/* Where head `head` of group g stands in a fused row: its queries, then its key, its value. */
static const float *part_of(const ts_tensor *fused, int64_t row, int64_t g, int64_t head)
{
    return data(fused) + row * FUSED + (g * (R + 2) + head) * D;
}

/* The queries, and the keys and values, of fused rows. */
static void take_apart(const ts_tensor *fused, ts_tensor *q, ts_tensor *kv)
{
    for (int64_t row = 0; row < fused->dim[0]; row++)
        for (int64_t g = 0; g < N_KV; g++) {
            memcpy(data(q) + row * N_Q * D + g * R * D, part_of(fused, row, g, 0),
                   R * D * sizeof(float));
            memcpy(data(kv) + (row * N_KV + g) * 2 * D, part_of(fused, row, g, R),
                   2 * D * sizeof(float));
        }
}

/* The same values in fused rows and apart: the same results and gradients, to the bit. */
static void fused_is_apart_at(unsigned isa, ts_attention_mask mask)
{
    rig r;
    ts_tensor *y[2];
    open_rig(&r, isa);
    ts_tensor *fused = leaf(r.tape, 2 * ROWS, FUSED, 0), *q = leaf(r.tape, 2 * ROWS, N_Q * D, 1),
              *kv = leaf(r.tape, 2 * ROWS, 2 * N_KV * D, 2);
    take_apart(fused, q, kv);
    const ts_attention_op o = { .B = 2, .S = ROWS, .n_q = N_Q, .n_kv = N_KV, .head_dim = D,
                                .scale = 0.4f, .mask = mask };
    OK(ts_op_attention(r.tape, &o, fused, NULL, &y[0], NULL));
    OK(ts_op_attention(r.tape, &o, q, kv, &y[1], NULL));
    assert_memory_equal(data(y[0]), data(y[1]), ts_tensor_bytes(y[0]));
    ts_tensor *dy = leaf(r.tape, 2 * ROWS, N_Q * D, 3);
    OK(ts_tape_accumulate(r.tape, y[0], dy));
    OK(ts_tape_accumulate(r.tape, y[1], dy));
    OK(ts_tape_backward(r.tape));
    for (int64_t row = 0; row < 2 * ROWS; row++)
        for (int64_t g = 0; g < N_KV; g++) {
            assert_memory_equal(data(q->grad) + row * N_Q * D + g * R * D,
                                part_of(fused->grad, row, g, 0), R * D * sizeof(float));
            assert_memory_equal(data(kv->grad) + (row * N_KV + g) * 2 * D,
                                part_of(fused->grad, row, g, R), 2 * D * sizeof(float));
        }
    close_rig(&r);
}

static void fused_is_apart(void **state)
{
    static const ts_attention_mask masks[] = {
        { .kind = TS_MASK_CAUSAL },
        { .kind = TS_MASK_BIDIRECTIONAL },
        { .kind = TS_MASK_WINDOW, .left = 2, .right = 1 },
    };
    (void)state;
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
        fused_is_apart_at(0, masks[m]);
        fused_is_apart_at(TS_ISA_ALL, masks[m]);
    }
}

/* A few new tokens behind those of before, fused and apart; the first as without a cache. */
static void cache_of_either(void **state)
{
    static const int32_t begin[2][2] = { { 0, 0 }, { 7, 5 } }, count[2][2] = { { 7, 5 }, { 2, 7 } };
    (void)state;
    rig r;
    ts_kv_cache cache[2] = { 0 };
    open_rig(&r, TS_ISA_ALL);
    r.tape->recording = false;
    const size_t bytes = 2 * 16 * N_KV * 2 * D * sizeof(float);
    for (int i = 0; i < 2; i++) {
        cache[i].capacity = 16;
        OK(ts_storage_create(r.dev, TS_MEM_OTHER, bytes, &cache[i].kv));
        memset(cache[i].kv->data, 0, bytes);
    }
    for (int step = 0; step < 2; step++) {
        ts_tensor *y[2], *fused = leaf(r.tape, 2 * ROWS, FUSED, step),
                  *q = leaf(r.tape, 2 * ROWS, N_Q * D, 8),
                  *kv = leaf(r.tape, 2 * ROWS, 2 * N_KV * D, 9);
        take_apart(fused, q, kv);
        ts_attention_op o = { .B = 2, .S = ROWS, .n_q = N_Q, .n_kv = N_KV, .head_dim = D,
                              .scale = 0.4f, .q_start = begin[step], .q_len = count[step] };
        o.cache = &cache[0];
        OK(ts_op_attention(r.tape, &o, fused, NULL, &y[0], NULL));
        o.cache = &cache[1];
        OK(ts_op_attention(r.tape, &o, q, kv, &y[1], NULL));
        assert_memory_equal(data(y[0]), data(y[1]), ts_tensor_bytes(y[0]));
        assert_memory_equal(cache[0].kv->data, cache[1].kv->data, bytes);
        o.cache = NULL; /* without one the first tokens see the same */
        OK(ts_op_attention(r.tape, &o, q, kv, &y[1], NULL));
        for (int64_t i = 0; step == 0 && i < 2 * ROWS * N_Q * D; i++)
            assert_true(i / (N_Q * D) % ROWS >= count[0][i / (ROWS * N_Q * D)] ||
                        fabsf(data(y[0])[i] - data(y[1])[i]) < 1e-5f);
    }
    for (int i = 0; i < 2; i++)
        ts_storage_release(&cache[i].kv);
    close_rig(&r);
}

/* Log-sum-exp of the scores of head h of row i against keys [lo, hi) of its sequence. */
static double lse_of(const ts_tensor *q, const ts_tensor *kv, int64_t b, int64_t i, int64_t h,
                     int64_t lo, int64_t hi, double scale)
{
    double sum = 0;
    for (int64_t j = lo; j < hi; j++) {
        double s = 0;
        for (int64_t c = 0; c < D; c++)
            s += (double)data(q)[((b * ROWS + i) * N_Q + h) * D + c] *
                 (double)data(kv)[((b * KEYS + j) * N_KV + h / R) * 2 * D + c];
        sum += exp(scale * s);
    }
    return log(sum); /* -inf where there is no key */
}

/* One number a row and head, with and without gradients wanted; -inf where no key is seen. */
static void log_sum_exp(void **state)
{
    (void)state;
    const unsigned isa[] = { 0, TS_ISA_ALL };
    for (int k = 0; k < 4; k++) {
        rig r;
        ts_tensor *y, *lse;
        open_rig(&r, isa[k % 2]);
        r.tape->recording = k < 2;
        ts_tensor *q = leaf(r.tape, 2 * ROWS, N_Q * D, 5),
                  *kv = leaf(r.tape, 2 * KEYS, 2 * N_KV * D, 6);
        const ts_attention_op o = { .B = 2, .S = ROWS, .n_q = N_Q, .n_kv = N_KV, .head_dim = D,
                                    .scale = 0.25f,
                                    .mask = { .kind = TS_MASK_WINDOW, .left = 3, .right = 2,
                                              .offset = -4 } };
        OK(ts_op_attention(r.tape, &o, q, kv, &y, &lse));
        assert_true(lse->dtype == TS_DTYPE_F32 && lse->dim[0] == 2 * ROWS && lse->dim[1] == N_Q);
        assert_false(lse->wants_grad);
        for (int64_t row = 0; row < 2 * ROWS; row++)
            for (int64_t h = 0; h < N_Q; h++) {
                const int64_t pos = row % ROWS - 4, lo = pos - 3 > 0 ? pos - 3 : 0,
                              hi = pos + 3 < KEYS ? pos + 3 : KEYS;
                const double want = lse_of(q, kv, row / ROWS, row % ROWS, h, lo, hi, 0.25);
                const double got = (double)data(lse)[row * N_Q + h];
                assert_int_equal(hi <= lo, got == -INFINITY);
                /* scores of up to 8 x 1.5^2 / 4, in fp32 */
                assert_true(hi <= lo || fabs(got - want) < 1e-5);
            }
        close_rig(&r);
    }
}

/* ---- cost ---- */

static double counted(const ts_attention_mask *m, int64_t S_q, int64_t S_kv)
{
    double n = 0;
    for (int64_t i = 0; i < S_q; i++)
        for (int64_t j = 0; j < S_kv; j++) {
            const int64_t after = j - i - m->offset, pos = i + m->offset - m->chunk_at;
            const double chunk = (double)m->chunk;
            n += m->kind == TS_MASK_BIDIRECTIONAL ||
                 (m->kind == TS_MASK_CAUSAL && after <= 0) ||
                 (m->kind == TS_MASK_CHUNK && after <= 0 &&
                  floor((double)pos / chunk) == floor((double)(j - m->chunk_at) / chunk)) ||
                 (m->kind == TS_MASK_WINDOW && (m->left < 0 || -after <= m->left) &&
                  (m->right < 0 || after <= m->right));
        }
    return n;
}

static void pairs(void **state)
{
    (void)state;
    for (int64_t S_q = 0; S_q < 12; S_q += 1 + S_q / 4)
        for (int64_t S_kv = 0; S_kv < 14; S_kv += 1 + S_kv / 5)
            for (int64_t offset = -16; offset <= 16; offset++)
                for (int64_t left = -1; left < 16; left++)
                    for (int64_t right = -1; right < 16; right += 2) {
                        const ts_attention_mask window = { .kind = TS_MASK_WINDOW, .left = left, .right = right,
                                                           .offset = offset };
                        const ts_attention_mask causal = { .kind = TS_MASK_CAUSAL,
                                                           .offset = offset };
                        assert_true(ts_mask_pairs(&window, S_q, S_kv) ==
                                    counted(&window, S_q, S_kv));
                        assert_true(ts_mask_pairs(&causal, S_q, S_kv) ==
                                    counted(&causal, S_q, S_kv));
                    }
    for (int64_t offset = -9; offset <= 9; offset++)
        for (int64_t at = -4; at <= 4; at++)
            for (int64_t chunk = 1; chunk < 9; chunk++) {
                const ts_attention_mask m = { .kind = TS_MASK_CHUNK, .offset = offset, .chunk = chunk, .chunk_at = at };
                assert_true(ts_mask_pairs(&m, 11, 9) == counted(&m, 11, 9));
                assert_true(ts_mask_pairs(&m, 6, 13) == counted(&m, 6, 13));
            }
    const ts_attention_mask all = { .kind = TS_MASK_BIDIRECTIONAL };
    assert_true(ts_mask_pairs(&all, 6, 9) == 54);
}

/* What the simulated device counts and how long it takes for it, forward and backward. */
static void cost_of(ts_attention_mask mask, int64_t length, int64_t keys, ts_kernel_stat out[2])
{
    ts_sim_hardware hw;
    ts_device *dev;
    ts_tape *tape;
    ts_tensor *q, *kv, *y, *dy;
    ts_sim_hardware_here(&hw, TS_ISA_ALL, 2);
    hw.bytes_per_second = 1e30, hw.seconds_per_launch = 0; /* products alone */
    OK(ts_sim_open_hardware(&hw, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    OK(ts_tape_new(tape, TS_DTYPE_F32, length, N_Q * D, &q));
    OK(ts_tape_new(tape, TS_DTYPE_F32, keys, 2 * N_KV * D, &kv));
    OK(ts_tape_new(tape, TS_DTYPE_F32, length, N_Q * D, &dy));
    kv->wants_grad = true;
    const ts_attention_op o = { .B = 1, .S = length, .n_q = N_Q, .n_kv = N_KV, .head_dim = D,
                                .scale = 1, .mask = mask };
    OK(ts_op_attention(tape, &o, q, kv, &y, NULL));
    OK(ts_tape_accumulate(tape, y, dy));
    OK(ts_tape_backward(tape));
    out[0] = dev->stat[TS_KERNEL_attn_fwd], out[1] = dev->stat[TS_KERNEL_attn_bwd];
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

static void costs(void **state)
{
    static const ts_attention_mask causal = { .kind = TS_MASK_CAUSAL },
                                   all = { .kind = TS_MASK_BIDIRECTIONAL };
    enum { LONG = 1000 };
    ts_kernel_stat one[2], two[2], wide[2];
    (void)state;
    cost_of(causal, LONG, LONG, one);
    cost_of(all, LONG, LONG, two);
    cost_of(all, LONG, 3 * LONG, wide);
    const double each[2] = { 4.0 * N_Q * D, 10.0 * N_Q * D }; /* two products a pair, and five */
    for (int i = 0; i < 2; i++) {
        assert_true(one[i].flops == each[i] * LONG * (LONG + 1) / 2);
        assert_true(two[i].flops == each[i] * LONG * LONG && wide[i].flops == 3 * two[i].flops);
        /* a query sees itself in both: (LONG + 1) / 2 and LONG pairs of a row */
        assert_true(fabs(two[i].seconds / one[i].seconds - 2.0 * LONG / (LONG + 1)) < 1e-9);
        assert_true(fabs(wide[i].seconds / two[i].seconds - 3) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding),         cmocka_unit_test(fused_is_apart),
        cmocka_unit_test(cache_of_either), cmocka_unit_test(log_sum_exp),
        cmocka_unit_test(pairs),           cmocka_unit_test(costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
