/* Weights in NF4, unpacked where products pack them. */
#include "base/nf4.h"

#include "device/cpu/gemm/nf4.h"

enum { ALONG_STEPS = 512, ACROSS_X = 1152, ACROSS_STEPS = 32 };
_Static_assert(TS_GEMM_PACK_X * ALONG_STEPS * 4 <= TS_NF4_UNPACKED && ACROSS_X * ACROSS_STEPS * 4 <= TS_NF4_UNPACKED, "unpacked");

void ts_nf4_look_up_ref(const uint8_t *code, int64_t first, int64_t n, const float value[16], void *to)
{
    float *out = to;
    for (int64_t c = first; c < first + n; c++)
        *out++ = value[c % 2 ? code[c / 2] & 15 : code[c / 2] >> 4];
}

/* The sixteen values of the block that column c of row r is in. */
static void values_of(const ts_nf4_part *p, int64_t r, int64_t c, float value[TS_NF4_LEVELS])
{
    const ts_nf4 *w = p->w;
    const int64_t at = w->at[r], a = at + c;
    const ts_nf4_group *nest = &w->nest[a / TS_NF4_NEST];
    const uint8_t most = w->most[r * w->blocks + a / TS_NF4_BLOCK - at / TS_NF4_BLOCK];
    ts_nf4_values(ts_nf4_levels, ts_nf4_most_of(ts_nf4_nested_levels[most], nest->most, nest->offset), w->type, value);
    if (p->type == w->type || p->type == TS_DTYPE_F32)
        return;
    for (int i = 0; i < TS_NF4_LEVELS; i++)
        value[i] = p->type == TS_DTYPE_BF16 ? ts_bf16_to_f32(ts_f32_to_bf16(value[i]))
                                            : ts_f16_to_f32(ts_f32_to_f16(value[i]));
}

void ts_nf4_unpack(const ts_nf4_part *p, ts_nf4_look_up_fn *look_up, ts_dtype to_type, void *to, int64_t ld)
{
    const ts_nf4 *w = p->w;
    const int64_t size = (int64_t)ts_dtype_size(to_type), end = p->col + p->cols;
    float value[TS_NF4_LEVELS];
    for (int64_t i = 0; i < p->rows; i++) {
        const int64_t r = p->row + i;
        const uint8_t *code = w->code + r * ((w->cols + 1) / 2);
        char *row = (char *)to + i * ld * size;
        for (int64_t c = p->col, stop; c < end; c = stop) {
            stop = min64(end, c + TS_NF4_BLOCK - (w->at[r] + c) % TS_NF4_BLOCK);
            values_of(p, r, c, value);
            look_up(code, c, stop - c, value, row + (c - p->col) * size);
        }
    }
}

/* The rest of a packing from x and step s on. */
static ts_gemm_panels from_here(const ts_gemm_panels *p, int64_t x, int64_t s)
{
    const int64_t k = s * (p->pairs ? 2 : 1);
    ts_gemm_panels q = *p;
    q.dst += (x / p->width * p->steps + s) * p->width * 4;
    q.n_x -= x, q.n_k -= k;
    q.row += p->k_major ? k : x, q.col += p->k_major ? x : k;
    return q;
}

static void pack_parts(const ts_gemm_kernels *kern, ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t n_x, int64_t steps,
                     char *unpacked)
{
    const int64_t most_x = p->k_major ? ACROSS_X : TS_GEMM_PACK_X, most_s = p->k_major ? ACROSS_STEPS : ALONG_STEPS;
    for (int64_t x = 0; x < n_x; x += most_x)
        for (int64_t s = 0; s < steps; s += most_s) {
            ts_gemm_panels q = from_here(p, x, s);
            const int64_t xs = min64(most_x, n_x - x), ks = min64(min64(most_s, steps - s) * (p->pairs ? 2 : 1), q.n_k);
            const ts_nf4_part part = { .w = p->nf4, .row = q.row, .rows = p->k_major ? ks : xs, .col = q.col,
                                       .cols = p->k_major ? xs : ks, .type = p->nf4_type };
            q.src = unpacked, q.ld = part.cols;
            q.n_x = xs, q.n_k = ks;
            ts_nf4_unpack(&part, kern->look_up, p->src_dtype, unpacked, q.ld);
            pack(&q, 0, xs, 0, min64(most_s, steps - s));
        }
}

void ts_nf4_pack(const ts_gemm_kernels *kern, ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t x0, int64_t x1,
                 int64_t s0, int64_t s1, char *unpacked)
{
    const ts_gemm_panels q = from_here(p, x0, s0);
    pack_parts(kern, pack, &q, x1 - x0, s1 - s0, unpacked);
}
