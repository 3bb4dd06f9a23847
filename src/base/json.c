#include "base/json.h"

#include "base/file.h"
#include "base/json_memory.h"

#include <math.h>
#include <string.h>

ts_status ts_json_load(const char *text, size_t n, size_t flags, const char *name, json_t **out)
{
    json_error_t e;
    bool is_short;
    json_t *v = ts_json_read_guarded(text, n, flags, &e, &is_short);
    if (v) {
        *out = v;
        return TS_OK;
    }
    if (is_short)
        return ts_error(TS_ERR_NOMEM, "out of memory while reading %s", name);
    return ts_error(TS_ERR_USER, "%s: not valid JSON: line %d, column %d: %s", name, e.line,
                    e.column, e.text);
}

ts_status ts_json_parse(const char *text, size_t n, const char *name, json_t **out)
{
    return ts_json_load(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, name,
                        out);
}

/* Python writes Infinity, which JSON does not know: outside of texts it becomes a number as large. */
static void name_infinity(char *s)
{
    static const char word[] = "Infinity", number[] = "1e308   ";
    bool within = false;
    for (; *s; s++) {
        if (*s == '"')
            within = !within;
        else if (within && *s == '\\' && s[1])
            s++;
        else if (!within && !strncmp(s, word, sizeof word - 1))
            memcpy(s, number, sizeof number - 1);
    }
}

ts_status ts_json_read(const char *path, json_t **out)
{
    ts_str text = { 0 };
    ts_status st = ts_file_read(path, &text);
    if (st == TS_OK && text.s)
        name_infinity(text.s);
    const size_t mark = text.len >= 3 && !memcmp(text.s, "\xEF\xBB\xBF", 3) ? 3 : 0;
    if (st == TS_OK)
        st = ts_json_parse(ts_str_text(&text) + mark, text.len - mark, path, out);
    ts_str_deinit(&text);
    return st;
}

typedef struct writing {
    ts_str *out;
    ts_status st;
} writing;

static int write_part(const char *text, size_t n, void *ctx)
{
    writing *w = ctx;
    if (w->st == TS_OK)
        w->st = ts_str_add(w->out, text, n);
    return w->st == TS_OK ? 0 : -1;
}

/* The library goes on after some failures of the memory it writes to, and the text lacks parts then:
 * so the memory is ours, and the first failure counts. */
ts_status ts_json_write(const json_t *v, size_t flags, const char *what, ts_str *out)
{
    writing w = { out, TS_OK };
    const int rc = v ? json_dump_callback(v, write_part, &w, flags) : -1;
    return rc == 0 && w.st == TS_OK ? TS_OK
                                    : ts_error(TS_ERR_NOMEM, "out of memory while writing %s", what);
}

json_t *ts_json_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *ts_json_string(const char *text)
{
    if (!text)
        return json_null();
    const size_t n = strlen(text);
    if (ts_utf8_check(text, n) == n)
        return json_stringn(text, n);
    ts_str quoted = { 0 };
    json_t *v = NULL;
    if (ts_str_json(&quoted, text, n) != TS_OK ||
        ts_json_load(quoted.s, quoted.len, JSON_DECODE_ANY, "a text", &v) != TS_OK)
        v = NULL;
    ts_str_deinit(&quoted);
    return v;
}

static const json_t *look_up(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

ts_status ts_json_int(const json_t *o, const char *file, const char *key, int64_t def, int64_t lo,
                      int64_t hi, int64_t *out)
{
    const json_t *v = look_up(o, key);
    if (v && !json_is_integer(v))
        return ts_error(TS_ERR_USER, "%s: %s must be a whole number", file, key);
    const int64_t n = v ? json_integer_value(v) : def;
    if (v && (n < lo || n > hi))
        return ts_error(TS_ERR_USER, "%s: %s is %lld, expected %lld to %lld", file, key,
                        (long long)n, (long long)lo, (long long)hi);
    *out = n;
    return TS_OK;
}

ts_status ts_json_real(const json_t *o, const char *file, const char *key, double def, double *out)
{
    const json_t *v = look_up(o, key);
    if (v && !json_is_number(v))
        return ts_error(TS_ERR_USER, "%s: %s must be a number", file, key);
    *out = v ? json_number_value(v) : def;
    return TS_OK;
}

ts_status ts_json_bool(const json_t *o, const char *file, const char *key, bool def, bool *out)
{
    const json_t *v = look_up(o, key);
    if (v && !json_is_boolean(v))
        return ts_error(TS_ERR_USER, "%s: %s must be true or false", file, key);
    *out = v ? json_is_true(v) : def;
    return TS_OK;
}

ts_status ts_json_text(const json_t *o, const char *file, const char *key, const char *def,
                       const char **out)
{
    const json_t *v = look_up(o, key);
    if (v && !json_is_string(v))
        return ts_error(TS_ERR_USER, "%s: %s must be a string", file, key);
    *out = v ? json_string_value(v) : def;
    return TS_OK;
}
