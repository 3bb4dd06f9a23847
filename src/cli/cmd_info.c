#include "api/build.h"
#include "cli/command.h"

#include <stdio.h>

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
    json_object_foreach(o, key, v) printf("%s%s %s", n++ ? ", " : "", key, json_string_value(v));
    printf("\n");
}

static void print_kernels(json_t *kernels)
{
    const char *key;
    json_t *v;
    printf("kernels\n");
    json_object_foreach(kernels, key, v) printf("  %-14s %s\n", key, json_string_value(v));
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
    printf("%-12s pictures%s\n", "media", json_is_true(json_object_get(build, "clips")) ? ", clips, sounds" : " only: no FFmpeg");
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
    ts_status st = ts_build_collect(o.kernels || o.json, &j);
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
