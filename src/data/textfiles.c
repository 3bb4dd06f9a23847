#include "data/textfiles.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_NAMED = 100 };

/* A file by its number, whatever its name is. */
typedef struct identity {
    dev_t dev;
    ino_t ino;
} identity;

/* A path below a folder: to be read, or why not. */
typedef struct found {
    char *path;
    const char *why_not; /* NULL: it is read */
    identity id;
    double bytes;
    ts_text_kind kind;
} found;

typedef struct walk {
    ts_text_kind kind; /* of all files; else by name */
    found *v;
    size_t n, cap;
    identity *folders; /* that were gone into */
    size_t n_folders, cap_folders;
} walk;

static bool ends_with(const char *s, size_t n, const char *end)
{
    const size_t m = strlen(end);
    return n > m && !strncasecmp(s + n - m, end, m);
}

static ts_text_kind kind_of(const char *name)
{
    size_t n = strlen(name);
    if (ends_with(name, n, ".parquet"))
        return TS_TEXT_PARQUET;
    n -= ends_with(name, n, ".gz") ? 3 : ends_with(name, n, ".zst") ? 4 : 0;
    return ends_with(name, n, ".txt")                                     ? TS_TEXT_TXT
           : ends_with(name, n, ".jsonl") || ends_with(name, n, ".ndjson") ? TS_TEXT_JSONL
           : ends_with(name, n, ".json")                                  ? TS_TEXT_JSON
                                                                          : TS_TEXT_UNKNOWN;
}

void ts_text_files_deinit(ts_text_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        ts_free(&f->v[i].path);
    ts_free(&f->v);
    *f = (ts_text_files){ 0 };
}

static ts_status add_file(ts_text_files *f, const char *path, ts_text_kind kind, double bytes)
{
    TS_TRY(ts_grow(&f->v, &f->cap, f->n + 1, sizeof *f->v));
    ts_text_file *v = &f->v[f->n];
    TS_TRY(ts_strdup(path, &v->path));
    v->kind = kind;
    v->bytes = bytes;
    f->bytes = bytes < 0 || f->bytes < 0 ? -1 : f->bytes + bytes;
    f->n++;
    return TS_OK;
}

/* ---- folders ---- */

static ts_status note(walk *w, const char *path, const char *why_not, const struct stat *sb)
{
    TS_TRY(ts_grow(&w->v, &w->cap, w->n + 1, sizeof *w->v));
    found *f = &w->v[w->n];
    TS_TRY(ts_strdup(path, &f->path));
    f->why_not = why_not;
    if (sb) {
        f->id = (identity){ sb->st_dev, sb->st_ino };
        f->bytes = (double)sb->st_size;
    }
    w->n++;
    return TS_OK;
}

static bool was_entered(const walk *w, const struct stat *sb)
{
    for (size_t i = 0; i < w->n_folders; i++)
        if (w->folders[i].dev == sb->st_dev && w->folders[i].ino == sb->st_ino)
            return true;
    return false;
}

static ts_status enter(walk *w, const char *folder, const struct stat *sb);

static ts_status look_at(walk *w, const char *path, const char *name)
{
    struct stat sb;
    if (*name == '.')
        return note(w, path, "hidden", NULL);
    if (stat(path, &sb) < 0)
        return note(w, path, errno == ENOENT ? "a link to nothing" : strerror(errno), NULL);
    if (S_ISDIR(sb.st_mode))
        return enter(w, path, &sb);
    if (!S_ISREG(sb.st_mode))
        return note(w, path, "neither a file nor a folder", NULL);
    const ts_text_kind kind = w->kind == TS_TEXT_UNKNOWN ? kind_of(name) : w->kind;
    if (kind == TS_TEXT_UNKNOWN)
        return note(w, path, "its name has none of the endings that are read", NULL);
    if (access(path, R_OK) < 0)
        return note(w, path, strerror(errno), NULL);
    TS_TRY(note(w, path, NULL, &sb));
    w->v[w->n - 1].kind = kind;
    return TS_OK;
}

static ts_status enter(walk *w, const char *folder, const struct stat *sb)
{
    char **names;
    size_t n;
    ts_str path = { 0 };
    if (was_entered(w, sb))
        return note(w, folder, "a link to a folder that is read already", NULL);
    TS_TRY(ts_grow(&w->folders, &w->cap_folders, w->n_folders + 1, sizeof *w->folders));
    w->folders[w->n_folders++] = (identity){ sb->st_dev, sb->st_ino };
    if (access(folder, R_OK | X_OK) < 0)
        return note(w, folder, strerror(errno), NULL);
    ts_status st = ts_dir_list(folder, &names, &n);
    if (st == TS_ERR_USER)
        return note(w, folder, "it cannot be read", NULL);
    TS_TRY(st);
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK && (st = ts_path_join(&path, folder, names[i])) == TS_OK)
            st = look_at(w, path.s, names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const found *)a)->path, ((const found *)b)->path);
}

static int by_identity(const void *a, const void *b)
{
    const found *x = *(found *const *)a, *y = *(found *const *)b;
    const int d = memcmp(&x->id.dev, &y->id.dev, sizeof x->id.dev);
    const int i = memcmp(&x->id.ino, &y->id.ino, sizeof x->id.ino);
    return d ? d : i ? i : x < y ? -1 : x > y;
}

/* Of several names of a file the first is read. */
static ts_status drop_second_names(walk *w)
{
    found **v;
    size_t n = 0;
    TS_TRY(ts_alloc(&v, w->n, sizeof *v));
    for (size_t i = 0; i < w->n; i++)
        if (!w->v[i].why_not)
            v[n++] = &w->v[i];
    qsort(v, n, sizeof *v, by_identity);
    for (size_t i = 1; i < n; i++)
        if (v[i]->id.dev == v[i - 1]->id.dev && v[i]->id.ino == v[i - 1]->id.ino)
            v[i]->why_not = "another name of a file that is read";
    ts_free(&v);
    return TS_OK;
}

static void say_what_is_left_out(const walk *w, const char *folder, size_t n)
{
    size_t named = 0;
    if (!n)
        return;
    ts_log(TS_LOG_WARN, "--input %s: %zu %s not read:", folder, n, n == 1 ? "path is" : "paths are");
    for (size_t i = 0; i < w->n && named < MOST_NAMED; i++)
        if (w->v[i].why_not) {
            ts_log(TS_LOG_WARN, "  %s: %s", w->v[i].path, w->v[i].why_not);
            named++;
        }
    if (named < n)
        ts_log(TS_LOG_WARN, "  and %zu more", n - named);
}

static ts_status take_folder(ts_text_files *f, const char *folder, const struct stat *sb,
                             ts_text_kind kind)
{
    walk w = { .kind = kind };
    size_t left_out = 0;
    ts_status st = enter(&w, folder, sb);
    if (st == TS_OK && w.n) {
        qsort(w.v, w.n, sizeof *w.v, by_path);
        st = drop_second_names(&w);
    }
    for (size_t i = 0; i < w.n; i++)
        left_out += w.v[i].why_not != NULL;
    if (st == TS_OK)
        say_what_is_left_out(&w, folder, left_out);
    if (st == TS_OK && left_out == w.n)
        st = ts_error(TS_ERR_USER, "--input %s: nothing in this folder can be read: expected .txt, "
                      ".jsonl, .ndjson or .json files, also with .gz or .zst behind", folder);
    for (size_t i = 0; i < w.n; i++) {
        if (st == TS_OK && !w.v[i].why_not)
            st = add_file(f, w.v[i].path, w.v[i].kind, w.v[i].bytes);
        ts_free(&w.v[i].path);
    }
    ts_free(&w.v);
    ts_free(&w.folders);
    return st;
}

/* ---- what is given ---- */

typedef struct finder {
    ts_text_kind kind;
    bool any_name;
    bool stdin_taken;
    ts_text_files *out;
} finder;

/* Descriptors, such as /dev/stdin: what is behind them has no name here. */
static bool is_nameless(const char *path)
{
    return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

/* Pipes are not tried: who writes into a FIFO would not write again. */
static ts_status take_path(finder *f, const char *path)
{
    struct stat sb;
    const bool is_stdin = !strcmp(path, "-");
    if (is_stdin && f->stdin_taken)
        return ts_error(TS_ERR_USER, "--input: - is given twice, but can be read once");
    f->stdin_taken = f->stdin_taken || is_stdin;
    if (is_stdin)
        return add_file(f->out, path, f->kind, -1);
    if (stat(path, &sb) < 0 || access(path, R_OK) < 0)
        return ts_error(TS_ERR_USER, "--input %s: cannot be opened: %s", path, strerror(errno));
    if (S_ISDIR(sb.st_mode))
        return take_folder(f->out, path, &sb, f->kind);
    ts_text_kind kind = f->kind != TS_TEXT_UNKNOWN ? f->kind : kind_of(path);
    if (!S_ISREG(sb.st_mode))
        return add_file(f->out, path, kind, -1);
    if (kind == TS_TEXT_UNKNOWN && !f->any_name && !is_nameless(path))
        return ts_error(TS_ERR_USER, "--input %s: expected a .txt, .jsonl, .ndjson or .json file, "
                        "also with .gz or .zst behind, or a folder of them; --input-format says "
                        "what another file is", path);
    return add_file(f->out, path, kind, (double)sb.st_size);
}

static ts_status take_pattern(finder *f, const char *pattern)
{
    glob_t g = { 0 };
    if (strstr(pattern, "**"))
        return ts_error(TS_ERR_USER, "--input %s: ** is not known here; a folder is read with all "
                        "that is below it", pattern);
    const int rc = glob(pattern, GLOB_BRACE, NULL, &g);
    if (rc == GLOB_NOSPACE)
        return ts_error(TS_ERR_NOMEM, "--input %s: no memory for its files", pattern);
    ts_status st = rc == 0 ? TS_OK
                           : ts_error(TS_ERR_USER, "--input %s: no file has such a name", pattern);
    for (size_t i = 0; st == TS_OK && i < g.gl_pathc; i++)
        st = take_path(f, g.gl_pathv[i]);
    globfree(&g);
    return st;
}

ts_status ts_text_files_find(const ts_option_list *input, ts_text_kind kind, bool any_name,
                             ts_text_files *out)
{
    finder f = { .kind = kind, .any_name = any_name, .out = out };
    ts_status st = TS_OK;
    *out = (ts_text_files){ 0 };
    for (int64_t i = 0; st == TS_OK && i < input->n; i++) {
        const char *path = input->v[i];
        struct stat sb; /* a name is taken as it is where there is such a file */
        st = strpbrk(path, "*?[{") && stat(path, &sb) < 0 ? take_pattern(&f, path)
                                                           : take_path(&f, path);
    }
    if (st != TS_OK)
        ts_text_files_deinit(out);
    return st;
}
