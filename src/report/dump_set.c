#include "report/dump_set.h"

#include "base/file.h"
#include "io/jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ts_dump_set_close(ts_dump_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->v[i].n; k++)
            ts_dump_piece_deinit(&s->v[i].piece[k].piece);
        ts_free(&s->v[i].piece);
    }
    for (size_t i = 0; i < s->n_files; i++)
        ts_st_file_destroy(&s->file[i]);
    ts_free(&s->v);
    ts_free(&s->file);
    ts_free(&s->at);
    ts_names_destroy(&s->names);
    *s = (ts_dump_set){ 0 };
}

/* ---- reading ---- */

typedef struct reading {
    ts_dump_set *s;
    int64_t step;
    const char *path; /* of the file of lines */
    size_t line;
} reading;

static ts_status key_of(int64_t step, ts_dump_kind kind, const char *name, ts_str *out)
{
    ts_str_reset(out);
    return ts_str_printf(out, "%lld %d %s", (long long)step, (int)kind, name);
}

static ts_status find_or_add(const reading *r, const ts_dump_piece *p, ts_dumped **out)
{
    ts_dump_set *s = r->s;
    ts_str key = { 0 };
    ts_status st = key_of(r->step, p->kind, p->name, &key);
    int64_t at = st == TS_OK ? ts_names_find(s->names, key.s) : 0;
    if (st == TS_OK && at < 0) {
        st = ts_grow(&s->v, &s->cap, s->n + 1, sizeof *s->v);
        if (st == TS_OK)
            st = ts_names_add(s->names, key.s);
        if (st == TS_OK) {
            at = (int64_t)s->n;
            s->v[s->n++] = (ts_dumped){ .name = p->name,
                                        .kind = p->kind,
                                        .step = r->step,
                                        .order = p->order,
                                        .whole = { p->whole[0], p->whole[1] },
                                        .line = r->line,
                                        .has_values = true,
                                        .stats = { .min = p->stats.min, .max = p->stats.max } };
        }
    }
    ts_str_deinit(&key);
    if (st == TS_OK)
        *out = &s->v[at];
    return st;
}

/* Takes *p over. */
static ts_status take_piece(const reading *r, ts_dump_piece *p)
{
    ts_dump_set *s = r->s;
    const ts_st_file *file = s->file[s->n_files - 1];
    ts_dumped *d;
    char number[32];
    TS_TRY(find_or_add(r, p, &d));
    if (d->whole[0] != p->whole[0] || d->whole[1] != p->whole[1])
        return ts_error(TS_ERR_USER, "%s:%zu: %s has another shape than in a line before", r->path,
                        r->line, p->name);
    if (p->n > INT64_MAX - d->stats.count)
        return ts_error(TS_ERR_USER, "%s:%zu: %s has too many pieces", r->path, r->line, p->name);
    snprintf(number, sizeof number, "%lld", (long long)p->tensor);
    const ts_st_tensor *t = file && p->tensor >= 0 ? ts_st_file_find(file, number) : NULL;
    if (p->tensor >= 0 && (!t || t->elements != p->n || t->dtype != TS_ST_F32))
        return ts_error(TS_ERR_USER, "%s:%zu: the values of %s are not in the file beside it",
                        r->path, r->line, p->name);
    TS_TRY(ts_grow(&d->piece, &d->cap, d->n + 1, sizeof *d->piece));
    d->has_values = d->has_values && t;
    d->adds = d->adds || p->adds;
    d->line = r->line < d->line ? r->line : d->line;
    ts_dump_add(&d->stats, &p->stats);
    d->piece[d->n++] = (ts_dumped_piece){ *p, s->n_files - 1 };
    *p = (ts_dump_piece){ 0 };
    return TS_OK;
}

static ts_status take_line(const reading *r, const ts_jsonl_line *l)
{
    ts_dump_piece p = { 0 };
    json_t *line;
    char name[1024];
    snprintf(name, sizeof name, "%s:%lld", r->path, (long long)l->number);
    TS_TRY(ts_json_parse(l->s, l->n, name, &line));
    ts_status st = ts_dump_read_line(line, name, &p);
    json_decref(line);
    if (st == TS_OK)
        st = take_piece(r, &p);
    ts_dump_piece_deinit(&p);
    return st;
}

/* The values beside a file of lines, where there are any. */
static ts_status open_values(ts_dump_set *s, const char *lines)
{
    ts_str path = { 0 };
    ts_st_file *file = NULL;
    ts_status st = ts_str_printf(&path, "%.*s.safetensors", (int)(strlen(lines) - 6), lines);
    if (st == TS_OK && ts_path_exists(path.s))
        st = ts_st_file_open(path.s, &file);
    ts_str_deinit(&path);
    if (st == TS_OK)
        st = ts_grow(&s->file, &s->cap_files, s->n_files + 1, sizeof *s->file);
    if (st == TS_OK)
        s->file[s->n_files++] = file;
    else
        ts_st_file_destroy(&file);
    return st;
}

static ts_status read_file(ts_dump_set *s, int64_t step, const char *path)
{
    reading r = { s, step, path, 0 };
    ts_jsonl j;
    ts_jsonl_line l;
    TS_TRY(open_values(s, path));
    TS_TRY(ts_jsonl_open(path, NULL, 0, TS_BAD_RECORD_STOP, &j));
    ts_status st = ts_jsonl_read_line(&j, &l);
    while (st == TS_OK && l.s) {
        r.line = (size_t)l.number;
        st = take_line(&r, &l);
        if (st == TS_OK)
            st = ts_jsonl_read_line(&j, &l);
    }
    ts_jsonl_close(&j);
    return st;
}

/* The number in iter_0000003; 0: another name. */
static int64_t step_of(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return strncmp(name, "iter_", 5) ? 0 : strtoll(name + 5, NULL, 10);
}

/* Files of a run on another number of processes are of another run. */
static ts_status check_alike(const char *dir, const char *name, char *of, size_t size)
{
    const char *here = strstr(name, "-of-");
    here = here ? here : "";
    if (*of && strcmp(of, here))
        return ts_error(
            TS_ERR_USER,
            "%s: holds dumps of runs on different numbers of processes (*%s and *%s): remove "
            "those of one",
            dir, of, here);
    snprintf(of, size, "%s", here);
    return TS_OK;
}

/* A step's files, and with `inner` those of the folders within. */
static ts_status read_dir(ts_dump_set *s, const char *dir, bool inner)
{
    char **names;
    size_t n;
    ts_str path = { 0 };
    char of[64] = "";
    TS_TRY(ts_dir_list(dir, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_path_join(&path, dir, names[i]);
        if (st == TS_OK && inner && step_of(names[i]) && ts_path_is_dir(path.s))
            st = read_dir(s, path.s, false);
        const bool is_ours = !strncmp(names[i], "rank_", 5) && ts_path_ends(names[i], ".jsonl");
        if (st == TS_OK && is_ours)
            st = check_alike(dir, names[i], of, sizeof of);
        if (st == TS_OK && is_ours)
            st = read_file(s, step_of(dir), path.s);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

/* ---- order ---- */

static int compare_numbers(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_computation(const void *a, const void *b)
{
    const ts_dumped *x = a, *y = b;
    int c = compare_numbers(x->step, y->step);
    c = c ? c : compare_numbers(x->kind, y->kind);
    if (!c)
        c = x->kind == TS_DUMP_OUTPUT_GRADIENT ? compare_numbers(y->order, x->order)
                                               : compare_numbers(x->order, y->order);
    c = c ? c : compare_numbers((int64_t)x->line, (int64_t)y->line);
    return c ? c : strcmp(x->name, y->name);
}

static ts_status put_in_order(ts_dump_set *s)
{
    ts_str key = { 0 };
    ts_status st = TS_OK;
    TS_TRY(ts_alloc(&s->at, s->n, sizeof *s->at));
    for (size_t i = 0; i < s->n; i++)
        s->v[i].name = s->v[i].piece[0].piece.name;
    qsort(s->v, s->n, sizeof *s->v, by_computation);
    for (size_t i = 0; i < s->n && st == TS_OK; i++) {
        st = key_of(s->v[i].step, s->v[i].kind, s->v[i].name, &key);
        if (st == TS_OK)
            s->at[ts_names_find(s->names, key.s)] = (int64_t)i;
    }
    ts_str_deinit(&key);
    return st;
}

ts_status ts_dump_set_open(const char *dir, ts_dump_set *out)
{
    *out = (ts_dump_set){ 0 };
    if (!ts_path_is_dir(dir))
        return ts_error(TS_ERR_USER, "%s: there is no such folder: expected what --dump-path named",
                        dir);
    TS_TRY(ts_names_create(256, &out->names));
    ts_status st = read_dir(out, dir, true);
    if (st == TS_OK && !out->n)
        st = ts_error(TS_ERR_USER,
                      "%s: holds no dump (iter_*/rank_*.jsonl): expected what --dump-path named",
                      dir);
    if (st == TS_OK)
        st = put_in_order(out);
    if (st != TS_OK)
        ts_dump_set_close(out);
    return st;
}

/* ---- looking ---- */

const ts_dumped *ts_dump_set_find(const ts_dump_set *s, const ts_dumped *like)
{
    ts_str key = { 0 };
    const ts_dumped *found = NULL;
    if (key_of(like->step, like->kind, like->name, &key) == TS_OK) {
        const int64_t number = ts_names_find(s->names, key.s);
        found = number < 0 ? NULL : &s->v[s->at[number]];
    }
    ts_str_deinit(&key);
    return found;
}

typedef struct filling {
    const char *from; /* may be unaligned */
    float *to;
    unsigned char *has;
} filling;

/* What is there twice is a sum of parts. */
static void fill(void *ctx, int64_t at, int64_t n, int64_t whole)
{
    const filling *f = ctx;
    for (int64_t i = 0; i < n; i++) {
        float v;
        memcpy(&v, f->from + (size_t)(at + i) * sizeof v, sizeof v);
        f->to[whole + i] = f->has[whole + i] ? f->to[whole + i] + v : v;
        f->has[whole + i] = 1;
    }
}

ts_status ts_dump_set_values(const ts_dump_set *s, const ts_dumped *d, float **values,
                             unsigned char **has)
{
    const size_t n = (size_t)d->whole[0] * (size_t)d->whole[1];
    filling f = { 0 };
    char name[32];
    TS_TRY(ts_alloc(&f.to, n, sizeof *f.to));
    const ts_status st = ts_alloc(&f.has, n, 1);
    if (st != TS_OK) {
        ts_free(&f.to);
        return st;
    }
    for (size_t i = 0; i < d->n; i++) {
        const ts_dump_piece *p = &d->piece[i].piece;
        snprintf(name, sizeof name, "%lld", (long long)p->tensor);
        f.from = ts_st_file_find(s->file[d->piece[i].file], name)->data;
        ts_dump_walk(p, fill, &f);
    }
    *values = f.to;
    *has = f.has;
    return TS_OK;
}
