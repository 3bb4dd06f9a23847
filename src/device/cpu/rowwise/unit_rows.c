#define TS_ISA ref
#include "device/cpu/simd/f32_ref.h"
#include "device/cpu/rowwise/unit_rows_body.h"

void ts_cpu_init_unit_rows(ts_cpu *c) { TS_ROWWISE_CHOOSE(c, unit_rows); }
