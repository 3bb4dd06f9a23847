#define TS_ISA avx512
#include "device/cpu/simd/f32_avx512.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/selective_body.h"
