/* Scratch memory of a CPU, booked when the device is opened and the same on `sim`: what a kernel
 * needs beyond it, it does without. */
#ifndef TS_DEVICE_WORKSPACE_H
#define TS_DEVICE_WORKSPACE_H
#include <stdint.h>

enum {
    TS_CPU_SHARED_SCRATCH = 24 << 20, /* one, for a whole kernel's packed operand */
    TS_CPU_THREAD_SCRATCH = 3 << 20,  /* one a thread */
};

/* What a device with this many threads books. */
static inline int64_t ts_cpu_workspace_bytes(int threads)
{
    return TS_CPU_SHARED_SCRATCH + (int64_t)threads * TS_CPU_THREAD_SCRATCH;
}
#endif
