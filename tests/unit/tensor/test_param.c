/* Forms of weights: what kernels get is the same whether each weight keeps its own or all share two
 * buffers, through changes of values, types and directions. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/rng.h"
#include "device/cpu/isa.h"
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
    ts_param_set_init(&w->set, w->dev);
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
        OK(ts_param_form(&own.set, own.p[i], form, t, &a));
        OK(ts_param_form(&shared.set, shared.p[i], form, t, &b));
        assert_int_equal(a.packed, b.packed);
        assert_int_equal(a.ld, b.ld);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_forms),
        cmocka_unit_test(plain_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
