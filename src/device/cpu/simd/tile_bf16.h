/* The words that tile products multiply, when a word is two bf16 (see tile_f32.h). After
 * tile_avx512.h. Sums are fp32; vdpbf16ps takes subnormals as 0. */
enum { UNIT = 2 };
typedef __m512bh vu;

static inline vu u_load(const uint32_t *p) { return (vu)_mm512_loadu_si512(p); }
static inline vu u_set(const uint32_t *p) { return (vu)_mm512_set1_epi32((int)*p); }
static inline vf u_dot(vf sum, vu a, vu b) { return _mm512_dpbf16_ps(sum, a, b); }

static inline void u_put_row2(uint32_t *dst, vf a, vf b)
{
    _mm512_storeu_si512(dst, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}
static inline void u_put_row(uint32_t *dst, vf a)
{
    _mm256_storeu_si256((__m256i *)(void *)dst, (__m256i)_mm512_cvtneps_pbh(a));
}

/* 0, 16, 1, 17, ...: interleaves the halves of a register. */
static inline __m512i u_zip(__m512i halves)
{
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i high = _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(16)), 16);
    return _mm512_permutexvar_epi16(_mm512_or_si512(low, high), halves);
}

static inline void u_put_pair(uint32_t *dst, int64_t ld, vf a, vf b)
{
    (void)ld;
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    _mm512_storeu_si512(dst, u_zip(both));
}

static inline __m512i u_get(const void *src, int64_t i, int64_t n)
{
    const __mmask32 m = n >= 32 ? 0xFFFFFFFFu : n <= 0 ? 0 : (1u << n) - 1;
    return _mm512_maskz_loadu_epi16(m, (const uint16_t *)src + i);
}

static inline void u_pack_row(uint32_t *dst, int64_t words, const void *src, int64_t n, ts_dtype t)
{
    (void)t;
    int64_t c = 0;
    for (; 2 * (c + V) <= n; c += V)
        _mm512_storeu_si512(dst + c, _mm512_loadu_si512((const uint16_t *)src + 2 * c));
    for (; c < words; c += V)
        _mm512_storeu_si512(dst + c,
                            n > 2 * c ? u_get(src, 2 * c, n - 2 * c) : _mm512_setzero_si512());
}

static inline void u_pack_pair(uint32_t *dst, int64_t dp, const void *a, const void *b, int64_t n,
                               ts_dtype t)
{
    (void)t;
    int64_t c = 0;
    for (; b && c + V <= n; c += V) {
        const __m256i x =
            _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)a + c));
        const __m256i y =
            _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)b + c));
        _mm512_storeu_si512(dst + c, u_zip(_mm512_inserti64x4(_mm512_castsi256_si512(x), y, 1)));
    }
    for (; c < dp; c += V) {
        const __m512i x = u_get(a, c, n - c < V ? n - c : V);
        const __m512i y = b ? u_get(b, c, n - c < V ? n - c : V) : _mm512_setzero_si512();
        const __m512i both = _mm512_inserti64x4(x, _mm512_castsi512_si256(y), 1);
        _mm512_storeu_si512(dst + c, u_zip(both));
    }
}

static inline vu u_row_at(const void *row, int64_t w, int64_t n, ts_dtype t)
{
    (void)t;
    return (vu)u_get(row, 2 * w, n - 2 * w);
}

static inline void u_pair_at(const void *a, const void *b, int64_t c, int64_t n, ts_dtype t,
                             vu out[2])
{
    (void)t;
    const __m512i x = u_get(a, c, n - c), y = u_get(b, c, n - c);
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i index =
        _mm512_or_si512(low, _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(32)), 16));
    out[0] = (vu)_mm512_permutex2var_epi16(x, index, y);
    out[1] =
        (vu)_mm512_permutex2var_epi16(x, _mm512_add_epi32(index, _mm512_set1_epi32(0x100010)), y);
}

/* Degree 4 is enough for what is rounded to bf16: relative error 2.6e-6 beside 2^-8. */
static inline vf p_exp2(vf x)
{
    vf n, f;
    v_split(x, &n, &f);
    vf p = v_fma(v_set(0x1.3997d6p-7f), f, v_set(0x1.ca1440p-5f));
    p = v_fma(p, f, v_set(0x1.ec06dap-3f));
    p = v_fma(p, f, v_set(0x1.62e0dcp-1f));
    p = v_fma(p, f, v_set(0x1.ffffe8p-1f));
    return v_times_2n(p, n);
}
