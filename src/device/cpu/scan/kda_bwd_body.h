/* Kimi delta attention backward, behind kda_fwd_body.h and delta_bwd_body.h, in whose words. No include guard. What is
 * other than there, with E of each channel:
 *
 *   row part of dk[i] = sum over j < i of dKK[i][j] k[j] E[i][j]      dq[i] likewise, of dQK, j <= i
 *   column part of dk[j] = sum over i of (dKK[i][j] k[i] + dQK[i][j] q[i]) E[i][j]
 *   dq += e (dY M^T)        dk += e (dU M^T) + w (X dM^T)       dM before = e[last] dM + (e q)^T dY + (e k)^T dU
 *   ds = q dq + k (row part - column part + e (dU M^T) - w (X dM^T))
 *   ds[last] += sum over rows of k w (X dM^T), + e[last] (M dM) summed over columns
 *
 * with products of rows of K channel by channel, and dU = -dZ. */

typedef struct channel_back {
    float *row, *col, *ds; /* [l, K] */
} channel_back;

static channel_back channel_back_of(room *r)
{
    channel_back x;
    float **at = &r->free;
    x.row = take(at, L * r->k_ld), x.col = take(at, L * r->k_ld), x.ds = take(at, L * r->k_ld);
    return x;
}

/* y += x f */
static void add_scaled(float *y, const float *x, const float *f, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        v_store(y + i, V, v_fma(v_load(x + i, V), v_load(f + i, V), v_load(y + i, V)));
}

/* dX, then dR, from dY and what is behind. */
static void channel_give_x(const ts_delta_args *a, const chunk *c, const room *r, const channels *h, const back *x,
                           const float *dh)
{
    const product own = { .a = r->p, .ai = 1, .ak = L, .b = x->dy, .ldb = r->v_ld, .c = x->dx, .ldc = r->v_ld,
                          .m = c->l, .n = a->V, .k = c->l, .shape = A_UPPER };
    multiply(&own);
    if (dh) {
        const product later = { .a = h->kw, .ai = r->k_ld, .ak = 1, .b = dh, .ldb = r->v_ld, .c = x->dx,
                                .ldc = r->v_ld, .m = c->l, .n = a->V, .k = a->K, .beta = 1 };
        multiply(&later);
    }
    solve_back(r, c->l, x->dx);
}

/* dQK and dKK, zeros beyond their triangles, and what they bring to beta. */
static void channel_give_mixings(const ts_delta_args *a, const chunk *c, const room *r, const back *x)
{
    turn(r->x, r->v_ld, c->l, a->V, x->xt, L);
    product p = { .a = x->dy, .ai = r->v_ld, .ak = 1, .b = x->xt, .ldb = L, .c = x->dp, .ldc = L, .m = c->l,
                  .n = c->l, .k = a->V, .shape = C_LOWER };
    multiply(&p);
    p.a = x->dx, p.c = x->da;
    multiply(&p);
    for (int64_t i = 0; i < c->l; i++) {
        const vf beta = v_set(-r->beta[i]);
        vf sum = v_set(0);
        for (int64_t j = 0; j < round_up(c->l, V); j += V) {
            const int64_t at = i * L + j;
            const vf da = v_keep(i - j, v_load(x->da + at, V), v_set(0)),
                     kk = v_keep(i - j, v_load(r->kk + at, V), v_set(0));
            sum = v_fma(da, kk, sum);
            v_store(x->da + at, V, v_mul(da, beta));
            v_store(x->dp + at, V, v_keep(i + 1 - j, v_load(x->dp + at, V), v_set(0)));
        }
        x->dbeta[i] = dot(x->dx + i * r->v_ld, r->z + i * r->v_ld, a->V) - (float)v_sum(sum);
    }
}

/* Pairs of rows of one block. */
static void pairs_within(const room *r, const channels *h, const back *x, const channel_back *n, int64_t begin, int64_t rows)
{
    for (int64_t i = begin; i < begin + rows; i++)
        for (int64_t j = begin; j <= i; j++) {
            const vf dkk = v_set(x->da[i * L + j]), dqk = v_set(x->dp[i * L + j]);
            for (int64_t k = 0; k < r->k_ld; k += V) {
                const int64_t at = i * r->k_ld + k, to = j * r->k_ld + k;
                const vf e = v_exp(v_sub(v_load(h->s + at, V), v_load(h->s + to, V))), key = v_mul(v_load(r->k + to, V), e);
                const vf both = v_fma(dkk, v_load(r->k + at, V), v_mul(dqk, v_load(r->q + at, V)));
                v_store(n->row + at, V, v_fma(dkk, key, v_load(n->row + at, V)));
                v_store(x->dq + at, V, v_fma(dqk, key, v_load(x->dq + at, V)));
                v_store(n->col + to, V, v_fma(both, e, v_load(n->col + to, V)));
            }
        }
}

/* Pairs of a row of the block and one before it. */
static void pairs_before(const ts_delta_args *a, const room *r, const channels *h, const back *x, const channel_back *n,
                         int64_t begin, int64_t rows)
{
    const float *first = h->s + begin * r->k_ld;
    scale_block(r, h, begin, rows);
    product row = { .a = x->da + begin * L, .ai = L, .ak = 1, .b = h->kf, .ldb = r->k_ld, .c = x->t, .ldc = r->k_ld,
                    .m = rows, .n = a->K, .k = begin };
    for (int which = 0; which < 2; which++) {
        multiply(&row);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < r->k_ld; k += V) {
                const int64_t at = (begin + i) * r->k_ld + k;
                float *to = (which ? x->dq : n->row) + at;
                const vf e = v_exp(v_sub(v_load(h->s + at, V), v_load(first + k, V)));
                v_store(to, V, v_fma(v_load(x->t + i * r->k_ld + k, V), e, v_load(to, V)));
            }
        row.a = x->dp + begin * L;
    }
    product col = { .a = x->da + begin * L, .ai = 1, .ak = L, .b = h->kr, .ldb = r->k_ld, .c = x->t, .ldc = r->k_ld,
                    .m = begin, .n = a->K, .k = rows };
    multiply(&col);
    col.a = x->dp + begin * L, col.b = h->qr, col.beta = 1;
    multiply(&col);
    add_scaled(n->col, x->t, h->f, begin * r->k_ld);
}

/* What comes to q, k and s from the products of rows. */
static void keys_from_pairs(const ts_delta_args *a, const chunk *c, const room *r, const channels *h, const back *x,
                            const channel_back *n)
{
    const int64_t all = c->l * r->k_ld;
    memset(x->dq, 0, (size_t)all * sizeof(float));
    memset(n->row, 0, (size_t)all * sizeof(float));
    memset(n->col, 0, (size_t)all * sizeof(float));
    for (int64_t begin = 0; begin < c->l; begin += TS_KDA_BLOCK) {
        const int64_t rows = min64(TS_KDA_BLOCK, c->l - begin);
        pairs_within(r, h, x, n, begin, rows);
        if (begin)
            pairs_before(a, r, h, x, n, begin, rows);
    }
    for (int64_t i = 0; i < all; i += V) {
        const vf row = v_load(n->row + i, V), col = v_load(n->col + i, V);
        v_store(x->dk + i, V, v_add(row, col));
        v_store(n->ds + i, V, v_fma(v_load(r->k + i, V), v_sub(row, col), v_mul(v_load(r->q + i, V), v_load(x->dq + i, V))));
    }
}

/* rows times a turned state into x->t, scaled by f: to dq or dk, and with keys times sign to ds. */
static void channel_through(const ts_delta_args *a, const chunk *c, const room *r, const back *x, const channel_back *n,
                            const float *rows, const float *f, const float *keys, float sign, float *to)
{
    const product p = { .a = rows, .ai = r->v_ld, .ak = 1, .b = x->ht, .ldb = r->k_ld, .c = x->t, .ldc = r->k_ld,
                        .m = c->l, .n = a->K, .k = a->V };
    multiply(&p);
    for (int64_t i = 0; i < c->l * r->k_ld; i += V) {
        const vf part = v_mul(v_load(x->t + i, V), v_load(f + i, V));
        v_store(x->t + i, V, part);
        v_store(to + i, V, v_add(v_load(to + i, V), part));
        v_store(n->ds + i, V, v_fma(v_mul(v_load(keys + i, V), v_set(sign)), part, v_load(n->ds + i, V)));
    }
}

/* dx becomes dU. */
static void channel_from_states(const ts_delta_args *a, const chunk *c, const room *r, const channels *h, const back *x,
                                const channel_back *n, const float *before, const float *dh)
{
    float *last = n->ds + (c->l - 1) * r->k_ld;
    if (before) {
        turn(before, r->v_ld, a->K, a->V, x->ht, r->k_ld);
        for (int64_t i = 0; i < c->l * r->v_ld; i += V)
            v_store(x->dx + i, V, v_sub(v_set(0), v_load(x->dx + i, V)));
        channel_through(a, c, r, x, n, x->dy, h->e, r->q, 1, x->dq);
        channel_through(a, c, r, x, n, x->dx, h->e, r->k, 1, x->dk);
    }
    if (!dh)
        return;
    turn(dh, r->v_ld, a->K, a->V, x->ht, r->k_ld);
    for (int64_t i = 0; i < c->l; i++) /* w, whose k has been multiplied into kw */
        for (int64_t k = 0; k < r->k_ld; k += V)
            v_store(h->f + i * r->k_ld + k, V, v_exp(v_sub(v_load(h->s + (c->l - 1) * r->k_ld + k, V),
                                                           v_load(h->s + i * r->k_ld + k, V))));
    channel_through(a, c, r, x, n, r->x, h->f, r->k, -1, x->dk);
    for (int64_t i = 0; i < c->l; i++)
        add_scaled(last, x->t + i * r->k_ld, r->k + i * r->k_ld, r->k_ld);
    for (int64_t k = 0; before && k < a->K; k++)
        last[k] += h->e[(c->l - 1) * r->k_ld + k] * dot(before + k * r->v_ld, dh + k * r->v_ld, a->V);
}

/* What comes to the raw numbers of decays. The first row of a document decays nothing. */
INLINE void give_channels(const ts_delta_args *a, const chunk *c, const room *r, const channel_back *n, bool is_first,
                          ts_dtype t)
{
    const vf rate = v_set(-expf(a->A_log[c->head]));
    for (int64_t k = 0; k < a->K; k += V) {
        vf dg = v_set(0);
        for (int64_t i = c->l; i-- > 0;) {
            const vf raw = raw_channels(a, c, i, k, t);
            float *bias = a->sums + (row_of(a, c) + i) * a->heads * (a->K + 1) + a->heads + c->head * a->K + k;
            dg = is_first && i == 0 ? v_set(0) : v_add(dg, v_load(n->ds + i * r->k_ld + k, V));
            const vf by_rate = v_mul(dg, rate), draw = v_mul(by_rate, v_sigmoid(raw));
            v_store(n->row + i * r->k_ld + k, V, v_keep(a->K - k, v_mul(by_rate, v_softplus(raw)), v_set(0)));
            v_store(bias, a->K - k, draw);
            v_store_as(a->draw_g, channel_at(a, c, i) + k, a->K - k, t, draw);
        }
    }
    for (int64_t i = 0; i < c->l; i++) {
        vf sum = v_set(0);
        for (int64_t k = 0; k < a->K; k += V)
            sum = v_add(sum, v_load(n->row + i * r->k_ld + k, V));
        a->sums[(row_of(a, c) + i) * a->heads * (a->K + 1) + c->head] = (float)v_sum(sum);
    }
}

static void give_betas(const ts_delta_args *a, const chunk *c, const room *r, const back *x)
{
    for (int64_t i = 0; i < c->l; i++)
        ts_store_f32(a->draw_b, (row_of(a, c) + i) * a->heads + c->head, a->dtype,
                     x->dbeta[i] * r->beta[i] * (1 - r->beta[i]));
}

/* before: the state before the chunk, NULL: 0. dh: the gradient of that behind it, NULL where is_last; it becomes
 * that of the state before. */
static void channel_bwd_chunk(const ts_delta_args *a, const chunk *c, room *r, const channels *h, const back *x,
                              const channel_back *n, const float *before, float *dh, bool is_last)
{
    const int64_t width = a->heads * a->V, qkv = width_of(a);
    channel_enter(a, c, r, h, before);
    V_BY_DTYPE(a->dtype, take_rows, a->dy, row_of(a, c) * width + c->head * a->V, width, c->l, a->V, x->dy, r->v_ld)
    channel_give_x(a, c, r, h, x, is_last ? NULL : dh);
    channel_give_mixings(a, c, r, x);
    keys_from_pairs(a, c, r, h, x, n);
    scale_rows(x->dx, r->v_ld, c->l, r->beta, x->dx);
    V_BY_DTYPE(a->dtype, put_rows, x->dx, r->v_ld, c->l, a->V, a->dqkv,
               row_of(a, c) * qkv + 2 * a->key_heads * a->K + c->head * a->V, qkv)
    channel_from_states(a, c, r, h, x, n, before, is_last ? NULL : dh);
    V_BY_DTYPE(a->dtype, give_channels, a, c, r, n, !before)
    give_betas(a, c, r, x);
    give_parts(a, c, r, x);
    if (!before)
        return; /* nothing is before it */
    multiply_rows(r->q, h->e, c->l * r->k_ld, r->qe);
    if (!is_last)
        scale_rows(dh, r->v_ld, a->K, h->e + (c->l - 1) * r->k_ld, dh);
    product from = { .a = r->qe, .ai = 1, .ak = r->k_ld, .b = x->dy, .ldb = r->v_ld, .c = dh, .ldc = r->v_ld,
                     .m = a->K, .n = a->V, .k = c->l, .beta = is_last ? 0 : 1 };
    multiply(&from);
    from.a = h->ke, from.b = x->dx, from.beta = 1;
    multiply(&from);
}
