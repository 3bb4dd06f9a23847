#include "data/instruct/records.h"

#include "base/file.h"
#include "data/textfeed.h"
#include "io/parquet/parquet.h"

#include <string.h>
#include <sys/stat.h>

typedef struct record_file {
    char *name;
    ts_map map;  /* empty: no regular file */
    ts_str kept; /* records that do not stand in the map */
} record_file;

typedef struct record {
    size_t at, n; /* in the map, or in what is kept */
    int64_t line;
    uint32_t file;
    bool is_kept;
} record;

struct ts_records {
    record_file *file;
    size_t n_files, cap_files;
    record *v;
    size_t n, cap;
};

static ts_status add_file(ts_records *r, const char *name)
{
    struct stat s;
    TS_TRY(ts_grow(&r->file, &r->cap_files, r->n_files + 1, sizeof *r->file));
    record_file *f = &r->file[r->n_files];
    *f = (record_file){ 0 };
    TS_TRY(ts_strdup(name, &f->name));
    r->n_files++;
    return stat(name, &s) == 0 && S_ISREG(s.st_mode) ? ts_map_open(name, &f->map) : TS_OK;
}

static bool stands_there(const ts_map *m, size_t at, const char *s, size_t n)
{
    return at <= m->size && n <= m->size - at && !memcmp(m->data + at, s, n);
}

/* base: where the batch's text begins in its file, if it stands there as it is. */
static ts_status add_records(ts_records *r, const ts_text_batch *b, size_t base)
{
    record_file *f = &r->file[r->n_files - 1];
    TS_TRY(ts_grow(&r->v, &r->cap, r->n + b->n, sizeof *r->v));
    for (size_t i = 0; i < b->n; i++) {
        const ts_span *span = &b->spans[i];
        const char *s = b->text.s + span->at;
        record *v = &r->v[r->n++];
        *v =
            (record){ .at = base + span->at, .n = span->n, .line = span->line, .file = (uint32_t)(r->n_files - 1) };
        if (stands_there(&f->map, v->at, s, span->n))
            continue;
        v->is_kept = true;
        v->at = f->kept.len;
        TS_TRY(ts_str_add(&f->kept, s, span->n));
    }
    return TS_OK;
}

/* A byte order mark is no part of the text. */
static size_t first_byte(const ts_map *m) { return m->size >= 3 && !memcmp(m->data, "\xEF\xBB\xBF", 3) ? 3 : 0; }

static ts_status find_records(ts_records *r, ts_textfeed *feed, ts_text_batch *b)
{
    const char *file = NULL;
    size_t base = 0;
    for (;;) {
        TS_TRY(ts_textfeed_next(feed, b));
        if (!b->n)
            return TS_OK;
        if (!b->is_json)
            return ts_error(TS_ERR_USER, "%s: expected JSON records: an object a line, or a list of objects",
                            b->file);
        if (b->file != file) {
            file = b->file;
            TS_TRY(add_file(r, file));
            base = first_byte(&r->file[r->n_files - 1].map);
        }
        TS_TRY(add_records(r, b, base));
        base += b->bytes;
    }
}

/* Rows of a Parquet file are kept as JSON; a row's number is its line. */
static ts_status find_rows(ts_records *r, ts_parquet *p, const char *path)
{
    bool found = true;
    TS_TRY(ts_grow(&r->file, &r->cap_files, r->n_files + 1, sizeof *r->file));
    record_file *f = &r->file[r->n_files];
    *f = (record_file){ 0 };
    TS_TRY(ts_strdup(path, &f->name));
    r->n_files++;
    for (int64_t row = 1;; row++) {
        const size_t at = f->kept.len;
        TS_TRY(ts_parquet_next(p, &f->kept, &found));
        if (!found)
            return TS_OK;
        TS_TRY(ts_grow(&r->v, &r->cap, r->n + 1, sizeof *r->v));
        r->v[r->n++] = (record){ .at = at, .n = f->kept.len - at, .line = row, .is_kept = true };
    }
}

static ts_status open_parquet(ts_records *r, const char *path)
{
    ts_parquet *p;
    TS_TRY(ts_parquet_open(path, &p));
    const ts_status st = find_rows(r, p, path);
    ts_parquet_close(&p);
    return st;
}

static ts_status open_texts(ts_records *r, const char *path)
{
    static const char *key = "text";
    const ts_feed_options o = { .input = { &path, 1 }, .json_keys = { &key, 1 }, .any_name = true };
    ts_textfeed *feed = NULL;
    ts_text_batch batch = { 0 };
    if (!ts_path_exists(path))
        return ts_error(TS_ERR_USER, "--data-path %s: there is no such file", path);
    ts_status st = ts_textfeed_create(&o, &feed);
    if (st == TS_OK)
        st = find_records(r, feed, &batch);
    ts_text_batch_deinit(&batch);
    ts_textfeed_destroy(&feed);
    return st;
}

ts_status ts_records_open(const char *path, ts_records **out)
{
    ts_records *r = NULL;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    ts_status st = ts_parquet_is(path) ? open_parquet(r, path) : open_texts(r, path);
    if (st == TS_OK && !r->n)
        st = ts_error(TS_ERR_USER, "%s: there is no record in it", path);
    if (st != TS_OK)
        ts_records_close(&r);
    else
        *out = r;
    return st;
}

void ts_records_close(ts_records **records)
{
    ts_records *r = *records;
    for (size_t i = 0; r && i < r->n_files; i++) {
        ts_free(&r->file[i].name);
        ts_map_close(&r->file[i].map);
        ts_str_deinit(&r->file[i].kept);
    }
    if (r) {
        ts_free(&r->file);
        ts_free(&r->v);
    }
    ts_free(records);
}

int64_t ts_records_count(const ts_records *r) { return (int64_t)r->n; }

ts_status ts_records_read(const ts_records *r, int64_t i, json_t **out)
{
    const record *v = &r->v[i];
    const record_file *f = &r->file[v->file];
    const char *s = v->is_kept ? f->kept.s + v->at : (const char *)f->map.data + v->at;
    json_t *o;
    TS_TRY(ts_json_load(s, v->n, JSON_ALLOW_NUL | JSON_DECODE_ANY, "the record", &o));
    if (json_is_object(o)) {
        *out = o;
        return TS_OK;
    }
    json_decref(o);
    return ts_error(TS_ERR_USER, "expected a JSON object");
}

ts_status ts_records_error(const ts_records *r, int64_t i, ts_status st)
{
    const record *v = &r->v[i];
    return st == TS_ERR_USER
               ? ts_error(st, "%s:%lld: %s", r->file[v->file].name, (long long)v->line, ts_error_message())
               : st;
}
