#include "api/checkpoint.h"
#include "base/json.h"
#include "ckpt/checkpoint.h"
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const ts_command ts_cmd_checkpoint;

static const char usage[] =
    "usage: tessera checkpoint verify|list|show DIR [--ckpt-step N] [--all] [--quick] [--json]\n\n"
    "DIR is a folder of checkpoints (iter_0000100/, ...), one iteration's folder, or a Hugging Face folder.\n"
    "verify reads every byte, names each damaged place, and exits with 2 if there is one; list shows the\n"
    "iterations; show prints the saved state and the tensors with types and shapes.\n"
    "example: tessera checkpoint verify runs/my-model";

/* ---- verify ---- */

static void print_damage(void *ctx, const ts_ckpt_damage *d)
{
    (void)ctx;
    printf("%s\n", d->text);
}

static void print_good(void *ctx, const ts_verify_good *g)
{
    char size[32], speed[32];
    (void)ctx;
    ts_human_bytes(g->bytes, size);
    if (g->is_hf)
        printf("%s: good (%" PRId64 " tensors, %s; %s; the format has no checksums)\n", g->folder,
               g->tensors, size,
               g->model_type
                   ? "names and shapes are those of config.json"
                   : "of a family that is not known here, so not compared with config.json");
    else
        printf("%s: good (%" PRId64 " files, %s, %s/s)\n", g->folder, g->files, size,
               ts_human_bytes(g->bytes / (g->seconds > 1e-9 ? g->seconds : 1e-9), speed));
}

static ts_status verify(const char *dir, const ts_checkpoint_options *o)
{
    const ts_verify_hooks say = { print_damage, print_good, NULL }, silent = { 0 };
    ts_str json = { 0 };
    const ts_status st =
        ts_checkpoint_verify_folder(dir, o, o->json ? &silent : &say, o->json ? &json : NULL);
    if (json.len)
        puts(json.s);
    ts_str_deinit(&json);
    return st;
}

/* ---- list and show ---- */

static ts_status print_json(const char *dir, const ts_checkpoint_options *o,
                            ts_status (*make)(const char *dir, const ts_checkpoint_options *o,
                                              ts_str *out))
{
    ts_str out = { 0 };
    const ts_status st = make(dir, o, &out);
    if (st == TS_OK)
        puts(out.s);
    ts_str_deinit(&out);
    return st;
}

static ts_status print_row(void *ctx, const ts_checkpoint_row *r)
{
    const ts_checkpoint_options *o = ctx;
    const ts_ckpt_entry *e = r->entry;
    char size[32];
    if (r->index == 0)
        printf("%11s  %-20s  %10s  %5s  %s\n", "iteration", "saved", "size", "ranks",
               "state (*: the newest)");
    printf("%10" PRId64 "%c  %-20s  %10s  %5" PRId64 "  %s%s\n", e->iteration,
           e->iteration == r->latest ? '*' : ' ', e->trouble ? "-" : e->saved_at,
           ts_human_bytes(e->bytes, size), e->world_size,
           r->why     ? "damaged: "
           : o->quick ? "not read"
                      : "good",
           r->why ? r->why : "");
    return TS_OK;
}

static ts_status list(const char *dir, const ts_checkpoint_options *o)
{
    if (o->json)
        return print_json(dir, o, ts_checkpoint_list_json);
    return ts_checkpoint_walk(dir, o, print_row, (void *)(uintptr_t)o);
}

static ts_status show_tensor(const ts_st_tensor *t, const char *part)
{
    ts_str shape = { 0 };
    char size[32];
    ts_status st = ts_str_puts(&shape, "[");
    for (int i = 0; st == TS_OK && i < t->rank; i++)
        st = ts_str_printf(&shape, "%s%" PRId64, i ? ", " : "", t->shape[i]);
    if (st == TS_OK)
        printf("%-9s  %-5s  %-20s  %10s  %s\n", part, ts_st_dtype_name(t->dtype),
               (st = ts_str_puts(&shape, "]")) == TS_OK ? shape.s : "",
               ts_human_bytes((double)t->size, size), t->name);
    ts_str_deinit(&shape);
    return st;
}

/* State, one key a line. */
static ts_status show_state(const json_t *state)
{
    const char *key;
    json_t *v;
    ts_str text = { 0 };
    ts_status st = TS_OK;
    json_object_foreach((json_t *)(uintptr_t)state, key, v)
    {
        ts_str_reset(&text);
        st = ts_json_write(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17), key, &text);
        if (st != TS_OK)
            break;
        printf("%s: %s\n", key, text.s);
    }
    ts_str_deinit(&text);
    return st;
}

static ts_status show_checkpoint(const ts_checkpoint *ck)
{
    ts_status st = TS_OK;
    printf("%s: iteration %" PRId64 ", saved by %d processes\n\n", ts_checkpoint_path(ck),
           ts_checkpoint_iteration(ck), ts_checkpoint_world_size(ck));
    TS_TRY(show_state(ts_checkpoint_state(ck)));
    printf("\n");
    for (int part = 0; part < TS_CKPT_PARTS; part++)
        for (int64_t i = 0; st == TS_OK && i < ts_checkpoint_count(ck, (ts_ckpt_part)part); i++)
            st = show_tensor(ts_checkpoint_at(ck, (ts_ckpt_part)part, i),
                             part == TS_CKPT_MODEL ? "model" : "optimizer");
    return st;
}

static ts_status show(const char *dir, const ts_checkpoint_options *o)
{
    ts_status st = TS_OK;
    if (o->json)
        return print_json(dir, o, ts_checkpoint_show_json);
    if (ts_checkpoint_is(dir)) {
        ts_checkpoint *ck = NULL;
        TS_TRY(ts_checkpoint_open(dir, o->step, 0, NULL, &ck));
        st = show_checkpoint(ck);
        ts_checkpoint_close(&ck);
    } else {
        ts_st_dir *d = NULL;
        TS_TRY(ts_st_dir_open(dir, "model", &d));
        for (int64_t i = 0; st == TS_OK && i < ts_st_dir_count(d); i++)
            st = show_tensor(ts_st_dir_at(d, i), "model");
        ts_st_dir_destroy(&d);
    }
    return st;
}

/* ---- the command ---- */

static ts_status check_together(const char *verb, const ts_checkpoint_options *o,
                                const ts_option_set *set)
{
    if (o->all && o->step >= 0)
        return ts_error(TS_ERR_USER, "--all and --ckpt-step contradict each other: give one");
    ts_option_warn_alone(set, "all", !strcmp(verb, "verify"), "verify");
    ts_option_warn_alone(set, "quick", !strcmp(verb, "list"), "list");
    ts_option_warn_alone(set, "ckpt-step", strcmp(verb, "list") != 0, "verify or show");
    return TS_OK;
}

static ts_status act(const char *verb, const char *dir, const ts_checkpoint_options *o,
                     const ts_option_set *set)
{
    static const struct {
        const char *name;
        ts_status (*fn)(const char *dir, const ts_checkpoint_options *o);
    } verbs[] = { { "verify", verify }, { "list", list }, { "show", show } };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(verb, verbs[i].name)) {
            if (!dir)
                return ts_error(
                    TS_ERR_USER,
                    "tessera checkpoint %s: the folder is missing: tessera checkpoint %s DIR", verb,
                    verb);
            TS_TRY(ts_checkpoint_need_folder(dir));
            TS_TRY(check_together(verb, o, set));
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
    ts_checkpoint_options o = { 0 };
    const ts_option_table tables[] = { { ts_checkpoint_rows, ts_checkpoint_count_rows, &o } };
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
        st = act(word[0], word[1], &o, set);
        ts_option_set_destroy(&set);
    }
    ts_free(&rest);
    return st;
}

const ts_command ts_cmd_checkpoint = { "checkpoint", "look into saved training: verify, list, show",
                                       run };
