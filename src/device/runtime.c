#include "device/runtime.h"

#include "base/thread.h"
#include "device/cpu/isa.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_runtime_options, field, name, def, lo, hi, choices, "device", help)

const ts_option ts_runtime_option_rows[] = {
    ROW(TEXT, load, "load", NULL, 0, 0, NULL,
        "a Hugging Face folder or a folder of Tessera checkpoints"),
    ROW(TEXT, device, "device", "cpu", 0, 0, NULL, "cpu, or sim (accounts, computes nothing)"),
    ROW(INT, threads, "threads", NULL, 1, 4096, NULL,
        "threads of this process (default: cores / processes of this host)"),
    ROW(REAL, memory_limit_gb, "memory-limit-gb", NULL, 0, 1e9, NULL,
        "refuse to hold more than this in tensors"),
    ROW(FLAG, bf16, "bf16", NULL, 0, 0, NULL, "compute in bfloat16"),
    ROW(FLAG, fp16, "fp16", NULL, 0, 0, NULL, "compute in float16"),
    ROW(FLAG, kernel_timing, "kernel-timing", NULL, 0, 0, NULL,
        "measure kernels and print where the time went"),
    ROW(CHOICE, log_level, "log-level", "info", 0, 0, "debug|info|warning|error", "messages shown"),
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

ts_status ts_runtime_open(const ts_runtime_options *o, int local_size, ts_device **out)
{
    if (!strcmp(o->device, "sim"))
        return ts_error(
            TS_ERR_USER,
            "--device sim: nothing is computed there; `tessera plan` with the same options "
            "says what the job needs");
    int threads = (int)o->threads;
    if (!threads) {
        threads = ts_cpu_count() / (local_size > 0 ? local_size : 1);
        threads = threads > 0 ? threads : 1;
    }
    const ts_device_options d = { .threads = threads, .isa = TS_ISA_ALL,
                                  .limit = (int64_t)(o->memory_limit_gb * 1e9) };
    TS_TRY(ts_device_open(o->device, &d, out));
    (*out)->timing = o->kernel_timing;
    return TS_OK;
}
