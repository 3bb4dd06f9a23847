/* Muon and Lion: weights after some steps beside those of scripts/golden_muon.py, and how orthogonal a step is. */
#include "../cmocka_all.h"
#include "base/json.h"
#include "device/isa.h"
#include "train/optimizer.h"
#include "words.h"

#include <math.h>

/* As the script makes it up: t 0 weights, then the gradients of step t. */
static float made_up(int64_t i, int64_t t)
{
    const uint64_t x = (((uint64_t)i * 2654435761u + (uint64_t)t * 40503u + 12345u) & 0xFFFFFFFF) *
                       (uint64_t)((i + 7 * t) % 5 + 1);
    return (float)((double)(x & 0xFFFFFFFF) / 4294967296.0 - 0.5);
}

typedef struct bench {
    words w;
    ts_device *dev;
    ts_param_set set;
    ts_param *p, *table;
    ts_optimizer z;
} bench;

static void bench_make(bench *b, const char *text, int threads, int64_t rows, int64_t cols, ts_param_bands bands)
{
    *b = (bench){ 0 };
    words_parse(&b->w, text);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = threads, .isa = TS_ISA_ALL }, &b->dev));
    OK(ts_param_set_init(&b->set, b->dev));
    OK(ts_param_add(&b->set, "table", 7, cols, true, &b->table));
    b->table->is_table = true;
    OK(ts_param_add(&b->set, "weight", rows, cols, true, &b->p));
    b->p->bands = bands;
    if (ts_train_steps_whole(&b->w.o))
        ts_param_set_step_whole(&b->set, NULL, 0);
    OK(ts_param_set_allocate(&b->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&b->set));
    for (int64_t i = 0; i < rows * cols; i++)
        ((float *)b->p->value)[i] = made_up(i, 0);
    OK(ts_optimizer_init(&b->z, &b->w.o, &b->set, NULL));
}

static void bench_step(bench *b, int64_t t, double lr)
{
    for (int64_t i = 0; i < ts_param_count(b->p); i++)
        b->p->grad[i] = made_up(i, t) * 4;
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

/* In fp32 each singular value is grown by at most the product of the first coefficients, 8.3 4.1 4.0 3.3 2.3
 * 1.9 1.9 1.9 = 7000 of the polar express, and so is what is rounded: by a few of 2^-24 of the largest, in each
 * of at most 9 iterations. In bf16 what the script asks of torch's own. */
static double bound_of(const char *options, double lr, int64_t steps)
{
    const double scale = 4, step = lr * scale * (double)steps;
    return strstr(options, "lion") ? 0x1p-22 : strstr(options, "high") ? step * 7000 * 8 * 0x1p-24 : 0.0125 * step;
}

static void goldens(void **state)
{
    (void)state;
    json_t *all, *c;
    size_t i;
    OK(ts_json_read("tests/golden/train/muon.json", &all));
    const int64_t steps = int_of(all, "steps");
    const double lr = json_real_value(json_object_get(all, "lr"));
    const json_t *cases = json_object_get(all, "cases");
    assert_true(json_array_size(cases) >= 12);
    json_array_foreach(cases, i, c) {
        const char *text = json_string_value(json_object_get(c, "options"));
        const json_t *n = json_object_get(c, "bands"), *want = json_object_get(c, "values");
        ts_param_bands bands = { .n = (int)json_array_size(n), .head = int_of(c, "head") };
        bench b;
        for (int k = 0; k < bands.n; k++)
            bands.rows[k] = json_integer_value(json_array_get(n, (size_t)k));
        bench_make(&b, text, 2, int_of(c, "rows"), int_of(c, "cols"), bands);
        for (int64_t t = 1; t <= steps; t++)
            bench_step(&b, t, lr);
        assert_int_equal(json_array_size(want), ts_param_count(b.p));
        for (int64_t k = 0; k < ts_param_count(b.p); k++) {
            const double got = (double)((float *)b.p->value)[k],
                         w = json_real_value(json_array_get(want, (size_t)k));
            if (!(fabs(got - w) <= bound_of(text, lr, steps)))
                fail_msg("%s: [%d]: %.9g, expected %.9g", text, (int)k, got, w);
        }
        bench_free(&b);
    }
    json_decref(all);
}

/* Eigenvalues of a symmetric a [n, n], by Jacobi's turns; a's diagonal holds them then. */
static void diagonalize(double *a, int n)
{
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                const double turn = 0.5 * atan2(2 * a[p * n + q], a[q * n + q] - a[p * n + p]), c = cos(turn),
                             s = sin(turn);
                for (int k = 0; k < n; k++) {
                    const double x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = c * x - s * y, a[k * n + q] = s * x + c * y;
                }
                for (int k = 0; k < n; k++) {
                    const double x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = c * x - s * y, a[q * n + k] = s * x + c * y;
                }
            }
}

/* A step of rate 1 without decay is minus the orthogonal matrix: singular values near 1, for wide and high ones
 * and in every precision. */
static void singular_values(void **state)
{
    (void)state;
    static const char *const text[] = { "--optimizer muon --muon-momentum 0 --weight-decay 0 --muon-scale-mode shape_scaling",
                                        "--optimizer muon --muon-momentum 0 --weight-decay 0 --muon-fp32-matmul-prec high "
                                        "--muon-scale-mode shape_scaling --muon-extra-scale-factor 2" };
    for (int k = 0; k < 4; k++) {
        const int rows = k < 2 ? 12 : 16, cols = k < 2 ? 16 : 12, n = 12;
        double o[16 * 16], gram[12 * 12] = { 0 };
        const double scale = (k % 2 ? 2.0 : 1.0) * (k < 2 ? 1 : sqrt(16.0 / 12));
        bench b;
        bench_make(&b, text[k % 2], 1, rows, cols, (ts_param_bands){ 0 });
        bench_step(&b, 3, 1);
        for (int i = 0; i < rows * cols; i++)
            o[i] = ((double)made_up(i, 0) - (double)((float *)b.p->value)[i]) / scale;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                for (int l = 0; l < 16; l++)
                    gram[i * n + j] += k < 2 ? o[i * cols + l] * o[j * cols + l] : o[l * cols + i] * o[l * cols + j];
        diagonalize(gram, n);
        for (int i = 0; i < n; i++)
            if (!(sqrt(gram[i * n + i]) > 0.65 && sqrt(gram[i * n + i]) < 1.25))
                fail_msg("case %d: a singular value of %g", k, sqrt(gram[i * n + i]));
        bench_free(&b);
    }
}

/* Threads change nothing; a gradient of zeros moves nothing but by the decay; there is one moment of a matrix. */
static void of_itself(void **state)
{
    (void)state;
    const char *text = "--optimizer muon --weight-decay 0";
    bench a, b;
    bench_make(&a, text, 1, 16, 12, (ts_param_bands){ 0 });
    bench_make(&b, text, 3, 16, 12, (ts_param_bands){ 0 });
    assert_int_equal(a.z.v->bytes, 7 * 12 * 4 + 44 * 4); /* of the table, in whole 64 elements */
    bench_step(&a, 1, 0.1);
    bench_step(&b, 1, 0.1);
    assert_memory_equal(a.p->value, b.p->value, 16 * 12 * sizeof(float));
    bench_free(&a);
    bench_free(&b);
    bench_make(&a, text, 1, 16, 12, (ts_param_bands){ 0 });
    memset(a.set.grads->data, 0, a.set.grads->bytes);
    OK(ts_optimizer_step(&a.z, a.set.grads->data, 0.1, 1));
    for (int64_t i = 0; i < 16 * 12; i++)
        assert_true(((float *)a.p->value)[i] == made_up(i, 0));
    bench_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens),
        cmocka_unit_test(singular_values),
        cmocka_unit_test(of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
