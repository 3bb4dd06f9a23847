#define TS_ISA avx512
#include "device/cpu/simd/f32_avx512.h"
#include "check_math_body.h"
