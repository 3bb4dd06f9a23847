/* What every command that runs a model is told: device, threads, precision. */
#ifndef TS_DEVICE_RUNTIME_H
#define TS_DEVICE_RUNTIME_H
#include "base/option.h"
#include "device/device.h"

#define TS_RUNTIME_DEVICES(W) W(TS_RUNTIME_CPU, "cpu") W(TS_RUNTIME_SIM, "sim")
typedef enum ts_runtime_device { TS_RUNTIME_DEVICES(TS_CHOICE_VALUE) } ts_runtime_device;

#define TS_RUNTIME_ISAS(W)                                                                         \
    W(TS_RUNTIME_ISA_AUTO, "auto")                                                                 \
    W(TS_RUNTIME_ISA_PORTABLE, "portable")                                                         \
    W(TS_RUNTIME_ISA_AVX2, "avx2")                                                                 \
    W(TS_RUNTIME_ISA_AVX512, "avx512")                                                             \
    W(TS_RUNTIME_ISA_AVX512_BF16, "avx512_bf16")                                                   \
    W(TS_RUNTIME_ISA_AMX, "amx")
typedef enum ts_runtime_isa {
    TS_RUNTIME_ISAS(TS_CHOICE_VALUE) TS_RUNTIME_ISA_CHOICES
} ts_runtime_isa;

#define TS_RUNTIME_NUMA(W) W(TS_RUNTIME_NUMA_AUTO, "auto") W(TS_RUNTIME_NUMA_OFF, "off")
typedef enum ts_runtime_numa { TS_RUNTIME_NUMA(TS_CHOICE_VALUE) } ts_runtime_numa;

/* What is used of what makes a run faster. */
#define TS_RUNTIME_LEVELS(W)                                                                       \
    W(TS_RUNTIME_LEVEL_ALL, "2")                                                                   \
    W(TS_RUNTIME_LEVEL_VECTORS, "1")                                                               \
    W(TS_RUNTIME_LEVEL_PORTABLE, "0")
typedef enum ts_runtime_level { TS_RUNTIME_LEVELS(TS_CHOICE_VALUE) } ts_runtime_level;

typedef struct ts_runtime_options {
    const char *load;
    int device; /* TS_RUNTIME_* */
    int64_t threads;
    double memory_limit_gb;
    bool bf16, fp16, kernel_timing;
    int optimization_level; /* TS_RUNTIME_LEVEL_* */
    int isa, numa; /* TS_RUNTIME_ISA_*, TS_RUNTIME_NUMA_* */
    int log_level; /* a ts_log_level */
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
