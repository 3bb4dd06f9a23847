#include "check.h"

#include "device/kernels/dsa.h"

#include <string.h>

/* Sparse attention and its indexer. Sums of n terms of one size grow by their root in the bounds. */
typedef struct dsa_case {
    ts_dtype t;
    int64_t B, S, heads, dim, value, index_heads, index_dim, most;
    bool docs, all, shared; /* documents; lists of all keys; one key and value for all heads */
    int64_t keys;           /* of a sequence of which S rows are here, in two pieces; 0: all are */
} dsa_case;

static double growth(int64_t n) { return CHECK_U * (16 + 4 * sqrt((double)n)); }

/* Half of the rows stand near the beginning, the others at the end. */
static ts_stretches places(const dsa_case *c)
{
    const int64_t half = c->S / 2;
    return c->keys ? (ts_stretches){ 2, { { 3, half }, { c->keys - (c->S - half), c->S - half } } }
                   : ts_stretches_one(0, c->S);
}

static const int32_t *documents(const dsa_case *c)
{
    const ts_stretches at = places(c);
    int32_t *first = check_inout(9, TS_DTYPE_F32, c->B * c->S, 1); /* four bytes as well */
    for (int64_t r = 0; r < c->B * c->S; r++)
        first[r] = (int32_t)(ts_stretches_at(&at, r % c->S) / 7 * 7);
    check_touched(first);
    return first;
}

static ts_dsa_args args_of(const dsa_case *c, const char *kernel)
{
    const int64_t T = c->B * c->S, kv = c->shared ? 1 : c->heads, keys = c->keys ? c->keys : c->S, K = c->B * keys;
    check_case("dsa_%s %s B %lld S %lld heads %lld of %lld and %lld, index %lld of %lld, most %lld%s%s%s, keys %lld", kernel,
               ts_dtype_name(c->t), (long long)c->B, (long long)c->S, (long long)c->heads, (long long)c->dim,
               (long long)c->value, (long long)c->index_heads, (long long)c->index_dim, (long long)c->most,
               c->docs ? " documents" : "", c->all ? " all" : "", c->shared ? " one key" : "", (long long)keys);
    return (ts_dsa_args){ .rows = T, .S = c->S, .keys = keys, .q_at = c->keys ? places(c) : (ts_stretches){ 0 }, .first_key = c->docs ? documents(c) : NULL,
                          .most = c->most, .dtype = c->t, .heads = c->heads, .dim = c->dim, .value = c->value,
                          .q_row = c->heads * c->dim, .q_head = c->dim, .k_row = kv * c->dim,
                          .k_head = c->shared ? 0 : c->dim, .v_row = kv * c->value,
                          .v_head = c->shared ? 0 : c->value, .scale = 0.3f, .q = check_in(1, c->t, T * c->heads * c->dim, 1),
                          .k = check_in(2, c->t, K * kv * c->dim, 1), .v = check_in(3, c->t, K * kv * c->value, 1),
                          .index_heads = c->index_heads, .index_dim = c->index_dim, .ik_row = c->index_dim,
                          .index_scale = 0.2f, .iq = check_in(4, c->t, T * c->index_heads * c->index_dim, 1),
                          .ik = check_in(5, c->t, K * c->index_dim, 1),
                          .iw = check_in(6, TS_DTYPE_F32, T * c->index_heads, 1), .width = c->all ? keys : c->most,
                          .weight = 0.7f };
}

static double product(const ts_dsa_args *a, const void *x, int64_t xi, const void *y, int64_t yi, int64_t n)
{
    double sum = 0;
    for (int64_t c = 0; c < n; c++)
        sum += check_get(x, xi + c, a->dtype) * check_get(y, yi + c, a->dtype);
    return sum;
}

static double index_dot(const ts_dsa_args *a, int64_t r, int64_t key, int64_t g)
{
    return product(a, a->iq, (r * a->index_heads + g) * a->index_dim, a->ik, key * a->ik_row, a->index_dim);
}

/* size: what rounding may be measured by. */
static double index_score(const ts_dsa_args *a, int64_t r, int64_t key, double *size)
{
    double sum = 0;
    *size = 0;
    for (int64_t g = 0; g < a->index_heads; g++) {
        const double d = index_dot(a, r, key, g), w = (double)a->iw[r * a->index_heads + g] * (double)a->index_scale;
        sum += d > 0 ? d * w : 0;
        *size += fabs(w) * (double)a->index_dim;
    }
    return sum;
}

/* Lists as the oracle has them: every third key that is seen, and the last. */
static void make_lists(const dsa_case *c, ts_dsa_args *a)
{
    int32_t *chosen;
    if (c->all)
        return;
    chosen = check_inout(8, TS_DTYPE_F32, a->rows * c->most, 1);
    for (int64_t r = 0; r < a->rows; r++) {
        const ts_dsa_list l = ts_dsa_seen(a, r);
        const int64_t n = l.n < c->most ? l.n : c->most;
        for (int64_t i = 0; i < c->most; i++)
            chosen[r * c->most + i] = i < n ? (int32_t)(l.first + (n == l.n ? i : i == n - 1 ? l.n - 1 : i * (l.n - 1) / n)) : -1;
    }
    check_touched(chosen);
    a->chosen = chosen;
}

static int64_t k_at(const ts_dsa_args *a, int64_t key, int64_t h) { return key * a->k_row + h * a->k_head; }
static int64_t v_at(const ts_dsa_args *a, int64_t key, int64_t h) { return key * a->v_row + h * a->v_head; }
static int64_t q_at(const ts_dsa_args *a, int64_t r, int64_t h) { return r * a->q_row + h * a->q_head; }

static double score(const ts_dsa_args *a, int64_t r, int64_t key, int64_t h)
{
    return (double)a->scale * product(a, a->q, q_at(a, r, h), a->k, k_at(a, key, h), a->dim);
}

static double lse_of(const ts_dsa_args *a, int64_t r, int64_t h)
{
    const ts_dsa_list l = ts_dsa_list_of(a, r);
    double sum = 0;
    for (int64_t i = 0; i < l.n; i++)
        sum += exp(score(a, r, l.sequence * a->keys + ts_dsa_key(&l, i), h));
    return log(sum);
}

/* ---- the kernels ---- */

static void selects(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "select");
    a.chosen = check_out(TS_DTYPE_F32, a.rows * c->most);
    a.best = check_work((size_t)(a.rows * c->most) * sizeof(float));
    check_kernel(e, TS_KERNEL_dsa_select, &a, a.rows);
    for (int64_t r = 0; r < a.rows; r++) {
        const ts_dsa_list l = ts_dsa_list_of(&a, r), seen = ts_dsa_seen(&a, r);
        double worst = INFINITY, best = -INFINITY, size = 0;
        for (int64_t i = 0; i < l.n; i++) {
            check_near("a key is seen, behind the one before", r, l.chosen[i] > (i ? l.chosen[i - 1] : seen.first - 1) &&
                       l.chosen[i] < seen.first + seen.n, 1, 0);
            worst = fmin(worst, index_score(&a, r, l.sequence * a.keys + l.chosen[i], &size));
        }
        for (int64_t j = seen.first; j < seen.first + seen.n; j++)
            if (ts_dsa_place(&l, j) < 0)
                best = fmax(best, index_score(&a, r, l.sequence * a.keys + j, &size));
        if (seen.n > l.n) /* none that was left out is better than one that was taken, but by rounding */
            check_near("the best was left out", r, fmax(best - worst, 0), 0, 2 * growth(c->index_dim) * size);
        for (int64_t i = l.n; i < c->most; i++)
            check_equal("behind the list", r, (double)l.chosen[i], -1);
    }
}

static void forward(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "fwd");
    make_lists(c, &a);
    a.o = check_out(c->t, a.rows * c->heads * c->value);
    a.lse = check_out(TS_DTYPE_F32, a.rows * c->heads);
    check_kernel(e, TS_KERNEL_dsa_fwd, &a, a.rows * c->heads);
    const double off = growth(c->dim) * (double)a.scale * (double)c->dim;
    for (int64_t n = 0; n < a.rows * c->heads; n++) {
        const int64_t r = n / c->heads, h = n % c->heads;
        const ts_dsa_list l = ts_dsa_list_of(&a, r);
        const double lse = lse_of(&a, r, h);
        check_near("lse", n, (double)a.lse[n], lse, off + growth(l.n) * (1 + fabs(lse)));
        for (int64_t v = 0; v < c->value; v++) {
            double o = 0;
            for (int64_t i = 0; i < l.n; i++) {
                const int64_t key = l.sequence * a.keys + ts_dsa_key(&l, i);
                o += exp(score(&a, r, key, h) - lse) * check_get(a.v, v_at(&a, key, h) + v, c->t);
            }
            check_elem("o", a.o, n * c->value + v, c->t, o, 2 * off + growth(l.n));
        }
    }
}

/* What backward passes read: rounded as the forward pass leaves it. */
static void put_forward(const dsa_case *c, ts_dsa_args *a)
{
    float *lse = check_inout(10, TS_DTYPE_F32, a->rows * c->heads, 1), *delta = check_inout(11, TS_DTYPE_F32, a->rows * c->heads, 1);
    void *o = check_in(12, c->t, a->rows * c->heads * c->value, 1);
    a->dout = check_in(13, c->t, a->rows * c->heads * c->value, 1);
    a->o = o;
    for (int64_t n = 0; n < a->rows * c->heads; n++) {
        lse[n] = (float)lse_of(a, n / c->heads, n % c->heads);
        delta[n] = (float)product(a, a->dout, n * c->value, o, n * c->value, c->value);
    }
    check_touched(lse);
    check_touched(delta);
    a->lse = lse, a->delta = delta;
}

static double ds_of(const ts_dsa_args *a, int64_t r, int64_t key, int64_t h, double *p)
{
    const int64_t n = r * a->heads + h;
    *p = exp(score(a, r, key, h) - (double)a->lse[n]);
    const double delta = product(a, a->dout, n * a->value, a->o, n * a->value, a->value);
    return *p * (product(a, a->dout, n * a->value, a->v, v_at(a, key, h), a->value) - delta);
}

static void backward(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "dq");
    const double off = 4 * growth(c->dim + c->value) * (1 + (double)a.scale * (double)c->dim) * (double)c->value;
    make_lists(c, &a);
    put_forward(c, &a);
    a.dq = check_out(c->t, a.rows * c->heads * c->dim);
    check_kernel(e, TS_KERNEL_dsa_dq, &a, a.rows * c->heads);
    for (int64_t n = 0; n < a.rows * c->heads; n++) {
        const int64_t r = n / c->heads, h = n % c->heads;
        const ts_dsa_list l = ts_dsa_list_of(&a, r);
        for (int64_t x = 0; x < c->dim; x++) {
            double d = 0, p;
            for (int64_t i = 0; i < l.n; i++) {
                const int64_t key = l.sequence * a.keys + ts_dsa_key(&l, i);
                d += (double)a.scale * ds_of(&a, r, key, h, &p) * check_get(a.k, k_at(&a, key, h) + x, c->t);
            }
            check_elem("dq", a.dq, n * c->dim + x, c->t, d, off * (double)a.scale);
        }
    }
    const int64_t kv = c->shared ? 1 : c->heads, sums = c->heads / kv; /* heads whose gradients are one */
    a = args_of(c, "dkv");
    make_lists(c, &a);
    put_forward(c, &a);
    const int64_t all = c->B * a.keys * kv;
    a.dk = check_out(c->t, all * c->dim);
    a.dv = check_out(c->t, all * c->value);
    check_kernel(e, TS_KERNEL_dsa_dkv, &a, all);
    for (int64_t n = 0; n < all; n++) {
        const int64_t key = n / kv, b = key / a.keys, j = key % a.keys;
        double *d = check_f64(c->dim + c->value);
        for (int64_t i = 0; i < c->S * sums; i++) {
            const int64_t r = b * c->S + i / sums, h = n % kv + i % sums;
            const ts_dsa_list l = ts_dsa_list_of(&a, r);
            double p;
            if (ts_dsa_place(&l, j) < 0)
                continue;
            const double ds = ds_of(&a, r, key, h, &p);
            for (int64_t x = 0; x < c->dim; x++)
                d[x] += (double)a.scale * ds * check_get(a.q, q_at(&a, r, h) + x, c->t);
            for (int64_t x = 0; x < c->value; x++)
                d[c->dim + x] += p * check_get(a.dout, (r * c->heads + h) * c->value + x, c->t);
        }
        for (int64_t x = 0; x < c->dim; x++)
            check_elem("dk", a.dk, n * c->dim + x, c->t, d[x], off * (double)a.scale * sqrt((double)(c->S * sums)));
        for (int64_t x = 0; x < c->value; x++)
            check_elem("dv", a.dv, n * c->value + x, c->t, d[c->dim + x], off * sqrt((double)(c->S * sums)));
    }
}

static void targets(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "target");
    make_lists(c, &a);
    put_forward(c, &a);
    a.target = check_out(TS_DTYPE_F32, a.rows * a.width);
    check_kernel(e, TS_KERNEL_dsa_target, &a, a.rows);
    for (int64_t r = 0; r < a.rows; r++) {
        const ts_dsa_list l = ts_dsa_list_of(&a, r);
        for (int64_t i = 0; i < a.width; i++) {
            double sum = 0;
            for (int64_t h = 0; i < l.n && h < c->heads; h++)
                sum += exp(score(&a, r, l.sequence * a.keys + ts_dsa_key(&l, i), h) - (double)a.lse[r * c->heads + h]);
            check_near("target", r * a.width + i, (double)a.target[r * a.width + i], sum,
                       sum * growth(c->dim) * (2 + (double)a.scale * (double)c->dim));
        }
    }
}

/* Of the oracle: dI of a row, and its loss. */
static double learns(const ts_dsa_args *a, int64_t r, double *d)
{
    const ts_dsa_list l = ts_dsa_list_of(a, r);
    double all = 0, sum = 0, loss = 0, size;
    for (int64_t i = 0; i < l.n; i++) {
        all += check_get(a->target, r * a->width + i, TS_DTYPE_F32);
        sum += exp(index_score(a, r, l.sequence * a->keys + ts_dsa_key(&l, i), &size));
    }
    for (int64_t i = 0; i < l.n; i++) {
        const double p = check_get(a->target, r * a->width + i, TS_DTYPE_F32) / all,
                     q = exp(index_score(a, r, l.sequence * a->keys + ts_dsa_key(&l, i), &size)) / sum;
        loss += p > 0 ? p * log(p / q) : 0;
        d[i] = (double)a->weight * (q - p);
    }
    return loss;
}

static void put_target(const dsa_case *c, ts_dsa_args *a)
{
    float *target = check_inout(14, TS_DTYPE_F32, a->rows * a->width, 1);
    (void)c;
    for (int64_t i = 0; i < a->rows * a->width; i++)
        target[i] = fabsf(target[i]);
    check_touched(target);
    a->target = target;
}

static void losses(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "loss");
    make_lists(c, &a);
    put_target(c, &a);
    a.scores = check_out(TS_DTYPE_F32, a.rows * a.width);
    a.loss = check_out(TS_DTYPE_F32, a.rows);
    a.diq = check_out(c->t, a.rows * c->index_heads * c->index_dim);
    a.diw = check_out(TS_DTYPE_F32, a.rows * c->index_heads);
    check_kernel(e, TS_KERNEL_dsa_loss, &a, a.rows);
    const double off = growth(c->index_dim + c->S) * (4 + (double)c->index_heads * (double)c->index_dim * (double)a.index_scale);
    for (int64_t r = 0; r < a.rows; r++) {
        const ts_dsa_list l = ts_dsa_list_of(&a, r);
        double *d = check_f64(l.n);
        check_near("loss", r, (double)a.loss[r], learns(&a, r, d), 2 * off);
        for (int64_t i = 0; i < a.width; i++)
            check_near("dI", r * a.width + i, (double)a.scores[r * a.width + i], i < l.n ? d[i] : 0, off);
        for (int64_t g = 0; g < c->index_heads; g++) {
            double w = 0, *q = check_f64(c->index_dim);
            for (int64_t i = 0; i < l.n; i++) {
                const int64_t key = l.sequence * a.keys + ts_dsa_key(&l, i);
                const double by = index_dot(&a, r, key, g);
                if (by <= 0)
                    continue;
                w += d[i] * by * (double)a.index_scale;
                for (int64_t x = 0; x < c->index_dim; x++)
                    q[x] += d[i] * (double)a.index_scale * (double)a.iw[r * c->index_heads + g] *
                            check_get(a.ik, key * a.ik_row + x, c->t);
            }
            check_near("diw", r * c->index_heads + g, (double)a.diw[r * c->index_heads + g], w, 4 * off * (double)c->index_dim);
            for (int64_t x = 0; x < c->index_dim; x++)
                check_elem("diq", a.diq, (r * c->index_heads + g) * c->index_dim + x, c->t, q[x], 4 * off);
        }
    }
}

static void index_keys(const check_env *e, const dsa_case *c)
{
    ts_dsa_args a = args_of(c, "dik");
    make_lists(c, &a);
    a.scores = check_inout(15, TS_DTYPE_F32, a.rows * a.width, 1);
    a.dik = check_out(c->t, c->B * a.keys * c->index_dim);
    check_kernel(e, TS_KERNEL_dsa_dik, &a, c->B * a.keys);
    for (int64_t key = 0; key < c->B * a.keys; key++) {
        const int64_t b = key / a.keys, j = key % a.keys;
        double *d = check_f64(c->index_dim), size = 0;
        for (int64_t r = b * c->S; r < (b + 1) * c->S; r++) {
            const ts_dsa_list l = ts_dsa_list_of(&a, r);
            const int64_t i = ts_dsa_place(&l, j);
            for (int64_t g = 0; i >= 0 && g < c->index_heads; g++) {
                const double by = check_before(a.scores, r * a.width + i, TS_DTYPE_F32) * (double)a.index_scale *
                                  (double)a.iw[r * c->index_heads + g];
                size += fabs(by);
                for (int64_t x = 0; x < c->index_dim && index_dot(&a, r, key, g) > 0; x++)
                    d[x] += by * check_get(a.iq, (r * c->index_heads + g) * c->index_dim + x, c->t);
            }
        }
        for (int64_t x = 0; x < c->index_dim; x++)
            check_elem("dik", a.dik, key * c->index_dim + x, c->t, d[x], growth(c->S * c->index_heads) * size);
    }
}

void check_dsa(const check_env *e)
{
    static const dsa_case cases[] = {
        { .t = TS_DTYPE_F32, .B = 2, .S = 19, .heads = 3, .dim = 12, .value = 7, .index_heads = 2, .index_dim = 10, .most = 6 },
        { .t = TS_DTYPE_BF16, .B = 1, .S = 33, .heads = 2, .dim = 40, .value = 24, .index_heads = 3, .index_dim = 16, .most = 5, .docs = true },
        { .t = TS_DTYPE_F16, .B = 2, .S = 11, .heads = 1, .dim = 70, .value = 65, .index_heads = 1, .index_dim = 33, .most = 20 },
        { .t = TS_DTYPE_F32, .B = 1, .S = 21, .heads = 2, .dim = 20, .value = 20, .index_heads = 2, .index_dim = 8, .most = 4, .all = true },
        { .t = TS_DTYPE_F32, .B = 2, .S = 9, .heads = 4, .dim = 18, .value = 18, .index_heads = 4, .index_dim = 6, .most = 3, .docs = true, .shared = true },
        { .t = TS_DTYPE_F32, .B = 2, .S = 11, .heads = 3, .dim = 12, .value = 9, .index_heads = 2, .index_dim = 10, .most = 5, .keys = 29 },
        { .t = TS_DTYPE_BF16, .B = 1, .S = 8, .heads = 2, .dim = 16, .value = 16, .index_heads = 2, .index_dim = 8, .most = 4, .all = true, .docs = true, .keys = 20 },
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        const dsa_case *c = &cases[i];
        selects(e, c);
        forward(e, c);
        backward(e, c);
        targets(e, c);
        losses(e, c);
        index_keys(e, c);
    }
}

void bench_dsa(const check_env *e) { (void)e; }
