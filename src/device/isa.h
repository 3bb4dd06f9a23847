/* Instruction sets that kernels are compiled for, as bits. */
#ifndef TS_DEVICE_ISA_H
#define TS_DEVICE_ISA_H

enum {
    TS_ISA_AVX2 = 1u << 0,   /* with FMA and F16C */
    TS_ISA_AVX512 = 1u << 1, /* F, BW, DQ, VL */
    TS_ISA_BF16 = 1u << 2,   /* AVX512_BF16 */
    TS_ISA_VNNI = 1u << 3,   /* AVX512_VNNI */
    TS_ISA_AMX = 1u << 4,    /* AMX-TILE, AMX-BF16; only beside AVX512_BF16 */
    TS_ISA_AMX_I8 = 1u << 5, /* AMX-INT8; only beside TS_ISA_AMX and AVX512_VNNI */
    TS_ISA_LAST = TS_ISA_AMX_I8,
    TS_ISA_REF = 0,
    TS_ISA_ALL = 0xFFFF,
};

/* What this CPU and its operating system have. Where there is AMX, asks the system to let this
 * process and its threads use it. */
unsigned ts_isa_detect(void);
/* "avx2 avx512 bf16", into buf of 64 bytes at least. */
const char *ts_isa_names(unsigned isa, char *buf);
#endif
