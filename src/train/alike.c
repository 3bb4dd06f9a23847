/* The processes of a job compute one run only where they were told the same. */
#include "train/together.h"

#include <string.h>

/* What may be another on each host: its files' places, and what it computes with. Whether such an
 * option is given at all decides what a process takes part in. */
static const char *const of_a_host[] = {
    "load", "save", "save-hf", "model-config", "data-path", "train-data-path", "valid-data-path",
    "test-data-path", "data-args-path", "data-cache-path", "tokenizer-name-or-path",
    "tokenizer-model", "vocab-file", "merge-file", "metrics-jsonl", "tensorboard-dir"
};
static const char *const of_a_process[] = {
    "threads", "isa", "numa", "memory-limit-gb", "kernel-timing", "log-level",
    "packed-weights", "peak-tflops"
};

static bool is_among(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool is_given(const json_t *v)
{
    return v && !json_is_null(v) && !(json_is_array(v) && json_array_size(v) == 0);
}

static ts_status check_option(const char *name, const json_t *here, const json_t *first)
{
    if (is_among(name, of_a_process, sizeof of_a_process / sizeof *of_a_process) ||
        json_equal(here, first))
        return TS_OK;
    const bool path = is_among(name, of_a_host, sizeof of_a_host / sizeof *of_a_host);
    if (path && is_given(here) == is_given(first))
        return TS_OK;
    ts_str a = { 0 }, b = { 0 };
    const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    ts_status st = ts_json_write(here, flags, name, &a);
    if (st == TS_OK)
        st = ts_json_write(first, flags, name, &b);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER,
                      "--%s is %.200s here and %.200s on rank 0: all processes of a job need the "
                      "same options (see the environment's TESSERA_... and --config of each host)",
                      name, a.s, b.s);
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    return st;
}

static ts_status compare(const json_t *here, const json_t *first)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)here, name, value)
        TS_TRY(check_option(name, value, json_object_get(first, name)));
    return TS_OK;
}

/* Rank 0's text, on every rank. */
static ts_status tell_all(ts_comm *comm, const ts_str *own, char **out, size_t *size)
{
    int64_t n = (int64_t)own->len;
    TS_TRY(comm->broadcast(comm, &n, 1, TS_COMM_I64, 0));
    TS_TRY(ts_comm_agree(comm, ts_alloc(out, (size_t)n, 1)));
    if (comm->rank == 0)
        memcpy(*out, own->s, own->len);
    *size = (size_t)n;
    return comm->broadcast(comm, *out, n, TS_COMM_U8, 0);
}

ts_status ts_job_check_alike(const ts_option_set *set, ts_comm *comm)
{
    ts_str own = { 0 };
    char *text = NULL;
    size_t size = 0;
    json_t *here = NULL, *first = NULL;
    ts_status st = ts_comm_agree(comm, ts_option_json(set, &own));
    if (st == TS_OK)
        st = tell_all(comm, &own, &text, &size);
    if (st == TS_OK)
        st = ts_json_parse(own.s, own.len, "options", &here);
    if (st == TS_OK)
        st = ts_json_parse(text, size, "options of rank 0", &first);
    if (st == TS_OK)
        st = compare(here, first);
    json_decref(here);
    json_decref(first);
    ts_str_deinit(&own);
    ts_free(&text);
    return ts_comm_agree(comm, st);
}
