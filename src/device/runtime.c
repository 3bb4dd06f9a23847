#include "device/runtime.h"

#include "base/log.h"
#include "base/numa.h"
#include "base/thread.h"
#include "device/isa.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_runtime_options, field, name, def, lo, hi, choices, "device", help)
/* an option that decides what is computed */
#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_runtime_options, field, name, def, lo, hi, choices,      \
              "device", help)
/* what each process may have of its own */
#define OWN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_OWN, type, ts_runtime_options, field, name, def, lo, hi, choices, "device", \
              help)

#define LEVELS(W)                                                                                  \
    W(TS_LOG_DEBUG, "debug")                                                                       \
    W(TS_LOG_INFO, "info")                                                                         \
    W(TS_LOG_WARN, "warning")                                                                      \
    W(TS_LOG_ERROR, "error")
enum { LEVELS(TS_CHOICE_ORDER) };
LEVELS(TS_CHOICE_CHECK)

const ts_option ts_runtime_option_rows[] = {
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_runtime_options, load, "load", NULL, 0, 0, NULL, "device",
              "a Hugging Face folder, a GGUF file, or a folder of Tessera checkpoints"),
    ROW(CHOICE, device, "device", "cpu", 0, 0, TS_CHOICES(TS_RUNTIME_DEVICES),
        "where tensors are and kernels run; sim computes nothing, it accounts"),
    OWN(INT, threads, "threads", NULL, 1, 4096, NULL,
        "threads of this process (default: cores / processes of this host)"),
    OWN(CHOICE, isa, "isa", "auto", 0, 0, TS_CHOICES(TS_RUNTIME_ISAS),
        "instructions that kernels use at most (auto: all that this CPU has)"),
    ROW(CHOICE, optimization_level, "optimization-level", "2", 0, 0, TS_CHOICES(TS_RUNTIME_LEVELS),
        "0: the portable kernels, to compare with (as --isa portable); 1: those with vectors too; 2: work and messages "
        "side by side and other schedules too, where they are asked for"),
    OWN(CHOICE, numa, "numa", "auto", 0, 0, TS_CHOICES(TS_RUNTIME_NUMA),
        "with several memory nodes: threads stay on one each, tensors are spread over them"),
    OWN(REAL, memory_limit_gb, "memory-limit-gb", NULL, 0, 1e9, NULL,
        "refuse to hold more than this in tensors"),
    RUN(FLAG, bf16, "bf16", NULL, 0, 0, NULL, "compute in bfloat16"),
    RUN(FLAG, fp16, "fp16", NULL, 0, 0, NULL, "compute in float16"),
    OWN(FLAG, kernel_timing, "kernel-timing", NULL, 0, 0, NULL,
        "measure kernels and print where the time went"),
    TS_HINT("model", 1, "--load DIR"),
    TS_HINT("model-path", 1, "--load DIR"),
    TS_HINT("model-name-or-path", 1, "--load DIR"),
    TS_HINT("pretrained-model-name-or-path", 1, "--load DIR"),
    TS_HINT("checkpoint", 1, "--load DIR"),
    TS_HINT("checkpoint-path", 1, "--load DIR"),
    TS_HINT("load-dir", 1, "--load DIR"),
    TS_HINT("init-from-hf-path", 1, "--load DIR"),
    TS_HINT("dtype", 1, "--bf16, --fp16, or neither for fp32"),
    TS_HINT("torch-dtype", 1, "--bf16, --fp16, or neither for fp32"),
    TS_HINT("params-dtype", 1, "--bf16, --fp16, or neither for fp32"),
    TS_HINT("precision", 1, "--bf16, --fp16, or neither for fp32"),
    TS_HINT("mixed-precision", 1, "--bf16, --fp16, or neither for fp32"),
    TS_HINT("fp32", 0, "fp32 is what is computed in without --bf16 and --fp16"),
    TS_HINT("device-map", 1, "--device"),
    TS_HINT("num-threads", 1, "--threads"),
    TS_HINT("n-threads", 1, "--threads"),
    TS_HINT("verbose", 0, "--log-level debug"),
    TS_HINT("quiet", 0, "--log-level warning"),
    OWN(CHOICE, log_level, "log-level", "info", 0, 0, TS_CHOICES(LEVELS), "messages shown"),
};
const size_t ts_runtime_option_count =
    sizeof ts_runtime_option_rows / sizeof *ts_runtime_option_rows;

ts_status ts_runtime_dtype(const ts_runtime_options *o, ts_dtype *out)
{
    if (o->bf16 && o->fp16)
        return ts_error(TS_ERR_USER, "--bf16 and --fp16 contradict each other: give one");
    *out = o->bf16 ? TS_DTYPE_BF16 : o->fp16 ? TS_DTYPE_F16 : TS_DTYPE_F32;
    return TS_OK;
}

/* The instructions up to the chosen ones, which the CPU must have. */
static ts_status choose_isa(int choice, unsigned *out)
{
    enum { AVX512 = TS_ISA_AVX2 | TS_ISA_AVX512 | TS_ISA_VNNI };
    static const struct {
        const char *name;
        unsigned needs, uses;
    } sets[] = {
        [TS_RUNTIME_ISA_AUTO] = { "auto", 0, TS_ISA_ALL },
        [TS_RUNTIME_ISA_PORTABLE] = { "portable", 0, TS_ISA_REF },
        [TS_RUNTIME_ISA_AVX2] = { "avx2", TS_ISA_AVX2, TS_ISA_AVX2 },
        [TS_RUNTIME_ISA_AVX512] = { "avx512", TS_ISA_AVX512, AVX512 },
        [TS_RUNTIME_ISA_AVX512_BF16] = { "avx512_bf16", TS_ISA_BF16, AVX512 | TS_ISA_BF16 },
        [TS_RUNTIME_ISA_AMX] = { "amx", TS_ISA_AMX, TS_ISA_ALL },
    };
    const unsigned has = ts_isa_detect();
    char names[64];
    if ((has & sets[choice].needs) != sets[choice].needs)
        return ts_error(TS_ERR_USER, "--isa %s: this processor (or its system) has %s",
                        sets[choice].name, ts_isa_names(has, names));
    *out = sets[choice].uses;
    return TS_OK;
}

ts_status ts_runtime_open(const ts_runtime_options *o, int local_rank, int local_size,
                          ts_device **out)
{
    if (o->device == TS_RUNTIME_SIM)
        return ts_error(
            TS_ERR_USER,
            "--device sim: nothing is computed there; `tessera plan` with the same options "
            "says what the job needs");
    int threads = (int)o->threads;
    if (!threads) {
        threads = ts_cpu_count() / (local_size > 0 ? local_size : 1);
        threads = threads > 0 ? threads : 1;
    }
    ts_device_options d = { .threads = threads, .limit = (int64_t)(o->memory_limit_gb * 1e9),
                            .unplaced = o->numa == TS_RUNTIME_NUMA_OFF };
    const bool is_portable = o->optimization_level == TS_RUNTIME_LEVEL_PORTABLE;
    if (is_portable && o->isa != TS_RUNTIME_ISA_AUTO && o->isa != TS_RUNTIME_ISA_PORTABLE)
        return ts_error(TS_ERR_USER, "--optimization-level 0 has the portable kernels alone: leave --isa out");
    TS_TRY(choose_isa(is_portable ? TS_RUNTIME_ISA_PORTABLE : o->isa, &d.isa));
    if (!d.unplaced)
        ts_numa_bind_rank(NULL, local_rank, local_size, threads);
    TS_TRY(ts_device_open("cpu", &d, out));
    (*out)->timing = o->kernel_timing;
    return TS_OK;
}
