#include "base/json.h"
#include "fuzz.h"
#include "io/jsonl.h"

static const char *const keys[] = { "ids", "text", "b" };
enum { KEYS = sizeof keys / sizeof *keys };

/* What the JSON library reads as an object is read the same. (More is read than JSON: what Python
 * writes, where nobody asks for it.) */
static void compare(ts_json_fields *f, const char *line, size_t n)
{
    json_error_t e;
    /* (jansson 2.14 passes over a NUL behind a number) */
    json_t *whole = memchr(line, 0, n) ? NULL : json_loadb(line, n, JSON_ALLOW_NUL, &e);
    json_t *some = NULL;
    const ts_status st = ts_json_fields_object(f, line, n, keys, KEYS, &some);
    if (st == TS_ERR_NOMEM || (st != TS_OK && !*ts_error_message()))
        abort();
    if (json_is_object(whole) && st != TS_OK && !strstr(ts_error_message(), "deep"))
        abort();
    for (size_t k = 0; json_is_object(whole) && st == TS_OK && k < KEYS; k++) {
        const json_t *a = json_object_get(whole, keys[k]), *b = json_object_get(some, keys[k]);
        if ((a == NULL) != (b == NULL) || (a && !json_equal(a, b)))
            abort();
    }
    json_decref(whole);
    json_decref(some);
    if (ts_json_texts_read(f, line, n, keys + 1, 2, "--json-keys") == TS_OK)
        for (size_t k = 0; k < 2; k++)
            if (ts_utf8_check(f->v[k].s, f->v[k].n) != f->v[k].n)
                abort();
}

static void compare_lines(const char *s, size_t n)
{
    ts_json_fields f = { 0 };
    for (size_t at = 0; at < n;) {
        const char *nl = memchr(s + at, '\n', n - at);
        const size_t len = nl ? (size_t)(nl - s) - at : n - at;
        compare(&f, s + at, len);
        at += len + 1;
    }
    ts_json_fields_deinit(&f);
}

/* Lines for score and infer. */
static ts_status read_all(ts_jsonl *in)
{
    json_t *line = NULL;
    ts_status st;
    while ((st = ts_jsonl_next(in, &line)) == TS_OK && line) {
        int32_t *ids = NULL;
        int64_t n = 0;
        if (ts_jsonl_ids(in, line, 100, &ids, &n) == TS_OK)
            for (int64_t i = 0; i < n; i++)
                if (ids[i] < 0 || ids[i] >= 100)
                    abort();
        ts_free(&ids);
        json_decref(line);
    }
    return st;
}

/* The first byte: whether bad records stop. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_jsonl in;
    if (size < 1)
        return 0;
    const ts_on_bad_record on_bad = data[0] & 1 ? TS_BAD_RECORD_SKIP : TS_BAD_RECORD_STOP;
    compare_lines((const char *)data + 1, size - 1);
    fuzz_write("lines.jsonl", data + 1, size - 1);
    if (ts_jsonl_open(fuzz_path("lines.jsonl", path), keys, KEYS, on_bad, &in) != TS_OK)
        return 0; /* it begins like another kind of file */
    if (read_all(&in) != TS_OK && !strstr(ts_error_message(), "lines.jsonl"))
        abort();
    ts_jsonl_close(&in);
    return 0;
}
