#include "io/jsonl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 16 };

ts_status ts_jsonl_open(const char *path, const char *const *keys, size_t n_keys,
                        ts_on_bad_record on_bad, ts_jsonl *out)
{
    *out = (ts_jsonl){ .keys = keys, .n_keys = n_keys, .skip = on_bad == TS_BAD_RECORD_SKIP };
    return ts_input_open(path, &out->in);
}

void ts_jsonl_close(ts_jsonl *j)
{
    if (j->in)
        ts_bad_records_say(&j->bad, j->records);
    ts_input_close(&j->in);
    ts_json_fields_deinit(&j->fields);
    ts_str_deinit(&j->text);
}

static ts_status next_line(ts_jsonl *j, ts_jsonl_line *out)
{
    const char *nl = NULL;
    size_t from = j->at, got;
    while (!j->at_end && !(j->text.len > from &&
                           (nl = memchr(j->text.s + from, '\n', j->text.len - from)))) {
        from = j->text.len - j->at;
        if (from && j->at)
            memmove(j->text.s, j->text.s + j->at, from);
        j->at = 0;
        j->text.len = from;
        if (from > TS_INPUT_LONGEST)
            return ts_input_too_long(ts_input_name(j->in), j->line + 1);
        TS_TRY(ts_grow(&j->text.s, &j->text.cap, from + PIECE, 1));
        TS_TRY(ts_input_read(j->in, j->text.s + from, PIECE, &got));
        j->text.len += got;
        j->at_end = got < PIECE;
    }
    if (!nl && j->text.len > j->at)
        nl = memchr(j->text.s + j->at, '\n', j->text.len - j->at);
    const size_t n = (nl ? (size_t)(nl - j->text.s) : j->text.len) - j->at;
    const bool is_there = j->at < j->text.len;
    j->line += is_there;
    *out = (ts_jsonl_line){ is_there ? j->text.s + j->at : NULL, n, j->line, nl != NULL };
    j->at += n + (nl != NULL);
    return TS_OK;
}

bool ts_jsonl_is_blank(const char *s, size_t n)
{
    while (n && (*s == ' ' || *s == '\t' || *s == '\r'))
        s++, n--;
    return n == 0;
}

static ts_status take_fields(ts_jsonl *j, const char *s, size_t n, json_t **out)
{
    json_t *first;
    TS_TRY(ts_json_fields_object(&j->fields, s, n, j->keys, 1, &first));
    if (j->n_keys == 1 || json_object_size(first)) {
        *out = first;
        return TS_OK;
    }
    json_decref(first);
    return ts_json_fields_object(&j->fields, s, n, j->keys, j->n_keys, out);
}

ts_status ts_jsonl_read_line(ts_jsonl *j, ts_jsonl_line *out)
{
    do {
        TS_TRY(next_line(j, out));
    } while (out->s && ts_jsonl_is_blank(out->s, out->n));
    return TS_OK;
}

ts_status ts_jsonl_next(ts_jsonl *j, json_t **out)
{
    *out = NULL;
    for (;;) {
        ts_jsonl_line line;
        TS_TRY(ts_jsonl_read_line(j, &line));
        if (!line.s)
            return TS_OK;
        j->records++; /* unless it proves bad */
        const ts_status st = take_fields(j, line.s, line.n, out);
        if (st == TS_OK)
            return TS_OK;
        TS_TRY(ts_jsonl_done(
            j, st == TS_ERR_USER ? ts_jsonl_error(j, "%s", ts_error_message()) : st));
    }
}

ts_status ts_jsonl_done(ts_jsonl *j, ts_status st)
{
    if (st != TS_ERR_USER || !j->is_bad || !j->skip)
        return st;
    j->is_bad = false;
    j->records--;
    ts_bad_records_add(&j->bad, ts_error_message());
    return TS_OK;
}

ts_status ts_jsonl_error(ts_jsonl *j, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    j->is_bad = true;
    return ts_error(TS_ERR_USER, "%s:%lld: %s", ts_input_name(j->in), (long long)j->line, text);
}

ts_status ts_jsonl_ids(ts_jsonl *j, const json_t *line, int64_t vocab, int32_t **ids, int64_t *n)
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
