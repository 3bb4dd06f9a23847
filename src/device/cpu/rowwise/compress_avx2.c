#define TS_ISA avx2
#include "device/cpu/simd/f32_avx2.h"
#include "device/cpu/rowwise/compress_body.h"
