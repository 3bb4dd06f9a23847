/* The kernel sort_rows (device/kernels/experts.h); route.c puts it into the table. */
#ifndef TS_DEVICE_CPU_ROWWISE_SORT_ROWS_H
#define TS_DEVICE_CPU_ROWWISE_SORT_ROWS_H
#include "device/cpu/kernel.h"

ts_cpu_whole_fn ts_cpu_sort_rows;
#endif
