#include "base/json.h"
#include "fuzz.h"
#include "io/jsonl.h"
#include "text/json_fields.h"

static const char *const keys[] = { "text", "b" };

/* What the quick reader finds in a line, the JSON library finds too. */
static void compare(ts_json_fields *f, const char *line, size_t n)
{
    for (size_t n_keys = 1; n_keys <= 2; n_keys++) {
        ts_json_field field[2];
        bool found;
        json_error_t e;
        if (ts_json_fields_read(f, line, n, keys, n_keys, true, field, &found) != TS_OK)
            abort();
        if (!found)
            continue;
        json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
        if (!o) /* Python's words for numbers that JSON has not, and numbers beyond a double */
            continue;
        for (size_t k = 0; k < n_keys; k++) {
            const json_t *v = json_object_get(o, keys[k]);
            if (!json_is_string(v) || json_string_length(v) != field[k].n ||
                memcmp(json_string_value(v), field[k].s, field[k].n))
                abort();
        }
        json_decref(o);
    }
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
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_jsonl in;
    json_t *line = NULL;
    ts_status st;
    compare_lines((const char *)data, size);
    fuzz_write("lines.jsonl", data, size);
    if (ts_jsonl_open(fuzz_path("lines.jsonl", path), &in) != TS_OK)
        abort();
    while ((st = ts_jsonl_next(&in, &line)) == TS_OK && line) {
        int32_t *ids = NULL;
        int64_t n = 0;
        if (ts_jsonl_ids(&in, line, 100, &ids, &n) == TS_OK)
            for (int64_t i = 0; i < n; i++)
                if (ids[i] < 0 || ids[i] >= 100)
                    abort();
        ts_free(&ids);
        json_decref(line);
    }
    if (st != TS_OK && !strstr(ts_error_message(), "lines.jsonl:"))
        abort();
    ts_jsonl_close(&in);
    return 0;
}
