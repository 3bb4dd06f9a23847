/* AMX: eight tiles of 16 rows of 64 bytes, and the products of two of them added to a third. Tiles
 * are named by literal numbers, as the instructions want them.
 *
 *   amx_begin()             all tiles whole, undefined content; before anything else on a thread
 *   amx_end()               gives them back, so that the next switch of threads does not save them
 *   amx_zero(c)
 *   amx_load(t, p, stride)  row r from p + r * stride bytes
 *   amx_store(t, p, stride)
 *   amx_dot_bf16(c, a, b)   c [16][16] floats += a [16][16] pairs x b [16][16] pairs
 *   amx_dot_u8i8(c, a, b)   c [16][16] int32 += a [16][16] fours of unsigned x b of signed bytes
 *
 * The instructions are written out: gcc 12's intrinsics do not say that they read memory. The other
 * body, emulation, is what Intel's manual says they do; a check compiles the kernels with it, so
 * that they are tested where there is no AMX. */
#ifndef TS_DEVICE_CPU_GEMM_AMX_H
#define TS_DEVICE_CPU_GEMM_AMX_H
#include <stdint.h>

enum { AMX_ROWS = 16, AMX_BYTES = 64 };

/* The operand of ldtilecfg. */
typedef struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row, by tile */
    uint8_t rows[16];
} amx_config;
_Static_assert(sizeof(amx_config) == 64, "one line");

static inline amx_config amx_whole_tiles(void)
{
    amx_config c = { .palette = 1 };
    for (int t = 0; t < 8; t++)
        c.bytes[t] = AMX_BYTES, c.rows[t] = AMX_ROWS;
    return c;
}

#ifndef TS_AMX_EMULATED
static inline void amx_begin(void)
{
    const amx_config c = amx_whole_tiles();
    __asm__ volatile("ldtilecfg %0" : : "m"(c));
}
static inline void amx_end(void) { __asm__ volatile("tilerelease" : : : "memory"); }

#define AMX_TEXT(t) #t
#define AMX_TILE(t) "%%tmm" AMX_TEXT(t)
#define amx_zero(c) __asm__ volatile("tilezero " AMX_TILE(c) : : :)
#define amx_load(t, p, stride)                                                                     \
    __asm__ volatile("tileloadd (%0,%1,1), " AMX_TILE(t) : : "r"(p), "r"((int64_t)(stride))        \
                     : "memory")
#define amx_store(t, p, stride)                                                                    \
    __asm__ volatile("tilestored " AMX_TILE(t) ", (%0,%1,1)" : : "r"(p), "r"((int64_t)(stride))    \
                     : "memory")
#define AMX_DOT(name, c, a, b)                                                                     \
    __asm__ volatile(name " " AMX_TILE(b) ", " AMX_TILE(a) ", " AMX_TILE(c) : : :)
#define amx_dot_bf16(c, a, b) AMX_DOT("tdpbf16ps", c, a, b)
#define amx_dot_u8i8(c, a, b) AMX_DOT("tdpbusd", c, a, b)
#else
#include "amx_emulated.h"
#endif
#endif
