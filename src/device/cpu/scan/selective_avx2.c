#define TS_ISA avx2
#include "device/cpu/simd/f32_avx2.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/selective_body.h"
