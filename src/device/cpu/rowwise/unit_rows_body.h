/* Rows of length one, written once and compiled once per instruction set. No include guard. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

INLINE void scales_of(const ts_unit_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++) {
        vf sum = v_set(0);
        for (int64_t c = 0; c < a->cols; c += V) {
            const vf w = v_load_as(a->w, r * a->cols + c, min64(V, a->cols - c), t);
            sum = v_fma(w, w, sum);
        }
        const double length = sqrt((double)v_sum(sum)), floor = (double)TS_UNIT_FLOOR;
        a->scale[r] = (float)(1 / (length > floor ? length : floor));
    }
}

static void unit_scales(const void *args, int64_t begin, int64_t end)
{
    const ts_unit_args *a = args;
    V_BY_DTYPE(a->w_dtype, scales_of, a, begin, end)
}

INLINE void times_rows(const ts_unit_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i++)
        for (int64_t r = 0; r < a->rows; r += V) {
            const int64_t n = min64(V, a->rows - r), at = i * a->ld + r;
            v_store_as(a->y, at, n, t, v_mul(v_load_as(a->x, at, n, t), v_load(a->scale + r, n)));
        }
}

static void unit_times(const void *args, int64_t begin, int64_t end)
{
    const ts_unit_args *a = args;
    V_BY_DTYPE(a->dtype, times_rows, a, begin, end)
}

INLINE void across(const ts_unit_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++) {
        float *g = a->g + r * a->cols;
        vf dot = v_set(0);
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = min64(V, a->cols - c);
            dot = v_fma(v_load_as(a->w, r * a->cols + c, n, t), v_load(g + c, n), dot);
        }
        if (a->y)
            ((float *)a->y)[r] = (float)v_sum(dot);
        if (a->y || a->scale[r] >= 1 / TS_UNIT_FLOOR) /* shorter rows are only multiplied with a number */
            continue;
        const vs since = v_sum(dot) - (a->x ? (vs)((const float *)a->x)[r] : 0);
        const vf along = v_set(since * (vs)a->scale[r] * (vs)a->scale[r]);
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = min64(V, a->cols - c);
            v_store(g + c, n, v_fnma(v_load_as(a->w, r * a->cols + c, n, t), along, v_load(g + c, n)));
        }
    }
}

static void unit_across(const void *args, int64_t begin, int64_t end)
{
    const ts_unit_args *a = args;
    V_BY_DTYPE(a->w_dtype, across, a, begin, end)
}

void TS_ISA_NAME(ts_unit_rows_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_unit_scales] = TS_ROWWISE_ROW(unit_scales, 0);
    table[TS_KERNEL_unit_times] = TS_ROWWISE_ROW(unit_times, 0);
    table[TS_KERNEL_unit_across] = TS_ROWWISE_ROW(unit_across, 0);
}
