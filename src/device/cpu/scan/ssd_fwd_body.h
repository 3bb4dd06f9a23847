/* The forward scan: chunks, decays and states, after product_body.h. No include guard. */
#include "device/cpu/scan/scan.h"
#include "device/cpu/scan/product_body.h"

#include <string.h>

enum { L = TS_SSD_CHUNK };

/* Floats of a task, in a thread's scratch; matrices have rows of L, n_ld (N) or p_ld (P) floats. */
typedef struct room {
    int64_t n_ld, p_ld, state;     /* state: floats of one */
    float *h;                      /* states, [heads of the task or more][N * p_ld] */
    float *b, *c, *bt;             /* B, C [l, N], B turned [N, l] */
    float *cb;                     /* C.B [l, l] */
    float *x, *xw;                 /* x [l, P], and scaled */
    float *ce, *m, *y;             /* C scaled; [l, l]; [l, P] */
    float *dt, *s, *w, *e;         /* [L]: dt, sums of a, exp(s[last] - s) dt, exp(s) */
    float *g;                      /* [L]: dt, what a row counts with in its own y */
    float *free;                   /* what is behind */
} room;

static float *take(float **at, int64_t n)
{
    float *p = *at;
    *at += round_up(n, PAD);
    return p;
}

static room room_of(const ts_ssd_args *a, char *scratch, int64_t states)
{
    room r = { .n_ld = round_up(a->N, PAD), .p_ld = round_up(a->P, PAD), .free = (float *)(void *)scratch };
    float **at = &r.free;
    r.state = a->N * r.p_ld;
    r.h = take(at, states * r.state);
    r.b = take(at, L * r.n_ld), r.c = take(at, L * r.n_ld), r.bt = take(at, a->N * L);
    r.cb = take(at, L * L), r.m = take(at, L * L);
    r.x = take(at, L * r.p_ld), r.xw = take(at, L * r.p_ld), r.y = take(at, L * r.p_ld);
    r.ce = take(at, L * r.n_ld);
    r.dt = take(at, L), r.s = take(at, L), r.w = take(at, L), r.e = take(at, L);
    r.g = take(at, L);
    return r;
}

/* Rows [t, t + l) of sequence b. */
typedef struct chunk {
    int64_t b, t, l;
} chunk;

static int64_t width_of(const ts_ssd_args *a) { return a->heads * a->P + 2 * a->groups * a->N; }
static int64_t row_of(const ts_ssd_args *a, const chunk *k) { return k->b * a->S + k->t; }
static int64_t group_of(const ts_ssd_args *a, int64_t head) { return head / (a->heads / a->groups); }

/* Of a group: its rows of B or C (which: 0, 1). */
static void take_shared(const ts_ssd_args *a, const chunk *k, int64_t group, int which, float *to, int64_t ld)
{
    const int64_t width = width_of(a), col = a->heads * a->P + (which * a->groups + group) * a->N;
    V_BY_DTYPE(a->dtype, take_rows, a->xbc, row_of(a, k) * width + col, width, k->l, a->N, to, ld)
}

static void take_x(const ts_ssd_args *a, const chunk *k, int64_t head, float *to, int64_t ld)
{
    const int64_t width = width_of(a);
    V_BY_DTYPE(a->dtype, take_rows, a->xbc, row_of(a, k) * width + head * a->P, width, k->l, a->P, to, ld)
}

/* dt of a head, and the sums of a. */
static void make_steps(const ts_ssd_args *a, const chunk *k, int64_t head, room *r)
{
    const float rate = -expf(a->A_log[head]);
    float sum = 0;
    for (int64_t i = 0; i < k->l; i++) {
        const float raw = ts_load_f32(a->raw, (row_of(a, k) + i) * a->heads + head, a->dtype);
        const float dt = ts_softplus(raw + a->bias[head]);
        r->g[i] = r->dt[i] = dt < a->lo ? a->lo : dt > a->hi ? a->hi : dt;
        sum += rate * r->dt[i];
        r->s[i] = sum;
    }
}

/* The same of what is given. */
static void take_steps(const ts_ssd_args *a, const chunk *k, int64_t head, room *r)
{
    float sum = 0;
    for (int64_t i = 0; i < k->l; i++) {
        const float *step = a->steps + ((row_of(a, k) + i) * a->heads + head) * 3;
        sum += step[0];
        r->s[i] = sum, r->dt[i] = step[1], r->g[i] = step[2];
    }
}

/* Steps, and what they make of a chunk. */
static void decays(const ts_ssd_args *a, const chunk *k, int64_t head, room *r)
{
    (a->steps ? take_steps : make_steps)(a, k, head, r);
    const float sum = r->s[k->l - 1];
    for (int64_t i = 0; i < k->l; i += V) {
        const int64_t n = k->l - i;
        const vf s = v_load(r->s + i, n);
        v_store(r->e + i, n, v_exp(s));
        v_store(r->w + i, n, v_mul(v_exp(v_sub(v_set(sum), s)), v_load(r->dt + i, n)));
    }
}

/* exp(s[i] - s[j]) of columns j and on, 0 behind i. */
INLINE vf decay_at(const room *r, int64_t i, int64_t j)
{
    const int64_t n = i + 1 - j;
    return v_keep(n, v_exp(v_sub(v_set(r->s[i]), v_load(r->s + j, n))), v_set(0));
}

/* h = exp(s[last]) h + the sum of w[j] B[j] x[j]^T. */
static void step_state(const ts_ssd_args *a, const chunk *k, room *r, float *h, bool is_new)
{
    scale_rows(r->x, r->p_ld, k->l, r->w, r->xw);
    const product next = { .a = r->b, .ai = 1, .ak = r->n_ld, .b = r->xw, .ldb = r->p_ld, .c = h, .ldc = r->p_ld,
                           .m = a->N, .n = a->P, .k = k->l, .beta = is_new ? 0 : r->e[k->l - 1] };
    multiply(&next);
}

/* y of a head. D is added on the diagonal. */
static void outputs(const ts_ssd_args *a, const chunk *k, int64_t head, room *r, const float *h, bool is_new)
{
    for (int64_t i = 0; i < k->l; i++) {
        float *m = r->m + i * L;
        for (int64_t j = 0; j < round_up(k->l, V); j += V)
            v_store(m + j, V, v_mul(v_mul(v_keep(i + 1 - j, v_load(r->cb + i * L + j, V), v_set(0)),
                                          decay_at(r, i, j)),
                                    v_load(r->dt + j, k->l - j)));
        m[i] = r->cb[i * L + i] * r->g[i] + a->D[head];
    }
    const product within = { .a = r->m, .ai = L, .ak = 1, .b = r->x, .ldb = r->p_ld, .c = r->y, .ldc = r->p_ld,
                             .m = k->l, .n = a->P, .k = k->l, .shape = A_LOWER };
    multiply(&within);
    if (is_new)
        return;
    scale_rows(r->c, r->n_ld, k->l, r->e, r->ce);
    const product before = { .a = r->ce, .ai = r->n_ld, .ak = 1, .b = h, .ldb = r->p_ld, .c = r->y,
                             .ldc = r->p_ld, .m = k->l, .n = a->P, .k = a->N, .beta = 1 };
    multiply(&before);
}

/* What the heads of a group share. */
static void take_group(const ts_ssd_args *a, const chunk *k, int64_t group, room *r, bool with_c)
{
    take_shared(a, k, group, 0, r->b, r->n_ld);
    if (!with_c)
        return;
    take_shared(a, k, group, 1, r->c, r->n_ld);
    turn(r->b, r->n_ld, k->l, a->N, r->bt, L);
    const product cb = { .a = r->c, .ai = r->n_ld, .ak = 1, .b = r->bt, .ldb = L, .c = r->cb, .ldc = L,
                         .m = k->l, .n = k->l, .k = a->N, .shape = C_LOWER };
    multiply(&cb);
}

static void fwd_chunk(const ts_ssd_args *a, const ts_ssd_task *task, const chunk *k, room *r, bool is_new, bool goes_on)
{
    take_group(a, k, group_of(a, task->head), r, true);
    for (int64_t i = 0; i < task->n; i++) {
        const int64_t head = task->head + i, width = a->heads * a->P;
        float *h = r->h + i * r->state;
        take_x(a, k, head, r->x, r->p_ld);
        decays(a, k, head, r);
        outputs(a, k, head, r, h, is_new);
        V_BY_DTYPE(a->dtype, put_rows, r->y, r->p_ld, k->l, a->P, a->y, row_of(a, k) * width + head * a->P, width)
        if (goes_on)
            step_state(a, k, r, h, is_new);
    }
}

static float *state_at(const ts_ssd_args *a, const ts_ssd_task *task, int64_t i)
{
    return a->state + (task->b * a->heads + task->head + i) * a->N * a->P;
}

/* y of rows that are padding. */
static void clear_rows(const ts_ssd_args *a, const ts_ssd_task *task, int64_t t)
{
    const size_t size = ts_dtype_size(a->dtype);
    for (; t < a->S; t++)
        memset((char *)a->y + (size_t)(((task->b * a->S + t) * a->heads + task->head) * a->P) * size, 0,
               (size_t)(task->n * a->P) * size);
}

static void fwd(const ts_ssd_args *a, const ts_ssd_task *task, char *scratch)
{
    room r = room_of(a, scratch, task->n);
    const int64_t length = a->length ? a->length[task->b] : a->S;
    for (int64_t i = 0; a->state && i < task->n; i++)
        take_rows(state_at(a, task, i), 0, a->P, a->N, a->P, r.h + i * r.state, r.p_ld, TS_DTYPE_F32);
    for (int64_t t = 0, end; t < length; t = end) {
        end = ts_document_end(a->first_key, a->S, task->b, t, length);
        for (int64_t at = t; at < end; at += L) {
            const chunk k = { task->b, at, min64(L, end - at) };
            fwd_chunk(a, task, &k, &r, at == t && !(a->state && t == 0), a->state || at + L < end);
        }
    }
    for (int64_t i = 0; a->state && i < task->n; i++)
        put_rows(r.h + i * r.state, r.p_ld, a->N, a->P, state_at(a, task, i), 0, a->P, TS_DTYPE_F32);
    clear_rows(a, task, length);
}
