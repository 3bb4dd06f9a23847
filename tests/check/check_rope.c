#include "check.h"

enum { POSITIONS = 13 };
static double growth(int64_t n) { return CHECK_U * (12 + 4 * sqrt((double)n)); }

typedef struct rope_case {
    ts_rope_args a;
    double scale;
    bool in_place;
    bool added; /* full_norm: other processes have heads as well, and sums are given */
    int64_t width;
} rope_case;

static bool has_norm(const ts_rope_args *a) { return a->wq || a->wk || a->unit_norm; }

static void name(const rope_case *c, const char *kernel)
{
    const ts_rope_args *a = &c->a;
    check_case("%s %s rows %lld n_q %lld n_kv %lld head %lld rot %lld%s%s%s%s offset %g scale %g%s",
               kernel, ts_dtype_name(a->dtype), (long long)a->rows, (long long)a->n_q,
               (long long)a->n_kv, (long long)a->head_dim, (long long)a->rot_dim,
               a->interleaved ? " interleaved" : "", has_norm(a) ? " norm" : "",
               a->full_norm ? " full" : "", c->added ? " added" : "", (double)a->offset, c->scale,
               c->in_place ? " in place" : a->norm_values ? " values" : a->q_cos ? " queries apart" : "");
}

/* The buffers that all three kernels need; c->a.wq and wk say of which a norm is wanted. */
static ts_rope_args prepare(const rope_case *c)
{
    ts_rope_args a = c->a;
    const int64_t angles = POSITIONS * a.rot_dim / 2, D = a.head_dim;
    float *cs = check_inout(1, TS_DTYPE_F32, angles, 1),
          *sn = check_inout(2, TS_DTYPE_F32, angles, 1);
    for (int64_t i = 0; i < angles; i++) {
        const double theta = 3.2 * (double)cs[i];
        cs[i] = (float)cos(theta), sn[i] = (float)sin(theta);
    }
    int32_t *pos = check_ints(3, TS_DTYPE_I32, a.rows, POSITIONS - 1);
    for (int64_t r = 0; r < a.rows; r++)
        pos[r] = pos[r] < 0 ? -pos[r] : pos[r];
    check_touched(cs), check_touched(sn), check_touched(pos);
    a.cos = cs, a.sin = sn, a.pos = pos;
    if (a.q_cos) { /* only said that there are some */
        a.q_cos = check_in(11, TS_DTYPE_F32, angles, 2);
        a.q_sin = check_in(12, TS_DTYPE_F32, angles, 2);
    }
    if (a.wq)
        a.wq = check_in(4, TS_DTYPE_F32, a.full_norm ? a.n_q * D : D, 1);
    if (a.wk)
        a.wk = check_in(5, TS_DTYPE_F32, a.full_norm ? a.n_kv * D : D, 1);
    return a;
}

/* Sums of other processes' heads too: of squares, or of products of either sign. */
static void give_added(const rope_case *c, ts_rope_args *a, double scale, bool squares)
{
    float *added;
    if (!c->added)
        return;
    a->all_q = 3 * a->n_q + 1, a->all_kv = 2 * a->n_kv + 1;
    added = check_inout(14, TS_DTYPE_F32, 2 * a->rows, scale);
    for (int64_t i = 0; squares && i < 2 * a->rows; i++)
        added[i] *= added[i];
    check_touched(added);
    a->added = added;
}

/* Their share for each value of a head. */
static double added_mean(const ts_rope_args *a, int64_t row, bool key)
{
    return (double)a->added[2 * row + key] / (double)((key ? a->all_kv : a->all_q) * a->head_dim);
}

/* Where column i of head h (queries, then keys, then values) stands in a row. */
static int64_t place(const ts_rope_args *a, int64_t h, int64_t i)
{
    const int64_t r = a->n_kv ? a->n_q / a->n_kv : a->n_q, D = a->head_dim;
    if (h < a->n_q)
        return (h / r * (r + 2) + h % r) * D + i;
    const int64_t g = (h - a->n_q) % a->n_kv;
    return (g * (r + 2) + r + (h - a->n_q) / a->n_kv) * D + i;
}

static bool is_key(const ts_rope_args *a, int64_t h) { return h >= a->n_q; }

static double weight(const ts_rope_args *a, int64_t h, int64_t i)
{
    const float *w = is_key(a, h) ? a->wk : a->wq;
    const int64_t head = is_key(a, h) ? h - a->n_q : h;
    if (a->unit_norm)
        return 1;
    return (double)w[(a->full_norm ? head * a->head_dim : 0) + i] + (double)a->offset;
}

static int64_t rstd_at(const ts_rope_args *a, int64_t row, int64_t h)
{
    return a->full_norm ? 2 * row + is_key(a, h) : row * (a->n_q + a->n_kv) + h;
}

/* The partner of column i in the rotation, or -1; *angle is the column of cos, *first whether i is
 * x_a. */
static int64_t partner(const ts_rope_args *a, int64_t i, int64_t *angle, bool *first)
{
    const int64_t half = a->rot_dim / 2;
    if (i >= a->rot_dim)
        return -1;
    *first = a->interleaved ? i % 2 == 0 : i < half;
    *angle = a->interleaved ? i / 2 : i % half;
    return a->interleaved ? i ^ 1 : *first ? i + half : i - half;
}

/* What column i becomes: own * cos -+ other * sin; back: the inverse. `size` gets the size of the
 * terms. */
static double turned(const ts_rope_args *a, int64_t row, int64_t h, int64_t i, const double *head, bool back,
                     double *size)
{
    const bool own_angles = a->q_cos && !is_key(a, h);
    const float *cs = own_angles ? a->q_cos : a->cos, *sn = own_angles ? a->q_sin : a->sin;
    int64_t angle;
    bool first;
    const int64_t other = partner(a, i, &angle, &first);
    if (other < 0) {
        *size = fabs(head[i]);
        return head[i];
    }
    const int64_t at = a->pos[row] * (a->rot_dim / 2) + angle;
    const double own = head[i] * (double)cs[at], his = head[other] * (double)sn[at];
    *size = fabs(own) + fabs(his);
    return first != back ? own - his : own + his;
}

static void forward(const check_env *e, const rope_case *c)
{
    name(c, "rope_fwd");
    ts_rope_args a = prepare(c);
    const ts_dtype t = a.dtype;
    const int64_t D = a.head_dim, heads = a.n_q + a.n_kv,
                  n_rstd = a.rows * (a.full_norm ? 2 : heads);
    void *x = check_inout(6, t, a.rows * c->width, c->scale);
    a.x = x;
    a.y = c->in_place ? x : check_out(t, a.rows * c->width);
    a.rstd = has_norm(&a) ? check_out(TS_DTYPE_F32, n_rstd) : NULL;
    a.v_rstd = a.norm_values ? check_out(TS_DTYPE_F32, a.rows * a.n_kv) : NULL;
    give_added(c, &a, c->scale * sqrt((double)(4 * heads * D)), true);
    check_kernel(e, TS_KERNEL_rope_fwd, &a, a.rows);
    double *head = check_f64(D);
    for (int64_t row = 0; row < a.rows; row++)
        for (int64_t h = 0; h < heads + a.n_kv; h++) {
            const int64_t base = row * c->width;
            double rstd = 1, tol = 4 * CHECK_U;
            if (a.norm_values && h >= heads) {
                double square = 0;
                for (int64_t i = 0; i < D; i++)
                    square += pow(check_before(x, base + place(&a, h, i), t), 2) / (double)D;
                rstd = 1 / sqrt(square + (double)a.eps);
                tol = growth(D);
                check_near("v_rstd", h, (double)a.v_rstd[row * a.n_kv + h - heads], rstd, tol * rstd);
            }
            if (has_norm(&a) && h < heads) {
                const int64_t from = a.full_norm ? (is_key(&a, h) ? a.n_q : 0) : h;
                const int64_t count = a.full_norm ? (is_key(&a, h) ? a.n_kv : a.n_q) : 1;
                double square = 0;
                for (int64_t k = from; k < from + count; k++)
                    for (int64_t i = 0; i < D; i++) {
                        const double v = check_before(x, base + place(&a, k, i), t);
                        square += v * v / (double)(count * D);
                    }
                square = c->added ? added_mean(&a, row, is_key(&a, h)) : square;
                rstd = 1 / sqrt(square + (double)a.eps);
                tol = growth(count * D);
                check_near("rstd", h, (double)a.rstd[rstd_at(&a, row, h)], rstd, tol * rstd);
            }
            for (int64_t i = 0; i < D; i++) {
                head[i] = check_before(x, base + place(&a, h, i), t);
                if (has_norm(&a) && h < heads)
                    head[i] *= rstd * weight(&a, h, i);
            }
            for (int64_t i = 0; i < D; i++) {
                const int64_t at = base + place(&a, h, i);
                double size = 0;
                if (h >= heads && a.norm_values)
                    check_elem("value", a.y, at, t, head[i] * rstd, tol * fabs(head[i] * rstd));
                else if (h >= heads)
                    check_equal("value", at, check_get(a.y, at, t), head[i]);
                else {
                    const double want = turned(&a, row, h, i, head, false, &size);
                    check_elem("y", a.y, at, t, want, tol * size);
                }
            }
        }
}

/* rstd as a given: the backward kernels take it as it is. */
static void give_rstd(const rope_case *c, ts_rope_args *a, bool in_place)
{
    const int64_t n = a->rows * (a->full_norm ? 2 : a->n_q + a->n_kv);
    void *dy = check_inout(7, a->dtype, a->rows * c->width, 1);
    a->dy = dy;
    a->dx = in_place ? dy : NULL;
    a->x = NULL;
    if (!has_norm(a))
        return;
    a->x = check_in(6, a->dtype, a->rows * c->width, c->scale);
    a->rstd = check_inout(8, TS_DTYPE_F32, n, 1);
    for (int64_t i = 0; i < n; i++)
        a->rstd[i] = (1.5f + a->rstd[i]) / (float)c->scale;
    a->v_rstd = a->norm_values ? check_inout(13, TS_DTYPE_F32, a->rows * a->n_kv, 1) : NULL;
    for (int64_t i = 0; a->v_rstd && i < a->rows * a->n_kv; i++)
        a->v_rstd[i] = (1.5f + a->v_rstd[i]) / (float)c->scale;
}

/* dz of head h of a row, and the size of its terms. */
static void head_back(const rope_case *c, const ts_rope_args *a, int64_t row, int64_t h, double *dz,
                      double *size)
{
    double dy[512];
    for (int64_t i = 0; i < a->head_dim; i++)
        dy[i] = check_before(a->dy, row * c->width + place(a, h, i), a->dtype);
    for (int64_t i = 0; i < a->head_dim; i++)
        dz[i] = turned(a, row, h, i, dy, true, &size[i]);
}

/* dx = rstd (dy - v mean(dy v)), v = x rstd */
static void values_back(const ts_rope_args *a, int64_t base, int64_t h, ts_dtype t)
{
    const int64_t D = a->head_dim, at = base + place(a, h, 0), row = base / ((a->n_q + 2 * a->n_kv) * D);
    const double rstd = (double)a->v_rstd[row * a->n_kv + h - a->n_q - a->n_kv];
    double mean = 0, size = 0;
    for (int64_t i = 0; i < D; i++) {
        const double term = check_before(a->dy, at + i, t) * check_get(a->x, at + i, t) * rstd / (double)D;
        mean += term, size += fabs(term);
    }
    for (int64_t i = 0; i < D; i++) {
        const double dy = check_before(a->dy, at + i, t), v = check_get(a->x, at + i, t) * rstd;
        check_elem("dvalue", a->dx, at + i, t, rstd * (dy - v * mean), growth(D) * rstd * (fabs(dy) + fabs(v) * size));
    }
}

static void backward(const check_env *e, const rope_case *c)
{
    name(c, "rope_bwd");
    ts_rope_args a = prepare(c);
    const ts_dtype t = a.dtype;
    const int64_t D = a.head_dim, heads = a.n_q + a.n_kv;
    give_rstd(c, &a, c->in_place);
    if (!a.dx)
        a.dx = check_out(t, a.rows * c->width);
    give_added(c, &a, (double)(heads * D), false);
    check_kernel(e, TS_KERNEL_rope_bwd, &a, a.rows);
    double *dz = check_f64(heads * D), *size = check_f64(heads * D);
    for (int64_t row = 0; row < a.rows; row++) {
        const int64_t base = row * c->width;
        double *mean = check_f64(heads), *mean_size = check_f64(heads);
        for (int64_t h = 0; h < heads; h++) {
            head_back(c, &a, row, h, dz + h * D, size + h * D);
            const int64_t to = !a.full_norm ? h : is_key(&a, h) ? a.n_q : 0;
            const int64_t count = D * (!a.full_norm ? 1 : is_key(&a, h) ? a.n_kv : a.n_q);
            for (int64_t i = 0; has_norm(&a) && i < D; i++) {
                const double f = weight(&a, h, i) * check_get(a.x, base + place(&a, h, i), t) *
                                 (double)a.rstd[rstd_at(&a, row, h)] / (double)count;
                mean[to] += dz[h * D + i] * f;
                mean_size[to] += size[h * D + i] * fabs(f);
            }
        }
        for (int64_t key = 0; c->added && key < 2; key++) {
            const int64_t to = key ? a.n_q : 0;
            if (key ? a.n_kv : a.n_q)
                mean[to] = added_mean(&a, row, key), mean_size[to] = fabs(mean[to]);
        }
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < D; i++) {
                const int64_t at = base + place(&a, h, i), k = h * D + i;
                double want = dz[k], bound = 4 * CHECK_U * size[k];
                if (has_norm(&a)) {
                    const int64_t to = !a.full_norm ? h : is_key(&a, h) ? a.n_q : 0;
                    const double rstd = (double)a.rstd[rstd_at(&a, row, h)], g = weight(&a, h, i);
                    const double v = check_get(a.x, at, t) * rstd;
                    want = rstd * (dz[k] * g - v * mean[to]);
                    bound = growth(a.full_norm ? heads * D : D) * rstd *
                            (size[k] * fabs(g) + fabs(v) * mean_size[to]);
                }
                check_elem("dx", a.dx, at, t, want, bound);
            }
        for (int64_t h = heads; h < heads + a.n_kv && a.norm_values; h++)
            values_back(&a, base, h, t);
        for (int64_t h = heads; h < heads + a.n_kv && !a.norm_values; h++)
            for (int64_t i = 0; i < D; i++) {
                const int64_t at = base + place(&a, h, i);
                check_equal("dvalue", at, check_get(a.dx, at, t), check_before(a.dy, at, t));
            }
    }
}

static void weights(const check_env *e, const rope_case *c)
{
    if (!has_norm(&c->a) || c->a.unit_norm)
        return;
    name(c, "rope_dw");
    ts_rope_args a = prepare(c);
    const int64_t D = a.head_dim, heads = a.n_q + a.n_kv;
    const int64_t nq = a.full_norm ? a.n_q * D : D, nk = a.full_norm ? a.n_kv * D : D;
    give_rstd(c, &a, false);
    a.dwq = a.wq ? check_inout(9, TS_DTYPE_F32, nq, 1) : NULL;
    a.dwk = a.wk ? check_inout(10, TS_DTYPE_F32, nk, 1) : NULL;
    check_kernel(e, TS_KERNEL_rope_dw, &a, nq + nk);
    double *sum = check_f64(nq + nk), *sizes = check_f64(nq + nk), *dz = check_f64(D),
           *size = check_f64(D);
    const int64_t begin = a.wq ? 0 : nq, end = a.wk ? nq + nk : nq;
    for (int64_t k = begin; k < end; k++) {
        sum[k] = k < nq ? check_before(a.dwq, k, TS_DTYPE_F32)
                        : check_before(a.dwk, k - nq, TS_DTYPE_F32);
        sizes[k] = fabs(sum[k]);
    }
    for (int64_t row = 0; row < a.rows; row++)
        for (int64_t h = 0; h < heads; h++) {
            head_back(c, &a, row, h, dz, size);
            const int64_t head = is_key(&a, h) ? h - a.n_q : h;
            const int64_t from = (is_key(&a, h) ? nq : 0) + (a.full_norm ? head * D : 0);
            for (int64_t i = 0; i < D; i++) {
                const double v = check_get(a.x, row * c->width + place(&a, h, i), a.dtype) *
                                 (double)a.rstd[rstd_at(&a, row, h)];
                sum[from + i] += dz[i] * v;
                sizes[from + i] += size[i] * fabs(v);
            }
        }
    for (int64_t k = begin; k < end; k++)
        check_near(k < nq ? "dwq" : "dwk", k, (double)(k < nq ? a.dwq[k] : a.dwk[k - nq]), sum[k],
                   growth(a.rows * (a.n_q ? a.n_q : a.n_kv)) * sizes[k]);
}

/* What processes add up for a norm of all heads: squares, or what its backward takes. */
static void sums(const check_env *e, const rope_case *c, bool back)
{
    name(c, back ? "rope_sums back" : "rope_sums");
    ts_rope_args a = prepare(c);
    const int64_t D = a.head_dim, heads = a.n_q + a.n_kv;
    double *dz = check_f64(D), *size = check_f64(D), *want = check_f64(2 * a.rows), *sizes = check_f64(2 * a.rows);
    if (back)
        give_rstd(c, &a, false);
    else
        a.x = check_in(6, a.dtype, a.rows * c->width, c->scale);
    a.sums = check_out(TS_DTYPE_F32, 2 * a.rows);
    check_kernel(e, TS_KERNEL_rope_sums, &a, a.rows);
    for (int64_t row = 0; row < a.rows; row++)
        for (int64_t h = 0; h < heads; h++) {
            const int64_t to = 2 * row + is_key(&a, h);
            if (back)
                head_back(c, &a, row, h, dz, size);
            for (int64_t i = 0; i < D; i++) {
                const double x = check_get(a.x, row * c->width + place(&a, h, i), a.dtype);
                const double f = back ? weight(&a, h, i) * x * (double)a.rstd[rstd_at(&a, row, h)] : x;
                want[to] += f * (back ? dz[i] : x);
                sizes[to] += fabs(f) * (back ? size[i] : fabs(x));
            }
        }
    for (int64_t i = 0; i < 2 * a.rows; i++)
        check_near("sums", i, (double)a.sums[i], want[i], growth(heads * D) * sizes[i]);
}

/* Heads evenly apart, each of its own or all of one; or their sum. */
static void heads(const check_env *e, int64_t n, int64_t dim, int kind, bool inter, bool back, ts_dtype t)
{
    enum { ROWS = 5, GAP = 3 };
    const bool one = kind == 1, sums = kind == 2;
    const int64_t x_head = one ? 0 : dim + GAP, x_row = (one ? 1 : n) * (dim + GAP),
                  y_head = sums ? 0 : dim + 2, y_row = (sums ? 1 : n) * (dim + 2);
    check_case("rope_heads %s heads %lld dim %lld%s%s%s%s", ts_dtype_name(t), (long long)n, (long long)dim,
               inter ? " interleaved" : "", back ? " back" : "", one ? " one" : "", sums ? " sums" : "");
    const rope_case like = { .a = { .n_q = n, .head_dim = dim, .rot_dim = dim, .interleaved = inter,
                                    .dtype = t, .rows = ROWS } };
    const ts_rope_args angles = prepare(&like);
    ts_rope_heads_args a = { .heads = n, .dim = dim, .x_row = x_row, .x_head = x_head, .y_row = y_row,
                             .y_head = y_head, .interleaved = inter, .back = back, .sums = sums, .dtype = t,
                             .cos = angles.cos, .sin = angles.sin, .pos = angles.pos,
                             .x = check_in(6, t, ROWS * x_row, 1) };
    a.y = check_inout(7, t, ROWS * y_row, 1);
    check_kernel(e, TS_KERNEL_rope_heads, &a, ROWS);
    double *head = check_f64(dim), *sizes = check_f64(dim);
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t h = 0; h < (sums ? 1 : n); h++) {
            for (int64_t i = 0; i < dim; i++) {
                head[i] = sizes[i] = 0;
                for (int64_t k = h; k < (sums ? n : h + 1); k++) {
                    const double v = check_get(a.x, row * x_row + k * x_head + i, t);
                    head[i] += v, sizes[i] += fabs(v);
                }
            }
            for (int64_t i = 0; i < dim; i++) {
                double unused;
                const double want = turned(&angles, row, 0, i, head, back, &unused);
                turned(&angles, row, 0, i, sizes, back, &unused);
                check_elem("y", a.y, row * y_row + h * y_head + i, t, want,
                           (4 + (sums ? (double)n : 0)) * CHECK_U * unused);
            }
            for (int64_t i = dim; i < y_head; i++)
                check_equal("beside", i, check_get(a.y, row * y_row + h * y_head + i, t),
                            check_before(a.y, row * y_row + h * y_head + i, t));
        }
}

static void all_heads(const check_env *e)
{
    static const int64_t dim[] = { 2, 8, 14, 64, 70 };
    int k = 0;
    for (size_t d = 0; d < CHECK_COUNT(dim); d++)
        for (int t = 0; t < 3; t++)
            for (int kind = 0; kind < 3; kind++, k++)
                heads(e, 1 + k % 5, dim[d], kind, k % 2, k / 2 % 2, (ts_dtype)t);
}

/* Queries that grow with their positions, in place or not. */
static void temper(const check_env *e, int64_t n_q, int64_t n_kv, int64_t dim, bool in_place, ts_dtype t)
{
    enum { ROWS = 7 };
    const int64_t width = (n_q + 2 * n_kv) * dim;
    check_case("temper %s n_q %lld n_kv %lld head %lld%s", ts_dtype_name(t), (long long)n_q, (long long)n_kv,
               (long long)dim, in_place ? " in place" : "");
    int32_t *pos = check_ints(3, TS_DTYPE_I32, ROWS, 5000);
    for (int i = 0; i < ROWS; i++)
        pos[i] = i == 0 ? 0 : pos[i] < 0 ? -pos[i] : pos[i];
    check_touched(pos);
    void *x = check_inout(6, t, ROWS * width, 1);
    const ts_temper_args a = { .n_q = n_q, .n_kv = n_kv, .head_dim = dim, .by = 0.3f, .every = 37, .dtype = t, .pos = pos,
                               .x = x, .y = in_place ? x : check_out(t, ROWS * width) };
    check_kernel(e, TS_KERNEL_temper, &a, ROWS);
    const ts_rope_args like = { .n_q = n_q, .n_kv = n_kv, .head_dim = dim };
    for (int64_t row = 0; row < ROWS; row++) {
        const double by = 1 + (double)a.by * log(1 + floor((pos[row] + 1.0) / 37));
        for (int64_t h = 0; h < n_q + 2 * n_kv; h++)
            for (int64_t i = 0; i < dim; i++) {
                const int64_t at = row * width + place(&like, h, i);
                const double v = check_before(x, at, t), want = h < n_q ? v * by : v;
                check_elem("y", a.y, at, t, want, 2 * CHECK_U * fabs(want));
            }
    }
}

void check_rope(const check_env *e)
{
    all_heads(e);
    for (int t = 0; t < 3; t++) {
        temper(e, 4, 2, 16, t % 2, (ts_dtype)t);
        temper(e, 3, 3, 10, t % 2 == 0, (ts_dtype)t);
        temper(e, 5, 0, 34, t % 2, (ts_dtype)t);
    }
    static const struct {
        int64_t n_q, n_kv, head, rot;
    } shape[] = { { 1, 1, 2, 2 },     { 3, 1, 8, 8 },   { 4, 2, 16, 16 }, { 2, 2, 30, 14 },
                  { 6, 2, 32, 32 },   { 4, 4, 34, 34 }, { 9, 3, 64, 64 }, { 4, 1, 80, 32 },
                  { 8, 2, 128, 128 }, { 2, 1, 66, 0 },  { 2, 1, 18, 18 },
                  { 3, 0, 32, 32 },   { 0, 2, 34, 20 } }; /* queries alone, keys and values alone */
    static const double scale[] = { 1, 1e-4, 1e4 };
    static const float some = 0; /* only says that there is a norm */
    int k = 0;
    for (size_t s = 0; s < CHECK_COUNT(shape); s++)
        for (int t = 0; t < 3; t++)
            for (int v = 0; v < 12; v++, k++) {
                const int norm = v % 3; /* none, per head, full; of every fifth without weights */
                const bool unit = norm == 1 && k % 5 == 1;
                rope_case c = { .a = { .n_q = shape[s].n_q, .n_kv = shape[s].n_kv,
                                       .head_dim = shape[s].head, .rot_dim = shape[s].rot,
                                       .interleaved = v % 2, .full_norm = norm == 2, .unit_norm = unit,
                                       .dtype = (ts_dtype)t, .wq = norm && !unit && shape[s].n_q ? &some : NULL,
                                       .wk = norm && !unit && shape[s].n_kv ? &some : NULL, .eps = 1e-6f,
                                       .norm_values = norm == 1 && shape[s].n_kv && v < 6,
                                       .q_cos = k % 4 == 0 ? &some : NULL,
                                       .offset = k % 5 == 0 ? 1.0f : 0.0f, .rows = 1 + k % 5 },
                                .scale = norm ? scale[k % 3] : 1,
                                .in_place = v >= 6 };
                c.width = (c.a.n_q + 2 * c.a.n_kv) * c.a.head_dim;
                forward(e, &c);
                backward(e, &c);
                if (c.a.full_norm) {
                    sums(e, &c, false);
                    sums(e, &c, true);
                    c.added = true;
                    forward(e, &c);
                    backward(e, &c);
                }
                c.a.rows = 19;
                weights(e, &c);
            }
}

void bench_rope(const check_env *e)
{
    for (int v = 0; v < 6; v++) {
        const bool norm = v % 2, inter = v / 2 == 1;
        const ts_dtype t = v / 2 == 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32;
        static const float some = 0;
        char text[64];
        rope_case c = { .a = { .n_q = 9, .n_kv = 3, .head_dim = 64, .rot_dim = 64,
                               .interleaved = inter, .dtype = t, .wq = norm ? &some : NULL,
                               .wk = norm ? &some : NULL, .eps = 1e-6f, .rows = 2048 },
                        .scale = 1,
                        .width = 960 };
        name(&c, "bench");
        ts_rope_args a = prepare(&c);
        const double n = (double)(a.rows * c.width), size = (double)ts_dtype_size(t);
        a.x = check_in(6, t, a.rows * c.width, 1);
        a.y = check_out(t, a.rows * c.width);
        a.dy = check_in(6, t, a.rows * c.width, 1);
        a.dx = check_out(t, a.rows * c.width);
        a.rstd = check_inout(8, TS_DTYPE_F32, a.rows * 12, 1);
        a.dwq = check_inout(9, TS_DTYPE_F32, 64, 1);
        a.dwk = check_inout(9, TS_DTYPE_F32, 64, 1);
        const char *kind = inter ? " interleaved" : "", *with = norm ? " norm" : "";
        snprintf(text, sizeof text, "rope_fwd %s%s%s 2048 x (9+3+3)*64", ts_dtype_name(t), kind,
                 with);
        check_bench(e, text, TS_KERNEL_rope_fwd, &a, a.rows, n, "elem", 2 * size * n);
        snprintf(text, sizeof text, "rope_bwd %s%s%s", ts_dtype_name(t), kind, with);
        check_bench(e, text, TS_KERNEL_rope_bwd, &a, a.rows, n, "elem", (norm ? 3 : 2) * size * n);
        snprintf(text, sizeof text, "rope_dw %s%s%s", ts_dtype_name(t), kind, with);
        if (norm)
            check_bench(e, text, TS_KERNEL_rope_dw, &a, 128, n, "elem", 2 * size * n);
    }
}
