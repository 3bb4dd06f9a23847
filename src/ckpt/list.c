#include "ckpt/check.h"

#include "base/file.h"
#include "ckpt/checkpoint.h"
#include "ckpt/manifest.h"
#include "ckpt/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool ts_ckpt_is_iteration(const char *path)
{
    ts_str file = { 0 };
    bool is_there = false;
    if (ts_path_join(&file, path, CKPT_MANIFEST) == TS_OK)
        is_there = ts_path_exists(file.s);
    if (!is_there && ts_path_join(&file, path, CKPT_STATE) == TS_OK)
        is_there = ts_path_exists(file.s);
    ts_str_deinit(&file);
    return is_there;
}

ts_status ts_ckpt_latest(const char *dir, int64_t *iteration)
{
    ts_str path = { 0 }, text = { 0 };
    ts_status st = ts_path_join(&path, dir, CKPT_TRACKER);
    if (st == TS_OK && !ts_path_exists(path.s))
        st = ts_error(TS_ERR_USER, "%s: is missing", path.s);
    if (st == TS_OK)
        st = ts_file_read(path.s, &text);
    if (st == TS_OK && !ckpt_tracker_parse(ts_str_text(&text), text.len, iteration))
        st = ts_error(TS_ERR_USER, "%s: does not hold the number of an iteration", path.s);
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

static ts_status folder_bytes(const char *folder, double *bytes)
{
    char **names;
    size_t n;
    struct stat sb;
    ts_str path = { 0 };
    *bytes = 0;
    ts_status st = ts_dir_list(folder, &names, &n);
    if (st != TS_OK)
        return st == TS_ERR_NOMEM ? st : TS_OK; /* a run that saves may remove it meanwhile */
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_path_join(&path, folder, names[i]);
        if (st == TS_OK && stat(path.s, &sb) == 0 && S_ISREG(sb.st_mode))
            *bytes += (double)sb.st_size;
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

static void entry_deinit(ts_ckpt_entry *e)
{
    ts_free(&e->folder);
    ts_free(&e->saved_at);
    ts_free(&e->trouble);
}

static ts_status fill(ts_ckpt_entry *e, const char *folder, int64_t iteration)
{
    ckpt_manifest m;
    *e = (ts_ckpt_entry){ .iteration = iteration, .sequence = -1 };
    ts_status st = ts_strdup(folder, &e->folder);
    if (st == TS_OK)
        st = folder_bytes(folder, &e->bytes);
    if (st != TS_OK)
        return st;
    st = ckpt_manifest_read(folder, &m);
    if (st == TS_OK && m.iteration != iteration)
        st = ts_error(TS_ERR_USER, "%s: its manifest is that of iteration %lld", folder,
                      (long long)m.iteration);
    if (st == TS_OK) {
        e->sequence = m.sequence;
        e->world_size = m.world_size;
        st = ts_strdup(m.saved_at, &e->saved_at);
    } else if (st != TS_ERR_NOMEM) {
        st = ts_strdup(ts_error_message(), &e->trouble);
        if (st == TS_OK)
            st = ts_strdup("", &e->saved_at);
    }
    ckpt_manifest_deinit(&m);
    return st;
}

/* Last saved first. */
static int by_sequence(const void *a, const void *b)
{
    const ts_ckpt_entry *x = a, *y = b;
    if (x->sequence != y->sequence)
        return (x->sequence < y->sequence) - (x->sequence > y->sequence);
    return (x->iteration < y->iteration) - (x->iteration > y->iteration);
}

/* Whether the name in dir is a checkpoint: iter_X, or .old-iter_X that was left without a
 * successor. */
static ts_status is_checkpoint(const char *dir, const char *name, ts_str *path, int64_t *iteration,
                               bool *yes)
{
    char home[CKPT_NAME];
    *yes = ckpt_folder_parse(name, "", iteration);
    if (!*yes && ckpt_folder_parse(name, ".old-", iteration)) {
        ckpt_folder_name(home, "", *iteration);
        TS_TRY(ts_path_join(path, dir, home));
        *yes = !ts_path_exists(path->s);
    }
    TS_TRY(ts_path_join(path, dir, name));
    *yes = *yes && ts_path_is_dir(path->s) && ts_ckpt_is_iteration(path->s);
    return TS_OK;
}

ts_status ts_ckpt_list(const char *dir, ts_ckpt_entry **out, size_t *n)
{
    char **names;
    size_t n_names, len = 0;
    int64_t iteration;
    bool yes = false;
    ts_str path = { 0 };
    ts_ckpt_entry *list = NULL;
    TS_TRY(ts_dir_list(dir, &names, &n_names));
    ts_status st = ts_alloc(&list, n_names, sizeof *list);
    for (size_t i = 0; i < n_names; i++) {
        if (st == TS_OK)
            st = is_checkpoint(dir, names[i], &path, &iteration, &yes);
        if (st == TS_OK && yes)
            st = fill(&list[len++], path.s, iteration);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    if (st != TS_OK) {
        ts_ckpt_list_free(&list, len);
        return st;
    }
    qsort(list, len, sizeof *list, by_sequence);
    *out = list;
    *n = len;
    return TS_OK;
}

ts_status ts_ckpt_pick(const char *dir, int64_t step, const ts_ckpt_entry *list, size_t n,
                       size_t *at)
{
    ts_str text = { 0 };
    int64_t iteration = step;
    if (n == 0)
        return ts_error(TS_ERR_USER, "%s: holds no checkpoint (no iter_ folder with a %s)", dir,
                        CKPT_MANIFEST);
    ts_status st = ts_path_join(&text, dir, CKPT_TRACKER);
    const bool has_tracker = st == TS_OK && ts_path_exists(text.s);
    *at = 0;
    if (st == TS_OK && step < 0 && has_tracker)
        st = ts_ckpt_latest(dir, &iteration);
    ts_str_reset(&text);
    for (*at = 0; st == TS_OK && iteration >= 0 && *at < n && list[*at].iteration != iteration;
         ++*at)
        st = *at < 20
                 ? ts_str_printf(&text, "%s%lld", *at ? ", " : "", (long long)list[*at].iteration)
                 : TS_OK;
    if (st == TS_OK && *at == n)
        st = ts_error(TS_ERR_USER, "%s: %s iteration %lld, but there is %s", dir,
                      step >= 0 ? "has no checkpoint of" : CKPT_TRACKER " names",
                      (long long)iteration, text.s);
    ts_str_deinit(&text);
    return st;
}

static ts_status has_tracker(const char *dir, bool *yes)
{
    ts_str path = { 0 };
    const ts_status st = ts_path_join(&path, dir, CKPT_TRACKER);
    *yes = st == TS_OK && ts_path_exists(path.s);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_ckpt_beyond(const char *dir, int64_t iteration, int64_t *n, int64_t *last)
{
    char **names;
    size_t n_names;
    int64_t of;
    bool is_published = false;
    *n = *last = 0;
    if (!ts_path_is_dir(dir))
        return TS_OK;
    TS_TRY(has_tracker(dir, &is_published));
    TS_TRY(ts_dir_list(dir, &names, &n_names));
    for (size_t i = 0; i < n_names; i++) {
        if (ckpt_folder_parse(names[i], "", &of) && of > iteration) {
            ++*n;
            *last = of > *last ? of : *last;
        }
        ts_free(&names[i]);
    }
    ts_free(&names);
    if (*n == 1 && !is_published)
        *n = 0;
    return TS_OK;
}

ts_status ts_ckpt_is_in(const char *path, const char *dir, bool *yes)
{
    struct stat a, b;
    ts_str root = { 0 };
    ts_status st = TS_OK;
    *yes = false;
    if (ts_ckpt_is_iteration(path))
        st = ts_path_join(&root, path, "..");
    else
        st = ts_str_puts(&root, path);
    if (st == TS_OK)
        *yes = stat(root.s, &a) == 0 && stat(dir, &b) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
    ts_str_deinit(&root);
    return st;
}

void ts_ckpt_list_free(ts_ckpt_entry **list, size_t n)
{
    for (size_t i = 0; *list && i < n; i++)
        entry_deinit(&(*list)[i]);
    ts_free(list);
}

bool ts_checkpoint_is(const char *path)
{
    ts_ckpt_entry *list;
    size_t n;
    if (!ts_path_is_dir(path))
        return false;
    if (ts_ckpt_is_iteration(path))
        return true;
    if (ts_ckpt_list(path, &list, &n) != TS_OK)
        return true; /* not to be taken for a folder without any: opening it says why */
    ts_ckpt_list_free(&list, n);
    return n > 0;
}
