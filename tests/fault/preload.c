/* Preloaded into tessera (other programs are left alone): one call to the system, or one allocation, fails. What the program asks
 * for by itself counts, and what the libraries ask for to which it hands its data; not the C library
 * and not MPI, whose failures are their own.
 *
 *   FAULT_KIND  io or memory
 *   FAULT_AT    number of the call that fails, from 1; 0: none
 *   FAULT_ERRNO what it fails with (io)
 *   FAULT_ONLY  io: the folder whose files count, and the standard output
 *   FAULT_RANK  only in this process of an MPI job
 *   FAULT_LOG   file that gets "hit NAME WHAT" and at the end "calls N" */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

enum { RANGES = 32, FDS = 1024 };

static struct { uintptr_t from, to; } range[RANGES];
static int n_ranges;
static bool is_on, is_memory;
static long at, calls;
static int error = EIO;
static const char *only = "";
static bool is_ours[FDS];
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool counts_as_ours(const char *object)
{
    static const char *const names[] = { "jansson", "pcre2", "utf8proc", "libyaml",
                                         "protobuf-c", "libz.", "zstd" };
    if (!*object) /* the program */
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(object, names[i]))
            return true;
    return false;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size, (void)ctx;
    for (int i = 0; i < info->dlpi_phnum && counts_as_ours(info->dlpi_name); i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && n_ranges < RANGES) {
            range[n_ranges].from = info->dlpi_addr + p->p_vaddr;
            range[n_ranges++].to = info->dlpi_addr + p->p_vaddr + p->p_memsz;
        }
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *kind = getenv("FAULT_KIND"), *n = getenv("FAULT_AT"), *e = getenv("FAULT_ERRNO");
    const char *rank = getenv("FAULT_RANK"), *self = getenv("OMPI_COMM_WORLD_RANK"),
               *path = getenv("FAULT_LOG"), *folder = getenv("FAULT_ONLY");
    if (!kind || strncmp(program_invocation_short_name, "tessera", 7) || (rank && (!self || strcmp(rank, self))))
        return;
    dl_iterate_phdr(add_object, NULL);
    is_memory = !strcmp(kind, "memory");
    at = n ? atol(n) : 0;
    error = e ? atoi(e) : EIO;
    only = folder ? folder : "";
    if (path)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    is_on = true;
}

static void note(const char *name, const char *what)
{
    char line[512];
    const int n = snprintf(line, sizeof line, "%s %s\n", name, what);
    if (log_fd >= 0)
        syscall(SYS_write, log_fd, line, (size_t)(n < (int)sizeof line ? n : (int)sizeof line - 1));
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", calls);
    if (is_on)
        note("calls", text);
}

/* Counts a call; true: it fails. */
static bool fails(bool memory, const char *name, const char *what, const void *caller)
{
    const uintptr_t pc = (uintptr_t)caller;
    bool is_from = false, is_hit;
    if (!is_on || memory != is_memory)
        return false;
    for (int i = 0; i < n_ranges; i++)
        is_from = is_from || (pc >= range[i].from && pc < range[i].to);
    if (!is_from)
        return false;
    pthread_mutex_lock(&lock);
    is_hit = ++calls == at;
    pthread_mutex_unlock(&lock);
    if (is_hit) {
        char place[64];
        snprintf(place, sizeof place, "%.30s %lx", name,
                 (unsigned long)(pc - range[0].from));
        note("hit", place);
        note("what", what);
        errno = memory ? ENOMEM : error;
    }
    return is_hit;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t n) { return fails(true, "malloc", "", CALLER) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size)
{
    return fails(true, "calloc", "", CALLER) ? NULL : __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    return fails(true, "realloc", "", CALLER) ? NULL : __libc_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n)
{
    return fails(true, "aligned_alloc", "", CALLER) ? NULL : __libc_memalign(align, n);
}
int posix_memalign(void **out, size_t align, size_t n)
{
    void *p = fails(true, "posix_memalign", "", CALLER) ? NULL : __libc_memalign(align, n);
    if (p)
        *out = p;
    return p ? 0 : ENOMEM;
}
void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t off)
{
    if (fails(true, "mmap", "", CALLER))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, off);
}

/* ---- files below the folder ---- */

static bool is_below(const char *path)
{
    return *only && !strncmp(path, only, strlen(only));
}
static bool is_file(int fd) { return fd == STDOUT_FILENO || (fd > 2 && fd < FDS && is_ours[fd]); }
#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (!real)                                                                                     \
        *(void **)&real = dlsym(RTLD_NEXT, name)
#define FAIL(name, is_counted, what)                                                               \
    if ((is_counted) && fails(false, name, what, CALLER))                                          \
    return -1

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    const bool counts = is_below(path);
    FAIL(flags & O_CREAT ? "open-to-write" : "open", counts, path);
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < FDS)
        is_ours[fd] = counts;
    return fd;
}
ssize_t write(int fd, const void *data, size_t n)
{
    FAIL("write", is_file(fd), "");
    return syscall(SYS_write, fd, data, n);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t off)
{
    FAIL("pwrite", is_file(fd), "");
    return syscall(SYS_pwrite64, fd, data, n, off);
}
ssize_t read(int fd, void *data, size_t n)
{
    FAIL("read", fd > 2 && is_file(fd), "");
    return syscall(SYS_read, fd, data, n);
}
ssize_t pread(int fd, void *data, size_t n, off_t off)
{
    FAIL("pread", is_file(fd), "");
    return syscall(SYS_pread64, fd, data, n, off);
}
int fsync(int fd)
{
    FAIL("fsync", is_file(fd), "");
    return is_file(fd) ? 0 : (int)syscall(SYS_fsync, fd); /* no machine loses power here */
}
int ftruncate(int fd, off_t n)
{
    FAIL("ftruncate", is_file(fd), "");
    return (int)syscall(SYS_ftruncate, fd, n);
}
int fallocate(int fd, int mode, off_t from, off_t n)
{
    FAIL("fallocate", is_file(fd), "");
    return (int)syscall(SYS_fallocate, fd, mode, from, n);
}
int close(int fd)
{
    const bool counts = fd > 2 && is_file(fd);
    if (fd >= 0 && fd < FDS)
        is_ours[fd] = false;
    const int rc = (int)syscall(SYS_close, fd);
    FAIL("close", counts, ""); /* closed all the same, as on Linux */
    return rc;
}
int rename(const char *from, const char *to)
{
    FAIL("rename", is_below(to), to);
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}
int mkdir(const char *path, mode_t mode)
{
    FAIL("mkdir", is_below(path), path);
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
int unlink(const char *path)
{
    FAIL("unlink", is_below(path), path);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int remove(const char *path)
{
    REAL(int, "remove", const char *);
    FAIL("remove", is_below(path), path);
    return real(path);
}
int fchmod(int fd, mode_t mode)
{
    FAIL("fchmod", is_file(fd), "");
    return (int)syscall(SYS_fchmod, fd, mode);
}
DIR *opendir(const char *path)
{
    REAL(void *, "opendir", const char *);
    return is_below(path) && fails(false, "opendir", path, CALLER) ? NULL : real(path);
}
FILE *fopen(const char *path, const char *mode)
{
    REAL(FILE *, "fopen", const char *, const char *);
    return is_below(path) && fails(false, "fopen", path, CALLER) ? NULL : real(path, mode);
}
