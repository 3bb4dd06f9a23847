/* What this build is made of and what it finds on this machine. MPI is asked for its name only:
 * starting it would take longer than all the rest. */
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "device/cpu/cpu.h"

#include <pcre2.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utf8proc.h>
#include <yaml.h>
#include <zlib.h>
#if TESSERA_HAVE_MPI
#include <mpi.h>
#endif

typedef struct info_options {
    bool json, kernels;
} info_options;

#define ROW(field, name, help)                                                                     \
    TS_ROW(FLAG, info_options, field, name, NULL, 0, 0, NULL, "info", help)
static const ts_option info_rows[] = {
    ROW(kernels, "kernels", "also which variant of each kernel this machine runs"),
    ROW(json, "json", "as one JSON object"),
};

static const char usage[] =
    "usage: tessera info [--kernels] [--json]\n\n"
    "Says what this build has and what it found here: processor, kernels, memory,\n"
    "MPI, libraries, devices.";

static json_t *object(void) { return json_object(); }

static void put_text(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value));
}

/* The value of the first "key : value" line of a file in /proc, or "". */
static void proc_value(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    char line[512];
    out[0] = 0;
    while (f && !out[0] && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)))
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = 0;
        snprintf(out, size, "%s", colon);
    }
    if (f)
        fclose(f);
}

static json_t *build_info(void)
{
    json_t *b = object();
    put_text(b, "compiler",
#ifdef __clang__
             "clang " __clang_version__
#else
             "gcc " __VERSION__
#endif
    );
    put_text(b, "type", TESSERA_BUILD_TYPE);
    json_object_set_new(b, "sanitizers", json_boolean(TESSERA_HAVE_SANITIZERS));
    json_object_set_new(b, "mpi", json_boolean(TESSERA_HAVE_MPI));
    return b;
}

static json_t *mpi_info(void)
{
#if TESSERA_HAVE_MPI
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n, version, subversion;
    json_t *m = object();
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = 0;
    put_text(m, "library", text);
    MPI_Get_version(&version, &subversion);
    snprintf(text, sizeof text, "%d.%d", version, subversion);
    put_text(m, "standard", text);
    return m;
#else
    return json_null();
#endif
}

static json_t *libraries_info(void)
{
    char text[64];
    int major, minor, patch;
    json_t *l = object();
    put_text(l, "jansson", jansson_version_str());
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof text &&
        pcre2_config(PCRE2_CONFIG_VERSION, text) > 0)
        put_text(l, "pcre2", text);
    put_text(l, "utf8proc", utf8proc_version());
    put_text(l, "zlib", zlibVersion());
    yaml_get_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    put_text(l, "yaml", text);
    put_text(l, "protobuf-c", protobuf_c_version());
    return l;
}

static json_t *processor_info(unsigned isa)
{
    char model[256], sets[64], *save = NULL;
    json_t *p = object(), *list = json_array();
    struct utsname u;
    proc_value("/proc/cpuinfo", "model name", model, sizeof model);
    put_text(p, "model", model[0] ? model : "unknown");
    put_text(p, "machine", uname(&u) == 0 ? u.machine : "unknown");
    json_object_set_new(p, "cores", json_integer(ts_cpu_count()));
    ts_isa_names(isa, sets);
    for (char *w = strtok_r(sets, " ", &save); w; w = strtok_r(NULL, " ", &save))
        json_array_append_new(list, json_string(w));
    json_object_set_new(p, "instruction_sets", list);
    return p;
}

static json_t *memory_info(void)
{
    char free_kb[64];
    long long kb = 0;
    json_t *m = object();
    proc_value("/proc/meminfo", "MemAvailable", free_kb, sizeof free_kb);
    json_object_set_new(m, "total_bytes",
                        json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
    if (sscanf(free_kb, "%lld", &kb) == 1)
        json_object_set_new(m, "available_bytes", json_integer(kb * 1024));
    return m;
}

static json_t *kernels_info(const ts_cpu *c)
{
    json_t *k = object();
    for (int i = 0; i < TS_KERNEL_COUNT; i++)
        put_text(k, ts_kernel_name((ts_kernel)i),
                 c->kernel[i].variant ? c->kernel[i].variant : "ref");
    return k;
}

static ts_status collect(const info_options *o, json_t **out)
{
    ts_device *dev;
    const ts_device_options d = { .threads = 1, .isa = TS_ISA_ALL };
    TS_TRY(ts_device_open("cpu", &d, &dev));
    const ts_cpu *c = (const ts_cpu *)dev;
    json_t *j = object();
    put_text(j, "version", TESSERA_VERSION);
    json_object_set_new(j, "build", build_info());
    json_object_set_new(j, "processor", processor_info(c->isa));
    json_object_set_new(j, "threads", json_integer(ts_cpu_count()));
    json_object_set_new(j, "memory", memory_info());
    json_object_set_new(j, "devices", json_pack("[s, s]", "cpu", "sim"));
    json_object_set_new(j, "mpi", mpi_info());
    json_object_set_new(j, "libraries", libraries_info());
    if (o->kernels || o->json)
        json_object_set_new(j, "kernels", kernels_info(c));
    ts_device_close(&dev);
    *out = j;
    return j ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory");
}

/* ---- for people ---- */

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void print_list(const char *title, const json_t *list)
{
    printf("%-12s ", title);
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
    printf("%s\n", json_array_size(list) ? "" : "none beyond the basic ones");
}

static void print_pairs(const char *title, json_t *o)
{
    const char *key;
    json_t *v;
    printf("%-12s ", title);
    size_t n = 0;
    json_object_foreach(o, key, v)
        printf("%s%s %s", n++ ? ", " : "", key, json_string_value(v));
    printf("\n");
}

static void print_kernels(json_t *kernels)
{
    const char *key;
    json_t *v;
    printf("kernels\n");
    json_object_foreach(kernels, key, v)
        printf("  %-14s %s\n", key, json_string_value(v));
}

static void print_info(const json_t *j)
{
    char a[32], b[32];
    const json_t *build = json_object_get(j, "build"), *cpu = json_object_get(j, "processor"),
                 *mem = json_object_get(j, "memory"), *mpi = json_object_get(j, "mpi");
    printf("%-12s %s\n", "tessera", text_at(j, "version"));
    printf("%-12s %s, %s%s\n", "build", text_at(build, "compiler"), text_at(build, "type"),
           json_is_true(json_object_get(build, "sanitizers")) ? ", with sanitizers" : "");
    printf("%-12s %s (%s), %lld cores\n", "processor", text_at(cpu, "model"),
           text_at(cpu, "machine"), (long long)json_integer_value(json_object_get(cpu, "cores")));
    print_list("vectors", json_object_get(cpu, "instruction_sets"));
    printf("%-12s %lld by default\n", "threads",
           (long long)json_integer_value(json_object_get(j, "threads")));
    printf("%-12s %s, %s available\n", "memory",
           ts_human_bytes(json_number_value(json_object_get(mem, "total_bytes")), a),
           ts_human_bytes(json_number_value(json_object_get(mem, "available_bytes")), b));
    print_list("devices", json_object_get(j, "devices"));
    if (json_is_object(mpi))
        printf("%-12s %s (MPI %s)\n", "mpi", text_at(mpi, "library"), text_at(mpi, "standard"));
    else
        printf("%-12s none: one process only\n", "mpi");
    print_pairs("libraries", json_object_get(j, "libraries"));
    if (json_object_get(j, "kernels"))
        print_kernels(json_object_get(j, "kernels"));
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_info = { "info", "what this build has and finds on this machine", run };

static ts_status run(int argc, char *const *argv)
{
    info_options o;
    const ts_option_table tables[] = { { info_rows, sizeof info_rows / sizeof *info_rows, &o } };
    ts_option_set *set;
    bool helped;
    json_t *j = NULL;
    TS_TRY(ts_command_options(&ts_cmd_info, usage, tables, 1, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = collect(&o, &j);
    if (st == TS_OK && o.json) {
        json_dumpf(j, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (st == TS_OK) {
        print_info(j);
    }
    json_decref(j);
    ts_option_set_destroy(&set);
    return st;
}
