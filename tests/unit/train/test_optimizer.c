/* AdamW and SGD over a small parameter set, step by step beside the same rules in double. */
#include "../cmocka_all.h"
#include "device/cpu/isa.h"
#include "train/optimizer.h"
#include "words.h"

#include <math.h>

/* Odd sizes, so that there is padding behind each parameter (they begin at multiples of 64). */
enum { MATRIX = 0, VECTOR, LONE, PARAMS, MOST = 5 * 37, STEPS = 6 };
static const int64_t shape[PARAMS][2] = { { 5, 37 }, { 19, 0 }, { 1, 3 } };

typedef struct bench {
    ts_device *dev;
    ts_param_set set;
    ts_param *p[PARAMS];
    words w;
    ts_optimizer z;
    double value[PARAMS][MOST], m[PARAMS][MOST], v[PARAMS][MOST];
    uint32_t seed;
} bench;

static float next(bench *b)
{
    b->seed = b->seed * 1664525u + 1013904223u;
    return (float)(b->seed >> 8) * 0x1p-23f - 1; /* [-1, 1) */
}

static bench *bench_make(const char *text)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->seed = 12345;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &b->dev));
    ts_param_set_init(&b->set, b->dev);
    OK(ts_param_add(&b->set, "matrix", shape[0][0], shape[0][1], true, &b->p[0]));
    OK(ts_param_add(&b->set, "vector", shape[1][0], shape[1][1], false, &b->p[1]));
    OK(ts_param_add(&b->set, "lone", shape[2][0], shape[2][1], true, &b->p[2]));
    OK(ts_param_set_allocate(&b->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&b->set));
    for (int i = 0; i < PARAMS; i++)
        for (int64_t k = 0; k < ts_param_count(b->p[i]); k++)
            b->value[i][k] = (double)(((float *)b->p[i]->value)[k] = next(b));
    words_parse(&b->w, text);
    OK(ts_optimizer_init(&b->z, &b->w.o, &b->set));
    return b;
}

static void bench_free(bench *b)
{
    ts_optimizer_deinit(&b->z);
    words_free(&b->w);
    ts_param_set_deinit(&b->set);
    ts_device_close(&b->dev);
    free(b);
}

/* One element after the gradient g (already scaled) of step t, from 1. */
static void expect(bench *b, int i, int64_t k, int t, double g, double lr)
{
    const ts_train_options *o = &b->w.o;
    const double wd = i == VECTOR ? 0 : o->weight_decay; /* vectors are not decayed */
    double *p = &b->value[i][k], *m = &b->m[i][k], *v = &b->v[i][k];
    if (o->optimizer == TS_OPTIMIZER_ADAM) {
        *m = o->adam_beta1 * *m + (1 - o->adam_beta1) * g;
        *v = o->adam_beta2 * *v + (1 - o->adam_beta2) * g * g;
        const double mean = *m / (1 - pow(o->adam_beta1, t)),
                     square = *v / (1 - pow(o->adam_beta2, t));
        *p -= lr * (mean / (sqrt(square) + o->adam_eps) + wd * *p);
        return;
    }
    *m = o->sgd_momentum * *m + g + wd * *p;
    *p -= lr * *m;
}

/* Gradients of sizes from 1 down to 1e-4, and some that are 0; a learning rate and a scale that
 * change.
 *
 * Bound: a value of size P takes a rounding of P 2^-24 in its own multiplication and another in the
 * subtraction; the update (at most lr times a small number U, 2 for Adam here, 10 for momentum 0.9)
 * has less than 16 roundings of its own or of its moments: per step 2^-24 (2 P + 16 lr U). Betas
 * rounded to float change 1 - beta2 by 2^-25 / 1e-3 of itself: lr U 2^-15 at most, halved by the
 * root and mostly undone by the correction; it is taken in full. */
static void run(const char *text, double lr0)
{
    bench *b = bench_make(text);
    const bool adam = b->w.o.optimizer == TS_OPTIMIZER_ADAM;
    double tolerance = 0;
    assert_true(b->z.v ? adam : !adam);
    assert_true(!b->z.m == (!adam && b->w.o.sgd_momentum <= 0));
    for (int t = 1; t <= STEPS; t++) {
        const double lr = lr0 / t, scale = t % 2 ? 1 : 0.125;
        const unsigned version = b->p[0]->version;
        for (int i = 0; i < PARAMS; i++)
            for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
                const float g = k % 7 == 3 ? 0 : next(b) * powf(10, (float)-(k % 5));
                b->p[i]->grad[k] = g;
                expect(b, i, k, t, (double)g * scale, lr);
            }
        ts_optimizer_step(&b->z, b->set.grads->data, lr, scale);
        assert_true(b->p[0]->version != version); /* packed forms are old now */
        assert_int_equal(b->z.steps, t);
        tolerance += 0x1p-24 * (2 * 2 + 16 * lr * 10) + (adam ? lr * 2 * 0x1p-15 : 0);
        for (int i = 0; i < PARAMS; i++)
            for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
                const double got = (double)((float *)b->p[i]->value)[k], want = b->value[i][k];
                if (!(fabs(got - want) <= tolerance))
                    fail_msg("%s: step %d, %s[%d]: %.9g, expected %.9g +- %.2g", text, t,
                             b->p[i]->name, (int)k, got, want, tolerance);
            }
    }
    bench_free(b);
}

static void adamw_follows_double(void **state)
{
    (void)state;
    run("--weight-decay 0.1", 1e-2);
    run("--weight-decay 0", 1e-2);
    run("--weight-decay 0.5 --adam-beta1 0.5 --adam-beta2 0.95 --adam-eps 1e-3", 1e-2);
    run("--adam-beta1 0 --adam-beta2 0.5 --weight-decay 2", 0.1);
}

static void sgd_follows_double(void **state)
{
    (void)state;
    run("--optimizer sgd --weight-decay 0.1", 1e-2);
    run("--optimizer sgd --weight-decay 0.1 --sgd-momentum 0", 0.1);
    run("--optimizer sgd --weight-decay 0 --sgd-momentum 0.5", 0.1);
}

/* Without gradients the decay alone moves the matrices and leaves the vector as it is, to the
 * bit. */
static void decay_leaves_vectors(void **state)
{
    (void)state;
    static const char *const text[] = { "--weight-decay 0.5",
                                        "--optimizer sgd --weight-decay 0.5" };
    for (int n = 0; n < 2; n++) {
        bench *b = bench_make(text[n]);
        ts_optimizer_step(&b->z, b->set.grads->data, 0.5, 1);
        for (int i = 0; i < PARAMS; i++)
            for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
                const double got = (double)((float *)b->p[i]->value)[k], was = b->value[i][k];
                if (i == VECTOR)
                    assert_true(got == was);
                else
                    assert_true(got == (double)(float)(was * 0.75));
            }
        bench_free(b);
    }
}

/* Squares of small whole numbers: the sum is exact. Zeros of the padding are not counted. */
static void sums_and_zeros(void **state)
{
    (void)state;
    bench *b = bench_make("--log-num-zeros-in-grad");
    double want = 0, sum = -1;
    int64_t zeros = 0, got = -1;
    for (int i = 0; i < PARAMS; i++)
        for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
            const int g = (int)(k * 7 + i) % 11 - 5;
            b->p[i]->grad[k] = (float)g;
            want += g * g;
            zeros += g == 0;
        }
    assert_true(zeros > 3 && b->set.total > MOST + 19 + 3);
    OK(ts_optimizer_sumsq(&b->z, b->set.grads->data, &sum, &got));
    assert_true(sum == want);
    assert_int_equal(got, zeros);
    OK(ts_optimizer_sumsq(&b->z, b->set.grads->data, &sum, NULL));
    assert_true(sum == want);
    b->p[LONE]->grad[1] = INFINITY;
    OK(ts_optimizer_sumsq(&b->z, b->set.grads->data, &sum, &got));
    assert_true(isinf(sum));
    b->p[MATRIX]->grad[0] = NAN;
    OK(ts_optimizer_sumsq(&b->z, b->set.grads->data, &sum, &got));
    assert_true(isnan(sum));
    memset(b->set.grads->data, 0, (size_t)b->set.total * sizeof(float));
    OK(ts_optimizer_sumsq(&b->z, b->set.grads->data, &sum, &got));
    assert_true(sum == 0);
    assert_int_equal(got, MOST + 19 + 3);
    bench_free(b);
}

/* More than one block of the sum, which is where fp32 would have lost the small ones. */
static void sums_of_many(void **state)
{
    (void)state;
    enum { ROWS = 400, COLS = 501 }; /* 3.06 blocks */
    ts_device *dev = NULL;
    ts_param_set set;
    ts_param *p;
    words w;
    ts_optimizer z;
    double sum;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    ts_param_set_init(&set, dev);
    OK(ts_param_add(&set, "matrix", ROWS, COLS, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&set));
    words_parse(&w, "--optimizer sgd --sgd-momentum 0");
    OK(ts_optimizer_init(&z, &w.o, &set));
    assert_true(set.total > 3 * TS_SUMSQ_BLOCK);
    for (int64_t k = 0; k < ROWS * COLS; k++)
        p->grad[k] = 0x1p-14f;
    p->grad[70000] = 4096; /* 2^24 + 200399 * 2^-28 */
    OK(ts_optimizer_sumsq(&z, set.grads->data, &sum, NULL));
    assert_true(sum == 0x1p24 + (ROWS * COLS - 1) * 0x1p-28);
    ts_optimizer_deinit(&z);
    words_free(&w);
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_follows_double), cmocka_unit_test(sgd_follows_double),
        cmocka_unit_test(decay_leaves_vectors), cmocka_unit_test(sums_and_zeros),
        cmocka_unit_test(sums_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
