/* Attention forward, compiled once per instruction set. After attn_tile_body.h. No include
 * guard. */

typedef struct fwd_work {
    const ts_attn_args *a;
    const ts_attn_shape *s;
    const ts_attn_block *k;
    row_facts *f;
    uint32_t *q;           /* [rows][words] */
    uint32_t *kt;          /* [words][tile]: keys of the tile, transposed */
    uint32_t *v;           /* [tile / UNIT][dp], pair form */
    uint32_t *pack;        /* [V][words], while packing */
    float *score;          /* [MR][tile] */
    uint32_t *p;           /* [MR][tile / UNIT], row form */
    float *sum;            /* [rows][V]: sum of p, lane by lane */
    float *o;              /* [rows][dp], unscaled */
    uint8_t *keep;         /* [TS_ATTN_TILE / 8] */
    int64_t words, d_words; /* words of a row: as stored, as multiplied */
    float log2_scale;      /* logit (in `score`) to logit * log2 e */
    bool plain;
    const ts_attn_args *keys; /* where keys and values stand as numbers: `a`, or `opened` of a tile that was codes */
    ts_attn_args opened;
    int64_t key0;          /* the first of them */
    void *k_numbers, *v_numbers;
    int64_t turned;        /* score_turned: rows out to vectors; 0: keys are transposed instead */
} fwd_work;

static fwd_work fwd_begin(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                          char *scratch)
{
    const char *begin = scratch;
    fwd_work w = { .a = a, .keys = a, .s = s, .k = k, .words = round_up(dim_words(a), V), .d_words = dim_words(a),
                   .plain = is_plain(a) };
    w.log2_scale = w.plain ? a->scale * LOG2E : LOG2E;
    w.f = carve(&scratch, (int64_t)sizeof *w.f / 4);
    w.q = carve(&scratch, s->rows * w.words);
    w.kt = carve(&scratch, s->tile * w.words);
    w.v = carve(&scratch, s->tile / UNIT * s->dp);
    w.pack = carve(&scratch, V * w.words);
    w.score = carve(&scratch, MR * s->tile);
    w.p = carve(&scratch, MR * s->tile / UNIT);
    w.sum = carve(&scratch, s->rows * V);
    w.o = carve(&scratch, s->rows * s->dp);
    w.keep = carve(&scratch, TS_ATTN_TILE / 32);
    if (a->code != TS_KV_PLAIN) {
        w.k_numbers = carve(&scratch, s->tile * s->dp);
        w.v_numbers = a->k == a->v ? w.k_numbers : carve(&scratch, s->tile * s->dp);
    }
    TS_ASSERT(scratch - begin <= TS_ATTN_SCRATCH, "attention's scratch is too small");
    return w;
}

/* The type of numbers that codes become: that of a word, or of half a one. */
static const ts_dtype opened_type = UNIT == 1 ? TS_DTYPE_F32 : TS_DTYPE_BF16;

/* A vector of codes as numbers from element `at` of out on. */
static void open_vector(const ts_attn_args *a, const void *vector, void *out, int64_t at)
{
    const bool whole = a->code == TS_KV_INT8;
    for (int64_t g = 0; g < ts_kv_groups(a->head_dim); g++) {
        const int64_t begin = g * TS_KV_GROUP, n = min64(a->head_dim - begin, TS_KV_GROUP);
        const uint8_t *codes = ts_kv_group_codes(vector, a->head_dim, g);
        const vf scale = v_set(ts_kv_scale(vector, g));
        for (int64_t c = 0; c < n; c += V) {
            uint8_t last[V] = { 0 };
            if (n - c < V)
                memcpy(last, codes + c, (size_t)(n - c));
            const uint8_t *p = n - c < V ? last : codes + c;
            v_put(out, at + begin + c, n - c, opened_type, v_mul(scale, whole ? v_from_i8(p) : v_from_e4m3(p)));
        }
    }
}

/* The n keys and values from j0 on, which from then on stand one behind another as numbers. */
static void open_tile(fwd_work *w, int64_t j0, int64_t n)
{
    const ts_attn_args *a = w->a;
    for (int64_t j = 0; j < n; j++) {
        const int64_t from = ts_attn_key_row(a, w->k->b, j0 + j) * a->kv_row + w->k->g * a->kv_group;
        open_vector(a, (const char *)a->k + from, w->k_numbers, j * a->head_dim);
        if (w->v_numbers != w->k_numbers)
            open_vector(a, (const char *)a->v + from, w->v_numbers, j * a->head_dim);
    }
    w->opened = *a;
    w->opened.dtype = opened_type;
    w->opened.k = w->k_numbers, w->opened.v = w->v_numbers, w->opened.pages = NULL;
    w->opened.kv_row = a->head_dim, w->opened.kv_group = w->opened.kv_batch = 0;
    w->keys = &w->opened, w->key0 = j0;
}

/* Row i's scores become logits; columns outside [lo, hi) become so low that they turn to 0. */
static void prepare_row(const fwd_work *w, int64_t i, float *x, int64_t j0, int64_t c0, int64_t c1,
                        int64_t lo, int64_t hi)
{
    vf unused;
    if (!w->plain)
        for (int64_t c = c0; c < c1; c += V)
            v_store(x + c, logit(w->a, v_load(x + c), w->f->slope[i],
                                 w->f->pos[i] - (float)(j0 + c), &unused));
    for (int64_t c = c0; c < c1; c += V)
        if (c < lo || c + V > hi)
            v_store(x + c, v_range(lo - c, hi - c, v_load(x + c), v_set(-1e30f)));
}

/* p = 2^(x - max) in row form; returns the sum. */
static vf weigh_row(const fwd_work *w, const float *x, float max, int64_t c0, int64_t c1,
                    uint32_t *p)
{
    const vf scale = v_set(w->log2_scale), top = v_set(max);
    vf sum = v_set(0), sum2 = v_set(0);
    int64_t c = c0;
    for (; c + 2 * V <= c1; c += 2 * V) {
        const vf p0 = p_exp2(v_fms(v_load(x + c), scale, top));
        const vf p1 = p_exp2(v_fms(v_load(x + c + V), scale, top));
        sum = v_add(sum, p0), sum2 = v_add(sum2, p1);
        u_put_row2(p + c / UNIT, p0, p1);
    }
    if (c < c1) {
        const vf p0 = p_exp2(v_fms(v_load(x + c), scale, top));
        sum = v_add(sum, p0);
        u_put_row(p + c / UNIT, p0);
    }
    return v_add(sum, sum2);
}

/* The same with dropout: what is dropped stays in the sum. */
static vf weigh_row_dropping(const fwd_work *w, const float *x, float max, int64_t c0, int64_t c1,
                             uint32_t *p, uint64_t first)
{
    vf sum = v_set(0);
    keep_bits(w->a, first, c1 - c0, w->keep);
    for (int64_t c = c0; c < c1; c += V) {
        const vf one = p_exp2(v_fms(v_load(x + c), v_set(w->log2_scale), v_set(max)));
        sum = v_add(sum, one);
        u_put_row(p + c / UNIT, v_bits(w->keep + (c - c0) / 8, one));
    }
    return sum;
}

/* Scores of mr rows become p; old[m] - max[m] comes back in `fall`, by how much to shrink what
 * was. */
static void strip_softmax(const fwd_work *w, int64_t r0, int64_t mr, int64_t j0, int64_t c0,
                          int64_t c1, float fall[V])
{
    const int64_t tile = w->s->tile;
    bool sees[MR];
    float top[MR];
    for (int64_t m = 0; m < mr; m++) {
        float *x = w->score + m * tile;
        const int64_t lo = w->f->lo[r0 + m] - j0, hi = w->f->hi[r0 + m] - j0;
        sees[m] = max64(lo, c0) < min64(hi, c1);
        if (!sees[m])
            continue;
        if (!w->plain || lo > c0 || hi < c1)
            prepare_row(w, r0 + m, x, j0, c0, c1, lo, hi);
        vf max = v_load(x + c0);
        for (int64_t c = c0 + V; c < c1; c += V)
            max = v_max(max, v_load(x + c));
        top[m] = v_hmax(max) * w->log2_scale;
    }
    for (int64_t m = 0; m < mr; m++) {
        uint32_t *p = w->p + m * tile / UNIT;
        float *max = &w->f->max[r0 + m], *sum = w->sum + (r0 + m) * V;
        fall[m] = 0;
        if (!sees[m]) {
            for (int64_t c = c0; c < c1; c += V)
                u_put_row(p + c / UNIT, v_set(0));
            continue;
        }
        const float now = top[m] <= *max ? *max : top[m]; /* a NaN wins */
        fall[m] = *max > -INFINITY ? *max - now : -200;
        *max = now;
        const vf shrink = v_exp2(v_set(fall[m]));
        const float *x = w->score + m * tile;
        const vf add = w->a->dropout > 0
            ? weigh_row_dropping(w, x, now, c0, c1, p, w->f->drop[r0 + m] + (uint64_t)(j0 + c0))
            : weigh_row(w, x, now, c0, c1, p);
        v_store(sum, v_fma(v_load(sum), shrink, add));
    }
}

/* Where keys are the values too (latent decoding), rows are few and words are floats, the queries are transposed,
 * once, and not each tile of keys: kt holds them, [words][turned], and scores come transposed to `pack`,
 * [keys][turned]. Sums are those of the other way, to the bit. */
static int64_t rows_turned(const fwd_work *w)
{
    const int64_t n = round_up(w->k->rows, V);
    const bool fits = n <= 32 && n <= w->s->tile && w->s->tile * n <= V * w->words;
    return UNIT == 1 && w->a->k == w->a->v && fits ? n : 0;
}

static void turn_queries(const fwd_work *w)
{
    const int64_t n = w->turned;
    memset(w->kt, 0, (size_t)(w->words * n) * sizeof *w->kt);
    for (int64_t i = 0; i < w->k->rows; i++)
        for (int64_t c = 0; c < w->words; c++)
            w->kt[c * n + i] = w->q[i * w->words + c];
}

static void score_turned(const fwd_work *w, int64_t keys)
{
    multiply_all((product){ .a = w->v, .a_row = w->s->dp, .a_word = 1, .b = w->kt, .b_ld = w->turned,
                            .words = w->d_words, .c = (float *)(void *)w->pack, .c_ld = w->turned },
                 keys, w->turned / V);
}

static void take_scores(const fwd_work *w, int64_t r0, int64_t mr, int64_t c0, int64_t c1)
{
    const float *x = (const float *)(const void *)w->pack;
    for (int64_t m = 0; m < mr; m++)
        for (int64_t c = c0; c < c1; c++)
            w->score[m * w->s->tile + c] = x[c * w->turned + r0 + m];
}

static void fwd_strip(const fwd_work *w, int64_t r0, int64_t mr, int64_t j0, int64_t n)
{
    const int64_t tile = w->s->tile, dp = w->s->dp;
    float shrink[V] = { 0 };
    int64_t c0, c1;
    strip_columns(w->f, r0, mr, j0, n, &c0, &c1);
    if (c0 >= c1)
        return;
    if (w->a->q_start) /* weigh_row's two sums are of even and of odd vectors: of the tile, not of the strip */
        c0 = c0 / (2 * V) * (2 * V);
    if (w->turned)
        take_scores(w, r0, mr, c0, c1);
    else
        multiply_all((product){ .a = w->q + r0 * w->words, .a_row = w->words, .a_word = 1,
                                .b = w->kt + c0, .b_ld = tile, .words = w->d_words, .c = w->score + c0,
                                .c_ld = tile },
                     mr, (c1 - c0) / V);
    strip_softmax(w, r0, mr, j0, c0, c1, shrink);
    v_store(shrink, v_exp2(v_load(shrink)));
    multiply_all((product){ .a = w->p + c0 / UNIT, .a_row = tile / UNIT, .a_word = 1,
                            .b = w->v + c0 / UNIT * dp, .b_ld = dp, .words = (c1 - c0) / UNIT,
                            .c = w->o + r0 * dp, .c_ld = dp, .beta = shrink },
                 mr, dp / V);
}

/* o / sum and lse of row i, from a maximum (times log2 e), a sum and an unscaled o; the sink joins
 * here. */
static void finish_row(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                       int64_t i, float max, float sum, const float *o)
{
    const int64_t row = k->row0 + i, dst = o_at(a, k, s->r, row), d = a->head_dim;
    float times = 0, lse = -INFINITY;
    if (!(max == -INFINITY)) {
        double all = sum, top = max, shrink = 1;
        if (a->sinks) {
            const double sink = (double)a->sinks[k->g * s->r + row % s->r] * 1.4426950408889634074;
            top = sink > top ? sink : top;
            shrink = exp2(max - top);
            all = all * shrink + exp2(sink - top);
        }
        times = (float)(shrink / all / (a->dropout > 0 ? 1 - (double)a->dropout : 1));
        lse = (float)(top * 0.69314718055994530942 + log(all));
    }
    for (int64_t c = 0; c < d; c += V)
        v_put(a->o, dst + c, d - c, a->dtype, v_mul(v_load(o + c), v_set(times)));
    if (a->lse)
        a->lse[stat_at(a, k, s->r, row)] = lse;
    if (a->top)
        a->top[stat_at(a, k, s->r, row)] = (float)(max * 0.69314718055994530942);
}
