/* The gated delta rule backward, behind delta_fwd_body.h. No include guard. Of a chunk, with M the state
 * before it, dM the gradient of that behind it, KK = K K^T, QK = Q K^T, P = QK E (j <= i), Z = v - e M^T k:
 *
 *   dX = P^T dY + w dM^T k           (I + A)^T dR = dX                  dZ = beta dR, dv = dZ, dU = -e dZ
 *   dP = dY X^T,  dA = -dR X^T       dQK = dP E,  dKK = beta dA E
 *   dq = dQK K + e dY M^T            dk = dQK^T Q + dKK K + dKK^T K + dU M^T + w X dM^T
 *   dM before = e[last] dM + Q^T (e dY) + K^T dU
 *   dbeta[i] = dR[i].Z[i] + sum over j of dA[i][j] KK[i][j] E[i][j]
 *   ds[i] = sum over j of (dP P + dA A)[i][j] - sum over k of (dP P + dA A)[k][i] + q[i].(e dY M^T)[i]
 *           + k[i].(dU M^T)[i] - w[i] X[i].(dM^T k)[i]
 *   ds[last] += sum of w X.(dM^T k) + e[last] M.dM,    dg[i] = sum over k >= i of ds[k] */

typedef struct back {
    float *hs;                /* states before chunks, [TS_DELTA_KEPT][K * v_ld] */
    float *ht;                /* a state turned, [V, k_ld] */
    float *dy, *dx, *u, *xt;  /* [l, V]: dY (scaled later), dX and dR, dM^T k; X turned [V, l] */
    float *dp, *da, *g;       /* [l, l]: dQK, dKK; work */
    float *dq, *dk, *t;       /* [l, K] */
    float *row, *col, *dbeta, *ds, *f; /* [L] */
} back;

static back back_of(const ts_delta_args *a, room *r)
{
    back x;
    float **at = &r->free;
    x.hs = take(at, TS_DELTA_KEPT * r->state);
    x.ht = take(at, r->v_ld * r->k_ld);
    x.dy = take(at, L * r->v_ld), x.dx = take(at, L * r->v_ld), x.u = take(at, L * r->v_ld);
    x.xt = take(at, a->V * L);
    x.dp = take(at, L * L), x.da = take(at, L * L), x.g = take(at, L * L);
    x.dq = take(at, L * r->k_ld), x.dk = take(at, L * r->k_ld), x.t = take(at, L * r->k_ld);
    x.row = take(at, L), x.col = take(at, L), x.dbeta = take(at, L), x.ds = take(at, L), x.f = take(at, L);
    return x;
}

/* (I + A)^T dR = what stands in x, from the last row back; a is -A. */
static void solve_back(const room *r, int64_t l, float *x)
{
    for (int64_t end = l; end > 0; end = (end - 1) / PROWS * PROWS) {
        const int64_t i = (end - 1) / PROWS * PROWS;
        const product below = { .a = r->a + end * L + i, .ai = 1, .ak = L, .b = x + end * r->v_ld, .ldb = r->v_ld,
                                .c = x + i * r->v_ld, .ldc = r->v_ld, .m = end - i, .n = r->v_ld, .k = l - end,
                                .beta = 1 };
        multiply(&below);
        for (int64_t n = end - 1; n > i; n--) /* row n is done: what it means to those before it */
            for (int64_t j = i; j < n; j++)
                for (int64_t v = 0; v < r->v_ld; v += V)
                    v_store(x + j * r->v_ld + v, V, v_fma(v_set(r->a[n * L + j]), v_load(x + n * r->v_ld + v, V),
                                                          v_load(x + j * r->v_ld + v, V)));
    }
}

/* dX, then dR, from dY and what is behind; ds begins with what w brings. */
static void give_x(const ts_delta_args *a, const chunk *c, room *r, back *x, const float *dh)
{
    const product own = { .a = r->p, .ai = 1, .ak = L, .b = x->dy, .ldb = r->v_ld, .c = x->dx, .ldc = r->v_ld,
                          .m = c->l, .n = a->V, .k = c->l, .shape = A_UPPER };
    multiply(&own);
    memset(x->ds, 0, L * sizeof *x->ds);
    if (dh) {
        const product later = { .a = r->k, .ai = r->k_ld, .ak = 1, .b = dh, .ldb = r->v_ld, .c = x->u, .ldc = r->v_ld,
                                .m = c->l, .n = a->V, .k = a->K };
        float sum = 0;
        multiply(&later);
        for (int64_t i = 0; i < c->l; i++) {
            const float part = r->w[i] * dot(x->u + i * r->v_ld, r->x + i * r->v_ld, a->V);
            x->ds[i] -= part, sum += part;
            for (int64_t v = 0; v < r->v_ld; v += V)
                v_store(x->dx + i * r->v_ld + v, V, v_fma(v_set(r->w[i]), v_load(x->u + i * r->v_ld + v, V),
                                                          v_load(x->dx + i * r->v_ld + v, V)));
        }
        x->ds[c->l - 1] += sum;
    }
    solve_back(r, c->l, x->dx);
}

/* dQK, dKK, what they bring to beta and s. */
static void give_mixings(const ts_delta_args *a, const chunk *c, room *r, back *x)
{
    turn(r->x, r->v_ld, c->l, a->V, x->xt, L);
    const product dp = { .a = x->dy, .ai = r->v_ld, .ak = 1, .b = x->xt, .ldb = L, .c = x->dp, .ldc = L, .m = c->l,
                         .n = c->l, .k = a->V, .shape = C_LOWER };
    product da = dp;
    da.a = x->dx, da.c = x->da;
    multiply(&dp);
    multiply(&da);
    memset(x->col, 0, L * sizeof *x->col);
    for (int64_t i = 0; i < c->l; i++) {
        const vf beta = v_set(r->beta[i]);
        vf row = v_set(0), own = v_set(0);
        for (int64_t j = 0; j < round_up(c->l, V); j += V) {
            const int64_t at = i * L + j;
            const vf e = decay_at(r, i, j, i + 1), le = decay_at(r, i, j, i);
            const vf dqk = v_mul(v_keep(i + 1 - j, v_load(x->dp + at, V), v_set(0)), e);
            const vf dke = v_mul(v_keep(i - j, v_sub(v_set(0), v_load(x->da + at, V)), v_set(0)), le);
            const vf qk = v_keep(i + 1 - j, v_load(r->qk + at, V), v_set(0)),
                     kk = v_keep(i - j, v_load(r->kk + at, V), v_set(0));
            const vf dbeta = v_mul(dke, kk), both = v_fma(dqk, qk, v_mul(dbeta, beta));
            v_store(x->dp + at, V, dqk);
            v_store(x->da + at, V, v_mul(dke, beta));
            v_store(x->col + j, V, v_add(v_load(x->col + j, V), both));
            row = v_add(row, both);
            own = v_add(own, dbeta);
        }
        x->row[i] = (float)v_sum(row);
        x->dbeta[i] = (float)v_sum(own) + dot(x->dx + i * r->v_ld, r->z + i * r->v_ld, a->V);
    }
    for (int64_t i = 0; i < c->l; i++)
        x->ds[i] += x->row[i] - x->col[i];
}

static void keys_from_mixings(const ts_delta_args *a, const chunk *c, const room *r, const back *x)
{
    product p = { .a = x->dp, .ai = L, .ak = 1, .b = r->k, .ldb = r->k_ld, .c = x->dq, .ldc = r->k_ld, .m = c->l,
                  .n = a->K, .k = c->l, .shape = A_LOWER };
    multiply(&p);
    p.c = x->dk, p.a = x->da;
    multiply(&p);
    p.ai = 1, p.ak = L, p.beta = 1, p.shape = A_UPPER;
    multiply(&p);
    p.a = x->dp, p.b = r->q;
    multiply(&p);
}

static void add_rows(float *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        v_store(to + i, V, v_add(v_load(to + i, V), v_load(from + i, V)));
}

/* rows (x) times a turned state, to `to`; with s, what they are to the keys joins ds. */
static void through_state(const ts_delta_args *a, const chunk *c, const room *r, const back *x, const float *rows,
                          const float *keys, float *to)
{
    const product p = { .a = rows, .ai = r->v_ld, .ak = 1, .b = x->ht, .ldb = r->k_ld, .c = x->t, .ldc = r->k_ld,
                        .m = c->l, .n = a->K, .k = a->V };
    multiply(&p);
    add_rows(to, x->t, c->l * r->k_ld);
    for (int64_t i = 0; keys && i < c->l; i++)
        x->ds[i] += dot(keys + i * r->k_ld, x->t + i * r->k_ld, a->K);
}

/* What goes through the states: dy becomes e dY, dx what M^T k gets. */
static void keys_from_states(const ts_delta_args *a, const chunk *c, room *r, back *x, const float *h, const float *dh)
{
    if (h) {
        turn(h, r->v_ld, a->K, a->V, x->ht, r->k_ld);
        scale_rows(x->dy, r->v_ld, c->l, r->e, x->dy);
        for (int64_t i = 0; i < c->l; i++)
            x->f[i] = -r->e[i];
        scale_rows(x->dx, r->v_ld, c->l, x->f, x->dx); /* it was dZ */
        through_state(a, c, r, x, x->dy, r->q, x->dq);
        through_state(a, c, r, x, x->dx, r->k, x->dk);
    }
    if (dh) {
        turn(dh, r->v_ld, a->K, a->V, x->ht, r->k_ld);
        scale_rows(r->x, r->v_ld, c->l, r->w, r->y);
        through_state(a, c, r, x, r->y, NULL, x->dk);
    }
}

/* What comes to the raw numbers of decay and beta. The first row of a document decays nothing. */
static void give_scalars(const ts_delta_args *a, const chunk *c, const room *r, const back *x, bool is_first)
{
    const float rate = -expf(a->A_log[c->head]);
    float dg = 0;
    for (int64_t i = c->l; i-- > 0;) {
        const int64_t row = row_of(a, c) + i, at = row * a->heads + c->head;
        const float raw = raw_at(a, a->raw_g, c, i) + a->bias[c->head], beta = r->beta[i];
        float *sums = a->sums + row * 2 * a->heads + c->head;
        dg = is_first && i == 0 ? 0 : dg + x->ds[i];
        sums[0] = dg * rate * ts_softplus(raw);
        sums[a->heads] = dg * rate * ts_sigmoid(raw);
        ts_store_f32(a->draw_g, at, a->dtype, sums[a->heads]);
        ts_store_f32(a->draw_b, at, a->dtype, x->dbeta[i] * beta * (1 - beta));
    }
}

static void give_parts(const ts_delta_args *a, const chunk *c, const room *r, const back *x)
{
    float *to = a->parts + (row_of(a, c) * a->heads + c->head) * 2 * a->K;
    put_rows(x->dq, r->k_ld, c->l, a->K, to, 0, 2 * a->K * a->heads, TS_DTYPE_F32);
    put_rows(x->dk, r->k_ld, c->l, a->K, to, a->K, 2 * a->K * a->heads, TS_DTYPE_F32);
}

/* h: the state before the chunk, NULL: 0. dh: the gradient of that behind it, NULL where is_last; it becomes
 * that of the state before. */
static void bwd_chunk(const ts_delta_args *a, const chunk *c, room *r, back *x, const float *h, float *dh, bool is_last)
{
    const int64_t width = a->heads * a->V, qkv = width_of(a);
    enter(a, c, r, h);
    V_BY_DTYPE(a->dtype, take_rows, a->dy, row_of(a, c) * width + c->head * a->V, width, c->l, a->V, x->dy, r->v_ld)
    give_x(a, c, r, x, is_last ? NULL : dh);
    give_mixings(a, c, r, x);
    keys_from_mixings(a, c, r, x);
    scale_rows(x->dx, r->v_ld, c->l, r->beta, x->dx);
    V_BY_DTYPE(a->dtype, put_rows, x->dx, r->v_ld, c->l, a->V, a->dqkv,
               row_of(a, c) * qkv + 2 * a->key_heads * a->K + c->head * a->V, qkv)
    keys_from_states(a, c, r, x, h, is_last ? NULL : dh);
    if (h && !is_last)
        x->ds[c->l - 1] += r->e[c->l - 1] * dot(h, dh, r->state);
    give_scalars(a, c, r, x, !h);
    give_parts(a, c, r, x);
    if (!h)
        return; /* nothing is before it */
    product before = { .a = r->q, .ai = 1, .ak = r->k_ld, .b = x->dy, .ldb = r->v_ld, .c = dh, .ldc = r->v_ld,
                       .m = a->K, .n = a->V, .k = c->l, .beta = is_last ? 0 : r->e[c->l - 1] };
    multiply(&before);
    before.a = r->k, before.b = x->dx, before.beta = 1;
    multiply(&before);
}

/* q (which 0) or k (1) of one head and row: the sum of what comes to it at length 1, taken through the change
 * of length. */
INLINE void join_head(const ts_delta_args *a, int64_t row, int64_t key_head, int which, ts_dtype t)
{
    const int64_t shared = a->heads / a->key_heads, at = row * width_of(a) + (which * a->key_heads + key_head) * a->K;
    const float *parts = a->parts + ((row * a->heads + key_head * shared) * 2 + which) * a->K;
    _Alignas(64) float x[TS_DELTA_MOST_HEAD], d[TS_DELTA_MOST_HEAD];
    for (int64_t i = 0; i < a->K; i += V) {
        vf sum = v_load(parts + i, a->K - i);
        for (int64_t h = 1; h < shared; h++)
            sum = v_add(sum, v_load(parts + h * 2 * a->K + i, a->K - i));
        v_store(d + i, V, sum);
        v_store(x + i, V, v_load_as(a->qkv, at + i, a->K - i, t));
    }
    const float f = shortening(a, x), scale = f * (which ? 1.0f : 1 / sqrtf((float)a->K));
    const vf along = v_set(f * f * dot(x, d, a->K));
    for (int64_t i = 0; i < a->K; i += V)
        v_store_as(a->dqkv, at + i, a->K - i, t,
                   v_mul(v_set(scale), v_fnma(v_load(x + i, V), along, v_load(d + i, V))));
}

INLINE void join_rows(const ts_delta_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < 2 * a->key_heads; i++)
            join_head(a, row, i % a->key_heads, i >= a->key_heads, t);
}

static void join(const void *args, int64_t begin, int64_t end)
{
    const ts_delta_args *a = args;
    V_BY_DTYPE(a->dtype, join_rows, a, begin, end)
}
