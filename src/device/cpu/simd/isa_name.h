/* What every vocabulary shares: the name of the instance, and how a body is specialised. */
#ifndef TS_DEVICE_CPU_SIMD_ISA_NAME_H
#define TS_DEVICE_CPU_SIMD_ISA_NAME_H
#include "base/dtype.h"
#include "base/rng.h"
#include "device/cpu/helpers.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TS_CAT_(a, b) a##_##b
#define TS_CAT(a, b) TS_CAT_(a, b)
#define TS_ISA_NAME(f) TS_CAT(f, TS_ISA)

/* Calls body(..., dtype) with the data type as a constant: conversions are chosen outside the
 * loops. */
#define V_BY_DTYPE(dtype, body, ...)                                \
    switch (dtype) {                                                \
    case TS_DTYPE_BF16: body(__VA_ARGS__, TS_DTYPE_BF16); break;    \
    case TS_DTYPE_F16: body(__VA_ARGS__, TS_DTYPE_F16); break;      \
    default: body(__VA_ARGS__, TS_DTYPE_F32);                       \
    }
#endif
