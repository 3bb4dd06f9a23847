#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/command.h"
#include "train/checkpoint.h"
#include "train/checkpoint_check.h"
#include "train/hf_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const ts_command ts_cmd_checkpoint;

typedef struct checkpoint_options {
    bool json, all, quick;
    int64_t step;
} checkpoint_options;

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, checkpoint_options, field, name, def, lo, hi, NULL, "checkpoint", help)
static const ts_option rows[] = {
    ROW(INT, step, "ckpt-step", "-1", -1, 9e15, "this iteration instead of the newest (-1)"),
    ROW(FLAG, all, "all", NULL, 0, 0, "verify: all iterations, not the newest alone"),
    ROW(FLAG, quick, "quick", NULL, 0, 0, "list: do not read every file to see whether it is good"),
    ROW(FLAG, json, "json", NULL, 0, 0, "print one JSON object"),
};

static const char usage[] =
    "usage: tessera checkpoint verify|list|show DIR [--ckpt-step N] [--all] [--quick] [--json]\n\n"
    "DIR is a folder of checkpoints (iter_0000100/, ...), one iteration's folder, or a Hugging Face folder.\n"
    "verify reads every byte, names each damaged place, and exits with 2 if there is one; list shows the\n"
    "iterations; show prints the saved state and the tensors with types and shapes.\n"
    "example: tessera checkpoint verify runs/my-model";

/* ---- verify ---- */

typedef struct findings {
    ts_str json; /* elements of a list */
    int64_t n, files, tensors;
    double bytes;
    bool print; /* as lines */
    ts_status st;
} findings;

static ts_status put_text(ts_str *out, const char *key, const char *text)
{
    TS_TRY(ts_str_printf(out, ", \"%s\": ", key));
    return text ? ts_str_json(out, text, strlen(text)) : ts_str_puts(out, "null");
}

static ts_status put_number(ts_str *out, const char *key, int64_t n)
{
    return n < 0 ? put_text(out, key, NULL) : ts_str_printf(out, ", \"%s\": %" PRId64, key, n);
}

static ts_status put_damage(ts_str *out, const ts_ckpt_damage *d)
{
    TS_TRY(ts_str_puts(out, out->len ? ", {\"path\": " : "{\"path\": "));
    TS_TRY(ts_str_json(out, d->path, strlen(d->path)));
    TS_TRY(put_number(out, "begin", d->begin));
    TS_TRY(put_number(out, "end", d->end));
    TS_TRY(put_number(out, "byte", d->byte));
    TS_TRY(put_number(out, "bit", d->bit));
    TS_TRY(put_text(out, "tensor", d->tensor));
    TS_TRY(put_text(out, "text", d->text));
    return ts_str_puts(out, "}");
}

static void on_damage(void *ctx, const ts_ckpt_damage *d)
{
    findings *f = ctx;
    f->n++;
    if (f->print)
        printf("%s\n", d->text);
    if (f->st == TS_OK)
        f->st = put_damage(&f->json, d);
}

static void on_hf(void *ctx, const char *text)
{
    const ts_ckpt_damage d = {
        .path = "", .begin = -1, .end = -1, .byte = -1, .bit = -1, .text = text
    };
    on_damage(ctx, &d);
}

/* One folder; its damage is the status and its message. */
static ts_status verify_one(const char *folder, findings *f)
{
    ts_ckpt_check check = { .found = on_damage, .ctx = f };
    const double from = ts_now();
    char size[32], speed[32];
    const ts_status st = ts_ckpt_check_folder(folder, &check);
    const double seconds = ts_now() - from;
    f->files += check.files;
    f->bytes += check.bytes;
    if (st == TS_OK && f->print)
        printf("%s: good (%" PRId64 " files, %s, %s/s)\n", folder, check.files,
               ts_human_bytes(check.bytes, size),
               ts_human_bytes(check.bytes / (seconds > 1e-9 ? seconds : 1e-9), speed));
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
static ts_status verify_list(const char *dir, const checkpoint_options *o,
                             const ts_ckpt_entry *list, size_t n, findings *f)
{
    size_t at = n;
    char message[1024] = "";
    ts_status st = ts_ckpt_pick(dir, o->step, list, n, &at);
    if (st == TS_ERR_USER && n && o->step < 0) {
        snprintf(message, sizeof message, "%s", ts_error_message());
        on_hf(f, message);
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

static ts_status verify_root(const char *dir, const checkpoint_options *o, findings *f)
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
    ts_hf_check check = { .found = on_hf, .ctx = f };
    char size[32];
    const ts_status st = ts_hf_check_folder(dir, &check);
    f->tensors = check.tensors;
    f->bytes = check.bytes;
    if (st == TS_OK && f->print)
        printf("%s: good (%" PRId64 " tensors, %s; %s; the format has no checksums)\n", dir,
               check.tensors, ts_human_bytes(check.bytes, size),
               check.model_type
                   ? "names and shapes are those of config.json"
                   : "of a family that is not known here, so not compared with config.json");
    return f->st != TS_OK ? f->st : st;
}

static ts_status verify_json(const char *dir, const char *kind, const findings *f, double seconds)
{
    ts_str out = { 0 };
    ts_status st = ts_str_puts(&out, "{\"path\": ");
    if (st == TS_OK)
        st = ts_str_json(&out, dir, strlen(dir));
    if (st == TS_OK)
        st = put_text(&out, "kind", kind);
    if (st == TS_OK)
        st = ts_str_printf(
            &out,
            ", \"good\": %s, \"files\": %" PRId64 ", \"bytes\": %.0f, \"seconds\": %.6f, "
            "\"damages\": [%s]}",
            f->n ? "false" : "true", f->files, f->bytes, seconds, ts_str_text(&f->json));
    if (st == TS_OK)
        puts(out.s);
    ts_str_deinit(&out);
    return st;
}

static bool has_file(const char *dir, const char *name)
{
    ts_str path = { 0 };
    const bool yes = ts_path_join(&path, dir, name) == TS_OK && ts_path_exists(path.s);
    ts_str_deinit(&path);
    return yes;
}

static ts_status verify(const char *dir, const checkpoint_options *o)
{
    findings f = { .print = !o->json };
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
    if (o->json && (st == TS_OK || f.n)) {
        char message[1024];
        snprintf(message, sizeof message, "%s", ts_error_message());
        const ts_status printed = verify_json(dir, kind, &f, ts_now() - from);
        st = st == TS_OK ? printed : ts_error(st, "%s", message);
    }
    ts_str_deinit(&f.json);
    return st;
}

/* ---- list ---- */

static ts_status list_entry(const ts_ckpt_entry *e, bool is_latest, const checkpoint_options *o,
                            bool is_first)
{
    ts_ckpt_check check = { 0 };
    char size[32];
    const ts_status st = e->trouble ? TS_ERR_USER
                         : o->quick ? TS_OK
                                    : ts_ckpt_check_folder(e->folder, &check);
    if (st != TS_OK && st != TS_ERR_USER)
        return st;
    const char *why = e->trouble ? e->trouble : st == TS_OK ? NULL : ts_error_message();
    if (!o->json) {
        printf("%10" PRId64 "%c  %-20s  %10s  %5" PRId64 "  %s%s\n", e->iteration,
               is_latest ? '*' : ' ', e->trouble ? "-" : e->saved_at,
               ts_human_bytes(e->bytes, size), e->world_size,
               why        ? "damaged: "
               : o->quick ? "not read"
                          : "good",
               why ? why : "");
        return TS_OK;
    }
    ts_str out = { 0 };
    ts_status made =
        ts_str_printf(&out, "%s{\"iteration\": %" PRId64 ", \"bytes\": %.0f, \"good\": %s",
                      is_first ? "" : ", ", e->iteration, e->bytes,
                      why        ? "false"
                      : o->quick ? "null"
                                 : "true");
    if (made == TS_OK)
        made = put_text(&out, "saved_at", e->trouble ? NULL : e->saved_at);
    if (made == TS_OK)
        made = put_number(&out, "world_size", e->trouble ? -1 : e->world_size);
    if (made == TS_OK)
        made = put_text(&out, "folder", e->folder);
    if (made == TS_OK)
        made = put_text(&out, "trouble", why);
    if (made == TS_OK)
        printf("%s}", out.s);
    ts_str_deinit(&out);
    return made;
}

static ts_status list(const char *dir, const checkpoint_options *o)
{
    ts_ckpt_entry *entries;
    size_t n;
    int64_t latest = -1;
    TS_TRY(ts_ckpt_list(dir, &entries, &n));
    ts_status st = TS_OK;
    if (n == 0)
        st = ts_error(TS_ERR_USER, "%s: holds no checkpoint (no iter_ folder with a manifest.json)",
                      dir);
    else if (ts_ckpt_latest(dir, &latest) != TS_OK)
        ts_log(TS_LOG_WARN, "%s", ts_error_message());
    if (st == TS_OK && !o->json)
        printf("%11s  %-20s  %10s  %5s  %s\n", "iteration", "saved", "size", "ranks",
               "state (*: the newest)");
    if (st == TS_OK && o->json && latest >= 0)
        printf("{\"latest\": %" PRId64 ", \"checkpoints\": [", latest);
    else if (st == TS_OK && o->json)
        printf("{\"latest\": null, \"checkpoints\": [");
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = list_entry(&entries[i], entries[i].iteration == latest, o, i == 0);
    if (st == TS_OK && o->json)
        printf("]}\n");
    ts_ckpt_list_free(&entries, n);
    return st;
}

/* ---- show ---- */

static ts_status show_tensor(const ts_st_tensor *t, const char *part, bool as_json, bool is_first)
{
    ts_str shape = { 0 }, out = { 0 };
    char size[32];
    ts_status st = ts_str_puts(&shape, "[");
    for (int i = 0; st == TS_OK && i < t->rank; i++)
        st = ts_str_printf(&shape, "%s%" PRId64, i ? ", " : "", t->shape[i]);
    if (st == TS_OK)
        st = ts_str_puts(&shape, "]");
    if (st == TS_OK && as_json) {
        st = ts_str_puts(&out, is_first ? "{\"name\": " : ", {\"name\": ");
        if (st == TS_OK)
            st = ts_str_json(&out, t->name, strlen(t->name));
        if (st == TS_OK)
            printf("%s, \"part\": \"%s\", \"dtype\": \"%s\", \"shape\": %s, \"bytes\": %zu}", out.s,
                   part, ts_st_dtype_name(t->dtype), shape.s, t->size);
    } else if (st == TS_OK) {
        printf("%-9s  %-5s  %-20s  %10s  %s\n", part, ts_st_dtype_name(t->dtype), shape.s,
               ts_human_bytes((double)t->size, size), t->name);
    }
    ts_str_deinit(&shape);
    ts_str_deinit(&out);
    return st;
}

static ts_status print_json_value(const json_t *v)
{
    char *text = json_dumps(v, JSON_REAL_PRECISION(17));
    if (!text)
        return ts_error(TS_ERR_NOMEM, "out of memory while printing the state");
    printf("%s", text);
    free(text);
    return TS_OK;
}

/* State, one key a line. */
static void show_state(const json_t *state)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)state, key, v) {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        printf("%s: %s\n", key, text ? text : "?");
        free(text);
    }
}

static ts_status show_open(const ts_checkpoint *ck, bool as_json)
{
    bool is_first = true;
    ts_status st = TS_OK;
    if (as_json) {
        ts_str path = { 0 };
        st = ts_str_json(&path, ts_checkpoint_path(ck), strlen(ts_checkpoint_path(ck)));
        if (st == TS_OK)
            printf("{\"path\": %s, \"iteration\": %" PRId64 ", \"world_size\": %d, \"state\": ",
                   path.s, ts_checkpoint_iteration(ck), ts_checkpoint_world_size(ck));
        ts_str_deinit(&path);
        if (st == TS_OK)
            st = print_json_value(ts_checkpoint_state(ck));
        if (st == TS_OK)
            printf(", \"tensors\": [");
    } else {
        printf("%s: iteration %" PRId64 ", saved by %d processes\n\n", ts_checkpoint_path(ck),
               ts_checkpoint_iteration(ck), ts_checkpoint_world_size(ck));
        show_state(ts_checkpoint_state(ck));
        printf("\n");
    }
    for (int part = 0; part < TS_CKPT_PARTS; part++)
        for (int64_t i = 0; st == TS_OK && i < ts_checkpoint_count(ck, (ts_ckpt_part)part); i++) {
            st = show_tensor(ts_checkpoint_at(ck, (ts_ckpt_part)part, i),
                             part == TS_CKPT_MODEL ? "model" : "optimizer", as_json, is_first);
            is_first = false;
        }
    if (st == TS_OK && as_json)
        printf("]}\n");
    return st;
}

static ts_status show_hf(const char *dir, bool as_json)
{
    ts_st_dir *d = NULL;
    ts_str path = { 0 };
    TS_TRY(ts_st_dir_open(dir, "model", &d));
    ts_status st = ts_str_json(&path, dir, strlen(dir));
    if (st == TS_OK && as_json)
        printf("{\"path\": %s, \"tensors\": [", path.s);
    for (int64_t i = 0; st == TS_OK && i < ts_st_dir_count(d); i++)
        st = show_tensor(ts_st_dir_at(d, i), "model", as_json, i == 0);
    if (st == TS_OK && as_json)
        printf("]}\n");
    ts_str_deinit(&path);
    ts_st_dir_destroy(&d);
    return st;
}

static ts_status show(const char *dir, const checkpoint_options *o)
{
    ts_checkpoint *ck = NULL;
    if (!ts_checkpoint_is(dir))
        return show_hf(dir, o->json);
    TS_TRY(ts_checkpoint_open(dir, o->step, 0, NULL, &ck));
    const ts_status st = show_open(ck, o->json);
    ts_checkpoint_close(&ck);
    return st;
}

/* ---- the command ---- */

static ts_status act(const char *verb, const char *dir, const checkpoint_options *o)
{
    static const struct {
        const char *name;
        ts_status (*fn)(const char *dir, const checkpoint_options *o);
    } verbs[] = { { "verify", verify }, { "list", list }, { "show", show } };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(verb, verbs[i].name)) {
            if (!dir)
                return ts_error(
                    TS_ERR_USER,
                    "tessera checkpoint %s: the folder is missing: tessera checkpoint %s DIR", verb,
                    verb);
            if (!ts_path_is_dir(dir))
                return ts_error(TS_ERR_USER, "%s: %s", dir,
                                ts_path_exists(dir) ? "is not a folder"
                                                    : "there is no such folder");
            return verbs[i].fn(dir, o);
        }
    return ts_error(TS_ERR_USER,
                    "tessera checkpoint: %s%s; expected verify, list or show and a folder",
                    *verb ? "there is no " : "what to do is missing", verb);
}

/* The two leading words are the verb and the folder; options stand before, between and after
 * them. */
static ts_status run(int argc, char *const *argv)
{
    checkpoint_options o = { 0 };
    const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &o } };
    const char *word[2] = { "", NULL };
    ts_option_set *set = NULL;
    char **rest;
    bool helped;
    int n = 0, n_words = 0;
    TS_TRY(ts_alloc(&rest, (size_t)argc + 1, sizeof *rest));
    for (int i = 0; i < argc; i++) {
        const bool takes =
            i && (!strcmp(argv[i - 1], "--ckpt-step") || !strcmp(argv[i - 1], "--config"));
        if (argv[i][0] != '-' && !takes && n_words < 2)
            word[n_words++] = argv[i];
        else
            rest[n++] = argv[i];
    }
    ts_status st = ts_command_options(&ts_cmd_checkpoint, usage, tables, 1, n, rest, &set, &helped);
    if (st == TS_OK && !helped) {
        st = act(word[0], word[1], &o);
        ts_option_set_destroy(&set);
    }
    ts_free(&rest);
    return st;
}

const ts_command ts_cmd_checkpoint = { "checkpoint", "look into saved training: verify, list, show",
                                       run };
