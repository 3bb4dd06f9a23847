/* GaLore: weights after some steps beside those of scripts/golden_galore.py, singular vectors, and what is kept. */
#include "../cmocka_all.h"
#include "base/json.h"
#include "device/isa.h"
#include "train/optimizer.h"
#include "train/subspace.h"
#include "words.h"

#include <math.h>

enum { MOST = 40 * 40 };

/* As the script makes it up: t 0 weights, then what the gradients of step t are made of. */
static double made_up(int64_t i, int64_t t)
{
    const uint64_t x = (((uint64_t)i * 2654435761u + (uint64_t)t * 40503u + 12345u) & 0xFFFFFFFF) *
                       (uint64_t)((i + 7 * t) % 5 + 1);
    return (double)(x & 0xFFFFFFFF) / 4294967296.0 - 0.5;
}

static float gradient(int64_t rows, int64_t cols, int64_t i, int64_t j, int64_t t)
{
    double few = 0;
    for (int64_t k = 0; k < 4; k++)
        few += ldexp(made_up(i * cols + k, t) * made_up(k % rows * cols + j, t), -(int)k);
    return (float)(few + made_up(i * cols + j, t) / 128);
}

typedef struct bench {
    words w;
    ts_device *dev;
    ts_param_set set;
    ts_param *p;
    ts_optimizer z;
    int64_t rows, cols;
} bench;

static void bench_make(bench *b, const char *text, int64_t rows, int64_t cols)
{
    *b = (bench){ .rows = rows, .cols = cols };
    words_parse(&b->w, text);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &b->dev));
    OK(ts_param_set_init(&b->set, b->dev));
    OK(ts_param_add(&b->set, "mlp.weight", rows, cols, true, &b->p));
    const ts_option_list l = ts_train_whole_words(&b->w.o);
    ts_param_set_step_whole(&b->set, l.v, l.n);
    OK(ts_param_set_allocate(&b->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&b->set));
    for (int64_t i = 0; i < rows * cols; i++)
        ((float *)b->p->value)[i] = (float)made_up(i, 0);
    OK(ts_optimizer_init(&b->z, &b->w.o, &b->set, NULL));
}

static void bench_step(bench *b, int64_t t, double lr)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->cols; j++)
            b->p->grad[i * b->cols + j] = gradient(b->rows, b->cols, i, j, t);
    OK(ts_optimizer_step(&b->z, b->set.grads->data, lr, 0.25));
}

static void bench_free(bench *b)
{
    ts_optimizer_deinit(&b->z);
    ts_param_set_deinit(&b->set);
    ts_device_close(&b->dev);
    words_free(&b->w);
}

static int64_t int_of(const json_t *c, const char *key) { return json_integer_value(json_object_get(c, key)); }

/* A step is at most lr x scale x the root of rank; its numbers are ratios of projected gradients, of which a small one
 * is off by 2^-20 or so of the largest: by 2^-10 of itself where it is a thousandth. */
static void goldens(void **state)
{
    (void)state;
    json_t *all, *c;
    size_t i;
    OK(ts_json_read("tests/golden/train/galore.json", &all));
    const double lr = json_real_value(json_object_get(all, "lr"));
    const json_t *cases = json_object_get(all, "cases");
    assert_true(json_array_size(cases) >= 10);
    json_array_foreach(cases, i, c) {
        const char *text = json_string_value(json_object_get(c, "options"));
        const json_t *want = json_object_get(c, "values");
        bench b;
        bench_make(&b, text, int_of(c, "rows"), int_of(c, "cols"));
        for (int64_t t = 1; t <= int_of(all, "steps"); t++)
            bench_step(&b, t, lr);
        assert_int_equal(json_array_size(want), ts_param_count(b.p));
        for (int64_t k = 0; k < ts_param_count(b.p); k++) {
            const double got = (double)((float *)b.p->value)[k], w = json_real_value(json_array_get(want, (size_t)k));
            if (!(fabs(got - w) <= lr * 2 * 0x1p-8))
                fail_msg("%s: %lld x %lld [%d]: %.9g, expected %.9g", text, (long long)b.rows, (long long)b.cols, (int)k,
                         got, w);
        }
        bench_free(&b);
    }
    json_decref(all);
}

/* A product of known singular values comes apart again: both sides orthonormal, of b the values. */
static void comes_apart(void **state)
{
    (void)state;
    enum { N = 5, SIDE = 9, OTHER = 7 };
    static const float value[N] = { 8, 4, 2, 1, 0.5F };
    float right[N * SIDE], left[N * OTHER], q[N * SIDE], b[N * OTHER];
    for (int i = 0; i < N * SIDE; i++)
        right[i] = (float)made_up(i, 3), q[i] = (float)made_up(i, 4);
    for (int i = 0; i < N * OTHER; i++)
        left[i] = (float)made_up(i, 5);
    ts_subspace_orthonormal(right, N, SIDE);
    ts_subspace_orthonormal(left, N, OTHER);
    /* a basis of the same space as right: its rows mixed */
    for (int i = 0; i < N; i++)
        for (int j = 0; j < SIDE; j++) {
            q[i * SIDE + j] = 0;
            for (int k = 0; k < N; k++)
                q[i * SIDE + j] += (float)made_up(7 * i + k, 6) * right[k * SIDE + j];
        }
    ts_subspace_orthonormal(q, N, SIDE);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < OTHER; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) {
                double along = 0;
                for (int l = 0; l < SIDE; l++)
                    along += (double)q[i * SIDE + l] * (double)right[k * SIDE + l];
                sum += along * (double)value[k] * (double)left[k * OTHER + j];
            }
            b[i * OTHER + j] = (float)sum;
        }
    OK(ts_subspace_turn(q, N, SIDE, b, OTHER));
    for (int i = 0; i < N; i++) {
        int most = 0;
        double same = 0, other = 0;
        for (int j = 0; j < SIDE; j++) {
            same += (double)q[i * SIDE + j] * (double)right[i * SIDE + j];
            most = fabsf(q[i * SIDE + j]) > fabsf(q[i * SIDE + most]) ? j : most;
        }
        for (int j = 0; j < OTHER; j++)
            other += (double)b[i * OTHER + j] * (double)left[i * OTHER + j];
        assert_true(fabs(fabs(same) - 1) < 1e-5 && fabs(other - same) < 1e-4);
        assert_true(q[i * SIDE + most] > 0);
    }
}

/* Moments of rank numbers for each of the longer side, and the projection of the shorter; both sides of full. */
static void keeps_little(void **state)
{
    (void)state;
    bench b;
    bench_make(&b, "--use-galore --galore-rank 3", 5, 9);
    assert_int_equal(b.z.lowrank.state->bytes, 80 * sizeof(float)); /* 2 x 27 + 15, in whole 16 */
    bench_free(&b);
    bench_make(&b, "--use-galore --galore-rank 3 --galore-proj-type full", 5, 9);
    assert_int_equal(b.z.lowrank.state->bytes, 64 * sizeof(float)); /* 2 x 9 + 42 */
    bench_free(&b);
    bench_make(&b, "--use-galore --galore-target attention", 5, 9);
    assert_false(b.p->steps_whole);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(goldens), cmocka_unit_test(comes_apart),
                                        cmocka_unit_test(keeps_little) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
