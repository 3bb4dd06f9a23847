#include "train/subspace.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void scale(float *v, int64_t n, double by)
{
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)((double)v[i] * by);
}

/* Twice is enough (Giraud and others 2005): the second time takes away what rounding has left. */
void ts_subspace_orthonormal(float *v, int64_t n, int64_t len)
{
    for (int64_t i = 0; i < n; i++) {
        float *x = v + i * len;
        const double before = sqrt(dot(x, x, len));
        for (int64_t k = 0; k < 2 * i; k++) {
            const float *y = v + k % i * len;
            const double along = dot(x, y, len);
            for (int64_t j = 0; j < len; j++)
                x[j] = (float)((double)x[j] - along * (double)y[j]);
        }
        const double left = sqrt(dot(x, x, len));
        scale(x, len, left > before * FLT_EPSILON * 16 && left > 0 ? 1 / left : 0);
    }
}

void ts_subspace_transpose(const float *x, int64_t rows, int64_t cols, float *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            to[j * rows + i] = x[i * cols + j];
}

/* ---- eigenvectors of c [n, n], symmetric: Jacobi's rotations, row by row ---- */

/* The angle that makes c[p][q] 0 (Golub and Van Loan, section 8.5), and what it does to both matrices. */
static void rotate(double *c, double *e, int64_t n, int64_t p, int64_t q)
{
    const double off = c[p * n + q], tau = (c[q * n + q] - c[p * n + p]) / (2 * off),
                 t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau)), cosine = 1 / sqrt(1 + t * t), sine = t * cosine;
    for (int64_t k = 0; k < n; k++) {
        const double a = c[k * n + p], b = c[k * n + q];
        c[k * n + p] = cosine * a - sine * b;
        c[k * n + q] = sine * a + cosine * b;
    }
    for (int64_t k = 0; k < n; k++) {
        const double a = c[p * n + k], b = c[q * n + k], x = e[p * n + k], y = e[q * n + k];
        c[p * n + k] = cosine * a - sine * b;
        c[q * n + k] = sine * a + cosine * b;
        e[p * n + k] = cosine * x - sine * y;
        e[q * n + k] = sine * x + cosine * y;
    }
}

/* The rows of e, which is the identity at first, become eigenvectors; values on the diagonal of c. */
static void find_eigenvectors(double *c, double *e, int64_t n)
{
    enum { SWEEPS = 30 };
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        e[i * n + i] = 1;
        most = fmax(most, fabs(c[i * n + i]));
    }
    for (int sweep = 0, moved = 1; sweep < SWEEPS && moved; sweep++) {
        moved = 0;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++)
                if (fabs(c[p * n + q]) > most * 1e-15) {
                    rotate(c, e, n, p, q);
                    moved = 1;
                }
    }
}

/* ---- turned ---- */

/* The order of eigenvalues, the largest first. */
static void sort(const double *c, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i;
        for (; k > 0 && c[order[k - 1] * n + order[k - 1]] < c[i * n + i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

/* Rows of v [n, len] become sums of them; column: room [n]. */
static void combine(float *v, int64_t n, int64_t len, const double *e, const int64_t *order, double *column)
{
    for (int64_t j = 0; j < len; j++) {
        for (int64_t i = 0; i < n; i++) {
            column[i] = 0;
            for (int64_t k = 0; k < n; k++)
                column[i] += e[order[i] * n + k] * (double)v[k * len + j];
        }
        for (int64_t i = 0; i < n; i++)
            v[i * len + j] = (float)column[i];
    }
}

static double sign_of(const float *v, int64_t n)
{
    int64_t most = 0;
    for (int64_t i = 1; i < n; i++)
        most = fabsf(v[i]) > fabsf(v[most]) ? i : most;
    return v[most] < 0 ? -1 : 1;
}

ts_status ts_subspace_turn(float *q, int64_t n, int64_t side, float *b, int64_t other)
{
    const size_t square = (size_t)(n * n);
    double *c;
    int64_t *order;
    TS_TRY(ts_alloc(&order, (size_t)n, sizeof *order));
    const ts_status st = ts_alloc(&c, 2 * square + (size_t)n, sizeof *c);
    if (st != TS_OK) {
        ts_free(&order);
        return st;
    }
    double *e = c + square;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k <= i; k++)
            c[i * n + k] = c[k * n + i] = dot(b + i * other, b + k * other, other);
    find_eigenvectors(c, e, n);
    sort(c, n, order);
    combine(q, n, side, e, order, e + square);
    combine(b, n, other, e, order, e + square);
    for (int64_t i = 0; i < n; i++) {
        const double sign = sign_of(q + i * side, side), size = sqrt(dot(b + i * other, b + i * other, other));
        scale(q + i * side, side, sign);
        scale(b + i * other, other, size > 0 ? sign / size : 0);
    }
    ts_free(&c);
    ts_free(&order);
    return TS_OK;
}
