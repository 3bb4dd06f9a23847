#define TS_ISA ref
#include "device/cpu/simd/f32_ref.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/ssd_fwd_body.h"

#include "device/cpu/scan/ssd_bwd_body.h"
