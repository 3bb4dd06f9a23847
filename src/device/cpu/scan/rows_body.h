/* Rows of a tensor in a kernel's scratch, in fp32, where they lie a multiple of PAD floats apart. No include guard. */
#include "device/cpu/simd/row.h"

enum { PAD = 16 };

/* Rows of n elements of type t, `row` apart, as floats; pads are 0. */
INLINE void take_rows(const void *x, int64_t at, int64_t row, int64_t rows, int64_t n, float *y, int64_t ldy,
                      ts_dtype t)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < ldy; c += V)
            v_store(y + r * ldy + c, V, c < n ? v_load_as(x, at + r * row + c, n - c, t) : v_set(0));
}

INLINE void put_rows(const float *x, int64_t ldx, int64_t rows, int64_t n, void *y, int64_t at, int64_t row,
                     ts_dtype t)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < n; c += V)
            v_store_as(y, at + r * row + c, n - c, t, v_load(x + r * ldx + c, V));
}
