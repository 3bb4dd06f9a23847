/* What this build is made of and what it finds on this machine. MPI is asked for its name only:
 * starting it would take longer than all the rest. */
#include "api/build.h"
#include "api/words.h"
#include "device/cpu/kernel.h"
#include "media/clip.h"
#include "tessera/version.h"

#include <pcre2.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utf8proc.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>
#if TESSERA_HAVE_MPI
#include <mpi.h>
#endif

static json_t *object(void) { return json_object(); }

/* Where there is no memory for a part there is no whole: *o becomes NULL, and so does what holds it. */
static void put(json_t **o, const char *key, json_t *value)
{
    if (json_object_set_new(*o, key, value)) {
        json_decref(*o);
        *o = NULL;
    }
}

static void put_text(json_t **o, const char *key, const char *value)
{
    put(o, key, ts_json_string(value));
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
    put_text(&b, "compiler",
#ifdef __clang__
             "clang " __clang_version__
#else
             "gcc " __VERSION__
#endif
    );
    put_text(&b, "type", TESSERA_BUILD_TYPE);
    put(&b, "sanitizers", json_boolean(TESSERA_HAVE_SANITIZERS));
    put(&b, "mpi", json_boolean(TESSERA_HAVE_MPI));
    put(&b, "clips", json_boolean(ts_clip_is_there()));
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
    put_text(&m, "library", text);
    MPI_Get_version(&version, &subversion);
    snprintf(text, sizeof text, "%d.%d", version, subversion);
    put_text(&m, "standard", text);
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
    put_text(&l, "jansson", jansson_version_str());
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof text &&
        pcre2_config(PCRE2_CONFIG_VERSION, text) > 0)
        put_text(&l, "pcre2", text);
    put_text(&l, "utf8proc", utf8proc_version());
    put_text(&l, "zlib", zlibVersion());
    put_text(&l, "zstd", ZSTD_versionString());
    yaml_get_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    put_text(&l, "yaml", text);
    put_text(&l, "protobuf-c", protobuf_c_version());
    return l;
}

static json_t *processor_info(unsigned isa)
{
    char model[256], sets[64], *save = NULL;
    json_t *p = object(), *list = json_array();
    int bad = 0;
    struct utsname u;
    proc_value("/proc/cpuinfo", "model name", model, sizeof model);
    put_text(&p, "model", model[0] ? model : "unknown");
    put_text(&p, "machine", uname(&u) == 0 ? u.machine : "unknown");
    put(&p, "cores", json_integer(ts_cpu_count()));
    ts_isa_names(isa, sets);
    for (char *w = strtok_r(sets, " ", &save); w; w = strtok_r(NULL, " ", &save))
        bad = bad || json_array_append_new(list, ts_json_string(w));
    put(&p, "instruction_sets", list);
    if (bad) {
        json_decref(p);
        p = NULL;
    }
    return p;
}

static json_t *memory_info(void)
{
    char free_kb[64];
    long long kb = 0;
    json_t *m = object();
    proc_value("/proc/meminfo", "MemAvailable", free_kb, sizeof free_kb);
    put(&m, "total_bytes",
                        json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
    if (sscanf(free_kb, "%lld", &kb) == 1)
        put(&m, "available_bytes", json_integer(kb * 1024));
    return m;
}

static json_t *kernels_info(const ts_cpu *c)
{
    json_t *k = object();
    for (int i = 0; i < TS_KERNEL_COUNT; i++)
        put_text(&k, ts_kernel_name((ts_kernel)i),
                 c->kernel[i].variant ? c->kernel[i].variant : "ref");
    return k;
}

ts_status ts_build_collect(bool kernels, json_t **out)
{
    ts_device *dev;
    const ts_device_options d = { .threads = 1, .isa = TS_ISA_ALL };
    TS_TRY(ts_device_open("cpu", &d, &dev));
    const ts_cpu *c = (const ts_cpu *)dev;
    json_t *j = object();
    put_text(&j, "version", TESSERA_VERSION);
    put(&j, "build", build_info());
    put(&j, "processor", processor_info(c->isa));
    put(&j, "threads", json_integer(ts_cpu_count()));
    put(&j, "memory", memory_info());
    put(&j, "devices", json_pack("[s, s]", "cpu", "sim"));
    put(&j, "mpi", mpi_info());
    put(&j, "libraries", libraries_info());
    if (kernels)
        put(&j, "kernels", kernels_info(c));
    ts_device_close(&dev);
    *out = j;
    return j ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory");
}

const char *ts_version(void) { return TESSERA_VERSION; }

ts_status ts_build_info(char **json)
{
    json_t *j;
    ts_str text = { 0 };
    TS_NEED(json);
    TS_TRY(ts_build_collect(true, &j));
    ts_status st = ts_json_write(j, JSON_INDENT(2), "what is known of the build", &text);
    json_decref(j);
    if (st == TS_OK)
        st = ts_give_text(&text, json, NULL);
    ts_str_deinit(&text);
    return st;
}
