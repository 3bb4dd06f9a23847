/* The inside of products in 8-bit integers (kernels/gemm.h says what they compute).
 *
 * A is quantised on the way, row-major: unsigned bytes q + 128, because the instruction multiplies
 * unsigned by signed ones. B is kept packed: for each panel of `width` columns and each block of k
 *
 *   int32 begin[width]     -128 * sum of q over the block: what the offset of A adds, taken back
 *   float scale[width]
 *   int8 q[steps][width][4]  four neighbours of k in one 32-bit unit, as the instruction takes them
 *
 * Sums of a block are exact; blocks are added up in fp32, in order, each as fma(sum * scale of B,
 * scale of A, all before): the bits of a result are the same on every instruction set. */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_I8_H
#define TS_DEVICE_CPU_GEMM_GEMM_I8_H
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/packing.h"

enum { TS_I8_STEPS = TS_GEMM_I8_BLOCK / 4 }; /* units of a whole block */

/* Rows of A. */
typedef struct ts_i8_rows {
    const void *src;    /* [rows, k] */
    ts_dtype src_dtype;
    int64_t ld, k;
    uint8_t *q;         /* [rows, q_ld]; q_ld: k rounded up to a unit, behind k is anything: B has
                           zeros there */
    int64_t q_ld;
    float *scale;       /* [rows, blocks] */
    int64_t blocks;
} ts_i8_rows;

typedef struct ts_i8_tile {
    ts_gemm_tile out;   /* what becomes of the sums; of its inputs rows and cols alone count */
    const uint8_t *a;
    int64_t a_row;
    const float *a_scale; /* [rows, blocks] */
    const char *b;        /* a panel */
    int64_t blocks, last_steps;
    void *work;           /* TS_CPU_THREAD_SCRATCH bytes of the thread's own */
} ts_i8_tile;

typedef struct ts_i8_kernels {
    int rows, width;
    const char *variant;
    void (*quantise)(const ts_i8_rows *r, int64_t begin, int64_t end);
    /* One panel of B, the columns from x on. */
    void (*pack)(const ts_gemm_pack_args *p, int64_t x, char *panel);
    void (*tile)(const ts_i8_tile *t);
    void (*begin)(void), (*end)(void); /* as in ts_gemm_kernels */
} ts_i8_kernels;

void ts_i8_kernels_init_ref(ts_i8_kernels *k);
void ts_i8_kernels_init_avx2(ts_i8_kernels *k);
void ts_i8_kernels_init_vnni(ts_i8_kernels *k);
void ts_i8_kernels_init_amx(ts_i8_kernels *k); /* after vnni, whose packing it keeps */

/* Bytes of one whole block in a panel. */
static inline int64_t ts_i8_block(int64_t width) { return (2 + TS_I8_STEPS) * width * 4; }

/* The scale of a block whose largest magnitude has these bits, and what its values are multiplied
 * by. Next to nothing counts as nothing; what is not finite makes the scale so, and every result of
 * it. */
static inline float ts_i8_scale(uint32_t bits, float *by)
{
    float most;
    memcpy(&most, &bits, 4);
    *by = most > 0x1p-100f ? 127.0f / most : 0.0f;
    return most > 0x1p-100f || !(most == most) ? most / 127.0f : 0.0f;
}
#endif
