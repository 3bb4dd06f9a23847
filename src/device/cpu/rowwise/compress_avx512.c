#define TS_ISA avx512
#include "device/cpu/simd/f32_avx512.h"
#include "device/cpu/rowwise/compress_body.h"
