#define TS_ISA avx2
#include "device/cpu/simd/f32_avx2.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/delta_fwd_body.h"

#include "device/cpu/scan/delta_bwd_body.h"
#include "device/cpu/scan/kda_fwd_body.h"

#include "device/cpu/scan/kda_bwd_body.h"

#include "device/cpu/scan/delta_walk_body.h"
