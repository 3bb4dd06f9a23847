/* Weights in NF4, unpacked where products pack them. */
#include "base/nf4.h"

#include "device/cpu/gemm/gemm_kernels.h"

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
