#define TS_ISA ref
#include "device/cpu/simd/f32_ref.h"
#include "device/cpu/rowwise/compress_body.h"

void ts_cpu_init_compress(ts_cpu *c) { TS_ROWWISE_CHOOSE(c, compress); }
