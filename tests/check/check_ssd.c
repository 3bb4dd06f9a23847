/* The scan against the recurrence that it stands for, written in double: token by token, and backwards
 * through time. Run a second time with the sizes of all numbers the recurrence gives the sum of the sizes of
 * all terms that an element is the sum of, and a bound is a part of that. */
#include "check.h"

#include <string.h>

typedef struct ssd_case {
    ts_dtype t;
    int64_t B, S, heads, groups, P, N;
    int documents; /* their length; 0: sequences are whole */
    bool kept;     /* a state goes in and out, and sequences have lengths */
} ssd_case;

static int64_t width_of(const ssd_case *c) { return c->heads * c->P + 2 * c->groups * c->N; }

static void name(const ssd_case *c, const char *kernel)
{
    check_case("ssd_%s %s B %lld S %lld heads %lld groups %lld P %lld N %lld documents %d kept %d", kernel,
               ts_dtype_name(c->t), (long long)c->B, (long long)c->S, (long long)c->heads, (long long)c->groups,
               (long long)c->P, (long long)c->N, c->documents, c->kept);
}

static ts_ssd_args args_of(const ssd_case *c)
{
    const int64_t rows = c->B * c->S;
    ts_ssd_args a = { .B = c->B, .S = c->S, .heads = c->heads, .groups = c->groups, .P = c->P, .N = c->N,
                      .dtype = c->t, .lo = 0.05f, .hi = 1.5f, .xbc = check_in(1, c->t, rows * width_of(c), 1),
                      .raw = check_in(2, c->t, rows * c->heads, 3), .D = check_in(4, TS_DTYPE_F32, c->heads, 1),
                      .A_log = check_in(3, TS_DTYPE_F32, c->heads, 1.5), .bias = check_in(5, TS_DTYPE_F32, c->heads, 1) };
    if (c->documents) {
        int32_t *first = check_ints(6, TS_DTYPE_I32, rows, 0);
        for (int64_t r = 0; r < rows; r++) /* the second sequence is cut elsewhere */
            first[r] = (int32_t)((r % c->S + r / c->S) / c->documents * c->documents - r / c->S);
        for (int64_t r = 0; r < rows; r++)
            first[r] = first[r] < 0 ? 0 : first[r];
        check_touched(first);
        a.first_key = first;
    }
    if (c->kept) {
        int32_t *length = check_ints(7, TS_DTYPE_I32, c->B, 0);
        for (int64_t b = 0; b < c->B; b++)
            length[b] = (int32_t)(c->S - b * (c->S / 3));
        check_touched(length);
        a.length = length;
        a.state = check_inout(8, TS_DTYPE_F32, c->B * c->heads * c->N * c->P, 1);
    }
    return a;
}

/* One head of one sequence in double, or in sizes. */
typedef struct recurrence {
    const ts_ssd_args *a;
    int64_t b, head;
    bool sizes;
    double *h;                      /* [S + 1][N * P]: the state before each row */
    double *y;                      /* [S][P] */
    double *dx, *db, *dc;           /* [S][P], [S][N] */
    double *draw, *dA, *dD;         /* [S] */
} recurrence;

static double sized(const recurrence *r, double v) { return r->sizes ? fabs(v) : v; }
static double x_at(const recurrence *r, int64_t t, int64_t p)
{
    const ts_ssd_args *a = r->a;
    const int64_t width = a->heads * a->P + 2 * a->groups * a->N;
    return sized(r, check_get(a->xbc, (r->b * a->S + t) * width + r->head * a->P + p, a->dtype));
}
static double bc_at(const recurrence *r, int64_t t, int which, int64_t n)
{
    const ts_ssd_args *a = r->a;
    const int64_t width = a->heads * a->P + 2 * a->groups * a->N, g = r->head / (a->heads / a->groups);
    return sized(r, check_get(a->xbc, (r->b * a->S + t) * width + a->heads * a->P + (which * a->groups + g) * a->N + n,
                              a->dtype));
}
static double raw_at(const recurrence *r, int64_t t)
{
    const ts_ssd_args *a = r->a;
    return check_get(a->raw, (r->b * a->S + t) * a->heads + r->head, a->dtype) + (double)a->bias[r->head];
}
static double dt_at(const recurrence *r, int64_t t)
{
    const double dt = log1p(exp(raw_at(r, t)));
    return fmin(fmax(dt, (double)r->a->lo), (double)r->a->hi);
}
static double rate_of(const recurrence *r) { return -exp((double)r->a->A_log[r->head]); }
static bool begins(const recurrence *r, int64_t t)
{
    return r->a->first_key && r->a->first_key[r->b * r->a->S + t] == t;
}

static recurrence make(const ts_ssd_args *a, int64_t b, int64_t head, bool sizes)
{
    const int64_t S = a->S;
    return (recurrence){ a, b, head, sizes, check_f64((S + 1) * a->N * a->P), check_f64(S * a->P), check_f64(S * a->P),
                         check_f64(S * a->N), check_f64(S * a->N), check_f64(S), check_f64(S), check_f64(S) };
}

static void go_forward(const recurrence *r)
{
    const ts_ssd_args *a = r->a;
    const int64_t NP = a->N * a->P, length = a->length ? a->length[r->b] : a->S;
    for (int64_t i = 0; a->state && i < NP; i++)
        r->h[i] = sized(r, check_before(a->state, (r->b * a->heads + r->head) * NP + i, TS_DTYPE_F32));
    for (int64_t t = 0; t < length; t++) {
        const double dt = dt_at(r, t), decay = begins(r, t) ? 0 : exp(rate_of(r) * dt);
        double *h = r->h + t * NP, *next = h + NP;
        for (int64_t n = 0; n < a->N; n++)
            for (int64_t p = 0; p < a->P; p++) {
                next[n * a->P + p] = decay * h[n * a->P + p] + dt * bc_at(r, t, 0, n) * x_at(r, t, p);
                r->y[t * a->P + p] += bc_at(r, t, 1, n) * next[n * a->P + p];
            }
        for (int64_t p = 0; p < a->P; p++)
            r->y[t * a->P + p] += sized(r, (double)a->D[r->head]) * x_at(r, t, p);
    }
}

static void go_back(const recurrence *r)
{
    const ts_ssd_args *a = r->a;
    const int64_t NP = a->N * a->P;
    const double D = sized(r, (double)a->D[r->head]), rate = rate_of(r);
    double *dh = check_f64(NP);
    for (int64_t t = a->S; t-- > 0;) {
        const double dt = dt_at(r, t), decay = begins(r, t) ? 0 : exp(rate * dt), plain = log1p(exp(raw_at(r, t)));
        const double *h = r->h + t * NP, *next = h + NP;
        double along = 0, step = 0;
        for (int64_t p = 0; p < a->P; p++) {
            const double dy = sized(r, check_get(a->dy, ((r->b * a->S + t) * a->heads + r->head) * a->P + p, a->dtype));
            const double x = x_at(r, t, p);
            r->dD[t] += dy * x;
            r->dx[t * a->P + p] += D * dy;
            for (int64_t n = 0; n < a->N; n++) {
                const int64_t i = n * a->P + p;
                const double B = bc_at(r, t, 0, n);
                dh[i] += bc_at(r, t, 1, n) * dy;
                r->dc[t * a->N + n] += dy * next[i];
                r->db[t * a->N + n] += dt * dh[i] * x;
                r->dx[t * a->P + p] += dt * dh[i] * B;
                step += dh[i] * B * x;
                along += decay * dh[i] * h[i];
                dh[i] *= decay;
            }
        }
        const double ddt = step + sized(r, rate) * along;
        const bool inside = plain >= (double)a->lo && plain <= (double)a->hi;
        r->draw[t] = inside ? ddt / (1 + exp(-raw_at(r, t))) : 0;
        r->dA[t] = sized(r, rate) * dt * along;
    }
}

/* Of sums: what is added, how many decays are multiplied into one exponent of fp32, whose sums are rounded. */
static double part(const ssd_case *c)
{
    const double steps = TS_SSD_CHUNK * 1.5 * 4.5; /* dt, exp(A_log) at most */
    return CHECK_U * (32 + 4 * sqrt((double)(c->N + c->S)) + steps);
}

static void forward(const check_env *e, const ssd_case *c)
{
    name(c, "fwd");
    const int64_t NP = c->N * c->P;
    ts_ssd_args a = args_of(c);
    a.y = check_out(c->t, c->B * c->S * c->heads * c->P);
    check_kernel(e, TS_KERNEL_ssd_fwd, &a, 0);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t head = 0; head < c->heads; head++) {
            const recurrence r = make(&a, b, head, false), s = make(&a, b, head, true);
            go_forward(&r), go_forward(&s);
            for (int64_t t = 0; t < c->S; t++)
                for (int64_t p = 0; p < c->P; p++)
                    check_elem("y", a.y, ((b * c->S + t) * c->heads + head) * c->P + p, c->t, r.y[t * c->P + p],
                               part(c) * s.y[t * c->P + p]);
            const int64_t last = (a.length ? a.length[b] : c->S) * NP;
            for (int64_t i = 0; a.state && i < NP; i++)
                check_near("state", i, a.state[(b * c->heads + head) * NP + i], r.h[last + i], part(c) * s.h[last + i]);
        }
}

static void judge_head(const ssd_case *c, const ts_ssd_args *a, const recurrence *r, const recurrence *s)
{
    for (int64_t t = 0; t < c->S; t++) {
        const int64_t row = r->b * c->S + t;
        const float *sums = a->sums + row * 3 * c->heads + r->head;
        for (int64_t p = 0; p < c->P; p++)
            check_elem("dx", a->dxbc, row * width_of(c) + r->head * c->P + p, c->t, r->dx[t * c->P + p],
                       part(c) * s->dx[t * c->P + p]);
        /* of sums over a chunk that cancel: sizes of all its rows */
        double most = 0;
        for (int64_t k = 0; k < c->S; k++)
            most = fmax(most, s->draw[k] + s->dA[k]);
        const double bound = part(c) * TS_SSD_CHUNK * most;
        check_elem("draw", a->draw, row * c->heads + r->head, c->t, r->draw[t], bound);
        check_near("dbias", row, sums[2 * c->heads], r->draw[t], bound);
        check_near("dA_log", row, sums[0], r->dA[t], bound);
        check_near("dD", row, sums[c->heads], r->dD[t], part(c) * s->dD[t]);
    }
}

static void backward(const check_env *e, const ssd_case *c)
{
    name(c, "bwd");
    const int64_t rows = c->B * c->S, blocks = c->groups * ts_ssd_blocks(c->heads, c->groups, c->N, c->P);
    ts_ssd_args a = args_of(c);
    a.dy = check_in(9, c->t, rows * c->heads * c->P, 1);
    a.dxbc = check_out(c->t, rows * width_of(c)), a.draw = check_out(c->t, rows * c->heads);
    a.states = check_out(TS_DTYPE_F32, c->B * c->heads * ts_ssd_kept(c->S) * c->N * c->P);
    a.parts = check_out(TS_DTYPE_F32, blocks * rows * 2 * c->N);
    a.sums = check_out(TS_DTYPE_F32, rows * 3 * c->heads);
    check_kernel(e, TS_KERNEL_ssd_bwd, &a, 0);
    double *db = check_f64(rows * c->groups * c->N), *dc = check_f64(rows * c->groups * c->N);
    double *db_size = check_f64(rows * c->groups * c->N), *dc_size = check_f64(rows * c->groups * c->N);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t head = 0; head < c->heads; head++) {
            const recurrence r = make(&a, b, head, false), s = make(&a, b, head, true);
            go_forward(&r), go_forward(&s), go_back(&r), go_back(&s);
            judge_head(c, &a, &r, &s);
            for (int64_t t = 0; t < c->S; t++)
                for (int64_t n = 0; n < c->N; n++) {
                    const int64_t at = ((b * c->S + t) * c->groups + head / (c->heads / c->groups)) * c->N + n;
                    db[at] += r.db[t * c->N + n], dc[at] += r.dc[t * c->N + n];
                    db_size[at] += s.db[t * c->N + n], dc_size[at] += s.dc[t * c->N + n];
                }
        }
    check_kernel(e, TS_KERNEL_ssd_join, &a, rows);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < c->groups * c->N; i++) {
            const int64_t at = row * width_of(c) + c->heads * c->P + i, from = row * c->groups * c->N + i;
            check_elem("dB", a.dxbc, at, c->t, db[from], part(c) * db_size[from]);
            check_elem("dC", a.dxbc, at + c->groups * c->N, c->t, dc[from], part(c) * dc_size[from]);
        }
}

/* A document at the end of a pack, and alone: the same bits. */
static void alone_and_packed(const check_env *e, ts_dtype t)
{
    const ssd_case c = { t, 1, 210, 5, 1, 12, 20, 0, false };
    const int64_t begin = 57, n = c.S - begin, width = width_of(&c), out = c.heads * c.P;
    const size_t size = ts_dtype_size(t);
    name(&c, "fwd, packed");
    ts_ssd_args a = args_of(&c);
    int32_t *first = check_ints(6, TS_DTYPE_I32, c.S, 0);
    for (int64_t i = begin; i < c.S; i++)
        first[i] = (int32_t)begin;
    check_touched(first);
    a.first_key = first;
    a.y = check_out(t, c.S * out);
    check_kernel(e, TS_KERNEL_ssd_fwd, &a, 0);
    ts_ssd_args one = a;
    one.S = n, one.first_key = NULL;
    one.xbc = (const char *)a.xbc + (size_t)(begin * width) * size;
    one.raw = (const char *)a.raw + (size_t)(begin * c.heads) * size;
    one.y = check_out(t, n * out);
    check_kernel(e, TS_KERNEL_ssd_fwd, &one, 0);
    if (memcmp((const char *)a.y + (size_t)(begin * out) * size, one.y, (size_t)(n * out) * size))
        check_fail("a document in a pack has other bits than alone");
}

void check_ssd(const check_env *e)
{
    static const ssd_case cases[] = {
        { TS_DTYPE_F32, 2, 70, 3, 1, 5, 7, 0, false },    { TS_DTYPE_F32, 1, 300, 2, 2, 8, 16, 0, false },
        { TS_DTYPE_F32, 2, 150, 6, 1, 16, 12, 67, false }, { TS_DTYPE_F32, 2, 21, 5, 1, 4, 3, 1, false },
        { TS_DTYPE_BF16, 1, 90, 4, 2, 16, 16, 40, false }, { TS_DTYPE_F16, 1, 65, 2, 1, 9, 33, 0, false },
        { TS_DTYPE_F32, 1, 70, 2, 1, 64, 128, 0, false },
    };
    static const ssd_case kept[] = {
        { TS_DTYPE_F32, 3, 70, 3, 1, 5, 7, 0, true },
        { TS_DTYPE_BF16, 2, 130, 4, 2, 16, 8, 0, true },
        { TS_DTYPE_F32, 3, 3, 3, 1, 5, 7, 0, true },
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

void bench_ssd(const check_env *e)
{
    check_case("bench");
    const ssd_case c = { TS_DTYPE_F32, 1, 1024, 24, 1, 64, 128, 0, false };
    const int64_t rows = c.B * c.S, blocks = c.groups * ts_ssd_blocks(c.heads, c.groups, c.N, c.P);
    ts_ssd_args a = args_of(&c);
    a.y = check_out(c.t, rows * c.heads * c.P), a.dy = check_in(9, c.t, rows * c.heads * c.P, 1);
    a.dxbc = check_out(c.t, rows * width_of(&c)), a.draw = check_out(c.t, rows * c.heads);
    a.states = check_out(TS_DTYPE_F32, c.B * c.heads * ts_ssd_kept(c.S) * c.N * c.P);
    a.parts = check_out(TS_DTYPE_F32, blocks * rows * 2 * c.N), a.sums = check_out(TS_DTYPE_F32, rows * 3 * c.heads);
    const double state = (double)(rows * c.heads * c.N * c.P), half = (double)(rows * c.heads) * TS_SSD_CHUNK / 2;
    const double mixed = half * (double)c.P, shared = half * (double)c.N;
    check_bench(e, "ssd_fwd", TS_KERNEL_ssd_fwd, &a, 0, 2 * (2 * state + mixed + shared / 4), "flop", 0);
    check_bench(e, "ssd_bwd", TS_KERNEL_ssd_bwd, &a, 0, 2 * (6.75 * state + 2 * mixed + 2.5 * shared), "flop", 0);
}
