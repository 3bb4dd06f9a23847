/* The functions of simd/f32_math.h and v_exp over arrays, one instance an instruction set. */
#ifndef TS_TESTS_CHECK_MATH_H
#define TS_TESTS_CHECK_MATH_H
#include <stdint.h>

typedef struct check_math_table {
    void (*exp)(const float *x, float *y, int64_t n);
    void (*tanh)(const float *x, float *y, int64_t n);
    void (*sigmoid)(const float *x, float *y, int64_t n);
    void (*phi)(const float *x, float *y, int64_t n);
    void (*density)(const float *x, float *y, int64_t n);
} check_math_table;

void check_math_init_ref(check_math_table *t);
void check_math_init_avx2(check_math_table *t);
void check_math_init_avx512(check_math_table *t);
#endif
