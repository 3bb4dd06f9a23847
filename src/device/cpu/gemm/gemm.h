/* What this folder does for the CPU device: matrix products of every kind. How it does it is in
 * gemm_kernels.h (floats and bf16), gemm_few.h, gemm_i8.h and quant.h. */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_H
#define TS_DEVICE_CPU_GEMM_GEMM_H
#include "device/cpu/kernel.h"

/* Each fills its rows of the table for the instruction sets in c->isa. */
void ts_cpu_init_gemm(ts_cpu *c);
void ts_cpu_init_gemm_groups(ts_cpu *c);
void ts_cpu_init_gemm_i8(ts_cpu *c);
void ts_cpu_init_quant(ts_cpu *c);
void ts_cpu_init_step_pack(ts_cpu *c);

/* Multiplies a little with AMX and without, where it is in c->isa; takes it out, and says so, when
 * the results are not the same. After ts_cpu_init_gemm and _gemm_i8, which are then due again. */
ts_status ts_cpu_try_amx(ts_cpu *c) TS_NODISCARD;
#endif
