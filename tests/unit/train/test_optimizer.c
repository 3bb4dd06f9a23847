/* AdamW and SGD over a small parameter set, step by step beside the same rules in double. */
#include "../cmocka_all.h"
#include "device/isa.h"
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

/* Nothing is shared out: its only piece is the parameter. */
static void *moment_at(const ts_storage *own, ts_dtype t, const ts_param *p)
{
    return ts_optimizer_at(own, t, &p->set->shards.piece[p->index], false);
}

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
    OK(ts_param_set_init(&b->set, b->dev));
    OK(ts_param_add(&b->set, "matrix", shape[0][0], shape[0][1], true, &b->p[0]));
    OK(ts_param_add(&b->set, "vector", shape[1][0], shape[1][1], false, &b->p[1]));
    OK(ts_param_add(&b->set, "lone", shape[2][0], shape[2][1], true, &b->p[2]));
    OK(ts_param_set_allocate(&b->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&b->set));
    for (int i = 0; i < PARAMS; i++)
        for (int64_t k = 0; k < ts_param_count(b->p[i]); k++)
            b->value[i][k] = (double)(((float *)b->p[i]->value)[k] = next(b));
    words_parse(&b->w, text);
    OK(ts_optimizer_init(&b->z, &b->w.o, &b->set, NULL));
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
        OK(ts_optimizer_step(&b->z, b->set.grads->data, lr, scale));
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

/* ---- moments and weights in bf16 */

static double stored(const ts_storage *flat, ts_dtype t, const ts_param *p, int64_t k)
{
    return (double)ts_load_f32(moment_at(flat, t, p), k, t);
}

/* Step by step beside the same rules in double, begun each time from what is stored: rounding at
 * random takes one of the two neighbours in bf16 (2^-7 of the larger at most), on top of what fp32
 * may miss. */
static void bf16_follows_double(void **state)
{
    (void)state;
    static const char *const text[] = { "--exp-avg-dtype bf16", "--exp-avg-sq-dtype bf16",
                                        "--exp-avg-dtype bf16 --exp-avg-sq-dtype bf16" };
    for (int n = 0; n < 3; n++) {
        char options[160];
        snprintf(options, sizeof options, "--use-precision-aware-optimizer --weight-decay 0.1 %s",
                 text[n]);
        bench *b = bench_make(options);
        const ts_dtype tm = n == 1 ? TS_DTYPE_F32 : TS_DTYPE_BF16,
                       tv = n == 0 ? TS_DTYPE_F32 : TS_DTYPE_BF16;
        const size_t total = (size_t)b->set.total;
        assert_int_equal(b->z.m->bytes, total * ts_dtype_size(tm));
        assert_int_equal(b->z.v->bytes, total * ts_dtype_size(tv));
        for (int t = 1; t <= STEPS; t++) {
            for (int i = 0; i < PARAMS; i++)
                for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
                    const float g = k % 7 == 3 ? 0 : next(b) * powf(10, (float)-(k % 5));
                    b->p[i]->grad[k] = g;
                    b->value[i][k] = (double)((float *)b->p[i]->value)[k];
                    b->m[i][k] = stored(b->z.m, tm, b->p[i], k);
                    b->v[i][k] = stored(b->z.v, tv, b->p[i], k);
                    expect(b, i, k, t, (double)g, 1e-2);
                }
            OK(ts_optimizer_step(&b->z, b->set.grads->data, 1e-2, 1));
            for (int i = 0; i < PARAMS; i++)
                for (int64_t k = 0; k < ts_param_count(b->p[i]); k++) {
                    const double m = b->m[i][k], v = b->v[i][k], p = b->value[i][k];
                    const double um = tm == TS_DTYPE_BF16 ? 0x1p-7 : 0x1p-20,
                                 uv = tv == TS_DTYPE_BF16 ? 0x1p-7 : 0x1p-15;
                    /* cancellation in m: at most 2 of its terms */
                    assert_true(fabs(stored(b->z.m, tm, b->p[i], k) - m) <=
                                um * fabs(m) + 0x1p-22);
                    assert_true(fabs(stored(b->z.v, tv, b->p[i], k) - v) <= uv * v + 0x1p-80);
                    assert_true(fabs((double)((float *)b->p[i]->value)[k] - p) <=
                                0x1p-24 * 8 + 1e-2 * 0x1p-14);
                }
        }
        bench_free(b);
    }
}

/* A second moment that falls by 0.1 % a step: rounded to nearest it would stay where it is for
 * ever; at random its mean falls as it should. 185 elements over 400 steps: v is e^-0.4 = 0.670 of
 * what it was; each step adds a relative error of at most 2^-7 / 2 (standard deviation), so the
 * mean of 185 misses by 2^-8 sqrt(400 / 185) = 0.006 (one deviation); five are allowed. */
static void small_changes_are_not_lost(void **state)
{
    (void)state;
    enum { MANY = 400, COUNT = 185 };
    bench *b = bench_make("--use-precision-aware-optimizer --exp-avg-sq-dtype bf16 "
                          "--exp-avg-dtype bf16 --adam-beta2 0.999 --adam-beta1 0.999");
    uint16_t *v = moment_at(b->z.v, TS_DTYPE_BF16, b->p[MATRIX]),
             *m = moment_at(b->z.m, TS_DTYPE_BF16, b->p[MATRIX]);
    double mean_v = 0, mean_m = 0;
    for (int k = 0; k < COUNT; k++)
        v[k] = m[k] = ts_f32_to_bf16(1.5f);
    for (int t = 0; t < MANY; t++)
        OK(ts_optimizer_step(&b->z, b->set.grads->data, 1e-6, 1));
    for (int k = 0; k < COUNT; k++) {
        mean_v += (double)ts_bf16_to_f32(v[k]) / 1.5 / COUNT;
        mean_m += (double)ts_bf16_to_f32(m[k]) / 1.5 / COUNT;
    }
    assert_true(fabs(mean_v - pow(0.999, MANY)) < 0.03);
    assert_true(fabs(mean_m - pow(0.999, MANY)) < 0.03);
    bench_free(b);
}

/* The same random numbers for any number of threads and any instructions' width; others for another
 * seed and another step. */
static void bits_of(const char *text, int threads, unsigned isa, int64_t steps, uint16_t *out)
{
    enum { ROWS = 61, COLS = 517 };
    ts_device *dev = NULL;
    ts_param_set set;
    ts_param *p;
    words w;
    ts_optimizer z;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = threads, .isa = isa }, &dev));
    OK(ts_param_set_init(&set, dev));
    OK(ts_param_add(&set, "first", 3, 0, true, &p));
    OK(ts_param_add(&set, "matrix", ROWS, COLS, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_BF16));
    OK(ts_param_set_allocate_grads(&set));
    words_parse(&w, text);
    OK(ts_optimizer_init(&z, &w.o, &set, NULL));
    uint16_t *value = p->value, *v = moment_at(z.v, TS_DTYPE_BF16, p);
    for (int k = 0; k < ROWS * COLS; k++) {
        value[k] = ts_f32_to_bf16(1 + (float)(k % 37));
        p->grad[k] = (float)(k % 101) * 0x1p-6f;
    }
    memset(set.values->data, 0, 3 * sizeof(float)); /* the vector, fp32 */
    z.steps = steps;
    OK(ts_optimizer_step(&z, set.grads->data, 1e-3, 0.3));
    memcpy(out, value, ROWS * COLS * sizeof *out);
    memcpy(out + ROWS * COLS, v, ROWS * COLS * sizeof *out);
    ts_optimizer_deinit(&z);
    words_free(&w);
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
}

static void random_bits_have_addresses(void **state)
{
    (void)state;
    enum { N = 2 * 61 * 517 };
    static uint16_t one[N], other[N];
    static const char text[] = "--use-precision-aware-optimizer --main-params-dtype bf16 "
                               "--exp-avg-dtype bf16 --exp-avg-sq-dtype bf16";
    char seeded[200];
    snprintf(seeded, sizeof seeded, "%s --seed 77", text);
    bits_of(text, 1, TS_ISA_ALL, 3, one);
    bits_of(text, 3, TS_ISA_ALL, 3, other);
    assert_memory_equal(one, other, sizeof one);
    bits_of(text, 1, TS_ISA_ALL, 4, other);
    assert_memory_not_equal(one, other, sizeof one / 2); /* the weights: another step */
    bits_of(seeded, 1, TS_ISA_ALL, 3, other);
    assert_memory_not_equal(one, other, sizeof one / 2);
    /* Other instructions round fp32 otherwise: few of the numbers tip over. */
    bits_of(text, 2, 0, 3, other);
    int differ = 0;
    for (int k = 0; k < N; k++)
        differ += one[k] != other[k];
    assert_true(differ < N / 1000);
}

/* ---- shares of one matrix ---- */

enum { WHOLE_ROWS = 26, WHOLE_COLS = 61, WHOLE_COUNT = WHOLE_ROWS * WHOLE_COLS };

/* A step in 16 bits on a share of the matrix; weights and moments to where they stand in the whole. */
static void step_share(const ts_place *place, uint16_t out[3][WHOLE_COUNT])
{
    ts_device *dev = NULL;
    ts_param_set set;
    ts_param *p;
    ts_form f;
    words w;
    ts_optimizer z;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_param_set_init(&set, dev));
    ts_param_skip(&set, 7);
    OK(ts_param_declare(&set, "matrix", place, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_BF16));
    OK(ts_param_set_allocate_grads(&set));
    words_parse(&w, "--use-precision-aware-optimizer --main-params-dtype bf16 --exp-avg-dtype bf16 "
                    "--exp-avg-sq-dtype bf16");
    OK(ts_optimizer_init(&z, &w.o, &set, NULL));
    uint16_t *const of[] = { p->value, moment_at(z.m, TS_DTYPE_BF16, p),
                             moment_at(z.v, TS_DTYPE_BF16, p) };
    for (int64_t i = 0, at; i < ts_param_count(p); i++) {
        (void)ts_place_run(place, i, &at);
        of[0][i] = ts_f32_to_bf16(1 + (float)(at % 37));
        p->grad[i] = (float)(at % 101) * 0x1p-6f;
    }
    for (int step = 0; step < 2; step++) { /* the second with forms that the first has left */
        ts_param_set_changed(&set);
        OK(ts_param_form(p, TS_GEMM_NT, TS_DTYPE_BF16, &f));
        OK(ts_optimizer_step(&z, set.grads->data, 1e-3, 0.3));
    }
    for (int64_t i = 0, at; i < ts_param_count(p); i++) {
        (void)ts_place_run(place, i, &at);
        for (int k = 0; k < 3; k++)
            out[k][at] = of[k][i];
    }
    /* what products read after the step are the new values */
    ts_form fresh;
    OK(ts_param_form(p, TS_GEMM_NT, TS_DTYPE_BF16, &f));
    const size_t bytes = dev->gemm_packed_bytes(dev, TS_GEMM_NT, TS_DTYPE_BF16, p->dim[0], p->dim[1]);
    char *kept = malloc(bytes + 1);
    assert_non_null(kept);
    memcpy(kept, f.data, bytes);
    ts_param_set_changed(&set);
    OK(ts_param_form(p, TS_GEMM_NT, TS_DTYPE_BF16, &fresh));
    assert_memory_equal(kept, fresh.data, bytes);
    free(kept);
    ts_optimizer_deinit(&z);
    words_free(&w);
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
}

/* However a matrix is cut, each element is rounded as in the whole. */
static void shares_round_as_the_whole(void **state)
{
    (void)state;
    static const struct {
        int dim, stretches;
        int64_t n, unit;
    } cut[] = { { 0, 1, 2, 2 }, { 0, 2, 3, 1 }, { 1, 1, 3, 1 }, { 0, 1, 2, 13 } };
    static uint16_t whole[3][WHOLE_COUNT], parts[3][WHOLE_COUNT];
    const ts_place all = ts_place_whole(WHOLE_ROWS, WHOLE_COLS);
    step_share(&all, whole);
    for (size_t c = 0; c < sizeof cut / sizeof *cut; c++) {
        memset(parts, 0, sizeof parts);
        for (int64_t i = 0; i < cut[c].n; i++) {
            ts_place p = all;
            ts_place_cut_even(&p, cut[c].dim, TS_AXIS_TENSOR, cut[c].n, i, cut[c].stretches,
                              cut[c].unit);
            step_share(&p, parts);
        }
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

/* Values of two types: the norm is of all of them. */
static void norm_of_mixed_types(void **state)
{
    (void)state;
    ts_device *dev = NULL;
    ts_param_set set;
    ts_param *p[2];
    words w;
    ts_optimizer z;
    double norm;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_param_set_init(&set, dev));
    OK(ts_param_add(&set, "matrix", 300, 301, true, &p[0]));
    OK(ts_param_add(&set, "vector", 16, 0, false, &p[1]));
    OK(ts_param_set_allocate(&set, TS_DTYPE_BF16));
    OK(ts_param_set_allocate_grads(&set));
    words_parse(&w, "--use-precision-aware-optimizer --main-params-dtype bf16");
    OK(ts_optimizer_init(&z, &w.o, &set, NULL));
    for (int k = 0; k < 300 * 301; k++)
        ((uint16_t *)p[0]->value)[k] = ts_f32_to_bf16(2);
    for (int k = 0; k < 16; k++)
        ((float *)p[1]->value)[k] = 3;
    OK(ts_optimizer_params_norm(&z, &norm));
    assert_true(norm == sqrt(4.0 * 300 * 301 + 9 * 16));
    ts_optimizer_deinit(&z);
    words_free(&w);
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
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
        OK(ts_optimizer_step(&b->z, b->set.grads->data, 0.5, 1));
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
    OK(ts_param_set_init(&set, dev));
    OK(ts_param_add(&set, "matrix", ROWS, COLS, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&set));
    words_parse(&w, "--optimizer sgd --sgd-momentum 0");
    OK(ts_optimizer_init(&z, &w.o, &set, NULL));
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
        cmocka_unit_test(bf16_follows_double),
        cmocka_unit_test(small_changes_are_not_lost),
        cmocka_unit_test(random_bits_have_addresses),
        cmocka_unit_test(shares_round_as_the_whole),
        cmocka_unit_test(norm_of_mixed_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
