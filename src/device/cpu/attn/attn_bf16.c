#define TILE_NR4
#include "device/cpu/simd/tile_avx512.h"
#include "device/cpu/simd/tile_exp.h"
#include "device/cpu/simd/tile_bf16.h"

#include "device/cpu/attn/attn_tile_body.h"

#include "device/cpu/attn/attn_fwd_body.h"

#include "device/cpu/attn/attn_few_body.h"

#include "device/cpu/attn/attn_bwd_body.h"

void ts_attn_body_init_bf16(ts_attn_body *body)
{
    *body = (ts_attn_body){ fwd, fwd_join, bwd, bwd_keys, "bf16" };
}
