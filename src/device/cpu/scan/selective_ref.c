#define TS_ISA ref
#include "device/cpu/simd/f32_ref.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/selective_body.h"
