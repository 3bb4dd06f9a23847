/* The CPU device's memory: one stretch of addresses, reserved at open and touched from below, so
 * that what a step gave back the next step takes again without a page fault. Best fit, neighbours
 * joined. */
#ifndef TS_DEVICE_CPU_HEAP_H
#define TS_DEVICE_CPU_HEAP_H
#include "base/numa.h"

typedef struct ts_cpu_heap ts_cpu_heap;
ts_status ts_cpu_heap_create(ts_cpu_heap **out) TS_NODISCARD;
void ts_cpu_heap_destroy(ts_cpu_heap **heap);
/* Before the first allocation: pages will come from the nodes of `threads` in turn. */
void ts_cpu_heap_interleave(ts_cpu_heap *h, const ts_numa *n, int threads);
/* 64-aligned bytes, content undefined. */
ts_status ts_cpu_heap_alloc(ts_cpu_heap *h, size_t bytes, void **out) TS_NODISCARD;
void ts_cpu_heap_free(ts_cpu_heap *h, void *p);
#endif
