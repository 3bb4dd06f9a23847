#include "io_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FDS = 256, OPS = 4096 };

typedef struct hooks {
    pthread_mutex_t lock;
    char folder[128];
    bool is_armed, is_recording, is_hit;
    hook_fault fault;
    int64_t n, calls, reads, memory;
    int error;
    bool memory_hit;
    char path_of[FDS][128]; /* "" : not watched */
    bool is_watched[FDS];
    hook_op ops[OPS];
    size_t n_ops;
    char last[200];
} hooks;

static hooks h = { .lock = PTHREAD_MUTEX_INITIALIZER, .reads = -1, .memory = -1 };

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __real_pwrite(int fd, const void *data, size_t n, off_t at);
ssize_t __real_pread(int fd, void *data, size_t n, off_t at);
int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __real_mkdir(const char *path, mode_t mode);
int __real_unlink(const char *path);
int __real_remove(const char *path);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t n, off_t at);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_unlink(const char *path);
int __wrap_remove(const char *path);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void hooks_arm(const char *folder, hook_fault fault, int64_t n, int error, bool record)
{
    snprintf(h.folder, sizeof h.folder, "%s", folder);
    h.fault = fault, h.n = n, h.error = error, h.is_recording = record;
    h.calls = 0;
    h.is_hit = false;
    h.is_armed = true;
}

bool hooks_disarm(void)
{
    h.is_armed = false;
    return h.is_hit;
}

int64_t hooks_calls(void) { return h.calls; }
const char *hooks_last(void) { return h.last; }

const hook_op *hooks_record(size_t *n)
{
    *n = h.n_ops;
    return h.ops;
}

void hooks_clear(void)
{
    for (size_t i = 0; i < h.n_ops; i++)
        free(h.ops[i].data);
    h.n_ops = 0;
}

void hooks_arm_read(int64_t n) { h.reads = n; }

bool hooks_arm_memory(int64_t n)
{
    const bool was = h.memory_hit;
    h.memory = n;
    h.memory_hit = false;
    return was;
}

/* The path below the watched folder; NULL: elsewhere. */
static const char *below(const char *path)
{
    const size_t n = strlen(h.folder);
    if (!h.is_armed || strncmp(path, h.folder, n) || (path[n] && path[n] != '/'))
        return NULL;
    path += n;
    while (*path == '/')
        path++;
    return path;
}

static const char *of_fd(int fd)
{
    return h.is_armed && fd >= 0 && fd < FDS && h.is_watched[fd] ? h.path_of[fd] : NULL;
}

/* Counts a call; says what it shall do. */
static hook_fault turn(hook_kind kind, const char *path)
{
    static const char *const names[] = { "open",  "write",  "fallocate", "fsync",
                                         "close", "rename", "mkdir",     "remove" };
    const int64_t i = h.calls++;
    const bool is_write = kind == HOOK_WRITE;
    const bool is_half = h.fault == HOOK_SHORT || h.fault == HOOK_SHORT_FULL;
    hook_fault f = HOOK_NONE;
    if (i == h.n && h.fault != HOOK_NONE)
        f = is_half ? (is_write ? HOOK_SHORT : HOOK_NONE) : HOOK_FAIL;
    else if (i > h.n && h.fault == HOOK_FAIL_ON)
        f = HOOK_FAIL;
    else if (i > h.n && h.fault == HOOK_SHORT_FULL && is_write && h.is_hit)
        f = HOOK_FAIL;
    if (f != HOOK_NONE && !h.is_hit)
        snprintf(h.last, sizeof h.last, "%s of \"%s\" (call %lld)", names[kind], path,
                 (long long)i);
    h.is_hit = h.is_hit || f != HOOK_NONE;
    return f;
}

static hook_op *note(hook_kind kind, const char *path)
{
    static hook_op nowhere;
    hook_op *op = h.is_recording && h.n_ops < OPS ? &h.ops[h.n_ops++] : &nowhere;
    *op = (hook_op){ .kind = kind };
    snprintf(op->path, sizeof op->path, "%s", path);
    return op;
}

static int failing(void)
{
    errno = h.error;
    return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    pthread_mutex_lock(&h.lock);
    const char *p = below(path);
    const bool counts = p && (flags & O_CREAT);
    int fd = -1;
    if (counts && turn(HOOK_OPEN, p) == HOOK_FAIL) {
        failing();
    } else {
        fd = __real_open(path, flags, mode);
        if (fd >= 0 && fd < FDS) {
            h.is_watched[fd] = p != NULL;
            snprintf(h.path_of[fd], sizeof h.path_of[fd], "%s", p ? p : "");
        }
        if (counts && fd >= 0)
            note(HOOK_OPEN, p)->is_new = flags & O_TRUNC;
    }
    pthread_mutex_unlock(&h.lock);
    return fd;
}

static ssize_t put(int fd, const void *data, size_t n, off_t at, bool is_at)
{
    pthread_mutex_lock(&h.lock);
    const char *p = of_fd(fd);
    const hook_fault f = p ? turn(HOOK_WRITE, p) : HOOK_NONE;
    ssize_t k = -1;
    if (f == HOOK_FAIL) {
        errno = h.fault == HOOK_SHORT_FULL ? ENOSPC : h.error;
    } else {
        if (f == HOOK_SHORT)
            n = n / 2 + (n == 1);
        const off_t where = is_at ? at : lseek(fd, 0, SEEK_CUR);
        k = is_at ? __real_pwrite(fd, data, n, at) : __real_write(fd, data, n);
        if (p && k > 0) {
            hook_op *op = note(HOOK_WRITE, p);
            op->at = where;
            op->n = (size_t)k;
            if (h.is_recording) {
                op->data = __real_malloc((size_t)k);
                memcpy(op->data, data, (size_t)k);
            }
        }
    }
    pthread_mutex_unlock(&h.lock);
    return k;
}

ssize_t __wrap_write(int fd, const void *data, size_t n) { return put(fd, data, n, 0, false); }
ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at)
{
    return put(fd, data, n, at, true);
}

ssize_t __wrap_pread(int fd, void *data, size_t n, off_t at)
{
    if (h.reads >= 0 && h.reads-- == 0) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, data, n, at);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
    pthread_mutex_lock(&h.lock);
    const char *p = of_fd(fd);
    int rc =
        p && turn(HOOK_FALLOCATE, p) == HOOK_FAIL ? failing() : __real_fallocate(fd, mode, at, n);
    if (p && rc == 0)
        note(HOOK_FALLOCATE, p)->n = (size_t)(at + n);
    pthread_mutex_unlock(&h.lock);
    return rc;
}

int __wrap_fsync(int fd)
{
    pthread_mutex_lock(&h.lock);
    const char *p = of_fd(fd);
    int rc = 0;
    if (p && turn(HOOK_FSYNC, p) == HOOK_FAIL)
        rc = failing();
    else if (p)
        note(HOOK_FSYNC, p); /* the machine does not lose power here */
    else
        rc = __real_fsync(fd);
    pthread_mutex_unlock(&h.lock);
    return rc;
}

int __wrap_close(int fd)
{
    pthread_mutex_lock(&h.lock);
    const char *p = of_fd(fd);
    const bool fails = p && turn(HOOK_CLOSE, p) == HOOK_FAIL; /* closed all the same, as on Linux */
    if (fd >= 0 && fd < FDS)
        h.is_watched[fd] = false;
    const int rc = __real_close(fd);
    pthread_mutex_unlock(&h.lock);
    return fails ? failing() : rc;
}

int __wrap_rename(const char *from, const char *to)
{
    pthread_mutex_lock(&h.lock);
    const char *p = below(from), *q = below(to);
    int rc = p && turn(HOOK_RENAME, p) == HOOK_FAIL ? failing() : __real_rename(from, to);
    if (p && q && rc == 0) {
        hook_op *op = note(HOOK_RENAME, p);
        snprintf(op->to, sizeof op->to, "%s", q);
    }
    pthread_mutex_unlock(&h.lock);
    return rc;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&h.lock);
    const char *p = below(path);
    int rc = p && turn(HOOK_MKDIR, p) == HOOK_FAIL ? failing() : __real_mkdir(path, mode);
    if (p && rc == 0)
        note(HOOK_MKDIR, p);
    pthread_mutex_unlock(&h.lock);
    return rc;
}

static int gone(const char *path, int (*real)(const char *))
{
    pthread_mutex_lock(&h.lock);
    const char *p = below(path);
    int rc = p && turn(HOOK_REMOVE, p) == HOOK_FAIL ? failing() : real(path);
    if (p && rc == 0)
        note(HOOK_REMOVE, p);
    pthread_mutex_unlock(&h.lock);
    return rc;
}

int __wrap_unlink(const char *path) { return gone(path, __real_unlink); }
int __wrap_remove(const char *path) { return gone(path, __real_remove); }

static bool refuses_memory(void)
{
    if (h.memory < 0 || h.memory-- > 0)
        return false;
    h.memory_hit = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n) { return refuses_memory() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size)
{
    return refuses_memory() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n) { return refuses_memory() ? NULL : __real_realloc(p, n); }
