/* The selective scan, over any vocabulary of simd/f32_<isa>.h. Matrices of a task have rows of W channels. No
 * include guard. */
#include "device/cpu/scan/scan.h"
#include "device/cpu/scan/rows_body.h"

#include <string.h>

enum { W = TS_SELECTIVE_BLOCK, L = TS_SELECTIVE_CHUNK, VECS = W / V < 4 ? W / V : 4, STRIP = VECS * V };

/* Floats of a task, in a thread's scratch. */
typedef struct room {
    float *A;                   /* -exp(A_log), [N, W] */
    float *h, *D, *bias;        /* [N, W], [W] */
    float *x, *raw, *dt, *y;    /* [L, W] */
    float *bc;                  /* [L, 2 N] */
    int64_t bc_ld;
    /* backward */
    float *before, *decay;      /* states before each row and behind the last, [L + 1, N, W]; [L, N, W] */
    float *dh, *dA, *dD, *dbias; /* [N, W], [N, W], [W] */
    float *dy, *dx, *draw;      /* [L, W] */
} room;

static float *take(float **at, int64_t n)
{
    float *p = *at;
    *at += round_up(n, PAD);
    return p;
}

static room room_of(const ts_selective_args *a, char *scratch, bool backward)
{
    float *at = (float *)(void *)scratch;
    const int64_t N = a->N;
    room r = { .bc_ld = round_up(2 * N, PAD) };
    r.A = take(&at, N * W), r.h = take(&at, N * W), r.D = take(&at, W), r.bias = take(&at, W);
    r.x = take(&at, L * W), r.raw = take(&at, L * W), r.dt = take(&at, L * W), r.y = take(&at, L * W);
    r.bc = take(&at, L * r.bc_ld);
    if (!backward)
        return r;
    r.before = take(&at, (L + 1) * N * W), r.decay = take(&at, L * N * W);
    r.dh = take(&at, N * W), r.dA = take(&at, N * W), r.dD = take(&at, W), r.dbias = take(&at, W);
    r.dy = take(&at, L * W), r.dx = take(&at, L * W), r.draw = take(&at, L * W);
    return r;
}

/* Rows [t, t + l) of a task's sequence; begins[i]: a document does with its i-th row. */
typedef struct chunk {
    int64_t row, l;
    bool begins[L];
} chunk;

/* log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x|; log(1 + u) = 2 atanh(z), z = u / (2 + u) of at most 1/3, whose
 * series is cut where terms are below 1e-10 of it. */
INLINE vf softplus(vf x)
{
    const vf zero = v_set(0), u = v_exp(v_min(x, v_sub(zero, x))), z = v_div(u, v_add(v_set(2), u)), zz = v_mul(z, z);
    vf s = v_set((vs)(1.0 / 19));
    for (int k = 17; k > 0; k -= 2)
        s = v_fma(s, zz, v_set((vs)(1.0 / k)));
    return v_fma(v_add(z, z), s, v_max(x, zero));
}

/* The task's columns of a vector over channels. */
static void take_vector(const float *from, int64_t n, float *to)
{
    take_rows(from, 0, 0, 1, n, to, W, TS_DTYPE_F32);
}

static void take_rates(const ts_selective_args *a, const ts_selective_task *k, room *r)
{
    for (int64_t n = 0; n < a->N; n++)
        for (int64_t c = 0; c < W; c++)
            r->A[n * W + c] = c < k->n ? a->A_log[(k->channel + c) * a->N + n] : 0;
    for (int64_t i = 0; i < a->N * W; i += V)
        v_store(r->A + i, V, v_sub(v_set(0), v_exp(v_load(r->A + i, V))));
    take_vector(a->D + k->channel, k->n, r->D);
    take_vector(a->bias + k->channel, k->n, r->bias);
}

static void take_channels(const ts_selective_args *a, const ts_selective_task *k, const chunk *c, const void *from,
                          float *to)
{
    V_BY_DTYPE(a->dtype, take_rows, from, c->row * a->channels + k->channel, a->channels, c->l, k->n, to, W)
}

static void put_channels(const ts_selective_args *a, const ts_selective_task *k, const chunk *c, const float *from,
                         void *to)
{
    V_BY_DTYPE(a->dtype, put_rows, from, W, c->l, k->n, to, c->row * a->channels + k->channel, a->channels)
}

/* x, B and C, and the steps. */
static void take_chunk(const ts_selective_args *a, const ts_selective_task *k, const chunk *c, room *r)
{
    take_channels(a, k, c, a->x, r->x);
    take_channels(a, k, c, a->raw, r->raw);
    V_BY_DTYPE(a->dtype, take_rows, a->bc, c->row * 2 * a->N, 2 * a->N, c->l, 2 * a->N, r->bc, r->bc_ld)
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t w = 0; w < W; w += V) {
            const vf raw = v_add(v_load(r->raw + i * W + w, V), v_load(r->bias + w, V));
            v_store(r->raw + i * W + w, V, raw);
            v_store(r->dt + i * W + w, V, softplus(raw));
        }
}

/* Row i, channels [w, w + STRIP): h becomes the state behind it, y its result. */
INLINE void step(const ts_selective_args *a, const room *r, int64_t i, int64_t w, const float *from, float *h,
                 float *decay)
{
    const float *b = r->bc + i * r->bc_ld;
    vf dt[VECS], u[VECS], y[VECS];
    UNROLL
    for (int v = 0; v < VECS; v++) {
        const vf x = v_load(r->x + i * W + w + v * V, V);
        dt[v] = v_load(r->dt + i * W + w + v * V, V);
        u[v] = v_mul(dt[v], x);
        y[v] = v_mul(v_load(r->D + w + v * V, V), x);
    }
    for (int64_t n = 0; n < a->N; n++) {
        const vf bn = v_set(b[n]), cn = v_set(b[a->N + n]);
        UNROLL
        for (int v = 0; v < VECS; v++) {
            const int64_t at = n * W + w + v * V;
            const vf e = from ? v_exp(v_mul(v_load(r->A + at, V), dt[v])) : v_set(0), add = v_mul(bn, u[v]);
            const vf s = from ? v_fma(e, v_load(from + at, V), add) : add;
            v_store(h + at, V, s);
            y[v] = v_fma(cn, s, y[v]);
            if (decay)
                v_store(decay + at, V, e);
        }
    }
    UNROLL
    for (int v = 0; v < VECS; v++)
        v_store(r->y + i * W + w + v * V, V, y[v]);
}

/* All rows of a chunk, on r->h; NULL: no decay is kept, nor any state but the last. */
static void walk(const ts_selective_args *a, const chunk *c, const room *r)
{
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t w = 0; w < W; w += STRIP)
            step(a, r, i, w, c->begins[i] ? NULL : r->h, r->h, NULL);
}

/* The chunk at row t of a sequence of `length` rows. What was kept of a sequence goes on. */
static chunk chunk_at(const ts_selective_args *a, const ts_selective_task *k, int64_t t, int64_t length)
{
    chunk c = { .row = k->b * a->S + t, .l = min64(L, length - t) };
    for (int64_t i = 0; i < c.l; i++)
        c.begins[i] = t + i == 0 ? !a->state : a->first_key && a->first_key[c.row + i] >= t + i;
    return c;
}

static float *state_at(const ts_selective_args *a, const ts_selective_task *k)
{
    return a->state + k->b * a->N * a->channels + k->channel;
}

static void fwd(const ts_selective_args *a, const ts_selective_task *k, char *scratch)
{
    room r = room_of(a, scratch, false);
    const int64_t length = a->length ? a->length[k->b] : a->S;
    take_rates(a, k, &r);
    if (a->state)
        take_rows(state_at(a, k), 0, a->channels, a->N, k->n, r.h, W, TS_DTYPE_F32);
    for (int64_t t = 0; t < length; t += L) {
        const chunk c = chunk_at(a, k, t, length);
        take_chunk(a, k, &c, &r);
        walk(a, &c, &r);
        put_channels(a, k, &c, r.y, a->y);
    }
    if (a->state)
        put_rows(r.h, W, a->N, k->n, state_at(a, k), 0, a->channels, TS_DTYPE_F32);
    memset(r.y, 0, L * W * sizeof *r.y);
    for (int64_t t = length; t < a->S; t += L) {
        const chunk c = { .row = k->b * a->S + t, .l = min64(L, a->S - t) };
        put_channels(a, k, &c, r.y, a->y);
    }
}

/* ---- backward ---- */

static float *kept_at(const ts_selective_args *a, const ts_selective_task *k, int64_t t)
{
    return a->states + (k->b * ts_selective_kept(a->S) + t / L) * a->N * a->channels + k->channel;
}

/* Row i, channels [w, w + STRIP), with the gradient of the state behind it in dh, which becomes that of the state
 * before; parts: dB and dC of the row, added to. */
INLINE void step_back(const ts_selective_args *a, const room *r, int64_t i, int64_t w, float *parts)
{
    const int64_t N = a->N, row = i * W + w;
    const float *b = r->bc + i * r->bc_ld, *before = r->before + i * N * W, *decay = r->decay + i * N * W;
    vf dt[VECS], u[VECS], dy[VECS], du[VECS], da[VECS];
    UNROLL
    for (int v = 0; v < VECS; v++) {
        dt[v] = v_load(r->dt + row + v * V, V), dy[v] = v_load(r->dy + row + v * V, V);
        u[v] = v_mul(dt[v], v_load(r->x + row + v * V, V));
        du[v] = da[v] = v_set(0);
    }
    for (int64_t n = 0; n < N; n++) {
        const vf bn = v_set(b[n]), cn = v_set(b[N + n]);
        vf db = v_set(0), dc = v_set(0);
        UNROLL
        for (int v = 0; v < VECS; v++) {
            const int64_t at = n * W + w + v * V;
            const vf dh = v_fma(cn, dy[v], v_load(r->dh + at, V)), back = v_mul(dh, v_load(decay + at, V)),
                     along = v_mul(back, v_load(before + at, V));
            dc = v_fma(dy[v], v_load(before + N * W + at, V), dc);
            db = v_fma(dh, u[v], db);
            du[v] = v_fma(dh, bn, du[v]);
            da[v] = v_fma(along, v_load(r->A + at, V), da[v]);
            v_store(r->dA + at, V, v_fma(along, dt[v], v_load(r->dA + at, V)));
            v_store(r->dh + at, V, back);
        }
        parts[n] += (float)v_sum(db);
        parts[N + n] += (float)v_sum(dc);
    }
    UNROLL
    for (int v = 0; v < VECS; v++) {
        const int64_t at = row + v * V, c = w + v * V;
        const vf x = v_load(r->x + at, V);
        const vf draw = v_mul(v_fma(du[v], x, da[v]), v_sigmoid(v_load(r->raw + at, V)));
        v_store(r->dx + at, V, v_fma(du[v], dt[v], v_mul(v_load(r->D + c, V), dy[v])));
        v_store(r->draw + at, V, draw);
        v_store(r->dD + c, V, v_fma(dy[v], x, v_load(r->dD + c, V)));
        v_store(r->dbias + c, V, v_add(draw, v_load(r->dbias + c, V)));
    }
}

static void bwd_chunk(const ts_selective_args *a, const ts_selective_task *k, const chunk *c, room *r)
{
    const int64_t state = a->N * W, rows = a->B * a->S;
    take_chunk(a, k, c, r);
    take_channels(a, k, c, a->dy, r->dy);
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t w = 0; w < W; w += STRIP)
            step(a, r, i, w, c->begins[i] ? NULL : r->before + i * state, r->before + (i + 1) * state,
                 r->decay + i * state);
    for (int64_t i = c->l; i-- > 0;) {
        float *parts = a->parts + (k->channel / W * rows + c->row + i) * 2 * a->N;
        memset(parts, 0, (size_t)(2 * a->N) * sizeof *parts);
        for (int64_t w = 0; w < W; w += STRIP)
            step_back(a, r, i, w, parts);
    }
    put_channels(a, k, c, r->dx, a->dx);
    put_channels(a, k, c, r->draw, a->draw);
}

/* What the task sums over its rows; the rate's A is -exp(A_log). */
static void give_sums(const ts_selective_args *a, const ts_selective_task *k, const room *r)
{
    const int64_t N = a->N, channels = a->channels;
    float *sums = a->sums + k->b * channels * (N + 2);
    for (int64_t c = 0; c < k->n; c++) {
        for (int64_t n = 0; n < N; n++)
            sums[(k->channel + c) * N + n] = r->dA[n * W + c] * r->A[n * W + c];
        sums[channels * N + k->channel + c] = r->dD[c];
        sums[channels * (N + 1) + k->channel + c] = r->dbias[c];
    }
}

static void bwd(const ts_selective_args *a, const ts_selective_task *k, char *scratch)
{
    room r = room_of(a, scratch, true);
    const size_t states = (size_t)(a->N * W) * sizeof(float);
    take_rates(a, k, &r);
    memset(r.h, 0, states), memset(r.dh, 0, states), memset(r.dA, 0, states);
    memset(r.dD, 0, W * sizeof *r.dD), memset(r.dbias, 0, W * sizeof *r.dbias);
    for (int64_t t = 0; t < a->S; t += L) {
        const chunk c = chunk_at(a, k, t, a->S);
        put_rows(r.h, W, a->N, k->n, kept_at(a, k, t), 0, a->channels, TS_DTYPE_F32);
        if (t + L >= a->S)
            break;
        take_chunk(a, k, &c, &r);
        walk(a, &c, &r);
    }
    for (int64_t t = (a->S - 1) / L * L; t >= 0; t -= L) {
        const chunk c = chunk_at(a, k, t, a->S);
        take_rows(kept_at(a, k, t), 0, a->channels, a->N, k->n, r.before, W, TS_DTYPE_F32);
        bwd_chunk(a, k, &c, &r);
    }
    give_sums(a, k, &r);
}

/* dB and dC of rows: the sums of the blocks' parts. */
INLINE void join_rows(const ts_selective_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t blocks = ts_selective_blocks(a->channels), width = 2 * a->N, all = a->B * a->S * width;
    for (int64_t row = begin; row < end; row++)
        for (int64_t n = 0; n < width; n += V) {
            vf sum = v_load(a->parts + row * width + n, width - n);
            for (int64_t k = 1; k < blocks; k++)
                sum = v_add(sum, v_load(a->parts + k * all + row * width + n, width - n));
            v_store_as(a->dbc, row * width + n, width - n, t, sum);
        }
}

static void join(const void *args, int64_t begin, int64_t end)
{
    const ts_selective_args *a = args;
    V_BY_DTYPE(a->dtype, join_rows, a, begin, end)
}

void TS_ISA_NAME(ts_selective_body_init)(ts_selective_body *body)
{
    *body = (ts_selective_body){ fwd, bwd, join, TS_ROWWISE_STRING(TS_ISA) };
}
