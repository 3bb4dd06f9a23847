/* The backward scan, behind ssd_fwd_body.h. No include guard. Of a chunk and a head, with dh the gradient
 * of the state behind it, E[i][j] = exp(s[i] - s[j]), e = exp(s):
 *
 *   G = dY X^T    R = CB E G    K = G E dt[j]    M = CB E dt[j] + D on the diagonal, where dt is a row's own
 *   dX = M^T dY + w[j] (B dh)[j]
 *   dC^T += B^T K^T + h (e[i] dY)^T            dB^T += C^T K + dh (w[j] X)^T
 *   dh before the chunk = e[last] dh + C^T (e[i] dY)
 *
 * and of the scalars, with Q[j] = (B dh)[j].x[j] and T[i] = e[i] C[i].(h dy[i]):
 *
 *   ds[i] = sum over j < i of R[i][j] dt[j] + T[i] - dt[i] (sum over k > i of R[k][i]) - w[i] Q[i]
 *   ds[last] += sum of w Q + e[last] h.dh
 *   da[i] = sum over k >= i of ds[k]           ddt[i] = sum over k >= i of R[k][i] + w[i] / dt[i] Q[i] + A da[i] */

typedef struct back {
    float *dh;                   /* [heads of the task][N * p_ld] */
    float *hs;                   /* states before chunks, [heads][TS_SSD_KEPT][N * p_ld] */
    float *ct, *dbt, *dct, *z;   /* [N, l] */
    float *g, *k, *kt;           /* [l, l] */
    float *dy, *dyt, *xt, *dyx;  /* [l, P]; turned [P, l], the second scaled; dX [l, P] */
    float *u;                    /* B dh, [l, P] */
    float *row, *col, *own, *q, *ds, *edt, *f; /* [L]; own: the diagonal of R */
} back;

static back back_of(const ts_ssd_args *a, const ts_ssd_task *task, room *r)
{
    back x;
    float **at = &r->free;
    x.dh = r->h;
    x.hs = take(at, task->n * TS_SSD_KEPT * r->state);
    x.ct = take(at, a->N * L), x.dbt = take(at, a->N * L), x.dct = take(at, a->N * L), x.z = take(at, a->N * L);
    x.g = take(at, L * L), x.k = take(at, L * L), x.kt = take(at, L * L);
    x.dy = take(at, L * r->p_ld), x.dyx = take(at, L * r->p_ld), x.u = take(at, L * r->p_ld);
    x.dyt = take(at, r->p_ld * L), x.xt = take(at, r->p_ld * L);
    x.row = take(at, L), x.col = take(at, L), x.q = take(at, L), x.ds = take(at, L), x.edt = take(at, L);
    x.f = take(at, L), x.own = take(at, L);
    return x;
}

/* y[r][c] = f[c] x[r][c] */
static void scale_cols(const float *x, int64_t ld, int64_t rows, int64_t cols, const float *f, float *y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += V)
            v_store(y + r * ld + c, V, v_mul(v_load(f + c, V), v_load(x + r * ld + c, V)));
}

/* M, K and its turn, the sums of R: row by row. */
static void mixings(const ts_ssd_args *a, const chunk *c, int64_t head, room *r, back *x)
{
    const int64_t wide = round_up(c->l, V);
    memset(x->col, 0, L * sizeof *x->col);
    memset(x->kt, 0, (size_t)(c->l * L) * sizeof *x->kt);
    for (int64_t i = 0; i < c->l; i++) {
        float *m = r->m + i * L, *k = x->k + i * L;
        vf sum = v_set(0);
        for (int64_t j = 0; j < wide; j += V) {
            if (j > i) {
                v_store(m + j, V, v_set(0)), v_store(k + j, V, v_set(0));
                continue;
            }
            const int64_t n = i + 1 - j;
            const vf e = decay_at(r, i, j), dt = v_load(r->dt + j, n);
            const vf ge = v_keep(n, v_mul(v_load(x->g + i * L + j, V), e), v_set(0));
            const vf cb = v_keep(n, v_load(r->cb + i * L + j, V), v_set(0)), big = v_keep(n - 1, v_mul(cb, ge), v_set(0));
            v_store(m + j, V, v_mul(v_mul(cb, e), dt));
            v_store(k + j, V, v_mul(ge, dt));
            v_store(x->col + j, V, v_add(v_load(x->col + j, V), big));
            sum = v_fma(big, dt, sum);
        }
        x->row[i] = (float)v_sum(sum);
        m[i] = r->cb[i * L + i] * r->g[i] + a->D[head];
        k[i] = x->g[i * L + i] * r->g[i];
        x->own[i] = r->cb[i * L + i] * x->g[i * L + i];
        for (int64_t j = 0; j <= i; j++)
            x->kt[j * L + i] = k[j];
    }
}

/* dX and Q. */
static void give_dx_chunk(const ts_ssd_args *a, const chunk *c, int64_t head, room *r, back *x, const float *dh)
{
    const int64_t width = width_of(a);
    const product own = { .a = r->m, .ai = 1, .ak = L, .b = x->dy, .ldb = r->p_ld, .c = x->dyx, .ldc = r->p_ld,
                          .m = c->l, .n = a->P, .k = c->l, .shape = A_UPPER };
    multiply(&own);
    for (int64_t i = 0; i < c->l; i++)
        x->q[i] = 0;
    if (dh) {
        const product later = { .a = r->b, .ai = r->n_ld, .ak = 1, .b = dh, .ldb = r->p_ld, .c = x->u,
                                .ldc = r->p_ld, .m = c->l, .n = a->P, .k = a->N };
        multiply(&later);
        for (int64_t i = 0; i < c->l; i++) {
            float *to = x->dyx + i * r->p_ld;
            const float *u = x->u + i * r->p_ld;
            x->q[i] = dot(u, r->x + i * r->p_ld, a->P);
            for (int64_t p = 0; p < r->p_ld; p += V)
                v_store(to + p, V, v_fma(v_set(r->w[i]), v_load(u + p, V), v_load(to + p, V)));
        }
    }
    V_BY_DTYPE(a->dtype, put_rows, x->dyx, r->p_ld, c->l, a->P, a->dxbc, row_of(a, c) * width + head * a->P, width)
}

/* Adds to dB and dC of the group. dh, h: NULL where they are 0. ds becomes T. */
static void give_shared(const ts_ssd_args *a, const chunk *c, room *r, back *x, const float *h, const float *dh)
{
    const product dct = { .a = r->bt, .ai = L, .ak = 1, .b = x->kt, .ldb = L, .c = x->dct, .ldc = L, .m = a->N,
                          .n = c->l, .k = c->l, .beta = 1, .shape = B_UPPER };
    const product dbt = { .a = x->ct, .ai = L, .ak = 1, .b = x->k, .ldb = L, .c = x->dbt, .ldc = L, .m = a->N,
                          .n = c->l, .k = c->l, .beta = 1, .shape = B_LOWER };
    multiply(&dct);
    multiply(&dbt);
    memset(x->ds, 0, L * sizeof *x->ds);
    if (h) {
        scale_cols(x->dyt, L, a->P, c->l, r->e, r->y); /* r->y has room: P rows of l */
        const product z = { .a = h, .ai = r->p_ld, .ak = 1, .b = r->y, .ldb = L, .c = x->z, .ldc = L, .m = a->N,
                            .n = c->l, .k = a->P };
        multiply(&z);
        for (int64_t n = 0; n < a->N; n++)
            for (int64_t i = 0; i < c->l; i += V) {
                const vf zi = v_load(x->z + n * L + i, V);
                float *to = x->dct + n * L + i;
                v_store(to, V, v_add(v_load(to, V), zi));
                v_store(x->ds + i, V, v_fma(zi, v_load(x->ct + n * L + i, V), v_load(x->ds + i, V)));
            }
    }
    if (dh) {
        scale_cols(x->xt, L, a->P, c->l, r->w, r->y);
        const product more = { .a = dh, .ai = r->p_ld, .ak = 1, .b = r->y, .ldb = L, .c = x->dbt, .ldc = L,
                               .m = a->N, .n = c->l, .k = a->P, .beta = 1 };
        multiply(&more);
    }
}

/* What comes to the given steps, and to D. is_new: nothing is before the chunk that its first row could let decay. */
static void give_steps(const ts_ssd_args *a, const chunk *c, int64_t head, const room *r, const back *x, bool is_new)
{
    float da = 0;
    for (int64_t i = c->l; i-- > 0;) {
        const int64_t row = row_of(a, c) + i;
        float *step = a->dsteps + (row * a->heads + head) * 3;
        da += x->ds[i];
        step[0] = is_new && i == 0 ? 0 : da;
        step[1] = x->col[i] + expf(r->s[c->l - 1] - r->s[i]) * x->q[i];
        step[2] = x->own[i];
        a->sums[(row * 3 + 1) * a->heads + head] = x->g[i * L + i];
    }
}

/* What comes to dt, A and D; ds holds T. */
static void give_scalars(const ts_ssd_args *a, const chunk *c, int64_t head, const room *r, back *x, float carried,
                         bool is_new)
{
    float last = carried, da = 0;
    for (int64_t i = 0; i < c->l; i++) {
        last += r->w[i] * x->q[i];
        x->ds[i] += x->row[i] - r->dt[i] * x->col[i] - r->w[i] * x->q[i];
    }
    x->ds[c->l - 1] += last;
    if (a->steps) {
        give_steps(a, c, head, r, x, is_new);
        return;
    }
    const float rate = -expf(a->A_log[head]);
    for (int64_t i = c->l; i-- > 0;) {
        const int64_t row = row_of(a, c) + i, at = row * a->heads + head;
        const float raw = ts_load_f32(a->raw, at, a->dtype) + a->bias[head], dt = ts_softplus(raw);
        float *sums = a->sums + row * 3 * a->heads + head;
        da += x->ds[i];
        const float inside = dt >= a->lo && dt <= a->hi ? 1.0f : 0.0f;
        const float ddt = x->col[i] + x->own[i] + expf(r->s[c->l - 1] - r->s[i]) * x->q[i] + rate * da;
        const float draw = inside * ddt * ts_sigmoid(raw);
        ts_store_f32(a->draw, at, a->dtype, draw);
        sums[0] = da * rate * r->dt[i];
        sums[a->heads] = x->g[i * L + i];
        sums[2 * a->heads] = draw;
    }
}

/* One head's part of a chunk; h: the state before it, NULL: 0; dh of what is behind it likewise where it is
 * the last, and it becomes that of the state before. */
static void bwd_head(const ts_ssd_args *a, const chunk *c, int64_t head, room *r, back *x, const float *h, float *dh,
                     bool is_last)
{
    const int64_t width = a->heads * a->P;
    take_x(a, c, head, r->x, r->p_ld);
    V_BY_DTYPE(a->dtype, take_rows, a->dy, row_of(a, c) * width + head * a->P, width, c->l, a->P, x->dy, r->p_ld)
    decays(a, c, head, r);
    turn(r->x, r->p_ld, c->l, a->P, x->xt, L);
    turn(x->dy, r->p_ld, c->l, a->P, x->dyt, L);
    const product g = { .a = x->dy, .ai = r->p_ld, .ak = 1, .b = x->xt, .ldb = L, .c = x->g, .ldc = L, .m = c->l,
                        .n = c->l, .k = a->P, .shape = C_LOWER };
    multiply(&g);
    mixings(a, c, head, r, x);
    give_dx_chunk(a, c, head, r, x, is_last ? NULL : dh);
    give_shared(a, c, r, x, h, is_last ? NULL : dh);
    const bool both = h && !is_last;
    give_scalars(a, c, head, r, x, both ? r->e[c->l - 1] * dot(h, dh, r->state) : 0, !h);
    if (!h)
        return; /* nothing is before it */
    scale_rows(x->dy, r->p_ld, c->l, r->e, r->xw);
    const product before = { .a = x->ct, .ai = L, .ak = 1, .b = r->xw, .ldb = r->p_ld, .c = dh, .ldc = r->p_ld,
                             .m = a->N, .n = a->P, .k = c->l, .beta = is_last ? 0 : r->e[c->l - 1] };
    multiply(&before);
}

/* dB and dC of a chunk, to the task's part. */
static void give_parts(const ts_ssd_args *a, const ts_ssd_task *task, const chunk *c, const back *x)
{
    const int64_t blocks = ts_ssd_blocks(a->heads, a->groups, a->N, a->P);
    float *to = a->parts + ((group_of(a, task->head) * blocks + task->block) * a->B * a->S + row_of(a, c)) * 2 * a->N;
    turn(x->dbt, L, a->N, c->l, to, 2 * a->N);
    turn(x->dct, L, a->N, c->l, to + a->N, 2 * a->N);
}

/* A document: rows [t, end) of the task's sequence. */
typedef struct document {
    const ts_ssd_args *a;
    const ts_ssd_task *task;
    room *r;
    back *x;
    int64_t t, end;
} document;

static chunk chunk_of(const document *d, int64_t n)
{
    const int64_t t = d->t + n * L;
    return (chunk){ d->task->b, t, min64(L, d->end - t) };
}

static float *kept_at(const document *d, int64_t i, int64_t n)
{
    const ts_ssd_args *a = d->a;
    return a->states + ((d->task->b * a->heads + d->task->head + i) * ts_ssd_kept(a->S) + n) * a->N * a->P;
}

/* State of head i of the task before the n-th chunk of those that are made again. */
static float *made_at(const document *d, int64_t i, int64_t n)
{
    return d->x->hs + (i * TS_SSD_KEPT + n) * d->r->state;
}

static void step_head(const document *d, const chunk *c, int64_t i, float *h, bool is_new)
{
    take_x(d->a, c, d->task->head + i, d->r->x, d->r->p_ld);
    decays(d->a, c, d->task->head + i, d->r);
    step_state(d->a, c, d->r, h, is_new);
}

/* Every TS_SSD_KEPT-th state but the first, which is 0. */
static void keep_states(const document *d, int64_t chunks)
{
    const ts_ssd_args *a = d->a;
    for (int64_t n = 0; n < (chunks - 1) / TS_SSD_KEPT * TS_SSD_KEPT; n++) {
        const chunk c = chunk_of(d, n);
        take_group(a, &c, group_of(a, d->task->head), d->r, false);
        for (int64_t i = 0; i < d->task->n; i++) {
            float *h = made_at(d, i, 0);
            step_head(d, &c, i, h, n == 0);
            if ((n + 1) % TS_SSD_KEPT == 0)
                put_rows(h, d->r->p_ld, a->N, a->P, kept_at(d, i, (n + 1) / TS_SSD_KEPT - 1), 0, a->P, TS_DTYPE_F32);
        }
    }
}

/* The states before chunks [first, last). */
static void make_states(const document *d, int64_t first, int64_t last)
{
    const ts_ssd_args *a = d->a;
    for (int64_t i = 0; first > 0 && i < d->task->n; i++)
        take_rows(kept_at(d, i, first / TS_SSD_KEPT - 1), 0, a->P, a->N, a->P, made_at(d, i, 0), d->r->p_ld,
                  TS_DTYPE_F32);
    for (int64_t n = first; n + 1 < last; n++) {
        const chunk c = chunk_of(d, n);
        take_group(a, &c, group_of(a, d->task->head), d->r, false);
        for (int64_t i = 0; i < d->task->n; i++) {
            memcpy(made_at(d, i, n + 1 - first), made_at(d, i, n - first), (size_t)d->r->state * sizeof(float));
            step_head(d, &c, i, made_at(d, i, n + 1 - first), n == 0);
        }
    }
}

static void bwd_document(const document *d)
{
    const ts_ssd_args *a = d->a;
    const int64_t chunks = ceil_div(d->end - d->t, L);
    keep_states(d, chunks);
    for (int64_t first = (chunks - 1) / TS_SSD_KEPT * TS_SSD_KEPT, last = chunks; first >= 0;
         last = first, first -= TS_SSD_KEPT) {
        make_states(d, first, last);
        for (int64_t n = last; n-- > first;) {
            const chunk c = chunk_of(d, n);
            take_group(a, &c, group_of(a, d->task->head), d->r, true);
            turn(d->r->c, d->r->n_ld, c.l, a->N, d->x->ct, L);
            memset(d->x->dbt, 0, (size_t)(a->N * L) * sizeof(float));
            memset(d->x->dct, 0, (size_t)(a->N * L) * sizeof(float));
            for (int64_t i = 0; i < d->task->n; i++)
                bwd_head(a, &c, d->task->head + i, d->r, d->x, n ? made_at(d, i, n - first) : NULL,
                         d->x->dh + i * d->r->state, n == chunks - 1);
            give_parts(a, d->task, &c, d->x);
        }
    }
}

static void bwd(const ts_ssd_args *a, const ts_ssd_task *task, char *scratch)
{
    room r = room_of(a, scratch, task->n);
    back x = back_of(a, task, &r);
    for (int64_t t = 0, end; t < a->S; t = end) {
        end = ts_document_end(a->first_key, a->S, task->b, t, a->S);
        bwd_document(&(document){ a, task, &r, &x, t, end });
    }
}

/* dB and dC of rows: the sums of the blocks' parts. */
INLINE void join_rows(const ts_ssd_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t blocks = ts_ssd_blocks(a->heads, a->groups, a->N, a->P), rows = a->B * a->S, width = width_of(a);
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < 2 * a->groups; i++) {
            const int64_t g = i % a->groups, which = i / a->groups;
            for (int64_t n = 0; n < a->N; n += V) {
                const float *from = a->parts + (g * blocks * rows + row) * 2 * a->N + which * a->N + n;
                vf sum = v_load(from, a->N - n);
                for (int64_t k = 1; k < blocks; k++)
                    sum = v_add(sum, v_load(from + k * rows * 2 * a->N, a->N - n));
                v_store_as(a->dxbc, row * width + a->heads * a->P + i * a->N + n, a->N - n, t, sum);
            }
        }
}

static void join(const void *args, int64_t begin, int64_t end)
{
    const ts_ssd_args *a = args;
    V_BY_DTYPE(a->dtype, join_rows, a, begin, end)
}

void TS_ISA_NAME(ts_ssd_body_init)(ts_ssd_body *body)
{
    *body = (ts_ssd_body){ fwd, bwd, join, TS_ROWWISE_STRING(TS_ISA) };
}
