#include "io/jsonl.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ts_status ts_jsonl_open(const char *path, ts_jsonl *out)
{
    *out = (ts_jsonl){ 0 };
    snprintf(out->name, sizeof out->name, "%s", path);
    return ts_file_read(path, &out->text);
}

void ts_jsonl_close(ts_jsonl *j) { ts_str_deinit(&j->text); }

ts_status ts_jsonl_next(ts_jsonl *j, json_t **out)
{
    *out = NULL;
    while (j->at < j->text.len) {
        const char *line = j->text.s + j->at;
        const char *end = memchr(line, '\n', j->text.len - j->at);
        const size_t n = end ? (size_t)(end - line) : j->text.len - j->at;
        j->at += n + 1;
        j->line++;
        if (strspn(line, " \t\r") >= n)
            continue;
        char where[576];
        snprintf(where, sizeof where, "%s:%lld", j->name, (long long)j->line);
        TS_TRY(ts_json_parse(line, n, where, out));
        if (json_is_object(*out))
            return TS_OK;
        json_decref(*out);
        *out = NULL;
        return ts_jsonl_error(j, "a JSON object was expected");
    }
    return TS_OK;
}

ts_status ts_jsonl_error(const ts_jsonl *j, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return ts_error(TS_ERR_USER, "%s:%lld: %s", j->name, (long long)j->line, text);
}

ts_status ts_jsonl_ids(const ts_jsonl *j, const json_t *line, int64_t vocab, int32_t **ids,
                       int64_t *n)
{
    const json_t *a = json_object_get(line, "ids");
    int32_t *v;
    if (!json_is_array(a))
        return ts_jsonl_error(j, "\"ids\" must be a list of token ids");
    TS_TRY(ts_alloc(&v, json_array_size(a), sizeof *v));
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *e = json_array_get(a, i);
        const json_int_t id = json_integer_value(e);
        if (!json_is_integer(e) || id < 0 || id >= vocab) {
            ts_free(&v);
            return ts_jsonl_error(j, "\"ids\"[%zu] is no token id: 0 to %lld were expected", i,
                                  (long long)vocab - 1);
        }
        v[i] = (int32_t)id;
    }
    *ids = v;
    *n = (int64_t)json_array_size(a);
    return TS_OK;
}

ts_status ts_jsonl_out_open(const char *path, ts_output *out)
{
    return ts_output_open(out, "--output", path ? path : "-", TS_OUTPUT_REPLACE);
}

ts_status ts_jsonl_out_line(ts_output *o, ts_str *line)
{
    TS_TRY(ts_str_puts(line, "\n"));
    return ts_output_write(o, line->s, line->len);
}
