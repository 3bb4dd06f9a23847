/* Attention backward, compiled once per instruction set. After attn_tile_body.h. No include guard.
 *
 * p = exp(s - lse); dv += p^T do; dp = do v^T; ds = p * (dp - delta); dq += ds k; dk += ds^T q.
 * scale (of dq, dk) and 1 / (1 - dropout) (of dv) are applied when the sums are written. */

enum { P_PAD = 16 }; /* words: keeps the rows of p and ds on different cache sets */

typedef struct bwd_work {
    const ts_attn_args *a;
    const ts_attn_shape *s;
    const ts_attn_block *k;
    row_facts *f;
    uint32_t *q, *dout;           /* [rows][words] */
    uint32_t *q_pair, *dout_pair; /* [rows / UNIT][dp] */
    uint32_t *kt, *vt;            /* [words][tile] */
    uint32_t *k_pair;             /* [tile / UNIT][dp] */
    uint32_t *pack;               /* [V][words] */
    float *score, *dscore;        /* [MR][tile] */
    uint32_t *ds_row;             /* [MR][tile / UNIT] */
    uint32_t *p, *ds;             /* [rows / UNIT][p_ld], pair form */
    float *dq;                    /* [rows][dp] */
    uint8_t *keep;                /* [2][TS_ATTN_TILE / 8] */
    int64_t words, d_words, p_ld;
    float log2_scale;             /* logit to logit * log2 e */
    float kept;                   /* 1 / (1 - dropout) */
    bool plain;
    int64_t c0[TS_ATTN_ROWS / MR], c1[TS_ATTN_ROWS / MR]; /* columns of each strip */
} bwd_work;

static void bwd_begin(bwd_work *w, const ts_attn_args *a, const ts_attn_shape *s,
                      const ts_attn_block *k, char *scratch)
{
    const char *begin = scratch;
    *w = (bwd_work){ .a = a, .s = s, .k = k, .words = round_up(dim_words(a), V), .d_words = dim_words(a),
                     .p_ld = s->tile + P_PAD, .plain = is_plain(a) };
    w->log2_scale = w->plain ? a->scale * LOG2E : LOG2E;
    w->kept = a->dropout > 0 ? (float)(1 / (1 - (double)a->dropout)) : 1;
    w->f = carve(&scratch, (int64_t)sizeof *w->f / 4);
    w->q = carve(&scratch, s->rows * w->words);
    w->dout = carve(&scratch, s->rows * w->words);
    w->q_pair = carve(&scratch, s->rows / UNIT * s->dp);
    w->dout_pair = carve(&scratch, s->rows / UNIT * s->dp);
    w->kt = carve(&scratch, s->tile * w->words);
    w->vt = carve(&scratch, s->tile * w->words);
    w->k_pair = carve(&scratch, s->tile / UNIT * s->dp);
    w->pack = carve(&scratch, V * w->words);
    w->score = carve(&scratch, MR * s->tile);
    w->dscore = carve(&scratch, MR * s->tile);
    w->ds_row = carve(&scratch, MR * s->tile / UNIT);
    w->p = carve(&scratch, s->rows / UNIT * w->p_ld);
    w->ds = carve(&scratch, s->rows / UNIT * w->p_ld);
    w->dq = carve(&scratch, s->rows * s->dp);
    w->keep = carve(&scratch, 2 * TS_ATTN_TILE / 32);
    TS_ASSERT(scratch - begin <= TS_ATTN_SCRATCH, "attention's scratch is too small");
}

/* sum of do * o over the head, in V sums. */
static float row_delta(const ts_attn_args *a, int64_t at_o)
{
    vf sum = v_set(0);
    for (int64_t c = 0; c < a->head_dim; c += V)
        sum = v_fma(v_get(a->dout, at_o + c, a->head_dim - c, a->dtype),
                    v_get(a->o, at_o + c, a->head_dim - c, a->dtype), sum);
    return v_hsum(sum);
}

static void bwd_load_rows(bwd_work *w, bool find_delta)
{
    const ts_attn_args *a = w->a;
    const ts_attn_block *k = w->k;
    const int64_t r = w->s->r, d = a->head_dim, dp = w->s->dp;
    for (int64_t i = 0; i < k->rows; i++) {
        const int64_t row = k->row0 + i, at_q = q_at(a, k, r, row), at_o = o_at(a, k, r, row);
        const int64_t stat = stat_at(a, k, r, row);
        u_pack_row(w->q + i * w->words, w->words, at(a->q, at_q, a->dtype), d, a->dtype);
        u_pack_row(w->dout + i * w->words, w->words, at(a->dout, at_o, a->dtype), d, a->dtype);
        if (i % 2 == 0) {
            const bool two = i + 1 < k->rows;
            const int64_t next_q = two ? q_at(a, k, r, row + 1) : 0,
                          next_o = two ? o_at(a, k, r, row + 1) : 0;
            u_pack_pair(w->q_pair + i / UNIT * dp, dp, at(a->q, at_q, a->dtype),
                        two ? at(a->q, next_q, a->dtype) : NULL, d, a->dtype);
            u_pack_pair(w->dout_pair + i / UNIT * dp, dp, at(a->dout, at_o, a->dtype),
                        two ? at(a->dout, next_o, a->dtype) : NULL, d, a->dtype);
        }
        if (find_delta)
            a->delta[stat] = row_delta(a, at_o);
        w->f->delta[i] = a->delta[stat];
        w->f->lse[i] = a->lse[stat] * LOG2E;
    }
}

/* What turns one vector of scores of a row into p and ds. */
typedef struct bwd_row {
    const float *score, *dscore;
    float lse, delta, slope, from_pos; /* from_pos: position - key of column 0 */
    int64_t lo, hi;                    /* columns seen */
    const uint8_t *keep;               /* bits from column c0 */
    int64_t c0;
} bwd_row;

INLINE void grad_at(const bwd_work *w, const bool plain, const bool masked, const bwd_row *x,
                    int64_t c, vf *p, vf *ds)
{
    vf s = v_load(x->score + c), dp = v_load(x->dscore + c), tanh_of = v_set(0);
    if (!plain)
        s = logit(w->a, s, x->slope, x->from_pos - (float)c, &tanh_of);
    vf e = p_exp2(v_fms(s, v_set(w->log2_scale), v_set(x->lse)));
    if (masked)
        e = v_range(x->lo - c, x->hi - c, e, v_set(0));
    *p = e;
    if (!plain && w->a->dropout > 0) {
        *p = v_bits(x->keep + (c - x->c0) / 8, e);
        dp = v_bits(x->keep + (c - x->c0) / 8, v_mul(dp, v_set(w->kept)));
    }
    vf g = v_mul(e, v_sub(dp, v_set(x->delta)));
    if (!plain && w->a->softcap > 0)
        g = v_mul(g, v_fnma(tanh_of, tanh_of, v_set(1)));
    *ds = g;
}

/* Two rows: p and ds in pair form at p, ds; ds in row form at row0, row1. */
INLINE void grad_pair(const bwd_work *w, const bool plain, const bool masked, const bwd_row x[2],
                      int64_t c0, int64_t c1, uint32_t *p, uint32_t *ds, uint32_t *row0,
                      uint32_t *row1)
{
    vf p0, p1, d0, d1, e0, e1;
    int64_t c = c0;
    for (; c + 2 * V <= c1; c += 2 * V) {
        grad_at(w, plain, masked, &x[0], c, &p0, &d0);
        grad_at(w, plain, masked, &x[1], c, &p1, &d1);
        u_put_pair(p + c, w->p_ld, p0, p1);
        u_put_pair(ds + c, w->p_ld, d0, d1);
        grad_at(w, plain, masked, &x[0], c + V, &p0, &e0);
        grad_at(w, plain, masked, &x[1], c + V, &p1, &e1);
        u_put_pair(p + c + V, w->p_ld, p0, p1);
        u_put_pair(ds + c + V, w->p_ld, e0, e1);
        u_put_row2(row0 + c / UNIT, d0, e0);
        u_put_row2(row1 + c / UNIT, d1, e1);
    }
    if (c < c1) {
        grad_at(w, plain, masked, &x[0], c, &p0, &d0);
        grad_at(w, plain, masked, &x[1], c, &p1, &d1);
        u_put_pair(p + c, w->p_ld, p0, p1);
        u_put_pair(ds + c, w->p_ld, d0, d1);
        u_put_row(row0 + c / UNIT, d0);
        u_put_row(row1 + c / UNIT, d1);
    }
}

static void grad_pair_full(const bwd_work *w, const bwd_row x[2], int64_t c0, int64_t c1,
                           uint32_t *p, uint32_t *ds, uint32_t *row0, uint32_t *row1)
{
    grad_pair(w, true, false, x, c0, c1, p, ds, row0, row1);
}

static void grad_pair_masked(const bwd_work *w, const bwd_row x[2], int64_t c0, int64_t c1,
                             uint32_t *p, uint32_t *ds, uint32_t *row0, uint32_t *row1)
{
    grad_pair(w, true, true, x, c0, c1, p, ds, row0, row1);
}

static void grad_pair_any(const bwd_work *w, const bwd_row x[2], int64_t c0, int64_t c1,
                          uint32_t *p, uint32_t *ds, uint32_t *row0, uint32_t *row1)
{
    grad_pair(w, false, true, x, c0, c1, p, ds, row0, row1);
}

/* Row m of the strip; past the last row, one that sees nothing. */
static bwd_row bwd_row_of(const bwd_work *w, int64_t r0, int64_t m, int64_t mr, int64_t j0,
                          int64_t c0, int64_t c1)
{
    const int64_t i = r0 + min64(m, mr - 1), tile = w->s->tile;
    bwd_row x = { .score = w->score + min64(m, mr - 1) * tile,
                  .dscore = w->dscore + min64(m, mr - 1) * tile, .lse = w->f->lse[i],
                  .delta = w->f->delta[i], .slope = w->f->slope[i],
                  .from_pos = w->f->pos[i] - (float)j0, .lo = w->f->lo[i] - j0,
                  .hi = w->f->hi[i] - j0, .keep = w->keep + m % 2 * (TS_ATTN_TILE / 8), .c0 = c0 };
    if (m >= mr || x.hi <= x.lo)
        x.lo = x.hi = 0, x.lse = 0;
    if (w->a->dropout > 0)
        keep_bits(w->a, w->f->drop[i] + (uint64_t)(j0 + c0), c1 - c0,
                  w->keep + m % 2 * (TS_ATTN_TILE / 8));
    return x;
}

/* p and ds of a strip and its part of dq. */
static void bwd_strip(bwd_work *w, int64_t r0, int64_t mr, int64_t j0, int64_t n, bool want_dq)
{
    const int64_t tile = w->s->tile, dp = w->s->dp;
    int64_t c0, c1;
    strip_columns(w->f, r0, mr, j0, n, &c0, &c1);
    w->c0[r0 / MR] = c0, w->c1[r0 / MR] = c1;
    if (c0 >= c1)
        return;
    product x = { .a = w->q + r0 * w->words, .a_row = w->words, .a_word = 1, .b = w->kt + c0,
                  .b_ld = tile, .words = w->d_words, .c = w->score + c0, .c_ld = tile };
    multiply_all(x, mr, (c1 - c0) / V);
    x.a = w->dout + r0 * w->words, x.b = w->vt + c0, x.c = w->dscore + c0;
    multiply_all(x, mr, (c1 - c0) / V);
    for (int64_t m = 0; m < mr; m += 2) {
        const bwd_row rows[2] = { bwd_row_of(w, r0, m, mr, j0, c0, c1),
                                  bwd_row_of(w, r0, m + 1, mr, j0, c0, c1) };
        const bool full =
            rows[0].lo <= c0 && rows[1].lo <= c0 && rows[0].hi >= c1 && rows[1].hi >= c1;
        (!w->plain ? grad_pair_any : full ? grad_pair_full : grad_pair_masked)(
            w, rows, c0, c1, w->p + (r0 + m) / UNIT * w->p_ld, w->ds + (r0 + m) / UNIT * w->p_ld,
            w->ds_row + m * tile / UNIT, w->ds_row + (m + 1) * tile / UNIT);
    }
    if (want_dq)
        multiply_all((product){ .a = w->ds_row + c0 / UNIT, .a_row = tile / UNIT, .a_word = 1,
                                .b = w->k_pair + c0 / UNIT * dp, .b_ld = dp,
                                .words = (c1 - c0) / UNIT, .c = w->dq + r0 * dp, .c_ld = dp,
                                .beta = ones },
                     mr, dp / V);
}

/* Columns of the tile that a strip did not come to are 0, as far as another strip makes them
 * read. */
static void clear_outside(const bwd_work *w, int64_t r0, int64_t mr, int64_t columns)
{
    const int64_t c0 = w->c0[r0 / MR], c1 = w->c1[r0 / MR];
    for (int64_t i = r0 / UNIT; i < round_up(r0 + mr, 2) / UNIT; i++) {
        uint32_t *p = w->p + i * w->p_ld, *ds = w->ds + i * w->p_ld;
        memset(p, 0, (size_t)c0 * 4);
        memset(ds, 0, (size_t)c0 * 4);
        memset(p + c1, 0, (size_t)(columns - c1) * 4);
        memset(ds + c1, 0, (size_t)(columns - c1) * 4);
    }
}

/* dv and dk of the tile's n keys, from the rows of the block that see them. */
static void bwd_keys_of_tile(const bwd_work *w, int64_t j0, int64_t n, const ts_attn_sums *sums)
{
    const int64_t rows = w->k->rows, dp = w->s->dp, strips = (rows + MR - 1) / MR;
    const int64_t panels = (dp / V + NR - 1) / NR;
    for (int64_t t = 0; t < 2 * panels; t++) {
        const int64_t pan = t / 2, v0 = dp / V * pan / panels,
                      vecs = dp / V * (pan + 1) / panels - v0;
        const bool second = t % 2;
        for (int64_t j = 0; j < n; j += MR) {
            int64_t first = 0, last = strips;
            while (first < strips && (w->c0[first] >= j + MR || w->c1[first] <= j))
                first++;
            while (last > first && (w->c0[last - 1] >= j + MR || w->c1[last - 1] <= j))
                last--;
            if (first >= last)
                continue;
            const int64_t u0 = first * MR / UNIT, u1 = round_up(min64(last * MR, rows), 2) / UNIT;
            multiply_all((product){ .a = (second ? w->ds : w->p) + u0 * w->p_ld + j, .a_row = 1,
                                    .a_word = w->p_ld,
                                    .b = (second ? w->q_pair : w->dout_pair) + u0 * dp + v0 * V,
                                    .b_ld = dp,
                                    .words = u1 - u0,
                                    .c = (second ? sums->dk : sums->dv) +
                                         (j0 - sums->key0 + j) * dp + v0 * V,
                                    .c_ld = dp,
                                    .beta = ones },
                         min64(MR, n - j), vecs);
        }
    }
}

static void bwd_tile(bwd_work *w, int64_t j0, int64_t n, const ts_attn_sums *sums, bool want_dq)
{
    const ts_attn_args *a = w->a;
    pack_transposed(a, w->s, w->k, a->k, j0, n, w->f->hi_all, w->kt, w->pack);
    pack_transposed(a, w->s, w->k, a->v, j0, n, w->f->hi_all, w->vt, w->pack);
    if (want_dq)
        pack_keys(a, w->s, w->k, a->k, j0, n, 0, w->k_pair);
    for (int64_t r0 = 0; r0 < w->k->rows; r0 += MR) {
        const int64_t mr = min64(MR, w->k->rows - r0);
        bwd_strip(w, r0, mr, j0, n, want_dq);
        if (sums)
            clear_outside(w, r0, mr, round_up(n, V));
    }
    if (sums)
        bwd_keys_of_tile(w, j0, n, sums);
}

static void bwd(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, const ts_attn_sums *sums, bool want_dq)
{
    bwd_work w;
    bwd_begin(&w, a, s, k, scratch);
    find_rows(a, s, k, w.f);
    bwd_load_rows(&w, want_dq);
    memset(w.dq, 0, (size_t)(k->rows * s->dp) * sizeof *w.dq);
    for (int64_t j0 = w.f->lo_all; j0 < w.f->hi_all; j0 += s->tile)
        bwd_tile(&w, j0, min64(s->tile, w.f->hi_all - j0), sums, want_dq);
    const vf scale = v_set(a->scale);
    for (int64_t i = 0; want_dq && i < k->rows; i++) {
        const int64_t dst = q_at(a, k, s->r, k->row0 + i);
        for (int64_t c = 0; c < a->head_dim; c += V)
            v_put(a->dq, dst + c, a->head_dim - c, a->dtype,
                  v_mul(scale, v_load(w.dq + i * s->dp + c)));
    }
}

static void bwd_keys(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     const ts_attn_sums *sums, int64_t n, int64_t stride)
{
    const vf scale = v_set(a->scale);
    const vf kept = v_set(a->dropout > 0 ? (float)(1 / (1 - (double)a->dropout)) : 1);
    for (int64_t key = k->key0; key < k->key1; key++) {
        const int64_t src = (key - sums->key0) * s->dp, dst = kv_at(a, k, key);
        for (int64_t c = 0; c < a->head_dim; c += V) {
            vf dk = v_load(sums->dk + src + c), dv = v_load(sums->dv + src + c);
            for (int64_t i = 1; i < n; i++) {
                dk = v_add(dk, v_load(sums->dk + i * stride + src + c));
                dv = v_add(dv, v_load(sums->dv + i * stride + src + c));
            }
            v_put(a->dk, dst + c, a->head_dim - c, a->dtype, v_mul(dk, scale));
            v_put(a->dv, dst + c, a->head_dim - c, a->dtype, v_mul(dv, kept));
        }
    }
}
