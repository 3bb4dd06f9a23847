/* The kernel of AMX on its emulation. */
#define TS_AMX_EMULATED
#define ts_i8_kernels_init_amx ts_i8_kernels_init_amx_emulated
#include "device/cpu/gemm/gemm_i8_amx.c"
