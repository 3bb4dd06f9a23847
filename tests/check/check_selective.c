/* The selective scan against its recurrence in double: token by token, and backwards through time. Run a second time
 * with the sizes of all numbers the recurrence gives the sum of the sizes of all terms that an element is the sum of,
 * and a bound is a part of that. */
#include "check.h"

#include <string.h>

typedef struct scan_case {
    ts_dtype t;
    int64_t B, S, channels, N;
    int documents; /* their length; 0: sequences are whole */
    bool kept;     /* a state goes in and out, and sequences have lengths */
} scan_case;

static void name(const scan_case *c, const char *kernel)
{
    check_case("selective_%s %s B %lld S %lld channels %lld N %lld documents %d kept %d", kernel, ts_dtype_name(c->t),
               (long long)c->B, (long long)c->S, (long long)c->channels, (long long)c->N, c->documents, c->kept);
}

static ts_selective_args args_of(const scan_case *c)
{
    const int64_t rows = c->B * c->S;
    ts_selective_args a = { .B = c->B, .S = c->S, .channels = c->channels, .N = c->N, .dtype = c->t,
                            .x = check_in(1, c->t, rows * c->channels, 1),
                            .raw = check_in(2, c->t, rows * c->channels, 3),
                            .bc = check_in(3, c->t, rows * 2 * c->N, 1),
                            .A_log = check_in(4, TS_DTYPE_F32, c->channels * c->N, 1.5),
                            .D = check_in(5, TS_DTYPE_F32, c->channels, 1),
                            .bias = check_in(6, TS_DTYPE_F32, c->channels, 1) };
    if (c->documents) { /* of the second sequence they begin elsewhere */
        int32_t *first = check_ints(7, TS_DTYPE_I32, rows, 0);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t t = (r % c->S + r / c->S) / c->documents * c->documents - r / c->S;
            first[r] = (int32_t)(t < 0 ? 0 : t);
        }
        check_touched(first);
        a.first_key = first;
    }
    if (c->kept) {
        int32_t *length = check_ints(8, TS_DTYPE_I32, c->B, 0);
        for (int64_t b = 0; b < c->B; b++)
            length[b] = (int32_t)(c->S - b * (c->S / 3));
        check_touched(length);
        a.length = length;
        a.state = check_inout(9, TS_DTYPE_F32, c->B * c->N * c->channels, 1);
    }
    return a;
}

/* One channel of one sequence in double, or in sizes. */
typedef struct recurrence {
    const ts_selective_args *a;
    int64_t b, c;
    bool sizes;
    double *h;                /* [S + 1][N]: the state before each row */
    double *y, *dx, *draw;    /* [S] */
    double *db, *dc;          /* [S][N] */
    double *dA;               /* [N] */
    double dD, dbias;
} recurrence;

static double sized(const recurrence *r, double v) { return r->sizes ? fabs(v) : v; }
static double channel_at(const recurrence *r, const void *from, int64_t t)
{
    return check_get(from, (r->b * r->a->S + t) * r->a->channels + r->c, r->a->dtype);
}
static double bc_at(const recurrence *r, int64_t t, int64_t n)
{
    return sized(r, check_get(r->a->bc, (r->b * r->a->S + t) * 2 * r->a->N + n, r->a->dtype));
}
static double raw_at(const recurrence *r, int64_t t) { return channel_at(r, r->a->raw, t) + (double)r->a->bias[r->c]; }
static double dt_at(const recurrence *r, int64_t t) { return log1p(exp(raw_at(r, t))); }
static double rate_at(const recurrence *r, int64_t n) { return -exp((double)r->a->A_log[r->c * r->a->N + n]); }
static double decay_at(const recurrence *r, int64_t t, int64_t n)
{
    const bool begins = r->a->first_key && r->a->first_key[r->b * r->a->S + t] == t;
    return begins ? 0 : exp(rate_at(r, n) * dt_at(r, t));
}

static recurrence make(const ts_selective_args *a, int64_t b, int64_t c, bool sizes)
{
    const int64_t S = a->S, N = a->N;
    return (recurrence){ a, b, c, sizes, check_f64((S + 1) * N), check_f64(S), check_f64(S), check_f64(S),
                         check_f64(S * N), check_f64(S * N), check_f64(N), 0, 0 };
}

static void go_forward(const recurrence *r)
{
    const ts_selective_args *a = r->a;
    const int64_t N = a->N, length = a->length ? a->length[r->b] : a->S;
    for (int64_t n = 0; a->state && n < N; n++)
        r->h[n] = sized(r, check_before(a->state, (r->b * N + n) * a->channels + r->c, TS_DTYPE_F32));
    for (int64_t t = 0; t < length; t++) {
        const double x = sized(r, channel_at(r, a->x, t));
        r->y[t] = sized(r, (double)a->D[r->c]) * x;
        for (int64_t n = 0; n < N; n++) {
            r->h[(t + 1) * N + n] = decay_at(r, t, n) * r->h[t * N + n] + dt_at(r, t) * bc_at(r, t, n) * x;
            r->y[t] += bc_at(r, t, N + n) * r->h[(t + 1) * N + n];
        }
    }
}

static void go_back(recurrence *r)
{
    const ts_selective_args *a = r->a;
    const int64_t N = a->N;
    double *dh = check_f64(N);
    for (int64_t t = a->S; t-- > 0;) {
        const double x = sized(r, channel_at(r, a->x, t)), dy = sized(r, channel_at(r, a->dy, t)), dt = dt_at(r, t);
        double ddt = 0;
        r->dx[t] = sized(r, (double)a->D[r->c]) * dy;
        r->dD += dy * x;
        for (int64_t n = 0; n < N; n++) {
            const double B = bc_at(r, t, n), decay = decay_at(r, t, n);
            dh[n] += bc_at(r, t, N + n) * dy;
            r->dc[t * N + n] = dy * r->h[(t + 1) * N + n];
            r->db[t * N + n] = dt * dh[n] * x;
            r->dx[t] += dt * dh[n] * B;
            const double along = decay * dh[n] * r->h[t * N + n], rate = sized(r, rate_at(r, n));
            ddt += dh[n] * B * x + rate * along;
            r->dA[n] += rate * dt * along;
            dh[n] *= decay;
        }
        r->draw[t] = ddt / (1 + exp(-raw_at(r, t)));
        r->dbias += r->draw[t];
    }
}

/* Of sums: what is added (the growth of random signs), the steps' series, and an exponent, whose rounding is a part of a
 * decay: X exp(-X) of a term that lived through exponents of X together. */
static double part(const scan_case *c)
{
    return CHECK_U * (8 + sqrt((double)(c->N + c->S + c->channels)));
}

static void forward(const check_env *e, const scan_case *c)
{
    name(c, "fwd");
    ts_selective_args a = args_of(c);
    a.y = check_out(c->t, c->B * c->S * c->channels);
    check_kernel(e, TS_KERNEL_selective_fwd, &a, 0);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t k = 0; k < c->channels; k++) {
            const recurrence r = make(&a, b, k, false), s = make(&a, b, k, true);
            go_forward(&r), go_forward(&s);
            for (int64_t t = 0; t < c->S; t++)
                check_elem("y", a.y, (b * c->S + t) * c->channels + k, c->t, r.y[t], part(c) * s.y[t]);
            const int64_t last = (a.length ? a.length[b] : c->S) * c->N;
            for (int64_t n = 0; a.state && n < c->N; n++)
                check_near("state", n, a.state[(b * c->N + n) * c->channels + k], r.h[last + n],
                           part(c) * s.h[last + n]);
        }
}

static void judge_channel(const scan_case *c, const ts_selective_args *a, const recurrence *r, const recurrence *s)
{
    const float *sums = a->sums + r->b * c->channels * (c->N + 2);
    for (int64_t t = 0; t < c->S; t++) {
        const int64_t at = (r->b * c->S + t) * c->channels + r->c;
        check_elem("dx", a->dx, at, c->t, r->dx[t], part(c) * s->dx[t]);
        check_elem("draw", a->draw, at, c->t, r->draw[t], part(c) * s->draw[t]);
    }
    for (int64_t n = 0; n < c->N; n++)
        check_near("dA_log", n, sums[r->c * c->N + n], r->dA[n], part(c) * s->dA[n]);
    check_near("dD", r->c, sums[c->channels * c->N + r->c], r->dD, part(c) * s->dD);
    check_near("dbias", r->c, sums[c->channels * (c->N + 1) + r->c], r->dbias, part(c) * s->dbias);
}

static void backward(const check_env *e, const scan_case *c)
{
    name(c, "bwd");
    const int64_t rows = c->B * c->S, shared = rows * c->N;
    ts_selective_args a = args_of(c);
    a.dy = check_in(10, c->t, rows * c->channels, 1);
    a.dx = check_out(c->t, rows * c->channels), a.draw = check_out(c->t, rows * c->channels);
    a.states = check_out(TS_DTYPE_F32, c->B * ts_selective_kept(c->S) * c->N * c->channels);
    a.parts = check_out(TS_DTYPE_F32, ts_selective_blocks(c->channels) * rows * 2 * c->N);
    a.sums = check_out(TS_DTYPE_F32, c->B * c->channels * (c->N + 2));
    a.dbc = check_out(c->t, rows * 2 * c->N);
    check_kernel(e, TS_KERNEL_selective_bwd, &a, 0);
    double *d[2] = { check_f64(shared), check_f64(shared) };
    double *size[2] = { check_f64(shared), check_f64(shared) };
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t k = 0; k < c->channels; k++) {
            recurrence r = make(&a, b, k, false), s = make(&a, b, k, true);
            go_forward(&r), go_forward(&s), go_back(&r), go_back(&s);
            judge_channel(c, &a, &r, &s);
            for (int64_t i = 0; i < c->S * c->N; i++) {
                d[0][b * c->S * c->N + i] += r.db[i], d[1][b * c->S * c->N + i] += r.dc[i];
                size[0][b * c->S * c->N + i] += s.db[i], size[1][b * c->S * c->N + i] += s.dc[i];
            }
        }
    check_kernel(e, TS_KERNEL_selective_join, &a, rows);
    for (int64_t i = 0; i < shared; i++)
        for (int64_t which = 0; which < 2; which++)
            check_elem(which ? "dC" : "dB", a.dbc, (i / c->N * 2 + which) * c->N + i % c->N, c->t, d[which][i],
                       part(c) * size[which][i]);
}

/* A document at the end of a pack, and alone: the same bits, forward and back. */
static void alone_and_packed(const check_env *e, ts_dtype t)
{
    const scan_case c = { t, 1, 110, 70, 5, 0, false };
    const int64_t begin = 45, n = c.S - begin;
    const size_t row = (size_t)c.channels * ts_dtype_size(t), shared = (size_t)(2 * c.N) * ts_dtype_size(t);
    name(&c, "packed");
    ts_selective_args a = args_of(&c);
    int32_t *first = check_ints(7, TS_DTYPE_I32, c.S, 0);
    for (int64_t i = begin; i < c.S; i++)
        first[i] = (int32_t)begin;
    check_touched(first);
    a.first_key = first;
    a.dy = check_in(10, t, c.S * c.channels, 1);
    ts_selective_args one = a;
    one.S = n, one.first_key = NULL;
    one.x = (const char *)a.x + (size_t)begin * row, one.raw = (const char *)a.raw + (size_t)begin * row;
    one.dy = (const char *)a.dy + (size_t)begin * row, one.bc = (const char *)a.bc + (size_t)begin * shared;
    ts_selective_args *const both[] = { &a, &one };
    for (size_t i = 0; i < CHECK_COUNT(both); i++) {
        ts_selective_args *x = both[i];
        x->y = check_out(t, x->S * c.channels), x->dx = check_out(t, x->S * c.channels);
        x->draw = check_out(t, x->S * c.channels), x->dbc = check_out(t, x->S * 2 * c.N);
        x->states = check_out(TS_DTYPE_F32, ts_selective_kept(x->S) * c.N * c.channels);
        x->parts = check_out(TS_DTYPE_F32, ts_selective_blocks(c.channels) * x->S * 2 * c.N);
        x->sums = check_out(TS_DTYPE_F32, c.channels * (c.N + 2));
        check_kernel(e, TS_KERNEL_selective_fwd, x, 0);
        check_kernel(e, TS_KERNEL_selective_bwd, x, 0);
        check_kernel(e, TS_KERNEL_selective_join, x, x->S);
    }
    if (memcmp((const char *)a.y + (size_t)begin * row, one.y, (size_t)n * row) ||
        memcmp((const char *)a.dx + (size_t)begin * row, one.dx, (size_t)n * row) ||
        memcmp((const char *)a.draw + (size_t)begin * row, one.draw, (size_t)n * row) ||
        memcmp((const char *)a.dbc + (size_t)begin * shared, one.dbc, (size_t)n * shared))
        check_fail("a document in a pack has other bits than alone");
}

void check_selective(const check_env *e)
{
    static const scan_case cases[] = {
        { TS_DTYPE_F32, 2, 70, 7, 5, 0, false },   { TS_DTYPE_F32, 1, 33, 130, 16, 0, false },
        { TS_DTYPE_F32, 2, 67, 20, 3, 21, false }, { TS_DTYPE_F32, 2, 9, 65, 2, 1, false },
        { TS_DTYPE_BF16, 1, 40, 33, 8, 17, false }, { TS_DTYPE_F16, 1, 32, 16, 4, 0, false },
        { TS_DTYPE_F32, 1, 34, 3, TS_SELECTIVE_MOST_STATE, 0, false },
    };
    static const scan_case kept[] = {
        { TS_DTYPE_F32, 3, 70, 21, 5, 0, true },
        { TS_DTYPE_BF16, 2, 40, 66, 8, 0, true },
        { TS_DTYPE_F32, 3, 3, 5, 16, 0, true },
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        forward(e, &cases[i]);
        backward(e, &cases[i]);
    }
    for (size_t i = 0; i < CHECK_COUNT(kept); i++)
        forward(e, &kept[i]);
    alone_and_packed(e, TS_DTYPE_F32);
    alone_and_packed(e, TS_DTYPE_BF16);
}

void bench_selective(const check_env *e)
{
    check_case("bench");
    const scan_case c = { TS_DTYPE_F32, 1, 1024, 1536, 16, 0, false };
    const int64_t rows = c.B * c.S;
    ts_selective_args a = args_of(&c);
    a.y = check_out(c.t, rows * c.channels), a.dy = check_in(10, c.t, rows * c.channels, 1);
    a.dx = check_out(c.t, rows * c.channels), a.draw = check_out(c.t, rows * c.channels);
    a.states = check_out(TS_DTYPE_F32, c.B * ts_selective_kept(c.S) * c.N * c.channels);
    a.parts = check_out(TS_DTYPE_F32, ts_selective_blocks(c.channels) * rows * 2 * c.N);
    a.sums = check_out(TS_DTYPE_F32, c.B * c.channels * (c.N + 2)), a.dbc = check_out(c.t, rows * 2 * c.N);
    const double states = (double)(rows * c.channels * c.N);
    check_bench(e, "selective_fwd", TS_KERNEL_selective_fwd, &a, 0, states, "state", 0);
    check_bench(e, "selective_bwd", TS_KERNEL_selective_bwd, &a, 0, states, "state", 0);
}
