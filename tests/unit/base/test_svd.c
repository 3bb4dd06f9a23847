/* Factors of matrices that are made of known ones. */
#include "../cmocka_all.h"

#include "base/rng.h"
#include "base/svd.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static void *room(int64_t n, size_t size)
{
    void *x;
    assert_int_equal(ts_alloc(&x, (size_t)n, size), TS_OK);
    return x;
}

static float *random_matrix(int64_t n, uint32_t number)
{
    const ts_rng rng = ts_rng_stream(5, TS_RNG_TEST, 0, number);
    float *x = room(n, sizeof *x);
    ts_rng_normal(&rng, 0, n, 1, x);
    return x;
}

/* [m, r], orthonormal columns to the precision of float; q [r, n], as many of another. */
static float *orthonormal(int64_t m, int64_t r, uint32_t number)
{
    float *x = random_matrix(m * r, number), *q = room(m * r, sizeof *q), *t = room(r * r, sizeof *t);
    assert_int_equal(ts_qr_first(x, m, r, r, q, t), TS_OK);
    free(x);
    free(t);
    return q;
}

static double dot_columns(const float *q, int64_t m, int64_t r, int64_t i, int64_t k)
{
    double sum = 0;
    for (int64_t row = 0; row < m; row++)
        sum += (double)q[row * r + i] * (double)q[row * r + k];
    return sum;
}

/* Singular values `value` [k] of w [m, n] = q diag(value) p^T: q's and p's errors are of a float's rounding, so that w's
 * values move by some roundings of the largest. */
static void check_svd(int64_t m, int64_t n, int64_t k, const double *value, int64_t r, int64_t passes, double slack)
{
    float *q = orthonormal(m, k, 1), *p = orthonormal(n, k, 2), *w = room(m * n, sizeof *w);
    float *u = room(m * r, sizeof *u), *s = room(r, sizeof *s), *v = room(r * n, sizeof *v);
    const double eps = FLT_EPSILON * (double)value[0] * (16 + 4 * sqrt((double)k)) + slack * value[0];
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++)
                sum += (double)q[i * k + j] * value[j] * (double)p[c * k + j];
            w[i * n + c] = (float)sum;
        }
    assert_int_equal(ts_svd_largest(w, m, n, r, passes, u, s, v), TS_OK);
    for (int64_t i = 0; i < r; i++) {
        if (!(fabs((double)s[i] - value[i]) <= eps))
            fail_msg("[%lld, %lld]: value %lld is %.9g, expected %.9g", (long long)m, (long long)n, (long long)i, (double)s[i], value[i]);
        for (int64_t j = 0; j < r; j++)
            if (value[i] > 0 && value[j] > 0 && fabs(dot_columns(u, m, r, i, j) - (i == j)) > 1e-5)
                fail_msg("columns %lld and %lld of u: %g", (long long)i, (long long)j, dot_columns(u, m, r, i, j));
        for (int64_t row = 0; row < m; row++) { /* w v = u s */
            double sum = 0;
            for (int64_t c = 0; c < n; c++)
                sum += (double)w[row * n + c] * (double)v[i * n + c];
            if (!(fabs(sum - (double)u[row * r + i] * (double)s[i]) <= eps + sqrt(slack) * value[0]))
                fail_msg("[%lld, %lld]: row %lld of vector %lld is %.9g, expected %.9g", (long long)m, (long long)n, (long long)row,
                         (long long)i, sum, (double)u[row * r + i] * (double)s[i]);
        }
    }
    free(q), free(p), free(w), free(u), free(s), free(v);
}

static void largest(void **state)
{
    double falling[40], close[40], few[40] = { 3, 3, 3, 1e-3 }, tiny[40], none[40] = { 0 };
    (void)state;
    for (int i = 0; i < 40; i++) {
        falling[i] = pow(0.8, i);
        close[i] = 1 + (40 - i) * 1e-3;
        tiny[i] = falling[i] * 1e-12;
    }
    check_svd(60, 40, 40, falling, 7, 0, 0);
    check_svd(40, 60, 40, falling, 7, 0, 0);
    check_svd(40, 60, 40, falling, 40, 0, 0);
    check_svd(60, 40, 40, close, 5, 0, 0);
    check_svd(60, 40, 40, few, 6, 0, 0);
    check_svd(40, 40, 40, tiny, 3, 0, 0);
    check_svd(40, 44, 40, none, 3, 0, 0);
    check_svd(1, 40, 1, falling, 1, 0, 0);
    check_svd(60, 40, 40, falling, 7, 16, 1e-4);
    check_svd(200, 130, 40, falling, 20, 0, 0);
}

/* w = q t where t is all there is, q orthonormal, and signs LAPACK's: minus those of the columns that are reflected. */
static void first_of_qr(void **state)
{
    const int64_t m = 9, n = 6;
    float *w = random_matrix(m * n, 3), *q = room(m * n, sizeof *q), *t = room(n * n, sizeof *t), q2[9 * 2], t2[2 * 6];
    (void)state;
    assert_int_equal(ts_qr_first(w, m, n, n, q, t), TS_OK);
    assert_int_equal(ts_qr_first(w, m, n, 2, q2, t2), TS_OK);
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t j = 0; j < n; j++)
                sum += (double)q[i * n + j] * (double)t[j * n + c];
            assert_true(fabs(sum - (double)w[i * n + c]) < 1e-5);
            assert_true(c > 1 || q2[i * 2 + c] == q[i * n + c]);
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            assert_true(fabs(dot_columns(q, m, n, i, j) - (i == j)) < 1e-6);
            assert_true(i > 1 || t2[i * n + j] == t[i * n + j]);
            assert_true(j >= i || t[i * n + j] == 0);
        }
    assert_true(w[0] * t[0] < 0);
    free(w), free(q), free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(largest), cmocka_unit_test(first_of_qr) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
