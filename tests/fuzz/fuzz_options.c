/* Options of every type from a command line, the environment, and JSON and YAML files. */
#include "base/json.h"
#include "base/option.h"
#include "fuzz.h"

#include <math.h>

typedef struct settings {
    bool flag, no_flag;
    int64_t whole, bounded;
    double real, share;
    const char *text, *path;
    int choice;
    ts_option_list list, each;
} settings;

#define ROW(type, field, name, def, lo, hi, choices)                                               \
    TS_ROW(type, settings, field, name, def, lo, hi, choices, "group", "help")
static const ts_option rows[] = {
    ROW(FLAG, flag, "bf16", NULL, 0, 0, NULL),
    ROW(NOFLAG, no_flag, "no-load-optim", NULL, 0, 0, NULL),
    ROW(INT, whole, "num-layers", NULL, 0, 0, NULL),
    ROW(INT, bounded, "seq-length", "128", 1, 1 << 20, NULL),
    ROW(REAL, real, "lr", "1e-3", 0, 0, NULL),
    ROW(REAL, share, "top-p", NULL, 0, 1, NULL),
    ROW(TEXT, text, "load", NULL, 0, 0, NULL),
    ROW(TEXT, path, "save", "folder", 0, 0, NULL),
    ROW(CHOICE, choice, "lr-decay-style", "cosine", 0, 0, "constant|linear|cosine"),
    ROW(LIST, list, "data-path", NULL, 0, 0, NULL),
    ROW(EACH, each, "stop", NULL, 0, 0, NULL),
    { .name = "use-flash-attn", .type = TS_OPTION_NOTE },
    { .name = "dist-ckpt-format", .type = TS_OPTION_NOTE, .lo = 1, .help = "help" },
    { .name = "wandb-project", .type = TS_OPTION_NOTE, .lo = -1 },
};

static void open_set(settings *o, ts_option_set **set)
{
    const ts_option_table table = { rows, sizeof rows / sizeof *rows, o };
    memset(o, 0, sizeof *o);
    if (ts_option_set_create(&table, 1, set) != TS_OK)
        abort();
}

/* Words and variables are one a line. */
static ts_status take_lines(ts_option_set *set, char kind, char *s)
{
    char *words[256];
    int n = 0;
    for (char *save = NULL, *w; n < 255 && (w = strtok_r(s, "\n", &save)); s = NULL)
        words[n++] = w;
    words[n] = NULL;
    const ts_status st =
        kind == 'e' ? ts_option_read_env(set, words) : ts_option_parse(set, n, words);
    return st == TS_OK ? ts_option_finish(set) : st;
}

static ts_status take_file(ts_option_set *set, const char *name, const void *s, size_t n)
{
    char path[FUZZ_PATH];
    fuzz_write(name, s, n);
    const ts_status st = ts_option_read_file(set, fuzz_path(name, path));
    fuzz_remove(name);
    return st == TS_OK ? ts_option_finish(set) : st;
}

/* What was understood is within its bounds, can be written, and is the same when read back. */
static void check(const settings *o, const ts_option_set *set)
{
    settings back;
    ts_option_set *other;
    ts_str a = { 0 }, b = { 0 };
    if (o->bounded < 1 || o->bounded > 1 << 20 || !(o->share >= 0 && o->share <= 1) ||
        o->choice < 0 || o->choice > 2 || isnan(o->real))
        abort();
    open_set(&back, &other);
    if (ts_option_json(set, &a) != TS_OK || take_file(other, "back.json", a.s, a.len) != TS_OK ||
        ts_option_json(other, &b) != TS_OK || a.len != b.len || memcmp(a.s, b.s, a.len))
        abort();
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    ts_option_set_destroy(&other);
}

/* The first byte says what the rest is taken for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    settings o;
    ts_option_set *set;
    ts_status st;
    ts_str help = { 0 };
    if (size < 1)
        return 0;
    char *s = fuzz_text(data + 1, size - 1);
    open_set(&o, &set);
    if (data[0] == 'j' || data[0] == 'y')
        st = take_file(set, data[0] == 'j' ? "options.json" : "options.yaml", s, size - 1);
    else
        st = take_lines(set, (char)data[0], s);
    if (st == TS_OK)
        check(&o, set);
    else if (!*ts_error_message())
        abort();
    if (size % 64 == 0 && ts_option_help(set, &help) != TS_OK)
        abort();
    ts_str_deinit(&help);
    ts_option_set_destroy(&set);
    free(s);
    return 0;
}
