/* Gradients of the weights of the norm of queries and keys, part of rope_body.h, in whose words. No include guard.
 * dw[c] += sum over rows (and heads that share w) of dz * h, rows in order. */

/* Which columns of a head, and which heads add to them. */
typedef struct span {
    int64_t begin, end, first_head, last_head;
    float *dw; /* of column 0 */
} span;

/* Columns c to c + n - 1, all rotated with the partner at c + shift, or not rotated (shift 0). */
INLINE void dw_vector(const ts_rope_args *a, const part *p, const span *s, int64_t c, int64_t n,
                      int64_t shift, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    vf sum = v_set(0);
    for (int64_t row = 0; row < a->rows; row++)
        for (int64_t k = s->first_head; k < s->last_head; k++) {
            const head h = bwd_prepare(a, p, row, k, true);
            vf dz = v_load_as(a->dy, h.at + c, n, t);
            if (shift) {
                const int64_t i = shift > 0 ? c : c - half;
                const vf other =
                    v_mul(v_load_as(a->dy, h.at + c + shift, n, t), v_load(h.sn + i, n));
                const vf mine = v_mul(dz, v_load(h.cs + i, n));
                dz = shift > 0 ? v_add(mine, other) : v_sub(mine, other);
            }
            sum = v_fma(dz, v_mul(v_load_as(a->x, h.at + c, n, t), h.rstd), sum);
        }
    v_store(s->dw + c, n, v_add(v_load(s->dw + c, n), sum));
}

/* n pairs of neighbours from column c on. */
INLINE void dw_neighbours(const ts_rope_args *a, const part *p, const span *s, int64_t c, int64_t n,
                          ts_dtype t)
{
    const int64_t i = c / 2;
    pair sum = { v_set(0), v_set(0) };
    for (int64_t row = 0; row < a->rows; row++)
        for (int64_t k = s->first_head; k < s->last_head; k++) {
            const head h = bwd_prepare(a, p, row, k, true);
            const pair dz = back_pair(a, &h, i, n, true, t),
                       x = load_pair(a->x, h.at, 0, i, n, true, t);
            sum.a = v_fma(dz.a, v_mul(x.a, h.rstd), sum.a);
            sum.b = v_fma(dz.b, v_mul(x.b, h.rstd), sum.b);
        }
    const pair old = load_pair(s->dw, 0, 0, i, n, true, TS_DTYPE_F32);
    sum = (pair){ v_add(old.a, sum.a), v_add(old.b, sum.b) };
    store_pair(s->dw, 0, 0, i, n, true, TS_DTYPE_F32, sum);
}

INLINE int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

INLINE void dw_span(const ts_rope_args *a, const part *p, span s, bool inter, ts_dtype t)
{
    const int64_t half = a->rot_dim / 2;
    const int64_t stop[3] = { half, a->rot_dim, a->head_dim }, shift[3] = { half, -half, 0 };
    int64_t c = s.begin;
    if (inter)
        for (int64_t end = lesser(s.end, a->rot_dim), n; c < end; c += 2 * n) {
            n = lesser((end - c) / 2, V);
            dw_neighbours(a, p, &s, c, n, t);
        }
    for (int k = inter ? 2 : 0; k < 3; k++)
        for (int64_t end = lesser(s.end, stop[k]), n; c < end; c += n) {
            n = lesser(end - c, V);
            dw_vector(a, p, &s, c, n, shift[k], t);
        }
}

/* Columns [begin, end) of one part's weights: of all heads together, or of each its own. */
INLINE void dw_part(const ts_rope_args *a, const part *p, int64_t begin, int64_t end, bool inter,
                    ts_dtype t)
{
    const int64_t D = a->head_dim, sharers = are_apart(a) ? 1 : p->heads;
    for (int64_t k = begin / D; p->dw && k * D < end; k++) {
        const int64_t from = begin > k * D ? begin - k * D : 0, to = lesser(end - k * D, D);
        dw_span(a, p, (span){ from, to, k, k + sharers, p->dw + k * D }, inter, t);
    }
}

INLINE void dw_cols(const ts_rope_args *a, int64_t begin, int64_t end, bool inter, ts_dtype t)
{
    const part parts[2] = { query_part(a), key_part(a) };
    const int64_t mine = are_apart(a) ? a->n_q * a->head_dim : a->head_dim;
    for (int i = 0; i < 2; i++) {
        const int64_t from = begin > i * mine ? begin - i * mine : 0,
                      to = i ? end - mine : lesser(end, mine);
        if (from < to)
            dw_part(a, &parts[i], from, to, inter, t);
    }
}
