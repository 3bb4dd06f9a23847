/* Products of a few rows with weights as files have them (form NT, not packed): each weight is read
 * from memory once, turned in L1 a few steps at a time, and multiplied with all rows. The sums are
 * those of the tiles, to the bit, so that a row's result does not depend on how many there are. */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_FEW_H
#define TS_DEVICE_CPU_GEMM_GEMM_FEW_H
#include "device/cpu/gemm/gemm_kernels.h"

typedef struct ts_gemm_few_kernels {
    int rows, width;
    /* One panel of `width` rows and some steps to columns of floats. Meanwhile memory is asked for
     * as many bytes from `ahead` on, in one stream: a strip's rows side by side are more streams
     * than hardware follows. */
    void (*turn)(const ts_gemm_panels *p, const char *ahead);
    /* acc [rows, width] += a [rows, steps] (lda) x panel [steps, width], in the order of steps;
     * 1..rows */
    void (*add)(const float *a, int64_t lda, const float *panel, int64_t steps, float *acc,
                int rows);
    /* Both at once, the panel never leaving registers: sums of up to `line_rows` rows, the same to the bit.
     * False: not of this panel. NULL: never. */
    bool (*line)(const ts_gemm_panels *p, const char *ahead, const float *a, int64_t lda, float *acc, int rows);
    int line_rows;
} ts_gemm_few_kernels;

void ts_gemm_few_kernels_init_avx2(ts_gemm_few_kernels *k);
void ts_gemm_few_kernels_init_avx512(ts_gemm_few_kernels *k);

/* False: the product is not of this kind. `kern`: the tiles' kernels for the operands' type. */
bool ts_gemm_few(ts_cpu *cpu, const ts_gemm_args *g, const ts_gemm_kernels *kern);
#endif
