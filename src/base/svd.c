#include "base/svd.h"

#include "base/rng.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

/* ---- the space ---- */

/* Orthonormal vectors, in blocks of b: block j's [k][b], of which the last may have fewer columns. */
typedef struct space {
    const float *w;
    int64_t m, n, k, b; /* k: the smaller side, on which the vectors are */
    double *q;          /* [blocks][k][b] */
    double *t;          /* [cap, cap] what w w^T (or w^T w) is among them */
    int64_t dim, cap;
    double *next, *other; /* [k][b], [the larger side][b] */
    double *along;        /* [b][b] */
    double *below;        /* [b][b] of the next block's columns, what they were of the last one's product */
    int64_t width;        /* of the next block */
    ts_rng rng;
    uint64_t drawn;
    double size; /* of the largest product so far */
} space;

static double *block_of(const space *x, int64_t j) { return x->q + j * x->k * x->b; }
static int64_t width_of(const space *x, int64_t j) { return x->dim - j * x->b < x->b ? x->dim - j * x->b : x->b; }

/* y[row of w] += w x, and back: x [from][b], y [to][b]. */
static void multiply(const space *s, const double *x, double *y, bool transposed)
{
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t c = 0; c < s->n; c++) {
            const double w = (double)s->w[i * s->n + c];
            const double *from = x + (transposed ? i : c) * s->b;
            double *to = y + (transposed ? c : i) * s->b;
            for (int64_t p = 0; p < s->b; p++)
                to[p] += w * from[p];
        }
}

/* next = w^T w x, or w w^T x where that is smaller. */
static void apply(space *s, const double *x)
{
    const bool by_rows = s->k == s->m && s->m < s->n;
    memset(s->other, 0, (size_t)((by_rows ? s->n : s->m) * s->b) * sizeof *s->other);
    memset(s->next, 0, (size_t)(s->k * s->b) * sizeof *s->next);
    multiply(s, x, s->other, by_rows);
    multiply(s, s->other, s->next, !by_rows);
}

/* What of the columns of next lies along block j is taken out of them; noted with the product of block `last` (-1: not). */
static void take_out(space *s, int64_t j, int64_t last)
{
    const double *q = block_of(s, j);
    const int64_t width = width_of(s, j), b = s->b;
    memset(s->along, 0, (size_t)(b * b) * sizeof *s->along);
    for (int64_t i = 0; i < s->k; i++)
        for (int64_t p = 0; p < width; p++)
            for (int64_t c = 0; c < b; c++)
                s->along[p * b + c] += q[i * b + p] * s->next[i * b + c];
    for (int64_t i = 0; i < s->k; i++)
        for (int64_t p = 0; p < width; p++)
            for (int64_t c = 0; c < b; c++)
                s->next[i * b + c] -= s->along[p * b + c] * q[i * b + p];
    for (int64_t p = 0; last >= 0 && p < width; p++)
        for (int64_t c = 0; c < width_of(s, last); c++)
            s->t[(j * b + p) * s->cap + last * b + c] += s->along[p * b + c];
}

static double length_of(const space *s, int64_t c)
{
    double sum = 0;
    for (int64_t i = 0; i < s->k; i++)
        sum += s->next[i * s->b + c] * s->next[i * s->b + c];
    return sqrt(sum);
}

static void draw(space *s, int64_t c)
{
    float x;
    for (int64_t i = 0; i < s->k; i++) {
        ts_rng_normal(&s->rng, s->drawn++, 1, 1, &x);
        s->next[i * s->b + c] = (double)x;
    }
}

/* Column c of next less what lies along those before it and, where it is a new one, along all blocks. */
static void clear_column(space *s, int64_t c, int64_t blocks, double *noted)
{
    for (int64_t p = 0; p < c; p++) {
        double along = 0;
        for (int64_t i = 0; i < s->k; i++)
            along += s->next[i * s->b + p] * s->next[i * s->b + c];
        for (int64_t i = 0; i < s->k; i++)
            s->next[i * s->b + c] -= along * s->next[i * s->b + p];
        if (noted)
            noted[p * s->b + c] += along;
    }
    for (int64_t j = 0; !noted && j < blocks; j++)
        for (int64_t p = 0; p < width_of(s, j); p++) {
            const double *q = block_of(s, j) + p;
            double along = 0;
            for (int64_t i = 0; i < s->k; i++)
                along += q[i * s->b] * s->next[i * s->b + c];
            for (int64_t i = 0; i < s->k; i++)
                s->next[i * s->b + c] -= along * q[i * s->b];
        }
}

/* Makes the columns of next orthonormal: below says what they were of. A column that is none of its own any more is drawn
 * anew. */
static void make_orthonormal(space *s, int64_t blocks)
{
    memset(s->below, 0, (size_t)(s->b * s->b) * sizeof *s->below);
    for (int64_t c = 0; c < s->width; c++) {
        clear_column(s, c, blocks, s->below);
        clear_column(s, c, blocks, s->below);
        double length = length_of(s, c);
        s->size = fmax(s->size, length);
        if (length > 1e-13 * s->size) {
            s->below[c * s->b + c] = length;
        } else {
            draw(s, c);
            clear_column(s, c, blocks, NULL);
            clear_column(s, c, blocks, NULL);
            length = length_of(s, c);
        }
        for (int64_t i = 0; i < s->k; i++)
            s->next[i * s->b + c] /= length;
    }
    for (int64_t c = s->width; c < s->b; c++)
        for (int64_t i = 0; i < s->k; i++)
            s->next[i * s->b + c] = 0;
}

static ts_status make_room(space *s, int64_t dim)
{
    const int64_t cap = dim < s->k ? dim : s->k;
    double *t;
    if (cap <= s->cap)
        return TS_OK;
    TS_TRY(ts_alloc(&t, (size_t)(cap * cap), sizeof *t));
    for (int64_t i = 0; i < s->dim; i++)
        memcpy(t + i * cap, s->t + i * s->cap, (size_t)s->dim * sizeof *t);
    ts_free(&s->t);
    s->t = t, s->cap = cap;
    size_t had = (size_t)((s->dim + s->b - 1) / s->b * s->k * s->b);
    double *q;
    TS_TRY(ts_alloc(&q, (size_t)((cap + s->b - 1) / s->b * s->k * s->b), sizeof *q));
    if (had)
        memcpy(q, s->q, had * sizeof *q);
    ts_free(&s->q);
    s->q = q;
    return TS_OK;
}

/* The next block stands behind the others, and its product is made. */
static ts_status grow(space *s)
{
    const int64_t j = s->dim / s->b, before = j ? width_of(s, j - 1) : 0;
    if (s->dim + s->width > s->cap)
        TS_TRY(make_room(s, 2 * s->dim + 8 * s->b));
    memcpy(block_of(s, j), s->next, (size_t)(s->k * s->b) * sizeof *s->next);
    s->dim += s->width;
    for (int64_t c = 0; c < s->width; c++)
        for (int64_t p = 0; j && p < before; p++)
            s->t[(j * s->b + c) * s->cap + (j - 1) * s->b + p] = s->below[c * s->b + p];
    apply(s, block_of(s, j));
    for (int twice = 0; twice < 2; twice++)
        for (int64_t i = 0; i <= j; i++)
            take_out(s, i, j);
    s->width = s->k - s->dim < s->b ? s->k - s->dim : s->b;
    make_orthonormal(s, j + 1);
    return TS_OK;
}

/* ---- what is best in it ---- */

typedef struct best {
    double *z;     /* [dim, r] eigenvectors as columns, and */
    double *value; /* [dim] their values, rising: [r] of them */
    int64_t dim, r;
} best;

static void best_deinit(best *x)
{
    ts_free(&x->z);
    ts_free(&x->value);
}

/* Which column is the i-th largest's. */
static int64_t column_of(const best *x, int64_t i) { return x->r - 1 - i; }

/* The r largest of what stands in the upper triangle of s->t: that of products; the lower one is of what they were
 * orthonormal to. */
static ts_status solve(const space *s, best *x, double *t, lapack_int *support)
{
    const int64_t n = x->dim;
    lapack_int found;
    for (int64_t i = 0; i < n; i++)
        memcpy(t + i * n + i, s->t + i * s->cap + i, (size_t)(n - i) * sizeof *t);
    const lapack_int failed = LAPACKE_dsyevr(LAPACK_ROW_MAJOR, 'V', 'I', 'U', (lapack_int)n, t, (lapack_int)n, 0, 0,
                                             (lapack_int)(n - x->r + 1), (lapack_int)n, 0, &found, x->value, x->z,
                                             (lapack_int)x->r, support);
    return failed ? ts_error(TS_ERR_RUN, "singular values were not found (LAPACK's dsyevr: %d)", (int)failed) : TS_OK;
}

static ts_status find_best(const space *s, int64_t r, best *x)
{
    const size_t n = (size_t)s->dim;
    double *t = NULL;
    lapack_int *support = NULL;
    ts_status st;
    best_deinit(x);
    x->dim = s->dim, x->r = r;
    TS_TRY(ts_alloc(&x->z, n * (size_t)r, sizeof *x->z));
    TS_TRY(ts_alloc(&x->value, n, sizeof *x->value));
    TS_TRY_TO(done, st, ts_alloc(&t, n * n, sizeof *t));
    TS_TRY_TO(done, st, ts_alloc(&support, 2 * (size_t)r, sizeof *support));
    st = solve(s, x, t, support);
done:
    ts_free(&t);
    ts_free(&support);
    return st;
}

/* Whether what the best ones miss, the part of their product that lies in the next block, is nothing. */
static bool is_settled(const space *s, const best *x)
{
    const int64_t last = (s->dim - 1) / s->b, width = width_of(s, last);
    if (!s->width)
        return true;
    for (int64_t i = 0; i < x->r; i++) {
        double sum = 0;
        for (int64_t c = 0; c < s->width; c++) {
            double miss = 0;
            for (int64_t p = 0; p < width; p++)
                miss += s->below[c * s->b + p] * x->z[(last * s->b + p) * x->r + column_of(x, i)];
            sum += miss * miss;
        }
        if (sqrt(sum) > 1e-10 * x->value[column_of(x, 0)])
            return false;
    }
    return true;
}

static ts_status search(space *s, int64_t r, int64_t passes, best *x)
{
    int64_t looked = 0;
    s->width = s->b;
    for (int64_t c = 0; c < s->b; c++)
        draw(s, c);
    make_orthonormal(s, 0);
    s->size = 0;
    for (int64_t step = 0;; step++) {
        TS_TRY(grow(s));
        const bool ends = !s->width || (passes && step >= passes);
        if (!ends && (s->dim < r || passes || s->dim < looked + looked / 8))
            continue;
        TS_TRY(find_best(s, r, x));
        looked = s->dim;
        if (ends || is_settled(s, x))
            return TS_OK;
    }
}

/* Vector i, on the smaller side. */
static void put_vector(const space *s, const best *x, int64_t i, double *to)
{
    memset(to, 0, (size_t)s->k * sizeof *to);
    for (int64_t c = 0; c < x->dim; c++) {
        const double by = x->z[c * x->r + column_of(x, i)];
        const double *q = block_of(s, c / s->b) + c % s->b;
        for (int64_t p = 0; p < s->k; p++)
            to[p] += by * q[p * s->b];
    }
}

/* The other side's of it, and its singular value, which is that one's length. */
static double put_other(const space *s, const double *vector, bool by_rows, double *to)
{
    double sum = 0;
    const int64_t other = by_rows ? s->n : s->m;
    memset(to, 0, (size_t)other * sizeof *to);
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t c = 0; c < s->n; c++)
            to[by_rows ? c : i] += (double)s->w[i * s->n + c] * vector[by_rows ? i : c];
    for (int64_t i = 0; i < other; i++)
        sum += to[i] * to[i];
    return sqrt(sum);
}

static void write_out(space *s, const best *x, float *u, float *values, float *v)
{
    const bool by_rows = s->k == s->m && s->m < s->n;
    double *vector = s->next, *beside = s->other;
    for (int64_t i = 0; i < x->r; i++) {
        put_vector(s, x, i, vector);
        const double size = put_other(s, vector, by_rows, beside), *right = by_rows ? beside : vector, *left = by_rows ? vector : beside;
        const bool is_zero = size <= 1e-13 * (i ? (double)values[0] : size);
        double most = 0;
        for (int64_t c = 0; c < s->n; c++)
            most = fabs(right[c]) > fabs(most) ? right[c] : most;
        const double sign = is_zero || size == 0 ? 0 : most < 0 ? -1 : 1;
        values[i] = sign == 0 ? 0 : (float)size;
        for (int64_t c = 0; c < s->n; c++)
            v[i * s->n + c] = sign == 0 ? 0 : (float)(sign * right[c] / (by_rows ? size : 1));
        for (int64_t c = 0; c < s->m; c++)
            u[c * x->r + i] = sign == 0 ? 0 : (float)(sign * left[c] / (by_rows ? 1 : size));
    }
}

ts_status ts_svd_largest(const float *w, int64_t m, int64_t n, int64_t r, int64_t passes, float *u, float *values, float *v)
{
    const int64_t k = m < n ? m : n, more = passes ? 0 : 4;
    space s = { .w = w, .m = m, .n = n, .k = k, .b = r + more < k ? r + more : k, .rng = ts_rng_stream(0, TS_RNG_FACTORS, 0, 0) };
    best x = { 0 };
    TS_ASSERT(r > 0 && r <= k, "svd: %lld values of [%lld, %lld]", (long long)r, (long long)m, (long long)n);
    ts_status st = ts_alloc(&s.next, (size_t)(k * s.b), sizeof *s.next);
    if (st == TS_OK)
        st = ts_alloc(&s.other, (size_t)((m > n ? m : n) * s.b), sizeof *s.other);
    if (st == TS_OK)
        st = ts_alloc(&s.below, (size_t)(s.b * s.b), sizeof *s.below);
    if (st == TS_OK)
        st = ts_alloc(&s.along, (size_t)(s.b * s.b), sizeof *s.along);
    if (st == TS_OK)
        st = search(&s, r, passes, &x);
    if (st == TS_OK)
        write_out(&s, &x, u, values, v);
    best_deinit(&x);
    ts_free(&s.q);
    ts_free(&s.t);
    ts_free(&s.next);
    ts_free(&s.other);
    ts_free(&s.below);
    ts_free(&s.along);
    return st;
}

/* ---- QR ---- */

/* The r columns of own [m, r] become q, and the rows of a [m, n] those of q^T a. */
static lapack_int take_apart(int64_t m, int64_t n, int64_t r, double *own, double *tau, double *a)
{
    const lapack_int M = (lapack_int)m, N = (lapack_int)n, R = (lapack_int)r;
    lapack_int failed = LAPACKE_dgeqrf(LAPACK_ROW_MAJOR, M, R, own, R, tau);
    if (!failed)
        failed = LAPACKE_dormqr(LAPACK_ROW_MAJOR, 'L', 'T', M, N, R, own, R, tau, a, N);
    return failed ? failed : LAPACKE_dorgqr(LAPACK_ROW_MAJOR, M, R, R, own, R, tau);
}

ts_status ts_qr_first(const float *w, int64_t m, int64_t n, int64_t r, float *q, float *t)
{
    double *a; /* w, then q [m, r] and the factors of reflections */
    TS_ASSERT(r > 0 && r <= m && r <= n, "qr: %lld columns of [%lld, %lld]", (long long)r, (long long)m, (long long)n);
    TS_TRY(ts_alloc(&a, (size_t)(m * n + m * r + r), sizeof *a));
    double *own = a + m * n;
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < n; c++) {
            a[i * n + c] = (double)w[i * n + c];
            if (c < r)
                own[i * r + c] = a[i * n + c];
        }
    const lapack_int failed = take_apart(m, n, r, own, own + m * r, a);
    for (int64_t i = 0; i < m * r; i++)
        q[i] = (float)own[i];
    for (int64_t i = 0; i < r; i++)
        for (int64_t c = 0; c < n; c++)
            t[i * n + c] = c < i ? 0 : (float)a[i * n + c];
    ts_free(&a);
    return failed ? ts_error(TS_ERR_RUN, "a matrix has no QR (LAPACK: %d)", (int)failed) : TS_OK;
}
