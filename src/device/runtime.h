/* What every command that runs a model is told: device, threads, precision. */
#ifndef TS_DEVICE_RUNTIME_H
#define TS_DEVICE_RUNTIME_H
#include "base/option.h"
#include "device/device.h"

enum { TS_RUNTIME_CPU, TS_RUNTIME_SIM };

typedef struct ts_runtime_options {
    const char *load;
    int device; /* TS_RUNTIME_* */
    int64_t threads;
    double memory_limit_gb;
    bool bf16, fp16, kernel_timing;
    int isa, numa, log_level;
} ts_runtime_options;
extern const ts_option ts_runtime_option_rows[];
extern const size_t ts_runtime_option_count;

/* Refuses --bf16 with --fp16. */
ts_status ts_runtime_dtype(const ts_runtime_options *o, ts_dtype *out) TS_NODISCARD;
/* Opens the device for process `local_rank` of the `local_size` that share this host's cores. Where
 * the host has several memory nodes, may bind the calling thread to one (base/numa.h). */
ts_status ts_runtime_open(const ts_runtime_options *o, int local_rank, int local_size,
                          ts_device **out) TS_NODISCARD;
#endif
