#include "api/checkpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "ckpt/checkpoint.h"
#include "train/hf_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct findings {
    const ts_verify_hooks *hooks;
    ts_str json; /* elements of a list */
    int64_t n, files;
    double bytes;
    ts_status st;
} findings;

ts_status ts_json_put_text(ts_str *out, const char *key, const char *text)
{
    TS_TRY(ts_str_printf(out, ", \"%s\": ", key));
    return text ? ts_str_json(out, text, strlen(text)) : ts_str_puts(out, "null");
}

ts_status ts_json_put_number(ts_str *out, const char *key, int64_t n)
{
    return n < 0 ? ts_json_put_text(out, key, NULL)
                 : ts_str_printf(out, ", \"%s\": %" PRId64, key, n);
}

static ts_status put_damage(ts_str *out, const ts_ckpt_damage *d)
{
    TS_TRY(ts_str_puts(out, out->len ? ", {\"path\": " : "{\"path\": "));
    TS_TRY(ts_str_json(out, d->path, strlen(d->path)));
    TS_TRY(ts_json_put_number(out, "begin", d->begin));
    TS_TRY(ts_json_put_number(out, "end", d->end));
    TS_TRY(ts_json_put_number(out, "byte", d->byte));
    TS_TRY(ts_json_put_number(out, "bit", d->bit));
    TS_TRY(ts_json_put_text(out, "tensor", d->tensor));
    TS_TRY(ts_json_put_text(out, "text", d->text));
    return ts_str_puts(out, "}");
}

static void on_damage(void *ctx, const ts_ckpt_damage *d)
{
    findings *f = ctx;
    f->n++;
    if (f->hooks->found)
        f->hooks->found(f->hooks->ctx, d);
    if (f->st == TS_OK)
        f->st = put_damage(&f->json, d);
}

static void on_text(void *ctx, const char *text)
{
    const ts_ckpt_damage d = {
        .path = "", .begin = -1, .end = -1, .byte = -1, .bit = -1, .text = text
    };
    on_damage(ctx, &d);
}

static void on_good(const findings *f, const ts_verify_good *g)
{
    if (f->hooks->good)
        f->hooks->good(f->hooks->ctx, g);
}

/* One folder; its damage is the status and its message. */
static ts_status verify_one(const char *folder, findings *f)
{
    ts_ckpt_check check = { .found = on_damage, .ctx = f };
    const double from = ts_now();
    const ts_status st = ts_ckpt_check_folder(folder, &check);
    const ts_verify_good g = {
        .folder = folder, .files = check.files, .bytes = check.bytes, .seconds = ts_now() - from
    };
    f->files += check.files;
    f->bytes += check.bytes;
    if (st == TS_OK)
        on_good(f, &g);
    return f->st != TS_OK ? f->st : st;
}

/* Verifies on; the first failure stays the status, with its message put back at the end. */
static ts_status verify_next(const char *folder, findings *f, ts_status before, char *message,
                             size_t room)
{
    const ts_status st = verify_one(folder, f);
    if (before == TS_OK && st != TS_OK)
        snprintf(message, room, "%s", ts_error_message());
    return before != TS_OK ? before : st;
}

/* The newest, or all. A damaged newest one makes the others be tried until one is good: the one
 * that a run would be continued from. */
static ts_status verify_list(const char *dir, const ts_checkpoint_options *o,
                             const ts_ckpt_entry *list, size_t n, findings *f)
{
    size_t at = n;
    char message[1024] = "";
    ts_status st = ts_ckpt_pick(dir, o->step, list, n, &at);
    if (st == TS_ERR_USER && n && o->step < 0) {
        snprintf(message, sizeof message, "%s", ts_error_message());
        on_text(f, message);
        at = n;
    } else if (st != TS_OK) {
        return st;
    }
    if (at < n && list[at].sequence > 0 && list[0].sequence > list[at].sequence && o->step < 0)
        ts_log(TS_LOG_WARN,
               "%s: the newest by latest_checkpointed_iteration.txt is iteration %" PRId64
               ", though iteration %" PRId64 " was saved later",
               dir, list[at].iteration, list[0].iteration);
    if (at < n)
        st = verify_next(list[at].folder, f, st, message, sizeof message);
    bool is_good = st == TS_OK;
    for (size_t i = 0; i < n && o->step < 0 && (o->all || !is_good); i++) {
        if (i == at)
            continue;
        const int64_t before = f->n;
        st = verify_next(list[i].folder, f, st, message, sizeof message);
        is_good = is_good || f->n == before;
    }
    return st == TS_OK ? st : ts_error(st, "%s", message);
}

static ts_status verify_root(const char *dir, const ts_checkpoint_options *o, findings *f)
{
    ts_ckpt_entry *list;
    size_t n;
    TS_TRY(ts_ckpt_list(dir, &list, &n));
    const ts_status st = verify_list(dir, o, list, n, f);
    ts_ckpt_list_free(&list, n);
    return st;
}

static ts_status verify_hf(const char *dir, findings *f)
{
    ts_hf_check check = { .found = on_text, .ctx = f };
    const ts_status st = ts_hf_check_folder(dir, &check);
    const ts_verify_good g = { .folder = dir,
                               .is_hf = true,
                               .tensors = check.tensors,
                               .bytes = check.bytes,
                               .model_type = check.model_type };
    f->bytes = check.bytes;
    if (st == TS_OK)
        on_good(f, &g);
    return f->st != TS_OK ? f->st : st;
}

static ts_status report(const char *dir, const char *kind, const findings *f, double seconds,
                        ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"path\": "));
    TS_TRY(ts_str_json(out, dir, strlen(dir)));
    TS_TRY(ts_json_put_text(out, "kind", kind));
    return ts_str_printf(
        out,
        ", \"good\": %s, \"files\": %" PRId64 ", \"bytes\": %.0f, \"seconds\": %.6f, "
        "\"damages\": [%s]}",
        f->n ? "false" : "true", f->files, f->bytes, seconds, ts_str_text(&f->json));
}

static bool has_file(const char *dir, const char *name)
{
    ts_str path = { 0 };
    const bool yes = ts_path_join(&path, dir, name) == TS_OK && ts_path_exists(path.s);
    ts_str_deinit(&path);
    return yes;
}

ts_status ts_checkpoint_verify_folder(const char *dir, const ts_checkpoint_options *o,
                                      const ts_verify_hooks *hooks, ts_str *json)
{
    findings f = { .hooks = hooks };
    const double from = ts_now();
    const char *kind = ts_ckpt_is_iteration(dir) ? "iteration"
                       : ts_checkpoint_is(dir)   ? "checkpoints"
                                                 : "huggingface";
    if (*kind == 'h' && !has_file(dir, "config.json") && !has_file(dir, "model.safetensors") &&
        !has_file(dir, "model.safetensors.index.json"))
        return ts_error(
            TS_ERR_USER,
            "%s: is no folder of checkpoints (iter_.../manifest.json) and no Hugging Face "
            "folder (config.json, model.safetensors)",
            dir);
    ts_status st = *kind == 'i'   ? verify_one(dir, &f)
                   : *kind == 'c' ? verify_root(dir, o, &f)
                                  : verify_hf(dir, &f);
    if (json && (st == TS_OK || f.n)) {
        char message[1024];
        snprintf(message, sizeof message, "%s", ts_error_message());
        const ts_status made = report(dir, kind, &f, ts_now() - from, json);
        st = st == TS_OK ? made : ts_error(st, "%s", message);
    }
    ts_str_deinit(&f.json);
    return st;
}
