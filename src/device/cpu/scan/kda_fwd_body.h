/* Kimi delta attention forward, behind delta_fwd_body.h: the same with a decay for each channel of the keys. No
 * include guard. */

/* Beside the room of a task; rows of k_ld floats. */
typedef struct channels {
    float *s, *e, *ke, *kw; /* [l, K]: sums of g, exp(s), k e, k exp(s[last] - s) */
    float *kr, *qr;         /* [TS_KDA_BLOCK, K]: k and q of a block, scaled to its first row */
    float *f, *kf;          /* [l, K]: exp(r - s) of what is before a block, k times it */
} channels;

static channels channels_of(room *r)
{
    channels x;
    float **at = &r->free;
    x.s = take(at, L * r->k_ld), x.e = take(at, L * r->k_ld);
    x.ke = take(at, L * r->k_ld), x.kw = take(at, L * r->k_ld);
    x.kr = take(at, TS_KDA_BLOCK * r->k_ld), x.qr = take(at, TS_KDA_BLOCK * r->k_ld);
    x.f = take(at, L * r->k_ld), x.kf = take(at, L * r->k_ld);
    return x;
}

/* log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x|; log(1 + u) is twice the series of artanh(u / (2 + u)), whose
 * square is at most 1/9. */
INLINE vf v_softplus(vf x)
{
    const vf u = v_exp(v_min(x, v_sub(v_set(0), x))), z = v_div(u, v_add(u, v_set(2))), zz = v_mul(z, z);
    vf sum = v_set(1.0f / 17);
    for (int n = 15; n > 0; n -= 2)
        sum = v_fma(sum, zz, v_set(1.0f / (float)n));
    return v_add(v_max(x, v_set(0)), v_mul(v_add(z, z), sum));
}

static int64_t channel_at(const ts_delta_args *a, const chunk *c, int64_t i)
{
    return ((row_of(a, c) + i) * a->heads + c->head) * a->K;
}

/* raw_g + bias of a row, from channel k on; what is behind the last one counts for nothing. */
INLINE vf raw_channels(const ts_delta_args *a, const chunk *c, int64_t i, int64_t k, ts_dtype t)
{
    return v_add(v_load_as(a->raw_g, channel_at(a, c, i) + k, a->K - k, t),
                 v_load(a->bias + c->head * a->K + k, a->K - k));
}

/* s; pads are 0. */
INLINE void sum_decays(const ts_delta_args *a, const chunk *c, const room *r, const channels *x, ts_dtype t)
{
    const vf rate = v_set(-expf(a->A_log[c->head]));
    for (int64_t k = 0; k < r->k_ld; k += V) {
        vf sum = v_set(0);
        for (int64_t i = 0; i < c->l; i++) {
            if (k < a->K)
                sum = v_fma(rate, v_softplus(raw_channels(a, c, i, k, t)), sum);
            v_store(x->s + i * r->k_ld + k, V, v_keep(a->K - k, sum, v_set(0)));
        }
    }
}

/* s, what is made of it, and beta. */
static void channel_decays(const ts_delta_args *a, const chunk *c, const room *r, const channels *x)
{
    const float *last = x->s + (c->l - 1) * r->k_ld;
    V_BY_DTYPE(a->dtype, sum_decays, a, c, r, x)
    for (int64_t i = 0; i < c->l; i++)
        r->beta[i] = ts_sigmoid(raw_at(a, a->raw_b, c, i));
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t at = i * r->k_ld, k = 0; k < r->k_ld; k += V) {
            const vf s = v_load(x->s + at + k, V), key = v_load(r->k + at + k, V), e = v_exp(s);
            v_store(x->e + at + k, V, e);
            v_store(x->ke + at + k, V, v_mul(key, e));
            v_store(x->kw + at + k, V, v_mul(key, v_exp(v_sub(v_load(last + k, V), s))));
        }
}

/* Rows [begin, begin + n) as kr and qr; those before as f and kf. */
static void scale_block(const room *r, const channels *x, int64_t begin, int64_t n)
{
    const float *first = x->s + begin * r->k_ld;
    for (int64_t i = 0; i < begin + n; i++)
        for (int64_t at = i * r->k_ld, k = 0; k < r->k_ld; k += V) {
            const vf up = v_sub(v_load(first + k, V), v_load(x->s + at + k, V)), key = v_load(r->k + at + k, V);
            if (i < begin) {
                const vf f = v_exp(up);
                v_store(x->f + at + k, V, f);
                v_store(x->kf + at + k, V, v_mul(key, f));
            } else {
                const vf f = v_exp(v_sub(v_set(0), up));
                v_store(x->kr + at + k - begin * r->k_ld, V, v_mul(key, f));
                v_store(x->qr + at + k - begin * r->k_ld, V, v_mul(v_load(r->q + at + k, V), f));
            }
        }
}

/* kk and qk, decays among them, of rows [begin, begin + n) with those of the same block. */
static void products_within(const room *r, const channels *x, int64_t begin, int64_t n)
{
    for (int64_t i = begin; i < begin + n; i++)
        for (int64_t j = begin; j <= i; j++) {
            const int64_t at = i * r->k_ld, to = j * r->k_ld;
            vf kk = v_set(0), qk = v_set(0);
            for (int64_t k = 0; k < r->k_ld; k += V) {
                const vf e = v_exp(v_sub(v_load(x->s + at + k, V), v_load(x->s + to + k, V)));
                const vf key = v_mul(v_load(r->k + to + k, V), e);
                kk = v_fma(v_load(r->k + at + k, V), key, kk);
                qk = v_fma(v_load(r->q + at + k, V), key, qk);
            }
            r->kk[i * L + j] = (float)v_sum(kk);
            r->qk[i * L + j] = (float)v_sum(qk);
        }
}

static void channel_products(const ts_delta_args *a, const chunk *c, room *r, const channels *x)
{
    for (int64_t begin = 0; begin < c->l; begin += TS_KDA_BLOCK) {
        const int64_t n = min64(TS_KDA_BLOCK, c->l - begin);
        products_within(r, x, begin, n);
        if (!begin)
            continue;
        scale_block(r, x, begin, n);
        turn(x->kf, r->k_ld, begin, a->K, r->kt, L);
        product before = { .a = x->kr, .ai = r->k_ld, .ak = 1, .b = r->kt, .ldb = L, .c = r->kk + begin * L, .ldc = L,
                           .m = n, .n = begin, .k = a->K };
        multiply(&before);
        before.a = x->qr, before.c = r->qk + begin * L;
        multiply(&before);
    }
}

/* -A and the mixing of X, from kk and qk: zeros beyond their triangles. */
static void channel_mixings(const chunk *c, const room *r)
{
    for (int64_t i = 0; i < c->l; i++)
        for (int64_t j = 0; j < round_up(c->l, V); j += V) {
            const int64_t at = i * L + j;
            const vf kk = v_keep(i - j, v_load(r->kk + at, V), v_set(0)),
                     qk = v_keep(i + 1 - j, v_load(r->qk + at, V), v_set(0));
            v_store(r->a + at, V, v_mul(kk, v_set(-r->beta[i])));
            v_store(r->p + at, V, qk);
        }
}

/* z = v - M^T (e k), X from it. */
static void channel_corrections(const ts_delta_args *a, const chunk *c, const room *r, const channels *x, const float *h)
{
    memcpy(r->z, r->v, (size_t)(c->l * r->v_ld) * sizeof *r->z);
    if (h) {
        const product seen = { .a = x->ke, .ai = r->k_ld, .ak = 1, .b = h, .ldb = r->v_ld, .c = r->x, .ldc = r->v_ld,
                               .m = c->l, .n = a->V, .k = a->K };
        multiply(&seen);
        for (int64_t i = 0; i < c->l * r->v_ld; i += V)
            v_store(r->z + i, V, v_sub(v_load(r->z + i, V), v_load(r->x + i, V)));
    }
    scale_rows(r->z, r->v_ld, c->l, r->beta, r->x);
    solve(r, c->l, r->x);
}

/* All that a chunk is made of up to X; h NULL: the state before it is 0. */
static void channel_enter(const ts_delta_args *a, const chunk *c, room *r, const channels *x, const float *h)
{
    take_keys(a, c, 0, r->q, r->k_ld);
    take_keys(a, c, 1, r->k, r->k_ld);
    take_v(a, c, r->v, r->v_ld);
    channel_decays(a, c, r, x);
    channel_products(a, c, r, x);
    channel_mixings(c, r);
    channel_corrections(a, c, r, x, h);
}

static void multiply_rows(const float *x, const float *y, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i += V)
        v_store(to + i, V, v_mul(v_load(x + i, V), v_load(y + i, V)));
}

static void channel_outputs(const ts_delta_args *a, const chunk *c, const room *r, const channels *x, const float *h)
{
    const int64_t width = a->heads * a->V;
    const product within = { .a = r->p, .ai = L, .ak = 1, .b = r->x, .ldb = r->v_ld, .c = r->y, .ldc = r->v_ld,
                             .m = c->l, .n = a->V, .k = c->l, .shape = A_LOWER };
    multiply(&within);
    if (h) {
        multiply_rows(r->q, x->e, c->l * r->k_ld, r->qe);
        const product before = { .a = r->qe, .ai = r->k_ld, .ak = 1, .b = h, .ldb = r->v_ld, .c = r->y, .ldc = r->v_ld,
                                 .m = c->l, .n = a->V, .k = a->K, .beta = 1 };
        multiply(&before);
    }
    V_BY_DTYPE(a->dtype, put_rows, r->y, r->v_ld, c->l, a->V, a->y, row_of(a, c) * width + c->head * a->V, width)
}

/* The state behind the chunk. */
static void channel_step(const ts_delta_args *a, const chunk *c, const room *r, const channels *x, float *h, bool is_new)
{
    if (!is_new)
        scale_rows(h, r->v_ld, a->K, x->e + (c->l - 1) * r->k_ld, h);
    const product next = { .a = x->kw, .ai = 1, .ak = r->k_ld, .b = r->x, .ldb = r->v_ld, .c = h, .ldc = r->v_ld,
                           .m = a->K, .n = a->V, .k = c->l, .beta = is_new ? 0 : 1 };
    multiply(&next);
}

static void channel_fwd(const ts_delta_args *a, int64_t b, int64_t head, char *scratch)
{
    room r = room_of(a, scratch, 1);
    const channels x = channels_of(&r);
    const int64_t length = a->length ? a->length[b] : a->S;
    float *state = a->state ? a->state + (b * a->heads + head) * a->K * a->V : NULL;
    if (state)
        take_rows(state, 0, a->V, a->K, a->V, r.h, r.v_ld, TS_DTYPE_F32);
    for (int64_t t = 0, end; t < length; t = end) {
        end = ts_document_end(a->first_key, a->S, b, t, length);
        for (int64_t at = t; at < end; at += L) {
            const chunk c = { b, head, at, min64(L, end - at) };
            const bool is_new = at == t && !(state && t == 0);
            channel_enter(a, &c, &r, &x, is_new ? NULL : r.h);
            channel_outputs(a, &c, &r, &x, is_new ? NULL : r.h);
            if (state || at + L < end)
                channel_step(a, &c, &r, &x, r.h, is_new);
        }
    }
    if (state)
        put_rows(r.h, r.v_ld, a->K, a->V, state, 0, a->V, TS_DTYPE_F32);
    clear_rows(a, b, head, length);
}
