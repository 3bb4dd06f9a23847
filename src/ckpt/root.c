#include "ckpt/root.h"

#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "ckpt/check.h"
#include "ckpt/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The message of this thread under another status. */
static ts_status again_as(ts_status st)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    return ts_error(st, "%s", text);
}

ts_status ckpt_root_lock(const char *dir, int *fd)
{
    ts_str path = { 0 };
    ts_status st = ts_mkdirs(dir);
    if (st == TS_ERR_IO)
        st = again_as(TS_ERR_USER);
    if (st == TS_OK)
        st = ts_path_join(&path, dir, CKPT_LOCK);
    if (st == TS_OK && (*fd = open(path.s, O_RDWR | O_CREAT | O_CLOEXEC, 0640)) < 0)
        st = ts_error(TS_ERR_USER, "%s: checkpoints cannot be saved there: %s", dir,
                      strerror(errno));
    if (st == TS_OK && flock(*fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        close(*fd);
        *fd = -1;
        st = ts_error(TS_ERR_USER,
                      "%s: another job is saving checkpoints there; give this one a folder of "
                      "its own or end the other first",
                      dir);
    }
    ts_str_deinit(&path);
    return st;
}

static ts_status join_folder(ts_str *out, const char *dir, const char *prefix, int64_t iteration)
{
    char name[CKPT_NAME];
    ckpt_folder_name(name, prefix, iteration);
    return ts_path_join(out, dir, name);
}

static ts_status move(const char *from, const char *to)
{
    if (rename(from, to) < 0)
        return ts_error(TS_ERR_IO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
    return TS_OK;
}

static ts_status recover_one(const char *dir, const char *name)
{
    ts_str path = { 0 }, home = { 0 };
    int64_t iteration;
    ts_status st = ts_path_join(&path, dir, name);
    const bool is_torn = !strncmp(name, CKPT_TRACKER ".tmp-", sizeof CKPT_TRACKER ".tmp-" - 1);
    if (st == TS_OK && (is_torn || ckpt_folder_parse(name, ".tmp-", &iteration))) {
        st = ts_remove_tree(path.s);
    } else if (st == TS_OK && ckpt_folder_parse(name, ".old-", &iteration)) {
        st = join_folder(&home, dir, "", iteration);
        if (st == TS_OK && ts_path_exists(home.s)) {
            st = ts_dir_sync(dir); /* the successor has its name for good before this one goes */
            if (st == TS_OK)
                st = ts_remove_tree(path.s);
        } else if (st == TS_OK && (st = move(path.s, home.s)) == TS_OK)
            st = ts_dir_sync(dir);
    }
    ts_str_deinit(&path);
    ts_str_deinit(&home);
    return st;
}

ts_status ckpt_root_recover(const char *dir)
{
    char **names;
    size_t n;
    TS_TRY(ts_dir_list(dir, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = recover_one(dir, names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    return st;
}

ts_status ckpt_root_sequence(const char *dir, int64_t *out)
{
    ts_ckpt_entry *list;
    size_t n;
    TS_TRY(ts_ckpt_list(dir, &list, &n));
    *out = n && list[0].sequence > 0 ? list[0].sequence : 0;
    ts_ckpt_list_free(&list, n);
    return TS_OK;
}

ts_status ckpt_root_room(const char *dir, int64_t iteration, double bytes)
{
    double space;
    char need[32], have[32];
    TS_TRY(ts_disk_free(dir, &space));
    if (space >= bytes)
        return TS_OK;
    return ts_error(TS_ERR_IO,
                    "%s: no room for the checkpoint of iteration %lld: it needs %s, %s are free; "
                    "earlier checkpoints are as they were",
                    dir, (long long)iteration, ts_human_bytes(bytes, need),
                    ts_human_bytes(space, have));
}

/* What cannot be tidied up now is tidied up before the next save; this one is good. */
static void remove_or_warn(const char *path)
{
    if (ts_remove_tree(path) != TS_OK)
        ts_log(TS_LOG_WARN, "%s", ts_error_message());
}

ts_status ckpt_root_publish(const char *dir, int64_t iteration)
{
    char number[32];
    ts_str tmp = { 0 }, home = { 0 }, old = { 0 }, tracker = { 0 };
    ts_status st;
    TS_TRY_TO(done, st, join_folder(&tmp, dir, ".tmp-", iteration));
    TS_TRY_TO(done, st, join_folder(&home, dir, "", iteration));
    TS_TRY_TO(done, st, join_folder(&old, dir, ".old-", iteration));
    TS_TRY_TO(done, st, ts_path_join(&tracker, dir, CKPT_TRACKER));
    TS_TRY_TO(done, st, ts_dir_sync(tmp.s));
    const bool is_replaced = ts_path_exists(home.s);
    if (is_replaced)
        TS_TRY_TO(done, st, move(home.s, old.s));
    st = move(tmp.s, home.s);
    if (st != TS_OK && is_replaced && rename(old.s, home.s) < 0)
        ts_log(TS_LOG_WARN, "%s: could not get its name back: %s", old.s, strerror(errno));
    if (st == TS_OK)
        st = ts_dir_sync(dir);
    if (st == TS_OK) {
        snprintf(number, sizeof number, "%lld\n", (long long)iteration);
        st = ts_file_write_atomic(tracker.s, number, strlen(number));
    }
    if (st == TS_OK && is_replaced)
        remove_or_warn(old.s);
done:
    ts_str_deinit(&tmp);
    ts_str_deinit(&home);
    ts_str_deinit(&old);
    ts_str_deinit(&tracker);
    return st;
}

/* First out of the way, so that half a folder never bears an iteration's name. */
static ts_status remove_iteration(const char *dir, const ts_ckpt_entry *e)
{
    ts_str tmp = { 0 };
    ts_status st = join_folder(&tmp, dir, ".tmp-", e->iteration);
    if (st == TS_OK)
        st = move(e->folder, tmp.s);
    if (st == TS_OK)
        st = ts_dir_sync(dir);
    if (st == TS_OK)
        st = ts_remove_tree(tmp.s);
    ts_str_deinit(&tmp);
    return st;
}

ts_status ckpt_root_prune(const char *dir, int64_t keep)
{
    ts_ckpt_entry *list;
    size_t n;
    if (keep <= 0)
        return TS_OK;
    TS_TRY(ts_ckpt_list(dir, &list, &n));
    ts_status st = TS_OK;
    /* Those without a good manifest (damaged, or not ours) stay for a person to look at. */
    for (size_t i = (size_t)keep; st == TS_OK && i < n && list[i].sequence > 0; i++)
        st = remove_iteration(dir, &list[i]);
    ts_ckpt_list_free(&list, n);
    return st;
}
