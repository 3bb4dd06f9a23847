#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* *size: 0 where it is not known (pipes, /proc). */
static ts_status open_to_read(const char *path, int *fd, size_t *size)
{
    struct stat sb;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return ts_error(TS_ERR_USER, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(*fd, &sb) < 0 || S_ISDIR(sb.st_mode)) {
        close(*fd);
        return ts_error(TS_ERR_USER, "%s: is not a file", path);
    }
    *size = S_ISREG(sb.st_mode) ? (size_t)sb.st_size : 0;
    return TS_OK;
}

/* Reads to the end, whatever size was said. */
static ts_status read_all(int fd, size_t size, const char *path, ts_str *out)
{
    ts_str_reset(out);
    TS_TRY(ts_grow(&out->s, &out->cap, size + 1, 1));
    for (;;) {
        if (out->len + 1 >= out->cap)
            TS_TRY(ts_grow(&out->s, &out->cap, out->cap * 2, 1));
        const ssize_t n = read(fd, out->s + out->len, out->cap - out->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ts_error(TS_ERR_USER, "%s: cannot be read: %s", path, strerror(errno));
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    out->s[out->len] = 0;
    return TS_OK;
}

ts_status ts_file_read(const char *path, ts_str *out)
{
    int fd;
    size_t size;
    TS_TRY(open_to_read(path, &fd, &size));
    const ts_status st = read_all(fd, size, path, out);
    close(fd);
    return st;
}

/* What cannot be mapped, for it has no size, is read. */
static ts_status map_pipe(int fd, const char *path, ts_map *out)
{
    ts_str text = { 0 };
    const ts_status st = read_all(fd, 0, path, &text);
    if (st == TS_OK && text.len) {
        *out = (ts_map){ (unsigned char *)text.s, text.len, true };
        return TS_OK;
    }
    ts_str_deinit(&text);
    if (st == TS_OK)
        *out = (ts_map){ 0 };
    return st;
}

ts_status ts_map_open(const char *path, ts_map *out)
{
    int fd;
    size_t size;
    TS_TRY(open_to_read(path, &fd, &size));
    ts_status st = TS_OK;
    void *p = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (!size)
        st = map_pipe(fd, path, out);
    else if (p == MAP_FAILED)
        st = ts_error(TS_ERR_USER, "%s: cannot be mapped: %s", path, strerror(errno));
    else
        *out = (ts_map){ p, size, false };
    close(fd);
    return st;
}

void ts_map_close(ts_map *m)
{
    void *data = (void *)(uintptr_t)m->data;
    if (m->is_read)
        ts_free(&data);
    else if (data)
        munmap(data, m->size);
    *m = (ts_map){ 0 };
}

void ts_map_release(const ts_map *m, const void *data, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data, map = (uintptr_t)m->data;
    const uintptr_t from = (at + page - 1) / page * page, to = (at + n) / page * page;
    if (!m->is_read && map && at >= map && at < map + m->size && n <= map + m->size - at && to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

bool ts_path_exists(const char *path) { return access(path, F_OK) == 0; }

bool ts_path_ends(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n >= m && !strcmp(path + n - m, end);
}

bool ts_path_is_dir(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

bool ts_file_begins_with(const char *path, const void *bytes, size_t n)
{
    char begin[16];
    struct stat about;
    TS_ASSERT(n <= sizeof begin, "%zu bytes are too many", n);
    if (stat(path, &about) || !S_ISREG(about.st_mode))
        return false;
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    const bool is = fread(begin, 1, n, f) == n && !memcmp(begin, bytes, n);
    fclose(f);
    return is;
}

ts_status ts_path_join(ts_str *out, const char *a, const char *b)
{
    ts_str_reset(out);
    const size_t n = strlen(a);
    return ts_str_printf(out, "%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
}

ts_status ts_mkdirs(const char *path)
{
    char *p;
    if (!*path)
        return ts_error(TS_ERR_IO, "a folder without a name cannot be made");
    TS_TRY(ts_strdup(path, &p));
    ts_status st = TS_OK;
    for (char *s = p + 1; st == TS_OK; s++) {
        if (*s && *s != '/')
            continue;
        const char end = *s;
        *s = 0;
        if (mkdir(p, 0750) < 0 && errno != EEXIST)
            st = ts_error(TS_ERR_IO, "%s: cannot make the folder: %s", p, strerror(errno));
        *s = end;
        if (!end)
            break;
    }
    if (st == TS_OK && !ts_path_is_dir(path))
        st = ts_error(TS_ERR_IO, "%s: is there, but is no folder", path);
    ts_free(&p);
    return st;
}

ts_status ts_remove_tree(const char *path)
{
    struct stat sb;
    if (lstat(path, &sb) < 0)
        return TS_OK;
    if (S_ISDIR(sb.st_mode)) {
        char **names;
        size_t n;
        ts_str child = { 0 };
        TS_TRY(ts_dir_list(path, &names, &n));
        ts_status st = TS_OK;
        for (size_t i = 0; i < n; i++) {
            if (st == TS_OK && (st = ts_path_join(&child, path, names[i])) == TS_OK)
                st = ts_remove_tree(child.s);
            ts_free(&names[i]);
        }
        ts_free(&names);
        ts_str_deinit(&child);
        TS_TRY(st);
    }
    if (remove(path) < 0 && errno != ENOENT)
        return ts_error(TS_ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
    return TS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ts_status ts_dir_list(const char *path, char ***names, size_t *n)
{
    DIR *d = opendir(path);
    if (!d)
        return ts_error(TS_ERR_USER, "%s: cannot be opened: %s", path, strerror(errno));
    char **list = NULL;
    size_t len = 0, cap = 0;
    ts_status st = ts_grow(&list, &cap, 1, sizeof *list);
    for (struct dirent *e; st == TS_OK && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        st = ts_grow(&list, &cap, len + 1, sizeof *list);
        if (st == TS_OK && (st = ts_strdup(e->d_name, &list[len])) == TS_OK)
            len++;
    }
    closedir(d);
    if (st != TS_OK) {
        while (len)
            ts_free(&list[--len]);
        ts_free(&list);
        return st;
    }
    qsort(list, len, sizeof *list, by_name);
    *names = list;
    *n = len;
    return TS_OK;
}

ts_status ts_dir_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ts_error(TS_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    const int rc = fsync(fd);
    const int why = errno;
    close(fd);
    if (rc < 0 && why != EINVAL && why != EROFS) /* some file systems cannot sync a folder */
        return ts_error(TS_ERR_IO, "%s: cannot be flushed: %s", path, strerror(why));
    return TS_OK;
}

ts_status ts_disk_free(const char *path, double *bytes)
{
    struct statvfs v;
    char *p;
    TS_TRY(ts_strdup(path, &p));
    while (statvfs(p, &v) < 0) {
        char *slash = strrchr(p, '/');
        if (errno != ENOENT || !slash || slash == p) {
            if (statvfs(slash == p ? "/" : ".", &v) == 0)
                break;
            ts_free(&p);
            return ts_error(TS_ERR_IO, "%s: free space is not known: %s", path, strerror(errno));
        }
        *slash = 0;
    }
    ts_free(&p);
    *bytes = (double)v.f_bavail * (double)v.f_frsize;
    return TS_OK;
}
