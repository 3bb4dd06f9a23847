#include "base/output.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MODE = 0640, PIECE = 1 << 16 };

static ts_status refused(const char *option, const char *path, const char *why)
{
    const int e = errno;
    const bool is_world = e == ENOSPC || e == EDQUOT || e == EIO || e == EMFILE || e == ENFILE ||
                          e == ENOMEM;
    return ts_error(option && !is_world ? TS_ERR_USER : TS_ERR_IO, "%s%s%s: %s",
                    option ? option : "", option ? " " : "", path, why);
}

static ts_status failed(const char *option, const char *path, const char *doing)
{
    char why[256];
    snprintf(why, sizeof why, "%s: %s", doing, strerror(errno));
    return refused(option, path, why);
}

/* The number of an open file that the path stands for, or -1. */
static int own_fd(const char *path)
{
    static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
    if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout"))
        return STDOUT_FILENO;
    if (!strcmp(path, "/dev/stderr"))
        return STDERR_FILENO;
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(folders[i]);
        if (!strncmp(path, folders[i], n) && path[n] && strspn(path + n, "0123456789") ==
            strlen(path + n) && strlen(path + n) < 7)
            return atoi(path + n);
    }
    return -1;
}

static ts_status folder_of(const char *path, ts_str *out)
{
    const char *slash = strrchr(path, '/');
    ts_str_reset(out);
    return slash ? ts_str_add(out, path, (size_t)(slash - path) + 1) : ts_str_puts(out, "./");
}

/* Where the links of a path end: a path that is no link, or the number of an open file. */
static ts_status follow(const char *option, const char *path, ts_str *out, int *fd)
{
    char link[4096];
    struct stat sb;
    ts_str next = { 0 };
    ts_status st = ts_str_puts(out, path);
    int n = 0;
    for (; st == TS_OK && n <= MAX_LINKS; n++) {
        if ((*fd = own_fd(out->s)) >= 0 || lstat(out->s, &sb) < 0 || !S_ISLNK(sb.st_mode))
            break;
        const ssize_t k = readlink(out->s, link, sizeof link - 1);
        if (k <= 0) {
            st = failed(option, path, "the link cannot be read");
            break;
        }
        link[k] = 0;
        if (link[0] != '/')
            st = folder_of(out->s, &next);
        else
            ts_str_reset(&next);
        if (st == TS_OK)
            st = ts_str_puts(&next, link);
        const ts_str swap = *out;
        *out = next;
        next = swap;
    }
    if (st == TS_OK && n > MAX_LINKS) {
        errno = ELOOP;
        st = failed(option, path, "cannot be written");
    }
    ts_str_deinit(&next);
    return st;
}

ts_status ts_path_follow(const char *path, ts_str *out)
{
    char *plain;
    int fd;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    TS_TRY(ts_strndup(path, n, &plain));
    const ts_status st = follow(NULL, plain, out, &fd);
    ts_free(&plain);
    return st;
}

/* Whether a file may take this name. *is_straight: what is there is to be written, not replaced. */
static ts_status look(const char *option, const char *path, const char *target, bool *is_straight)
{
    struct stat sb;
    *is_straight = false;
    errno = 0;
    if (!*target)
        return refused(option, path, "names no file");
    if (lstat(target, &sb) < 0)
        return errno == ENOENT ? TS_OK : failed(option, path, "cannot be written");
    if (S_ISDIR(sb.st_mode))
        return refused(option, path, "is a folder; a file was expected");
    if (S_ISSOCK(sb.st_mode))
        return refused(option, path, "is a socket, which cannot be opened as a file");
    if (S_ISBLK(sb.st_mode))
        return refused(option, path, "is a block device; nothing is written over it");
    *is_straight = !S_ISREG(sb.st_mode);
    if (access(target, W_OK) < 0)
        return failed(option, path, "cannot be written");
    return TS_OK;
}

/* The new file stands for the old one: whose it is, and who may not read it. */
static void take_after(int fd, const char *target)
{
    struct stat old, now;
    if (stat(target, &old) < 0 || fstat(fd, &now) < 0)
        return;
    mode_t mode = now.st_mode & old.st_mode & MODE;
    if ((old.st_uid != now.st_uid || old.st_gid != now.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) < 0 && old.st_gid != now.st_gid &&
        fchown(fd, (uid_t)-1, old.st_gid) < 0)
        mode &= S_IRWXU; /* another group than that which was let in */
    (void)!fchmod(fd, mode);
}

/* None of the standard three, which may be closed: what is printed must not end in a file. */
static bool take_fd(int fd, int *out)
{
    if (fd >= 0 && fd <= STDERR_FILENO) {
        const int low = fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(low);
    }
    if (fd < 0)
        return false;
    *out = fd;
    return true;
}

static bool make_new(ts_output *o, const char *path, int flags)
{
    return take_fd(open(path, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE), &o->fd);
}

bool ts_output_open_new(ts_output *o, int flags) { return make_new(o, o->name.s, flags); }

static ts_status make_temp(ts_output *o, const char *option, const char *path)
{
    for (int i = 0; !o->fd; i++) {
        ts_str_reset(&o->temp);
        TS_TRY(ts_str_printf(&o->temp, "%s.tmp-%d-%d", o->target.s, (int)getpid(), i));
        if (!make_new(o, o->temp.s, O_RDWR) && errno != EEXIST) {
            ts_str_reset(&o->temp);
            return failed(option, path, "cannot be made");
        }
    }
    take_after(o->fd, o->target.s);
    return TS_OK;
}

static ts_status open_straight(ts_output *o, const char *option, const char *path, int own,
                               ts_output_way way)
{
    const int flags = O_CLOEXEC | O_NOCTTY | (way == TS_OUTPUT_APPEND ? O_APPEND | O_CREAT : 0);
    const int low = STDERR_FILENO + 1;
    ts_str_reset(&o->target);
    if (!take_fd(own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, low) : open(path, O_WRONLY | flags, MODE),
                 way == TS_OUTPUT_SEEK ? &o->straight : &o->fd))
        return failed(option, path, "cannot be opened for writing");
    if (way != TS_OUTPUT_SEEK)
        return TS_OK;
    FILE *f = tmpfile();
    const bool is_there = f && take_fd(fcntl(fileno(f), F_DUPFD_CLOEXEC, low), &o->fd);
    const ts_status st = is_there ? TS_OK : failed(NULL, path, "no temporary file could be made");
    if (f)
        fclose(f);
    return st;
}

ts_status ts_output_open(ts_output *o, const char *option, const char *path, ts_output_way way)
{
    int own = -1;
    bool is_straight = false;
    *o = (ts_output){ 0 };
    ts_status st = ts_str_puts(&o->name, strcmp(path, "-") ? path : "standard output");
    if (st == TS_OK)
        st = follow(option, path, &o->target, &own);
    if (st == TS_OK && own < 0)
        st = look(option, path, o->target.s, &is_straight);
    if (st == TS_OK)
        st = own >= 0 || is_straight || way == TS_OUTPUT_APPEND
                 ? open_straight(o, option, path, own, way)
                 : make_temp(o, option, path);
    if (st != TS_OK)
        ts_output_abandon(o);
    return st;
}

ts_status ts_output_check(const char *option, const char *path)
{
    int own = -1;
    bool is_straight = false;
    ts_str target = { 0 }, folder = { 0 };
    ts_status st = follow(option, path, &target, &own);
    if (st == TS_OK && own < 0)
        st = look(option, path, target.s, &is_straight);
    if (st == TS_OK && own >= 0 && fcntl(own, F_GETFD) < 0)
        st = failed(option, path, "cannot be opened for writing");
    if (st == TS_OK && own < 0 && !is_straight)
        st = folder_of(target.s, &folder);
    if (st == TS_OK && folder.len && access(folder.s, W_OK | X_OK) < 0)
        st = failed(option, path, "cannot be made");
    ts_str_deinit(&target);
    ts_str_deinit(&folder);
    return st;
}

bool ts_output_is_same(const char *a, const char *b)
{
    struct stat x, y;
    const int f = own_fd(a), g = own_fd(b);
    if (!strcmp(a, b) || (f >= 0 && f == g))
        return true;
    return (f >= 0 ? fstat(f, &x) : stat(a, &x)) == 0 &&
           (g >= 0 ? fstat(g, &y) : stat(b, &y)) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

ts_status ts_output_error(const ts_output *o, const char *doing)
{
    const int e = errno;
    const char *name = ts_str_text(&o->name);
    if (e == ENOSPC || e == EDQUOT)
        return ts_error(TS_ERR_IO, "%s: no space left on device while %s", name, doing);
    return ts_error(TS_ERR_IO, "%s: %s failed: %s", name, doing, strerror(e));
}

static ts_status write_all(const ts_output *o, int fd, const char *p, size_t n)
{
    while (n) {
        const ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return ts_output_error(o, "writing");
        p += k, n -= (size_t)k;
    }
    return TS_OK;
}

ts_status ts_output_write(ts_output *o, const void *data, size_t n)
{
    return write_all(o, o->fd, data, n);
}

static ts_status copy_out(ts_output *o)
{
    char piece[PIECE];
    for (off_t at = 0;;) {
        const ssize_t k = pread(o->fd, piece, sizeof piece, at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return ts_output_error(o, "reading back");
        if (k == 0)
            return TS_OK;
        TS_TRY(write_all(o, o->straight, piece, (size_t)k));
        at += k;
    }
}

/* All bytes are where they belong, but for the name. */
static ts_status settle(ts_output *o)
{
    if (o->straight)
        TS_TRY(copy_out(o));
    if (o->target.len && fsync(o->fd) < 0)
        return ts_output_error(o, "flushing");
    int rc = close(o->fd);
    if (o->straight)
        rc |= close(o->straight);
    o->fd = o->straight = 0;
    return rc < 0 ? ts_output_error(o, "closing") : TS_OK;
}

static ts_status publish(ts_output *o)
{
    struct stat sb;
    if (!o->target.len)
        return TS_OK;
    if (lstat(o->target.s, &sb) == 0 && !S_ISREG(sb.st_mode))
        return ts_error(TS_ERR_IO, "%s: something that is no file came there meanwhile",
                        o->name.s);
    if (rename(o->temp.s, o->target.s) < 0)
        return ts_output_error(o, "renaming");
    ts_str_reset(&o->temp);
    return TS_OK;
}

static ts_status sync_folder(ts_output *o)
{
    ts_str folder = { 0 };
    ts_status st = o->target.len ? folder_of(o->target.s, &folder) : TS_OK;
    if (st == TS_OK && folder.len)
        st = ts_dir_sync(folder.s);
    ts_str_deinit(&folder);
    return st;
}

static void drop(ts_output *o)
{
    if (o->aside.len && unlink(o->aside.s) < 0)
        ts_log(TS_LOG_WARN, "%s: an old file cannot be removed: %s", o->aside.s, strerror(errno));
    ts_str_reset(&o->aside);
    ts_output_abandon(o);
}

ts_status ts_output_finish(ts_output *o)
{
    ts_status st = settle(o);
    if (st == TS_OK)
        st = publish(o);
    if (st == TS_OK)
        st = sync_folder(o);
    ts_output_abandon(o);
    return st;
}

/* The old file out of the way, so that it can come back. */
static ts_status set_aside(ts_output *o)
{
    ts_str name = { 0 };
    if (!o->target.len || !ts_path_exists(o->target.s))
        return TS_OK;
    TS_TRY(ts_str_printf(&name, "%s.old-%d", o->target.s, (int)getpid()));
    if (rename(o->target.s, name.s) < 0) {
        const ts_status st = ts_output_error(o, "replacing the old file");
        ts_str_deinit(&name);
        return st;
    }
    o->aside = name;
    return TS_OK;
}

/* Of several, as many as have a new name: they lose it, and the old ones are back. */
static void take_back(ts_output *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ts_output *o = list[i];
        if (o->aside.len && rename(o->aside.s, o->target.s) == 0)
            ts_str_reset(&o->aside);
        else if (!o->aside.len && o->target.len && !o->temp.len)
            (void)unlink(o->target.s);
    }
}

ts_status ts_output_finish_all(ts_output *const *list, size_t n)
{
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = settle(list[i]);
    for (size_t i = n; st == TS_OK && i-- > 0;)
        st = set_aside(list[i]);
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = publish(list[i]);
    if (st != TS_OK)
        take_back(list, n);
    const bool is_new = st == TS_OK;
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = sync_folder(list[i]);
    for (size_t i = 0; i < n; i++) {
        if (is_new)
            drop(list[i]);
        else
            ts_output_abandon(list[i]);
    }
    return st;
}

void ts_output_abandon(ts_output *o)
{
    if (o->fd)
        close(o->fd);
    if (o->straight)
        close(o->straight);
    if (o->temp.len)
        (void)unlink(o->temp.s);
    ts_str_deinit(&o->name);
    ts_str_deinit(&o->target);
    ts_str_deinit(&o->temp);
    ts_str_deinit(&o->aside);
    o->fd = o->straight = 0;
}

ts_status ts_output_all(const char *option, const char *path, const void *data, size_t size)
{
    ts_output o;
    TS_TRY(ts_output_open(&o, option, path, TS_OUTPUT_REPLACE));
    ts_status st = ts_output_write(&o, data, size);
    if (st == TS_OK)
        st = ts_output_finish(&o);
    ts_output_abandon(&o);
    return st;
}

ts_status ts_file_write_atomic(const char *path, const void *data, size_t size)
{
    return ts_output_all(NULL, path, data, size);
}
