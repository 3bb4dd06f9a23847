#include "api/checkpoint.h"

#include "api/words.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "ckpt/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, ts_checkpoint_options, field, name, def, lo, hi, NULL, "checkpoint", help)
const ts_option ts_checkpoint_rows[] = {
    ROW(INT, step, "ckpt-step", "-1", -1, 9e15, "this iteration instead of the newest (-1)"),
    ROW(FLAG, all, "all", NULL, 0, 0, "verify: all iterations, not the newest alone"),
    ROW(FLAG, quick, "quick", NULL, 0, 0, "list: do not read every file to see whether it is good"),
    ROW(FLAG, json, "json", NULL, 0, 0, "print one JSON object"),
};
const size_t ts_checkpoint_count_rows = sizeof ts_checkpoint_rows / sizeof *ts_checkpoint_rows;

ts_status ts_checkpoint_need_folder(const char *dir)
{
    return ts_path_is_dir(dir)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s", dir,
                          ts_path_exists(dir) ? "is not a folder" : "there is no such folder");
}

/* ---- list ---- */

typedef struct walk {
    const ts_checkpoint_options *o;
    int64_t latest;
    ts_status (*row)(void *ctx, const ts_checkpoint_row *r);
    void *ctx;
} walk;

static ts_status walk_entry(const walk *w, const ts_ckpt_entry *e, size_t index)
{
    ts_ckpt_check check = { 0 };
    const ts_status st = e->trouble    ? TS_ERR_USER
                         : w->o->quick ? TS_OK
                                       : ts_ckpt_check_folder(e->folder, &check);
    if (st != TS_OK && st != TS_ERR_USER)
        return st;
    const char *why = e->trouble ? e->trouble : st == TS_OK ? NULL : ts_error_message();
    const ts_checkpoint_row r = { .entry = e, .index = index, .latest = w->latest, .why = why };
    return w->row(w->ctx, &r);
}

ts_status ts_checkpoint_walk(const char *dir, const ts_checkpoint_options *o,
                             ts_status (*row)(void *ctx, const ts_checkpoint_row *r), void *ctx)
{
    ts_ckpt_entry *entries;
    size_t n;
    walk w = { .o = o, .latest = -1, .row = row, .ctx = ctx };
    TS_TRY(ts_ckpt_list(dir, &entries, &n));
    ts_status st = TS_OK;
    if (n == 0)
        st = ts_error(TS_ERR_USER, "%s: holds no checkpoint (no iter_ folder with a manifest.json)",
                      dir);
    else if (ts_ckpt_latest(dir, &w.latest) != TS_OK)
        ts_log(TS_LOG_WARN, "%s", ts_error_message());
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = walk_entry(&w, &entries[i], i);
    ts_ckpt_list_free(&entries, n);
    return st;
}

typedef struct list {
    const ts_checkpoint_options *o;
    ts_str *out;
} list;

static ts_status list_row(void *ctx, const ts_checkpoint_row *r)
{
    const list *l = ctx;
    const ts_ckpt_entry *e = r->entry;
    if (r->index == 0 && r->latest >= 0)
        TS_TRY(ts_str_printf(l->out, "{\"latest\": %" PRId64 ", \"checkpoints\": [", r->latest));
    else if (r->index == 0)
        TS_TRY(ts_str_puts(l->out, "{\"latest\": null, \"checkpoints\": ["));
    TS_TRY(ts_str_printf(l->out, "%s{\"iteration\": %" PRId64 ", \"bytes\": %.0f, \"good\": %s",
                         r->index ? ", " : "", e->iteration, e->bytes,
                         r->why        ? "false"
                         : l->o->quick ? "null"
                                       : "true"));
    TS_TRY(ts_json_put_text(l->out, "saved_at", e->trouble ? NULL : e->saved_at));
    TS_TRY(ts_json_put_number(l->out, "world_size", e->trouble ? -1 : e->world_size));
    TS_TRY(ts_json_put_text(l->out, "folder", e->folder));
    TS_TRY(ts_json_put_text(l->out, "trouble", r->why));
    return ts_str_puts(l->out, "}");
}

ts_status ts_checkpoint_list_json(const char *dir, const ts_checkpoint_options *o, ts_str *out)
{
    list l = { o, out };
    TS_TRY(ts_checkpoint_walk(dir, o, list_row, &l));
    return ts_str_puts(out, "]}");
}

/* ---- show ---- */

static ts_status show_tensor(const ts_st_tensor *t, const char *part, bool is_first, ts_str *out)
{
    TS_TRY(ts_str_puts(out, is_first ? "{\"name\": " : ", {\"name\": "));
    TS_TRY(ts_str_json(out, t->name, strlen(t->name)));
    TS_TRY(ts_str_printf(out, ", \"part\": \"%s\", \"dtype\": \"%s\", \"shape\": [", part,
                         ts_st_dtype_name(t->dtype)));
    for (int i = 0; i < t->rank; i++)
        TS_TRY(ts_str_printf(out, "%s%" PRId64, i ? ", " : "", t->shape[i]));
    return ts_str_printf(out, "], \"bytes\": %zu}", t->size);
}

static ts_status show_open(const ts_checkpoint *ck, ts_str *out)
{
    bool is_first = true;
    TS_TRY(ts_str_puts(out, "{\"path\": "));
    TS_TRY(ts_str_json(out, ts_checkpoint_path(ck), strlen(ts_checkpoint_path(ck))));
    TS_TRY(ts_str_printf(out, ", \"iteration\": %" PRId64 ", \"world_size\": %d, \"state\": ",
                         ts_checkpoint_iteration(ck), ts_checkpoint_world_size(ck)));
    TS_TRY(ts_json_write(ts_checkpoint_state(ck), JSON_REAL_PRECISION(17), "the state", out));
    TS_TRY(ts_str_puts(out, ", \"tensors\": ["));
    for (int part = 0; part < TS_CKPT_PARTS; part++)
        for (int64_t i = 0; i < ts_checkpoint_count(ck, (ts_ckpt_part)part); i++) {
            TS_TRY(show_tensor(ts_checkpoint_at(ck, (ts_ckpt_part)part, i),
                               part == TS_CKPT_MODEL ? "model" : "optimizer", is_first, out));
            is_first = false;
        }
    return ts_str_puts(out, "]}");
}

static ts_status show_hf(const ts_st_dir *d, const char *dir, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"path\": "));
    TS_TRY(ts_str_json(out, dir, strlen(dir)));
    TS_TRY(ts_str_puts(out, ", \"tensors\": ["));
    for (int64_t i = 0; i < ts_st_dir_count(d); i++)
        TS_TRY(show_tensor(ts_st_dir_at(d, i), "model", i == 0, out));
    return ts_str_puts(out, "]}");
}

ts_status ts_checkpoint_show_json(const char *dir, const ts_checkpoint_options *o, ts_str *out)
{
    ts_status st;
    if (ts_checkpoint_is(dir)) {
        ts_checkpoint *ck = NULL;
        TS_TRY(ts_checkpoint_open(dir, o->step, 0, NULL, &ck));
        st = show_open(ck, out);
        ts_checkpoint_close(&ck);
    } else {
        ts_st_dir *d = NULL;
        TS_TRY(ts_st_dir_open(dir, "model", &d));
        st = show_hf(d, dir, out);
        ts_st_dir_destroy(&d);
    }
    return st;
}

/* ---- the public functions ---- */

static ts_status parse(const char *dir, const char *const *options, size_t n,
                       ts_checkpoint_options *o)
{
    const ts_option_table table = { ts_checkpoint_rows, ts_checkpoint_count_rows, o };
    ts_option_set *set;
    TS_TRY(ts_words_parse(&table, 1, options, n, &set));
    ts_option_set_destroy(&set); /* the values hold no texts */
    return ts_checkpoint_need_folder(dir);
}

static ts_status as_text(const char *dir, const char *const *options, size_t n, char **json,
                         ts_status (*make)(const char *dir, const ts_checkpoint_options *o,
                                           ts_str *out))
{
    ts_checkpoint_options o = { 0 };
    ts_str out = { 0 };
    TS_TRY(parse(dir, options, n, &o));
    ts_status st = make(dir, &o, &out);
    if (st == TS_OK)
        st = ts_give_text(&out, json, NULL);
    ts_str_deinit(&out);
    return st;
}

ts_status ts_checkpoint_list(const char *dir, const char *const *options, size_t n, char **json)
{
    TS_NEED(dir);
    TS_NEED(json);
    return as_text(dir, options, n, json, ts_checkpoint_list_json);
}

ts_status ts_checkpoint_show(const char *dir, const char *const *options, size_t n, char **json)
{
    TS_NEED(dir);
    TS_NEED(json);
    return as_text(dir, options, n, json, ts_checkpoint_show_json);
}

ts_status ts_checkpoint_verify(const char *dir, const char *const *options, size_t n,
                               ts_ckpt_found *found, void *ctx, char **json)
{
    ts_checkpoint_options o = { 0 };
    const ts_verify_hooks hooks = { .found = found, .ctx = ctx };
    ts_str out = { 0 };
    TS_NEED(dir);
    if (json)
        *json = NULL;
    TS_TRY(parse(dir, options, n, &o));
    const ts_status st = ts_checkpoint_verify_folder(dir, &o, &hooks, json ? &out : NULL);
    if (json && out.len)
        *json = out.s;
    else
        ts_str_deinit(&out);
    return st;
}

ts_status ts_checkpoint_latest(const char *dir, int64_t *iteration)
{
    int64_t i = -1;
    TS_NEED(dir);
    TS_NEED(iteration);
    TS_TRY(ts_checkpoint_need_folder(dir));
    TS_TRY(ts_ckpt_latest(dir, &i));
    *iteration = i;
    return TS_OK;
}
