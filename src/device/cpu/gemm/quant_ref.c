/* Products with weights of few bits in plain C. */
#include "device/cpu/gemm/quant_body.h"

static void tile(const ts_quant_tile *t)
{
    for (int r = 0; r < t->rows; r++) {
        for (int64_t g = 0; g < t->groups; g++) {
            const int8_t *hi = t->a + r * t->a_row + g * 2 * TS_QUANT_GROUP,
                         *lo = hi + TS_QUANT_GROUP;
            const ts_quant_side side = t->side[r * t->side_row + g];
            const uint8_t *w = t->w + g * TS_QUANT_GROUP * TS_QUANT_PANEL;
            for (int c = 0; c < TS_QUANT_PANEL; c++) {
                int32_t sum = -side.excess;
                for (int i = 0; i < TS_QUANT_GROUP; i++)
                    sum += (hi[i] * 256 + lo[i]) * w[(i / 4 * TS_QUANT_PANEL + c) * 4 + i % 4];
                const float s = side.scale * ts_bf16_to_f32(t->scale[g * TS_QUANT_PANEL + c]);
                float *acc = &t->acc[r * TS_QUANT_PANEL + c];
                *acc = fmaf((float)sum, s, *acc);
            }
        }
    }
}

static void unpack(const uint8_t *nf4, int64_t n, uint8_t *out)
{
    enum { STEP = TS_QUANT_PANEL * 4 };
    for (int64_t i = 0; i < n * 8; i++)
        for (int b = 0; b < STEP; b++) {
            out[2 * i * STEP + b] = ts_quant_nf4[nf4[i * STEP + b] & 15];
            out[(2 * i + 1) * STEP + b] = ts_quant_nf4[nf4[i * STEP + b] >> 4];
        }
}

void ts_quant_kernels_init_ref(ts_quant_kernels *k)
{
    *k = (ts_quant_kernels){
        .name = "ref", .tile_rows = 4, .tile = tile, .unpack = unpack, .split_row = split_row,
        .put_row = put_row
    };
}
