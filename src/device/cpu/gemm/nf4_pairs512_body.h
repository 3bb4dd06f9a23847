/* Values of NF4 as bf16, 32 at a time: for kernels whose units are pairs. They are bf16 already. */
static void look_up(const uint8_t *code, int64_t first, int64_t n, const float value[16], void *to)
{
    uint16_t half[32] = { 0 }, *out = to;
    for (int i = 0; i < 16; i++) {
        uint32_t u;
        memcpy(&u, value + i, sizeof u);
        half[i] = (uint16_t)(u >> 16);
    }
    const __m512i all = _mm512_loadu_si512(half), low = _mm512_set1_epi32(15);
    int64_t i = first % 2 ? n : 0;
    for (; i + 32 <= n; i += 32) { /* a byte's two codes to the two halves of 32 bits */
        const __m512i c = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(code + (first + i) / 2)));
        const __m512i both = _mm512_or_si512(_mm512_srli_epi32(c, 4), _mm512_slli_epi32(_mm512_and_si512(c, low), 16));
        _mm512_storeu_si512(out + i, _mm512_permutexvar_epi16(both, all));
    }
    for (i = first % 2 ? 0 : i; i < n; i++)
        out[i] = half[(first + i) % 2 ? code[(first + i) / 2] & 15 : code[(first + i) / 2] >> 4];
}
