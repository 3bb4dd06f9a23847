/* Forms of weights: what kernels get is the same whether each weight keeps its own or all share two
 * buffers, through changes of values, types and directions. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/rng.h"
#include "device/isa.h"
#include "tensor/param.h"

#include <string.h>

enum { WEIGHTS = 3, MOVES = 400 };
static const int64_t dims[WEIGHTS][2] = { { 96, 40 }, { 33, 130 }, { 7, 64 } };

typedef struct weights {
    ts_device *dev;
    ts_param_set set;
    ts_param *p[WEIGHTS];
} weights;

static void make(weights *w, unsigned isa)
{
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = isa }, &w->dev));
    OK(ts_param_set_init(&w->set, w->dev));
    for (int i = 0; i < WEIGHTS; i++) {
        const char name[] = { 'w', (char)('0' + i), 0 };
        OK(ts_param_add(&w->set, name, dims[i][0], dims[i][1], true, &w->p[i]));
    }
    OK(ts_param_set_allocate(&w->set, TS_DTYPE_F32));
}

static void drop(weights *w)
{
    ts_param_set_deinit(&w->set);
    ts_device_close(&w->dev);
}

static void set_values(weights *w, float seed)
{
    for (int i = 0; i < WEIGHTS; i++)
        for (int64_t k = 0; k < ts_param_count(w->p[i]); k++)
            ((float *)w->p[i]->value)[k] = seed + (float)(k % 97 + i) * 0.125f;
    ts_param_set_changed(&w->set);
}

/* Bytes that a product reads from this form. */
static size_t bytes_of(const weights *w, int i, ts_gemm_form form, ts_dtype t)
{
    const bool nt = form == TS_GEMM_NT;
    const size_t packed = w->dev->gemm_packed_bytes(w->dev, form, t, dims[i][!nt], dims[i][nt]);
    return packed ? packed : (size_t)ts_param_count(w->p[i]) * ts_dtype_size(t);
}

static void assert_rounds_to(const float *wide, const uint16_t *copy, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(ts_f32_to_bf16(wide[i]), copy[i]);
}

static void shared_is_own(unsigned isa, ts_dtype t)
{
    weights own, shared;
    ts_form a, b;
    ts_rng r = ts_rng_stream(3, 0, 0, 0);
    uint32_t word[4];
    make(&own, isa);
    make(&shared, isa);
    ts_param_set_share_forms(&shared.set);
    set_values(&own, 1);
    set_values(&shared, 1);
    for (int move = 0; move < MOVES; move++) {
        ts_rng_block(&r, (uint64_t)move, word);
        const int i = (int)(word[0] % WEIGHTS);
        const ts_gemm_form form = word[1] % 2 ? TS_GEMM_NT : TS_GEMM_NN;
        if (word[2] % 8 == 0) {
            set_values(&own, (float)move);
            set_values(&shared, (float)move);
        }
        OK(ts_param_form(own.p[i], form, t, &a));
        OK(ts_param_form(shared.p[i], form, t, &b));
        assert_int_equal(a.packed, b.packed);
        assert_int_equal(a.ld, b.ld);
        assert_false(a.wide);
        assert_int_equal(b.wide, t == TS_DTYPE_BF16 && shared.dev->rounds_b);
        if (b.wide)
            assert_rounds_to(b.data, a.data, ts_param_count(own.p[i]));
        else
            assert_memory_equal(a.data, b.data, bytes_of(&own, i, form, t));
    }
    for (int i = 0; i < WEIGHTS; i++)
        assert_true(!shared.p[i]->nt.storage && !shared.p[i]->nn.storage);
    drop(&own);
    drop(&shared);
}

static void packed_forms(void **state)
{
    (void)state;
    shared_is_own(TS_ISA_ALL, TS_DTYPE_BF16);
    shared_is_own(TS_ISA_ALL, TS_DTYPE_F32);
}

static void plain_forms(void **state)
{
    (void)state;
    shared_is_own(0, TS_DTYPE_BF16);
    shared_is_own(0, TS_DTYPE_F16);
}

/* ---- shares ---- */

enum { ROWS = 26, COLS = 61 };

/* Random values of a share, to where they stand in the whole. */
static void start_share(ts_device *dev, const ts_place *place, float out[ROWS * COLS])
{
    ts_param_set set;
    ts_param *p;
    OK(ts_param_set_init(&set, dev));
    ts_param_skip(&set, 3);
    OK(ts_param_declare(&set, "matrix", place, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_begin(p, 17, 0.02f));
    for (int64_t i = 0, at; i < ts_param_count(p); i++) {
        (void)ts_place_run(place, i, &at);
        out[at] = ((const float *)p->value)[i];
    }
    ts_param_set_deinit(&set);
}

/* However a matrix is cut, it starts with the same values. */
static void shares_start_as_the_whole(void **state)
{
    (void)state;
    static const struct {
        int dim, stretches;
        int64_t n, unit;
    } cut[] = { { 0, 1, 2, 2 }, { 0, 2, 3, 1 }, { 1, 1, 3, 1 }, { 0, 1, 2, 13 } };
    float whole[ROWS * COLS], parts[ROWS * COLS];
    ts_device *dev;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const ts_place all = ts_place_whole(ROWS, COLS);
    start_share(dev, &all, whole);
    for (size_t c = 0; c < sizeof cut / sizeof *cut; c++) {
        memset(parts, 0, sizeof parts);
        for (int64_t i = 0; i < cut[c].n; i++) {
            ts_place p = all;
            ts_place_cut_even(&p, cut[c].dim, TS_AXIS_TENSOR, cut[c].n, i, cut[c].stretches,
                              cut[c].unit);
            start_share(dev, &p, parts);
        }
        assert_memory_equal(whole, parts, sizeof whole);
    }
    ts_device_close(&dev);
}

/* ---- holdings ---- */

/* In one set: trained in fp32, frozen in bf16, one form in 8 bits. */
static void each_is_held_its_own_way(void **state)
{
    (void)state;
    ts_device *dev;
    ts_param_set set;
    ts_param *trained, *frozen, *few, *vector;
    ts_form f;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const int64_t held = dev->mem.total;
    OK(ts_param_set_init(&set, dev));
    OK(ts_param_add(&set, "few", 64, 128, true, &few));
    OK(ts_param_add(&set, "trained", 8, 16, true, &trained));
    OK(ts_param_add(&set, "frozen", 8, 16, true, &frozen));
    OK(ts_param_add(&set, "vector", 8, 0, false, &vector));
    ts_param_hold(few, TS_HELD_ONE, TS_DTYPE_BF16, TS_QUANT_INT8);
    ts_param_hold(frozen, TS_HELD_FROZEN, TS_DTYPE_BF16, TS_QUANT_NONE);
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&set));
    for (size_t i = 0; i < set.n; i++)
        OK(ts_param_begin(set.p[i], 1, 1));
    ts_param_set_changed(&set);
    assert_true(trained->dtype == TS_DTYPE_F32 && trained->grad && trained->offset == 0);
    assert_true(vector->grad && vector->offset == 128 && set.total == 192);
    assert_true(frozen->dtype == TS_DTYPE_BF16 && frozen->value && !frozen->grad && frozen->offset < 0);
    assert_true(!few->value && few->sealed && !few->grad);
    OK(ts_param_form(few, TS_GEMM_NT, TS_DTYPE_BF16, &f));
    assert_int_equal(f.quant, TS_QUANT_INT8);
    OK(ts_param_form(frozen, TS_GEMM_NT, TS_DTYPE_BF16, &f));
    assert_int_equal(f.quant, TS_QUANT_NONE);
    ts_param_set_deinit(&set);
    assert_int_equal(dev->mem.total, held);
    ts_device_close(&dev);
}

/* ---- names ---- */

/* As many names as a large mixture of experts has are found, and the last is not searched for longer
 * than the first. */
static void many_names(void **state)
{
    (void)state;
    enum { N = 29696 };
    ts_device *dev;
    ts_param_set set;
    ts_param *p;
    char name[64];
    OK(ts_device_open("sim", &(ts_device_options){ 0 }, &dev));
    OK(ts_param_set_init(&set, dev));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "decoder.layers.%d.mlp.experts.%d.weight", i / 512, i % 512);
        OK(ts_param_add(&set, name, 2, 2, true, &p));
    }
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "decoder.layers.%d.mlp.experts.%d.weight", i / 512, i % 512);
        assert_ptr_equal(ts_param_find(&set, name), set.p[i]);
    }
    assert_null(ts_param_find(&set, "decoder.layers.0.mlp.experts.512.weight"));
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_forms),
        cmocka_unit_test(plain_forms),
        cmocka_unit_test(shares_start_as_the_whole),
        cmocka_unit_test(each_is_held_its_own_way),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
