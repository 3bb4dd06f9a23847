/* The words that tile products multiply, when a word is one float. After tile_<isa>.h.
 *
 *   row form    [row][words]       along the head, or along keys: the operand that is broadcast
 *   pair form   [row / UNIT][dp]   UNIT rows in each word: the operand that is loaded */
enum { UNIT = 1 };
typedef vf vu;

static inline vu u_load(const uint32_t *p) { return v_load((const float *)(const void *)p); }
static inline vu u_set(const uint32_t *p) { return v_set(*(const float *)(const void *)p); }
static inline vf u_dot(vf sum, vu a, vu b) { return v_fma(a, b, sum); }

/* Two vectors, or one, of a row in row form. */
static inline void u_put_row2(uint32_t *dst, vf a, vf b)
{
    v_store((float *)(void *)dst, a);
    v_store((float *)(void *)dst + V, b);
}
static inline void u_put_row(uint32_t *dst, vf a) { v_store((float *)(void *)dst, a); }

/* Rows 2i and 2i + 1 in pair form; ld: words from one row of words to the next. */
static inline void u_put_pair(uint32_t *dst, int64_t ld, vf a, vf b)
{
    v_store((float *)(void *)dst, a);
    v_store((float *)(void *)(dst + ld), b);
}

/* n elements of type t to `words` words (a multiple of V), the rest 0. */
static inline void u_pack_row(uint32_t *dst, int64_t words, const void *src, int64_t n, ts_dtype t)
{
    for (int64_t c = 0; c < words; c += V)
        v_store((float *)(void *)(dst + c), n > c ? v_get(src, c, n - c, t) : v_set(0));
}

/* Two rows of n elements (b may be NULL: 0) to pair form of width dp. */
static inline void u_pack_pair(uint32_t *dst, int64_t dp, const void *a, const void *b, int64_t n,
                               ts_dtype t)
{
    u_pack_row(dst, dp, a, n, t);
    u_pack_row(dst + dp, dp, b, b ? n : 0, t);
}

/* Words w..w+V-1 of a row of n elements, where it stands. */
static inline vu u_row_at(const void *row, int64_t w, int64_t n, ts_dtype t)
{
    return v_get(row, w, n - w, t);
}

/* Words c..c+2V-1 of the pair form of one key's row (UNIT 2: of two), where it stands. */
static inline void u_pair_at(const void *a, const void *b, int64_t c, int64_t n, ts_dtype t,
                             vu out[2])
{
    (void)b;
    out[0] = v_get(a, c, n - c, t);
    out[1] = n > c + V ? v_get(a, c + V, n - c - V, t) : v_set(0);
}

/* 2^x of probabilities. */
static inline vf p_exp2(vf x) { return v_exp2(x); }
