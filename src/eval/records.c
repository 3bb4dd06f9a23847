#include "eval/records.h"

#include "base/file.h"
#include "io/csv.h"
#include "io/jsonl.h"
#include "io/parquet/parquet.h"

#include <string.h>

ts_status ts_eval_find_file(const char *folder, const char *stem, ts_str *path, bool *found)
{
    static const char *const ends[] = { "",          ".jsonl",     ".json",    ".csv",
                                        ".jsonl.gz", ".jsonl.zst", ".parquet", "-00000-of-00001.parquet" };
    *found = false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !*found; i++) {
        TS_TRY(ts_path_join(path, folder, stem));
        TS_TRY(ts_str_puts(path, ends[i]));
        *found = ts_path_exists(path->s) && !ts_path_is_dir(path->s);
    }
    return TS_OK;
}

/* Takes the record over. */
static ts_status add(ts_eval_records *r, json_t *record, int64_t line)
{
    ts_status st = ts_grow(&r->v, &r->cap_v, r->n + 1, sizeof *r->v);
    if (st == TS_OK)
        st = ts_grow(&r->line, &r->cap_line, r->n + 1, sizeof *r->line);
    if (st != TS_OK) {
        json_decref(record);
        return st;
    }
    r->v[r->n] = record;
    r->line[r->n++] = line;
    return TS_OK;
}

static ts_status not_an_object(const ts_eval_records *r, int64_t line)
{
    return ts_error(TS_ERR_USER, "%s:%lld: expected a record, a JSON object", r->path.s, (long long)line);
}

/* The cells as an object under the names of the columns. */
static ts_status name_cells(const ts_eval_records *r, const json_t *columns, const json_t *row, int64_t line,
                            json_t **out)
{
    const size_t n = json_array_size(columns), has = json_array_size(row);
    if (n != has)
        return ts_error(TS_ERR_USER, "%s:%lld: %zu cells, expected %zu", r->path.s, (long long)line, has, n);
    json_t *o = json_object();
    for (size_t i = 0; i < n && o; i++)
        if (json_object_set(o, json_string_value(json_array_get(columns, i)), json_array_get(row, i))) {
            json_decref(o);
            o = NULL;
        }
    *out = o;
    return o ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory for a record of %s", r->path.s);
}

static ts_status read_csv(ts_eval_records *r, const json_t *columns)
{
    ts_csv c;
    json_t *header = NULL, *row = NULL, *record = NULL;
    TS_TRY(ts_csv_open(r->path.s, &c));
    ts_status st = columns ? TS_OK : ts_csv_next(&c, &header);
    while (st == TS_OK) {
        st = ts_csv_next(&c, &row);
        if (st != TS_OK || !row)
            break;
        st = name_cells(r, columns ? columns : header, row, c.line, &record);
        json_decref(row);
        if (st == TS_OK)
            st = add(r, record, c.line);
    }
    json_decref(header);
    ts_csv_close(&c);
    return st;
}

static ts_status read_parquet(ts_eval_records *r)
{
    ts_parquet *p;
    ts_str text = { 0 };
    bool found = true;
    TS_TRY(ts_parquet_open(r->path.s, &p));
    ts_status st = TS_OK;
    while (st == TS_OK) {
        json_t *record;
        ts_str_reset(&text);
        st = ts_parquet_next(p, &text, &found);
        if (st != TS_OK || !found)
            break;
        st = ts_json_parse(text.s, text.len, r->path.s, &record);
        if (st == TS_OK)
            st = add(r, record, (int64_t)r->n + 1);
    }
    ts_str_deinit(&text);
    ts_parquet_close(&p);
    return st;
}

static ts_status read_lines(ts_eval_records *r)
{
    ts_jsonl in;
    ts_str place = { 0 };
    TS_TRY(ts_jsonl_open(r->path.s, NULL, 0, TS_BAD_RECORD_STOP, &in));
    ts_status st = TS_OK;
    while (st == TS_OK) {
        ts_jsonl_line line;
        json_t *record;
        st = ts_jsonl_read_line(&in, &line);
        if (st != TS_OK || !line.s)
            break;
        ts_str_reset(&place);
        st = ts_str_printf(&place, "%s:%lld", r->path.s, (long long)line.number);
        if (st == TS_OK)
            st = ts_json_parse(line.s, line.n, place.s, &record);
        if (st == TS_OK && !json_is_object(record)) {
            json_decref(record);
            st = not_an_object(r, line.number);
        } else if (st == TS_OK) {
            st = add(r, record, line.number);
        }
    }
    ts_str_deinit(&place);
    ts_jsonl_close(&in);
    return st;
}

/* A whole file of JSON: an array, or an object that has one. */
static ts_status read_whole(ts_eval_records *r, const char *rows)
{
    json_t *all;
    TS_TRY(ts_json_read(r->path.s, &all));
    const json_t *list = json_is_object(all) && rows ? json_object_get(all, rows) : all;
    ts_status st = json_is_array(list)
                       ? TS_OK
                       : ts_error(TS_ERR_USER, "%s: expected an array of records%s%s%s", r->path.s,
                                  rows ? " under \"" : "", rows ? rows : "", rows ? "\"" : "");
    for (size_t i = 0; st == TS_OK && i < json_array_size(list); i++) {
        json_t *record = json_array_get(list, i);
        st = json_is_object(record)
                 ? add(r, json_incref(record), (int64_t)i + 1)
                 : ts_error(TS_ERR_USER, "%s: record %zu is no JSON object", r->path.s, i + 1);
    }
    json_decref(all);
    return st;
}

/* A file that ends in .json may still be one of lines. */
static bool is_whole(const char *path, const char *rows)
{
    return ts_path_ends(path, ".json") && (rows || ts_file_begins_with(path, "[", 1));
}

ts_status ts_eval_records_read(const char *path, const json_t *columns, const char *rows,
                               ts_eval_records *out)
{
    ts_eval_records r = { 0 };
    ts_status st = ts_str_puts(&r.path, path);
    if (st == TS_OK)
        st = ts_path_ends(path, ".csv") ? read_csv(&r, columns)
             : ts_parquet_is(path)      ? read_parquet(&r)
             : is_whole(path, rows)     ? read_whole(&r, rows)
                                        : read_lines(&r);
    if (st == TS_OK && !r.n)
        st = ts_error(TS_ERR_USER, "%s: there are no records", path);
    if (st != TS_OK)
        ts_eval_records_deinit(&r);
    else
        *out = r;
    return st;
}

void ts_eval_records_deinit(ts_eval_records *r)
{
    for (size_t i = 0; i < r->n; i++)
        json_decref(r->v[i]);
    ts_free(&r->v);
    ts_free(&r->line);
    ts_str_deinit(&r->path);
    *r = (ts_eval_records){ 0 };
}

ts_status ts_eval_place(const ts_eval_records *r, size_t i, ts_str *out)
{
    ts_str_reset(out);
    return ts_str_printf(out, "%s:%lld", r->path.s, (long long)r->line[i]);
}

ts_status ts_eval_records_need(const ts_eval_records *r, const json_t *names)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < json_array_size(names); k++) {
            const char *name = json_string_value(json_array_get(names, k)), *key;
            json_t *v;
            ts_str has = { 0 };
            if (!name || json_object_get(r->v[i], name))
                continue;
            ts_status st = TS_OK;
            json_object_foreach(r->v[i], key, v) if (st == TS_OK) st =
                ts_str_printf(&has, "%s%s", has.len ? ", " : "", key);
            if (st == TS_OK)
                st = ts_error(TS_ERR_USER, "%s:%lld: there is no \"%s\"; the record has %s", r->path.s,
                              (long long)r->line[i], name, ts_str_text(&has));
            ts_str_deinit(&has);
            return st;
        }
    return TS_OK;
}
