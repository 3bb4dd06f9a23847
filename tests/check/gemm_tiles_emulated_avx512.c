/* The kernels of AMX on its emulation. */
#define TS_AMX_EMULATED
#define ts_gemm_kernels_init_amx ts_gemm_kernels_init_amx_emulated
#include "device/cpu/gemm/gemm_amx.c"
