#include "plan/hardware.h"

#include "base/thread.h"
#include "device/isa.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- descriptions ---- */

/* A CPU by what its data sheet says; what good kernels make of it is what they make of the machine
 * at hand. */
typedef struct cpu_preset {
    const char *name, *what;
    int cores;
    unsigned isa;
    double ghz, bytes_per_second, memory_bytes; /* memory: sustained; of the host */
    double network_bytes_per_second;
} cpu_preset;

static const cpu_preset presets[] = {
    { "epyc-9654", "AMD EPYC 9654, 96 cores, one socket", 96,
      TS_ISA_AVX2 | TS_ISA_AVX512 | TS_ISA_BF16 | TS_ISA_VNNI, 2.9, 350e9, 768e9, 20e9 },
    { "xeon-6248", "Intel Xeon Gold 6248, 20 cores, one socket", 20,
      TS_ISA_AVX2 | TS_ISA_AVX512 | TS_ISA_VNNI, 2.2, 95e9, 192e9, 10e9 },
    { "laptop", "a laptop of 8 cores with AVX2", 8, TS_ISA_AVX2, 3.2, 35e9, 16e9, 0.1e9 },
};

/* 32 flop a cycle in fp32, twice that in bf16 where the CPU has it, and 85 % of it reached. */
static void from_preset(const cpu_preset *p, int threads, int local_ranks, ts_sim_hardware *hw)
{
    const double share = 1.0 / local_ranks;
    const int most = p->cores / local_ranks > 0 ? p->cores / local_ranks : 1;
    const int n = threads > 0 ? threads : most;
    const double f32 = 0.85 * 32e9 * p->ghz * n;
    *hw = (ts_sim_hardware){ .isa = p->isa, .threads = n, .flops_f32 = f32,
                             .flops_16 = p->isa & TS_ISA_BF16 ? 2 * f32 : f32,
                             .flops_8 = p->isa & TS_ISA_VNNI ? 3.2 * f32 : f32,
                             .attention_share = 0.7,
                             .bytes_per_second = p->bytes_per_second * share,
                             .seconds_per_launch = 5e-6,
                             .network_bytes_per_second = p->network_bytes_per_second * share,
                             .network_latency = 3e-6,
                             .memory_bytes = p->memory_bytes,
                             .cores = p->cores };
    snprintf(hw->name, sizeof hw->name, "%s", p->what);
}

/* A node of accelerators by their data sheets; good kernels reach `reached` of the products' peak. */
typedef struct node_preset {
    const char *name, *what;
    int devices;                 /* of a node */
    double peak_16, peak_f32;    /* dense, of a device; fp32 as its products are made in training */
    double reached;
    double bytes_per_second, memory_bytes; /* of a device */
    /* of a device, one way; swap: to the host's memory */
    double host_bytes_per_second, network_bytes_per_second, swap_bytes_per_second;
} node_preset;

/* Peaks, memory and links: data sheets of NVIDIA's A100, H100 and H200 SXM (NVLink 3 and 4, half of what is said
 * of both ways; a 200 or 400 Gbit/s adapter a device; PCIe 4 or 5 of 16 lanes to the host) and Huawei's Atlas 800T A2
 * (Ascend 910B, HCCS, 200 Gbit/s, PCIe 4). */
static const node_preset nodes[] = {
    { "a100", "NVIDIA A100 80 GB SXM, 8 a node", 8, 312e12, 156e12, 0.75, 2.0e12, 80e9, 300e9, 25e9, 32e9 },
    { "h100", "NVIDIA H100 80 GB SXM, 8 a node", 8, 989e12, 494e12, 0.65, 3.35e12, 80e9, 450e9, 50e9, 64e9 },
    { "h200", "NVIDIA H200 141 GB SXM, 8 a node", 8, 989e12, 494e12, 0.65, 4.8e12, 141e9, 450e9, 50e9, 64e9 },
    { "ascend-910b", "Ascend 910B 64 GB, 8 a node", 8, 376e12, 94e12, 0.7, 1.6e12, 64e9, 196e9, 25e9, 32e9 },
};

static void from_node(const node_preset *p, ts_sim_hardware *hw)
{
    *hw = (ts_sim_hardware){ .is_gpu = true, .threads = 1,
                             .flops_f32 = p->reached * p->peak_f32,
                             .flops_16 = p->reached * p->peak_16,
                             .attention_share = 0.6,
                             .bytes_per_second = 0.85 * p->bytes_per_second,
                             .seconds_per_launch = 5e-6,
                             .network_bytes_per_second = 0.85 * p->network_bytes_per_second,
                             .network_latency = 5e-6,
                             .host_bytes_per_second = 0.8 * p->host_bytes_per_second,
                             .host_latency = 3e-6,
                             .swap_bytes_per_second = 0.8 * p->swap_bytes_per_second,
                             .flops_peak = p->peak_16,
                             .memory_bytes = p->devices * p->memory_bytes };
    snprintf(hw->name, sizeof hw->name, "%s", p->what);
}

/* ---- files ---- */

typedef struct field {
    const char *key;
    size_t offset;
    bool needed, zero; /* zero: may be 0 */
    bool lean;         /* left out of a description where it is 0 */
} field;

#define FIELD(name, needed, zero) { #name, offsetof(ts_sim_hardware, name), needed, zero, false }
static const field fields[] = {
    FIELD(flops_f32, true, false),
    FIELD(flops_16, true, false),
    FIELD(flops_8, false, true), /* 0: those of flops_16 */
    FIELD(attention_share, false, false),
    FIELD(bytes_per_second, true, false),
    FIELD(seconds_per_launch, false, true),
    FIELD(network_bytes_per_second, false, false),
    FIELD(network_latency, false, true),
    FIELD(host_bytes_per_second, false, true), /* 0: those of the network */
    FIELD(host_latency, false, true),
    { "swap_bytes_per_second", offsetof(ts_sim_hardware, swap_bytes_per_second), .zero = true,
      .lean = true }, /* 0: the device's memory is the host's */
    FIELD(flops_peak, false, true), /* 0: not known */
    FIELD(memory_bytes, false, true),
    { "cores", offsetof(ts_sim_hardware, cores), .zero = true, .lean = true },
};
enum { FIELDS = sizeof fields / sizeof *fields };

static ts_status check_keys(const json_t *o, const char *file)
{
    static const char *const other[] = { "name", "kind", "isa", "threads" };
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        bool known = false;
        for (size_t i = 0; i < sizeof other / sizeof *other; i++)
            known = known || !strcmp(key, other[i]);
        for (size_t i = 0; i < FIELDS; i++)
            known = known || !strcmp(key, fields[i].key);
        if (!known)
            return ts_error(
                TS_ERR_USER,
                "%s: there is no key %s in a description of hardware (name, kind, isa, "
                "threads, flops_f32, flops_16, flops_8, attention_share, bytes_per_second, "
                "seconds_per_launch, network_bytes_per_second, network_latency, host_bytes_per_second, "
                "host_latency, swap_bytes_per_second, flops_peak, memory_bytes, cores)",
                file, key);
    }
    return TS_OK;
}

/* "avx2 avx512 avx512_bf16": the words of ts_isa_names. */
static ts_status read_isa(const char *text, const char *file, unsigned *isa)
{
    *isa = 0;
    for (const char *s = text; *s;) {
        const size_t n = strcspn(s, " ");
        unsigned bit = 0;
        char names[64];
        for (unsigned b = TS_ISA_AVX2; b <= TS_ISA_LAST; b <<= 1)
            if (strlen(ts_isa_names(b, names)) == n && !strncmp(names, s, n))
                bit = b;
        if (n && !bit && strncmp(s, "portable", n))
            return ts_error(TS_ERR_USER,
                            "%s: isa: %.*s is not known (avx2, avx512, avx512_bf16, avx512_vnni, "
                            "amx_bf16, amx_int8)",
                            file, (int)(n < 40 ? n : 40), s);
        *isa |= bit;
        s += n + (s[n] == ' ');
    }
    return TS_OK;
}

static ts_status read_numbers(const json_t *o, const char *file, ts_sim_hardware *hw)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        double *v = (double *)(void *)((char *)hw + f->offset);
        const bool given = json_object_get(o, f->key) != NULL;
        if (f->needed && !given)
            return ts_error(TS_ERR_USER, "%s: %s is missing", file, f->key);
        TS_TRY(ts_json_real(o, file, f->key, *v, v));
        if (given && !(isfinite(*v) && (*v > 0 || (f->zero && *v == 0))))
            return ts_error(TS_ERR_USER, "%s: %s is %g, expected a number above 0", file, f->key,
                            *v);
    }
    return TS_OK;
}

static ts_status from_object(const json_t *o, const char *file, int threads, ts_sim_hardware *hw)
{
    const char *name, *kind, *isa;
    int64_t n;
    *hw = (ts_sim_hardware){ .attention_share = 0.7, .seconds_per_launch = 5e-6,
                             .network_bytes_per_second = 1e10, .network_latency = 3e-6 };
    if (!json_is_object(o))
        return ts_error(TS_ERR_USER, "%s: a description of hardware is a JSON object", file);
    TS_TRY(check_keys(o, file));
    TS_TRY(ts_json_text(o, file, "name", file, &name));
    TS_TRY(ts_json_text(o, file, "kind", "cpu", &kind));
    TS_TRY(ts_json_text(o, file, "isa", "", &isa));
    TS_TRY(ts_json_int(o, file, "threads", 1, 1, 65536, &n));
    TS_TRY(read_isa(isa, file, &hw->isa));
    if (strcmp(kind, "cpu") && strcmp(kind, "gpu"))
        return ts_error(TS_ERR_USER, "%s: kind is %.40s, expected cpu or gpu", file, kind);
    hw->is_gpu = kind[0] == 'g';
    hw->threads = threads > 0 ? threads : (int)n;
    snprintf(hw->name, sizeof hw->name, "%s", name);
    hw->name[ts_utf8_check(hw->name, strlen(hw->name))] = 0; /* cut between characters */
    return read_numbers(o, file, hw);
}

static ts_status from_file(const char *file, int threads, ts_sim_hardware *hw)
{
    json_t *o;
    TS_TRY(ts_json_read(file, &o));
    const ts_status st = from_object(o, file, threads, hw);
    json_decref(o);
    return st;
}

static void from_here(int threads, int local_ranks, ts_sim_hardware *hw)
{
    const int cores = ts_cpu_count();
    const int n = threads > 0 ? threads : cores / local_ranks > 0 ? cores / local_ranks : 1;
    ts_sim_hardware_here(hw, ts_isa_detect(), n);
    hw->cores = cores;
    const int busy = n * local_ranks < cores ? n * local_ranks : cores;
    if (busy > n) { /* the ranks of this host that work at a time share its memory */
        ts_sim_hardware all;
        ts_sim_hardware_here(&all, ts_isa_detect(), busy);
        const double part = all.bytes_per_second * n / busy;
        hw->bytes_per_second = part < hw->bytes_per_second ? part : hw->bytes_per_second;
    }
}

/* As many as there are cores, where nobody said. */
static int place_ranks(int ranks, int cores, int *local_ranks)
{
    if (*local_ranks == 0)
        *local_ranks = ranks < cores ? ranks : cores;
    return *local_ranks;
}

ts_status ts_plan_hardware(const char *name, int threads, int ranks, int *local_ranks,
                           ts_sim_hardware *out)
{
    if (!name || !strcmp(name, "here")) {
        from_here(threads, place_ranks(ranks, ts_cpu_count(), local_ranks), out);
        return TS_OK;
    }
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (!strcmp(name, presets[i].name)) {
            from_preset(&presets[i], threads, place_ranks(ranks, presets[i].cores, local_ranks),
                        out);
            return TS_OK;
        }
    }
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        if (!strcmp(name, nodes[i].name)) {
            place_ranks(ranks, nodes[i].devices, local_ranks);
            from_node(&nodes[i], out);
            return TS_OK;
        }
    }
    if (strpbrk(name, "./")) {
        place_ranks(ranks, 1, local_ranks);
        return from_file(name, threads, out);
    }
    return ts_error(
        TS_ERR_USER,
        "--hardware %s: there is no such preset (here, epyc-9654, xeon-6248, laptop, "
        "a100, h100, h200, ascend-910b); a "
        "description of your own is a JSON file",
        name);
}

ts_status ts_plan_hardware_json(const ts_sim_hardware *hw, json_t **out)
{
    char isa[64];
    json_t *o =
        json_pack("{s:o, s:s, s:s, s:i}", "name", ts_json_string(hw->name), "kind",
                  hw->is_gpu ? "gpu" : "cpu", "isa", ts_isa_names(hw->isa, isa), "threads",
                  hw->threads);
    bool ok = o != NULL;
    for (size_t i = 0; ok && i < FIELDS; i++) {
        const double v = *(const double *)(const void *)((const char *)hw + fields[i].offset);
        ok = (fields[i].lean && v == 0) || !json_object_set_new(o, fields[i].key, ts_json_number(v));
    }
    if (!ok) {
        json_decref(o);
        return ts_error(TS_ERR_NOMEM, "out of memory while describing hardware");
    }
    *out = o;
    return TS_OK;
}
