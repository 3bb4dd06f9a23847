/* Memory nodes (NUMA): which of them threads run on and memory lies in. */
#ifndef TS_DEVICE_CPU_PLACE_H
#define TS_DEVICE_CPU_PLACE_H
#include "device/cpu/kernel.h"

/* Where the process's CPUs belong to several memory nodes (NUMA): binds the pool's threads to them,
 * and spreads the heap and the shared scratch over them. `root`: as in ts_numa_read. */
void ts_cpu_place(ts_cpu *c, const char *root);
#endif
