/* The gated delta rule forward, after product_body.h. No include guard. */
#include "device/cpu/scan/scan.h"
#include "device/cpu/scan/product_body.h"

#include <string.h>

enum { L = TS_DELTA_CHUNK };

/* Floats of a task, in a thread's scratch; matrices have rows of L, k_ld (K) or v_ld (V) floats. */
typedef struct room {
    int64_t k_ld, v_ld, state;  /* state: floats of one */
    float *h;                   /* the state [K * v_ld], and others behind it */
    float *q, *k, *kt;          /* [l, K], turned [K, l] */
    float *kk, *qk;             /* k.k, q.k [l, l] */
    float *v, *z, *x, *y;       /* [l, V]: v, v - e M^T k, X, y */
    float *a, *p, *qe;          /* -A, the mixing of X [l, l]; q scaled [l, K] */
    float *s, *e, *w, *beta;    /* [L] */
    float *free;                /* what is behind */
} room;

static float *take(float **at, int64_t n)
{
    float *p = *at;
    *at += round_up(n, PAD);
    return p;
}

static room room_of(const ts_delta_args *a, char *scratch, int64_t states)
{
    room r = { .k_ld = round_up(a->K, PAD), .v_ld = round_up(a->V, PAD), .free = (float *)(void *)scratch };
    float **at = &r.free;
    r.state = a->K * r.v_ld;
    r.h = take(at, states * r.state);
    r.q = take(at, L * r.k_ld), r.k = take(at, L * r.k_ld), r.kt = take(at, a->K * L), r.qe = take(at, L * r.k_ld);
    r.kk = take(at, L * L), r.qk = take(at, L * L), r.a = take(at, L * L), r.p = take(at, L * L);
    r.v = take(at, L * r.v_ld), r.z = take(at, L * r.v_ld), r.x = take(at, L * r.v_ld), r.y = take(at, L * r.v_ld);
    r.s = take(at, L), r.e = take(at, L), r.w = take(at, L), r.beta = take(at, L);
    return r;
}

/* Rows [t, t + l) of sequence b, of a head. */
typedef struct chunk {
    int64_t b, head, t, l;
} chunk;

static int64_t row_of(const ts_delta_args *a, const chunk *c) { return c->b * a->S + c->t; }
static int64_t width_of(const ts_delta_args *a) { return 2 * a->key_heads * a->K + a->heads * a->V; }
static int64_t key_head_of(const ts_delta_args *a, int64_t head) { return head / (a->heads / a->key_heads); }

/* 1 / length, to which rows of q or k are brought. */
static float shortening(const ts_delta_args *a, const float *x)
{
    return (float)(1 / sqrt((double)dot(x, x, a->K) + (double)a->eps));
}

/* q (which 0, also divided by root K) or k (1) at length 1. */
static void take_keys(const ts_delta_args *a, const chunk *c, int which, float *to, int64_t ld)
{
    const int64_t width = width_of(a), col = (which * a->key_heads + key_head_of(a, c->head)) * a->K;
    float f[L];
    V_BY_DTYPE(a->dtype, take_rows, a->qkv, row_of(a, c) * width + col, width, c->l, a->K, to, ld)
    for (int64_t i = 0; i < c->l; i++)
        f[i] = shortening(a, to + i * ld) * (which ? 1.0f : 1 / sqrtf((float)a->K));
    scale_rows(to, ld, c->l, f, to);
}

static float raw_at(const ts_delta_args *a, const void *raw, const chunk *c, int64_t i)
{
    return ts_load_f32(raw, (row_of(a, c) + i) * a->heads + c->head, a->dtype);
}

/* Sums of g, what they make, and beta. */
static void decays(const ts_delta_args *a, const chunk *c, room *r)
{
    const float rate = -expf(a->A_log[c->head]);
    float sum = 0;
    for (int64_t i = 0; i < c->l; i++) {
        sum += rate * ts_softplus(raw_at(a, a->raw_g, c, i) + a->bias[c->head]);
        r->s[i] = sum;
        r->beta[i] = ts_sigmoid(raw_at(a, a->raw_b, c, i));
    }
    for (int64_t i = 0; i < c->l; i += V) {
        const vf s = v_load(r->s + i, c->l - i);
        v_store(r->e + i, c->l - i, v_exp(s));
        v_store(r->w + i, c->l - i, v_exp(v_sub(v_set(sum), s)));
    }
}

/* E[i][j] of columns j and on, 0 from `end` on. */
INLINE vf decay_at(const room *r, int64_t i, int64_t j, int64_t end)
{
    return v_keep(end - j, v_exp(v_sub(v_set(r->s[i]), v_load(r->s + j, end - j))), v_set(0));
}

/* -A and the mixing of X: row by row. */
static void mixings(const chunk *c, room *r)
{
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t j = 0; j < round_up(c->l, V); j += V) {
            const vf kk = v_keep(i - j, v_load(r->kk + i * L + j, V), v_set(0)),
                     qk = v_keep(i + 1 - j, v_load(r->qk + i * L + j, V), v_set(0));
            v_store(r->a + i * L + j, V, v_mul(v_mul(kk, decay_at(r, i, j, i)), v_set(-r->beta[i])));
            v_store(r->p + i * L + j, V, v_mul(qk, decay_at(r, i, j, i + 1)));
        }
}

/* (I + A) X = what stands in x, from the first row on; a is -A. */
static void solve(const room *r, int64_t l, float *x)
{
    for (int64_t i = 0; i < l; i += PROWS) {
        const int64_t rows = min64(PROWS, l - i);
        const product above = { .a = r->a + i * L, .ai = L, .ak = 1, .b = x, .ldb = r->v_ld, .c = x + i * r->v_ld,
                                .ldc = r->v_ld, .m = rows, .n = r->v_ld, .k = i, .beta = 1 };
        multiply(&above);
        for (int64_t n = i + 1; n < i + rows; n++)
            for (int64_t j = i; j < n; j++)
                for (int64_t v = 0; v < r->v_ld; v += V)
                    v_store(x + n * r->v_ld + v, V, v_fma(v_set(r->a[n * L + j]), v_load(x + j * r->v_ld + v, V),
                                                          v_load(x + n * r->v_ld + v, V)));
    }
}

/* z = v - e M^T k, X from it. */
static void corrections(const ts_delta_args *a, const chunk *c, room *r, const float *h)
{
    memcpy(r->z, r->v, (size_t)(c->l * r->v_ld) * sizeof *r->z);
    if (h) {
        const product seen = { .a = r->k, .ai = r->k_ld, .ak = 1, .b = h, .ldb = r->v_ld, .c = r->x, .ldc = r->v_ld,
                               .m = c->l, .n = a->V, .k = a->K };
        multiply(&seen);
        for (int64_t i = 0; i < c->l; i++)
            for (int64_t v = 0; v < r->v_ld; v += V)
                v_store(r->z + i * r->v_ld + v, V, v_fnma(v_set(r->e[i]), v_load(r->x + i * r->v_ld + v, V),
                                                          v_load(r->z + i * r->v_ld + v, V)));
    }
    scale_rows(r->z, r->v_ld, c->l, r->beta, r->x);
    solve(r, c->l, r->x);
}

static void take_v(const ts_delta_args *a, const chunk *c, float *to, int64_t ld)
{
    const int64_t width = width_of(a);
    V_BY_DTYPE(a->dtype, take_rows, a->qkv, row_of(a, c) * width + 2 * a->key_heads * a->K + c->head * a->V, width, c->l,
               a->V, to, ld)
}

/* All that a chunk is made of up to X; h NULL: the state before it is 0. */
static void enter(const ts_delta_args *a, const chunk *c, room *r, const float *h)
{
    take_keys(a, c, 0, r->q, r->k_ld);
    take_keys(a, c, 1, r->k, r->k_ld);
    take_v(a, c, r->v, r->v_ld);
    turn(r->k, r->k_ld, c->l, a->K, r->kt, L);
    const product kk = { .a = r->k, .ai = r->k_ld, .ak = 1, .b = r->kt, .ldb = L, .c = r->kk, .ldc = L, .m = c->l,
                         .n = c->l, .k = a->K, .shape = C_LOWER };
    product qk = kk;
    qk.a = r->q, qk.c = r->qk;
    multiply(&kk);
    multiply(&qk);
    decays(a, c, r);
    mixings(c, r);
    corrections(a, c, r, h);
}

static void outputs(const ts_delta_args *a, const chunk *c, room *r, const float *h)
{
    const product within = { .a = r->p, .ai = L, .ak = 1, .b = r->x, .ldb = r->v_ld, .c = r->y, .ldc = r->v_ld,
                             .m = c->l, .n = a->V, .k = c->l, .shape = A_LOWER };
    multiply(&within);
    if (h) {
        scale_rows(r->q, r->k_ld, c->l, r->e, r->qe);
        const product before = { .a = r->qe, .ai = r->k_ld, .ak = 1, .b = h, .ldb = r->v_ld, .c = r->y, .ldc = r->v_ld,
                                 .m = c->l, .n = a->V, .k = a->K, .beta = 1 };
        multiply(&before);
    }
    const int64_t width = a->heads * a->V;
    V_BY_DTYPE(a->dtype, put_rows, r->y, r->v_ld, c->l, a->V, a->y, row_of(a, c) * width + c->head * a->V, width)
}

/* The state behind the chunk. */
static void step_state(const ts_delta_args *a, const chunk *c, room *r, float *h, bool is_new)
{
    scale_rows(r->x, r->v_ld, c->l, r->w, r->y);
    const product next = { .a = r->k, .ai = 1, .ak = r->k_ld, .b = r->y, .ldb = r->v_ld, .c = h, .ldc = r->v_ld,
                           .m = a->K, .n = a->V, .k = c->l, .beta = is_new ? 0 : r->e[c->l - 1] };
    multiply(&next);
}

/* y of rows that are padding. */
static void clear_rows(const ts_delta_args *a, int64_t b, int64_t head, int64_t t)
{
    const size_t size = ts_dtype_size(a->dtype);
    for (; t < a->S; t++)
        memset((char *)a->y + (size_t)(((b * a->S + t) * a->heads + head) * a->V) * size, 0, (size_t)a->V * size);
}

static void fwd(const ts_delta_args *a, int64_t b, int64_t head, char *scratch)
{
    room r = room_of(a, scratch, 1);
    const int64_t length = a->length ? a->length[b] : a->S;
    float *state = a->state ? a->state + (b * a->heads + head) * a->K * a->V : NULL;
    if (state)
        take_rows(state, 0, a->V, a->K, a->V, r.h, r.v_ld, TS_DTYPE_F32);
    for (int64_t t = 0, end; t < length; t = end) {
        end = ts_document_end(a->first_key, a->S, b, t, length);
        for (int64_t at = t; at < end; at += L) {
            const chunk c = { b, head, at, min64(L, end - at) };
            const bool is_new = at == t && !(state && t == 0);
            enter(a, &c, &r, is_new ? NULL : r.h);
            outputs(a, &c, &r, is_new ? NULL : r.h);
            if (state || at + L < end)
                step_state(a, &c, &r, r.h, is_new);
        }
    }
    if (state)
        put_rows(r.h, r.v_ld, a->K, a->V, state, 0, a->V, TS_DTYPE_F32);
    clear_rows(a, b, head, length);
}
