#include "base/svd.h"

#include "base/rng.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- eigenvalues of a small symmetric matrix ---- */

/* Householder's reflections make a [n, n] tridiagonal: diagonal d, below it e (e[0] unused); a becomes the orthogonal
 * matrix whose columns they act on. */
static void tridiagonalise(double *a, int64_t n, double *d, double *e)
{
    for (int64_t i = n - 1; i > 0; i--) { /* row i left of the diagonal becomes one number */
        double *row = a + i * n, scale = 0, h = 0;
        for (int64_t k = 0; k < i; k++)
            scale += fabs(row[k]);
        d[i] = 0;
        e[i] = row[i - 1];
        if (i == 1 || scale == 0)
            continue;
        for (int64_t k = 0; k < i; k++) {
            row[k] /= scale;
            h += row[k] * row[k];
        }
        const double f = row[i - 1], g = f > 0 ? -sqrt(h) : sqrt(h);
        e[i] = scale * g;
        h -= f * g;
        row[i - 1] = f - g; /* the reflection is 1 - row row^T / h */
        memset(e, 0, (size_t)i * sizeof *e);
        for (int64_t j = 0; j < i; j++) { /* e = a row, of the lower triangle */
            double sum = a[j * n + j] * row[j];
            for (int64_t k = 0; k < j; k++) {
                sum += a[j * n + k] * row[k];
                e[k] += a[j * n + k] * row[j];
            }
            e[j] += sum;
        }
        double along = 0;
        for (int64_t j = 0; j < i; j++) {
            e[j] /= h;
            along += e[j] * row[j];
        }
        for (int64_t j = 0; j < i; j++)
            e[j] -= along / (2 * h) * row[j];
        for (int64_t j = 0; j < i; j++)
            for (int64_t k = 0; k <= j; k++)
                a[j * n + k] -= row[j] * e[k] + e[j] * row[k];
        d[i] = h;
    }
    e[0] = d[0] = 0;
    for (int64_t i = 0; i < n; i++) { /* the reflections one after another */
        double *row = a + i * n;
        for (int64_t j = 0; d[i] != 0 && j < i; j++) {
            double along = 0;
            for (int64_t k = 0; k < i; k++)
                along += row[k] * a[k * n + j];
            for (int64_t k = 0; k < i; k++)
                a[k * n + j] -= along / d[i] * row[k];
        }
        d[i] = row[i];
        row[i] = 1;
        for (int64_t k = 0; k < i; k++)
            row[k] = a[k * n + i] = 0;
    }
}

/* Columns i and i + 1 of z [n, n] turned. */
static void turn(double *z, int64_t n, int64_t i, double c, double s)
{
    for (int64_t k = 0; k < n; k++) {
        double *at = z + k * n + i;
        const double f = at[1];
        at[1] = s * at[0] + c * f;
        at[0] = c * at[0] - s * f;
    }
}

/* Of a tridiagonal matrix (d, e) by implicit QL steps; z: columns are turned along. */
static void diagonalise(double *d, double *e, int64_t n, double *z)
{
    for (int64_t i = 1; i < n; i++)
        e[i - 1] = e[i];
    e[n - 1] = 0;
    for (int64_t l = 0; l < n; l++)
        for (int step = 0; step < 100; step++) {
            int64_t m = l;
            while (m < n - 1 && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
            g = d[m] - d[l] + e[l] / (g + (g < 0 ? -r : r));
            int64_t i = m - 1;
            for (; i >= l; i--) {
                const double f = s * e[i], b = c * e[i];
                r = hypot(f, g);
                e[i + 1] = r;
                if (r == 0) { /* it falls into two */
                    d[i + 1] -= p;
                    e[m] = 0;
                    break;
                }
                s = f / r, c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                turn(z, n, i, c, s);
            }
            if (r == 0 && i >= l)
                continue;
            d[l] -= p;
            e[l] = g;
            e[m] = 0;
        }
}

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
    double *z; /* [dim, dim] eigenvectors as columns */
    double *value, *beside;
    int64_t *order; /* [r] falling */
    int64_t dim, r;
} best;

static void best_deinit(best *x)
{
    ts_free(&x->z);
    ts_free(&x->value);
    ts_free(&x->beside);
    ts_free(&x->order);
}

static ts_status find_best(const space *s, int64_t r, best *x)
{
    const int64_t n = s->dim;
    best_deinit(x);
    x->dim = n, x->r = r;
    TS_TRY(ts_alloc(&x->z, (size_t)(n * n), sizeof *x->z));
    TS_TRY(ts_alloc(&x->value, (size_t)n, sizeof *x->value));
    TS_TRY(ts_alloc(&x->beside, (size_t)n, sizeof *x->beside));
    TS_TRY(ts_alloc(&x->order, (size_t)n, sizeof *x->order));
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++) /* the upper triangle is of products, the lower of what they were orthonormal to */
            x->z[i * n + k] = s->t[(i < k ? i : k) * s->cap + (i < k ? k : i)];
    tridiagonalise(x->z, n, x->value, x->beside);
    diagonalise(x->value, x->beside, n, x->z);
    for (int64_t i = 0; i < n; i++)
        x->order[i] = i;
    for (int64_t i = 0; i < r; i++)
        for (int64_t k = i + 1; k < n; k++)
            if (x->value[x->order[k]] > x->value[x->order[i]]) {
                const int64_t was = x->order[i];
                x->order[i] = x->order[k];
                x->order[k] = was;
            }
    return TS_OK;
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
                miss += s->below[c * s->b + p] * x->z[(last * s->b + p) * x->dim + x->order[i]];
            sum += miss * miss;
        }
        if (sqrt(sum) > 1e-10 * x->value[x->order[0]])
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
        const double by = x->z[c * x->dim + x->order[i]];
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

/* a [m, n] less tau x (x^T a), of rows and columns from those on; x [m - row]. */
static void reflect(double *a, int64_t m, int64_t n, int64_t row, int64_t column, const double *x, double tau, double *along)
{
    memset(along, 0, (size_t)n * sizeof *along);
    for (int64_t i = row; i < m; i++)
        for (int64_t c = column; c < n; c++)
            along[c] += x[i - row] * a[i * n + c];
    for (int64_t i = row; i < m; i++)
        for (int64_t c = column; c < n; c++)
            a[i * n + c] -= tau * x[i - row] * along[c];
}

/* x [n] becomes the vector of the reflection that makes it (beta, 0, ...); its factor. 0: it is so already. */
static double reflection_of(double *x, int64_t n)
{
    double rest = 0;
    for (int64_t i = 1; i < n; i++)
        rest += x[i] * x[i];
    if (rest == 0)
        return 0;
    const double size = sqrt(x[0] * x[0] + rest), beta = x[0] >= 0 ? -size : size, first = x[0];
    for (int64_t i = 1; i < n; i++)
        x[i] /= first - beta;
    x[0] = 1;
    return (beta - first) / beta;
}

ts_status ts_qr_first(const float *w, int64_t m, int64_t n, int64_t r, float *q, float *t)
{
    double *a, *x = NULL; /* w, then the r vectors with their factors, then q, and room for a row */
    const int64_t each = m + 1;
    TS_ASSERT(r > 0 && r <= m && r <= n, "qr: %lld columns of [%lld, %lld]", (long long)r, (long long)m, (long long)n);
    TS_TRY(ts_alloc(&a, (size_t)(m * n), sizeof *a));
    const ts_status st = ts_alloc(&x, (size_t)(r * each + m * r + n + r), sizeof *x);
    if (st == TS_OK) {
        double *own = x + r * each, *along = own + m * r;
        for (int64_t i = 0; i < m * n; i++)
            a[i] = (double)w[i];
        for (int64_t j = 0; j < r; j++) {
            double *one = x + j * each;
            for (int64_t i = j; i < m; i++)
                one[i - j] = a[i * n + j];
            one[m] = reflection_of(one, m - j);
            if (one[m] != 0)
                reflect(a, m, n, j, j, one, one[m], along);
        }
        for (int64_t i = 0; i < m * r; i++)
            own[i] = i / r == i % r;
        for (int64_t j = r - 1; j >= 0; j--)
            if (x[j * each + m] != 0)
                reflect(own, m, r, j, j, x + j * each, x[j * each + m], along);
        for (int64_t i = 0; i < m * r; i++)
            q[i] = (float)own[i];
        for (int64_t i = 0; i < r; i++)
            for (int64_t c = 0; c < n; c++)
                t[i * n + c] = c < i ? 0 : (float)a[i * n + c];
    }
    ts_free(&a);
    ts_free(&x);
    return st;
}
