#include "fuzz.h"
#include "json_mutate.h"
#include "plan/hardware.h"

/* A description of hardware: what is understood can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    int ranks = 0;
    ts_sim_hardware hw, back;
    json_t *o = NULL;
    fuzz_write("hardware.json", data, size);
    const char *file = fuzz_path("hardware.json", path);
    if (ts_plan_hardware(file, 0, 1, &ranks, &hw) != TS_OK) {
        if (!strstr(ts_error_message(), "hardware.json"))
            abort();
        return 0;
    }
    if (ts_plan_hardware_json(&hw, &o) != TS_OK)
        abort();
    char *text = json_dumps(o, JSON_REAL_PRECISION(17));
    json_decref(o);
    if (!text)
        abort();
    fuzz_write("hardware.json", text, strlen(text));
    free(text);
    if (ts_plan_hardware(file, 0, 1, &ranks, &back) != TS_OK || back.isa != hw.isa ||
        back.threads != hw.threads || back.is_gpu != hw.is_gpu ||
        back.flops_f32 != hw.flops_f32 || back.memory_bytes != hw.memory_bytes ||
        strcmp(back.name, hw.name))
        abort();
    return 0;
}

#define RATES "[1e12, 1e9, 1, 0, 1e300]"
const fuzz_row fuzz_rows[] = {
    { "name", "[\"mine\", \"a name of much more than the sixty-four bytes that a description has"
              " room for \xC3\xA9\xC3\xA9\"]", NULL },
    { "kind", "[\"cpu\", \"gpu\"]", NULL },
    { "isa", "[\"avx2\", \"avx2 avx512 avx512_bf16 avx512_vnni amx_bf16 amx_int8\", \"portable\"]",
      NULL },
    { "threads", "[1, 8, 65536]", NULL },
    { "flops_f32", RATES, NULL },
    { "flops_16", RATES, NULL },
    { "flops_8", RATES, NULL },
    { "attention_share", "[0.7, 1]", NULL },
    { "bytes_per_second", RATES, NULL },
    { "seconds_per_launch", "[5e-6, 0]", NULL },
    { "network_bytes_per_second", RATES, NULL },
    { "network_latency", "[1e-6, 0]", NULL },
    { "memory_bytes", RATES, NULL },
    { NULL, NULL, NULL },
};
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
