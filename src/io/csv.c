#include "io/csv.h"

#include "io/input.h"

static ts_status read_all(ts_input *in, ts_csv *c)
{
    char part[1 << 14];
    size_t got;
    do {
        TS_TRY(ts_input_read(in, part, sizeof part, &got));
        if (c->text.len + got > TS_INPUT_LONGEST)
            return ts_input_too_long(ts_str_text(&c->name), 1);
        TS_TRY(ts_str_add(&c->text, part, got));
    } while (got == sizeof part);
    const size_t bad = ts_utf8_check(ts_str_text(&c->text), c->text.len);
    return bad == c->text.len ? TS_OK : ts_error(TS_ERR_USER, "%s: byte %zu is not UTF-8", c->name.s, bad);
}

ts_status ts_csv_open(const char *path, ts_csv *out)
{
    ts_input *in = NULL;
    *out = (ts_csv){ .next_line = 1 };
    TS_TRY(ts_input_open(path, &in));
    ts_status st = ts_str_puts(&out->name, ts_input_name(in));
    if (st == TS_OK)
        st = read_all(in, out);
    ts_input_close(&in);
    if (st != TS_OK)
        ts_csv_close(out);
    return st;
}

void ts_csv_close(ts_csv *c)
{
    ts_str_deinit(&c->name);
    ts_str_deinit(&c->text);
}

/* The length of a line's end at p: 0, 1, or 2 for \r\n. */
static size_t line_end(const char *p, const char *end)
{
    if (p < end && *p == '\n')
        return 1;
    return p < end && *p == '\r' ? (p + 1 < end && p[1] == '\n' ? 2 : 1) : 0;
}

/* What stands in quotes, from behind the first one. */
static ts_status quoted(ts_csv *c, ts_str *cell)
{
    const char *s = c->text.s;
    for (; c->at < c->text.len; c->at++) {
        if (s[c->at] == '"') {
            if (c->at + 1 >= c->text.len || s[c->at + 1] != '"') {
                c->at++;
                return TS_OK;
            }
            c->at++;
        }
        c->next_line += s[c->at] == '\n';
        TS_TRY(ts_str_add(cell, s + c->at, 1));
    }
    return ts_error(TS_ERR_USER, "%s:%lld: a quote that begins here does not end", c->name.s,
                    (long long)c->line);
}

/* Up to the comma or line end behind it. */
static ts_status read_cell(ts_csv *c, ts_str *cell)
{
    const char *s = c->text.s, *end = s + c->text.len;
    ts_str_reset(cell);
    if (s + c->at < end && s[c->at] == '"') {
        c->at++;
        TS_TRY(quoted(c, cell));
        if (s + c->at < end && s[c->at] != ',' && !line_end(s + c->at, end))
            return ts_error(TS_ERR_USER, "%s:%lld: text behind a quote that has ended", c->name.s,
                            (long long)c->line);
        return TS_OK;
    }
    const size_t from = c->at;
    while (s + c->at < end && s[c->at] != ',' && !line_end(s + c->at, end))
        c->at++;
    return ts_str_add(cell, s + from, c->at - from);
}

static ts_status read_record(ts_csv *c, json_t *row)
{
    ts_str cell = { 0 };
    ts_status st = TS_OK;
    for (bool more = true; more && st == TS_OK;) {
        st = read_cell(c, &cell);
        if (st == TS_OK && json_array_append_new(row, json_stringn(ts_str_text(&cell), cell.len)))
            st = ts_error(TS_ERR_NOMEM, "out of memory for a record of %s", c->name.s);
        more = c->at < c->text.len && c->text.s[c->at] == ',';
        c->at += more;
    }
    ts_str_deinit(&cell);
    return st;
}

ts_status ts_csv_next(ts_csv *c, json_t **out)
{
    const char *s = ts_str_text(&c->text), *end = s + c->text.len;
    size_t n;
    *out = NULL;
    while ((n = line_end(s + c->at, end)) > 0)
        c->at += n, c->next_line++;
    c->line = c->next_line;
    if (c->at >= c->text.len)
        return TS_OK;
    json_t *row = json_array();
    ts_status st =
        row ? read_record(c, row) : ts_error(TS_ERR_NOMEM, "out of memory for a record of %s", c->name.s);
    if (st != TS_OK) {
        json_decref(row);
        return st;
    }
    n = line_end(s + c->at, end);
    c->at += n;
    c->next_line += n > 0;
    *out = row;
    return TS_OK;
}
