/* What the optimizer's state is kept in: the same steps beside those of plain arrays on the device. */
#include "../cmocka_all.h"
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

static rig *rig_make(const char *text, bool shared)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_param_set_init(&r->set, r->dev));
    OK(ts_param_add(&r->set, "matrix", 40, 50, true, &r->p[0]));
    OK(ts_param_add(&r->set, "vector", 70, 0, false, &r->p[1]));
    OK(ts_param_add(&r->set, "large", 67, 129, true, &r->p[2]));
    words_parse(&r->w, text);
    if (shared)
        ts_param_set_share(&r->set, &(ts_shard_options){ .level = TS_SHARD_STATE, .size = 2, .rank = 1,
                                                         .unit = 4096, .values = TS_DTYPE_BF16 });
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
    const int64_t own = ts_shards_own(&b->set.shards);
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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(swapped_has_the_same_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
