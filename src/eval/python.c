#include "eval/python.h"

#include "base/file.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TOLD = 3 }; /* where a program that has ended well says so */
static const char runner[] =
    "import os, sys\nprogram = sys.stdin.read()\nexec(program, {})\nos.write(3, b'passed')\n";

enum {
    MEMORY = 1 << 30, /* address space: 4 times this */
    FILE_BYTES = 16 << 20,
    FILES = 64,
    PROCESSES = 32,
};

/* ---- in the child: nothing here allocates, fails silently or comes back half done ---- */

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#endif

enum { X32 = 0x40000000 };

/* No sockets and no rings of system calls: these calls are not permitted from now on. */
static bool forbid_network(void)
{
#ifdef ARCH
#define REFUSE(nr_)                                                                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr_), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
    struct sock_filter rule[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1), /* the same calls by other numbers */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        REFUSE(SYS_socket),
        REFUSE(SYS_socketpair),
        REFUSE(SYS_io_uring_setup),
        REFUSE(SYS_ptrace),
        REFUSE(SYS_process_vm_writev),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog all = { sizeof rule / sizeof *rule, rule };
    return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
#else
    return false;
#endif
}

/* Files are made, changed and removed below the open folder alone, where the kernel has Landlock. */
static void confine_files(int folder)
{
    const uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                            LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                            LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    const struct landlock_ruleset_attr set = { .handled_access_fs = writes };
    const struct landlock_path_beneath_attr beneath = { .allowed_access = writes, .parent_fd = folder };
    const int rules = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof set, 0);
    if (rules < 0)
        return;
    if (!syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
        (void)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}

static void limit(int what, rlim_t most)
{
    const struct rlimit r = { most, most };
    (void)setrlimit(what, &r);
}

static void write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, text, strlen(text));
    close(fd);
}

/* A network, message queues and processes of its own, where the kernel grants them. Whether the next child begins a
 * space of processes. */
static bool enter_namespaces(void)
{
    char map[64];
    const long uid = (long)getuid(), gid = (long)getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID))
        return false;
    snprintf(map, sizeof map, "%ld %ld 1", uid, uid);
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%ld %ld 1", gid, gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

static void limits(double seconds, bool is_apart)
{
    const rlim_t whole = (rlim_t)(seconds + 2);
    limit(RLIMIT_CPU, whole);
    limit(RLIMIT_AS, (rlim_t)4 * MEMORY);
    limit(RLIMIT_DATA, MEMORY);
    limit(RLIMIT_FSIZE, FILE_BYTES);
    limit(RLIMIT_NOFILE, FILES);
    limit(RLIMIT_CORE, 0);
    if (is_apart) /* else it counts all processes of the user */
        limit(RLIMIT_NPROC, PROCESSES);
}

typedef struct plan {
    const char *python, *folder;
    int input, told; /* open files: the program; the pipe */
    double seconds;
} plan;

static _Noreturn void become_python(const plan *p)
{
    char *const argv[] = { (char *)(uintptr_t)p->python,
                           (char[]){ "-I" },
                           (char[]){ "-B" },
                           (char[]){ "-c" },
                           (char *)(uintptr_t)runner,
                           NULL };
    char *const env[] = { (char[]){ "PATH=/usr/bin:/bin" }, (char[]){ "HOME=." },
                          (char[]){ "LC_ALL=C.UTF-8" }, (char[]){ "OMP_NUM_THREADS=1" }, NULL };
    const int folder = open(p->folder, O_PATH | O_DIRECTORY | O_CLOEXEC),
              null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int told = fcntl(p->told, F_DUPFD, 16), input = fcntl(p->input, F_DUPFD, 16),
              out = fcntl(null, F_DUPFD, 16);
    if (folder < 0 || out < 0 || told < 0 || input < 0 || fchdir(folder) || dup2(input, 0) < 0 ||
        dup2(out, 1) < 0 || dup2(out, 2) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _exit(125);
    confine_files(folder);
    if (dup2(told, TOLD) < 0 || syscall(SYS_close_range, TOLD + 1, ~0U, 0) || !forbid_network())
        _exit(125);
    execve(p->python, argv, env);
    _exit(125);
}

/* The process that is waited for: python itself, or the first of its space's parent, so that all end with it. */
static _Noreturn void child(const plan *p)
{
    setsid();
    const bool is_apart = enter_namespaces();
    limits(p->seconds, is_apart);
    if (!is_apart)
        become_python(p);
    const pid_t first = fork();
    if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* killing who waits ends the space */
        become_python(p);
    }
    int status = 0;
    while (first > 0 && waitpid(first, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(first > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

/* ---- in the parent ---- */

/* Whether it ended by itself; what is still there is killed. */
static bool wait_for(pid_t pid, double seconds)
{
    const double end = ts_now() + seconds;
    const struct timespec pause = { .tv_nsec = 2000000 };
    int status;
    pid_t got = 0;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && ts_now() < end)
        nanosleep(&pause, NULL);
    kill(-pid, SIGKILL);
    if (got == 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ts_status put_program(const ts_python *p, const char *program, size_t n, int *fd)
{
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, p->folder.s, "program");
    *fd = st == TS_OK ? open(path.s, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (st == TS_OK && (*fd < 0 || write(*fd, program, n) != (ssize_t)n || lseek(*fd, 0, SEEK_SET) != 0))
        st = ts_error(TS_ERR_IO, "%s: a program cannot be written there: %s", path.s, strerror(errno));
    ts_str_deinit(&path);
    return st;
}

static ts_status empty_folder(const ts_python *p)
{
    char **names;
    size_t n;
    ts_str path = { 0 };
    TS_TRY(ts_dir_list(p->folder.s, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_path_join(&path, p->folder.s, names[i]);
        if (st == TS_OK)
            st = ts_remove_tree(path.s);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_python_passes(const ts_python *p, const char *program, size_t n, double seconds, bool *passes)
{
    int told[2] = { -1, -1 }, input = -1;
    char said[8] = "";
    ts_status st = put_program(p, program, n, &input);
    if (st == TS_OK && pipe2(told, O_CLOEXEC | O_NONBLOCK))
        st = ts_error(TS_ERR_IO, "a pipe cannot be made: %s", strerror(errno));
    const plan how = { ts_str_text(&p->path), ts_str_text(&p->folder), input, told[1], seconds };
    const pid_t pid = st == TS_OK ? fork() : -1;
    if (pid == 0)
        child(&how);
    if (st == TS_OK && pid < 0)
        st = ts_error(TS_ERR_IO, "a process for a program cannot be started: %s", strerror(errno));
    if (st == TS_OK) {
        const bool ended = wait_for(pid, seconds);
        *passes = ended && read(told[0], said, sizeof said) == 6 && !memcmp(said, "passed", 6);
        st = empty_folder(p);
    }
    for (int i = 0; i < 2; i++)
        if (told[i] >= 0)
            close(told[i]);
    if (input >= 0)
        close(input);
    return st;
}

/* The first python3 of PATH that runs so. */
static ts_status find(ts_python *p)
{
    static const char probe[] = "x = 1\n";
    const char *path = "/usr/local/bin:/usr/bin:/bin", *given = getenv("PATH");
    bool is_there = false, runs = false;
    if (given && *given)
        path = given;
    for (size_t n; *path; path += n + (path[n] == ':')) {
        n = strcspn(path, ":");
        ts_str_reset(&p->path);
        TS_TRY(ts_str_printf(&p->path, "%.*s/python3", (int)n, path));
        if (*path != '/' || access(p->path.s, X_OK))
            continue;
        is_there = true;
        TS_TRY(ts_python_passes(p, probe, sizeof probe - 1, 30, &runs));
        if (runs)
            return TS_OK;
    }
    return ts_error(
        TS_ERR_USER,
        is_there
            ? "the python3 in PATH does not run apart from the rest, without a network and with limits: is "
              "it a Python 3, and has the kernel seccomp filters?"
            : "there is no python3 in PATH, which runs the programs that a model writes: install it, or "
              "leave tasks of programs out");
}

ts_status ts_python_open(ts_python *out)
{
    ts_python p = { 0 };
    ts_status st = ts_str_puts(&p.folder, "/tmp/tessera-python-XXXXXX");
    if (st == TS_OK && !mkdtemp(p.folder.s)) {
        st = ts_error(TS_ERR_IO, "/tmp: a folder for programs cannot be made: %s", strerror(errno));
        ts_str_reset(&p.folder);
    }
    if (st == TS_OK)
        st = find(&p);
    if (st != TS_OK)
        ts_python_close(&p);
    else
        *out = p;
    return st;
}

void ts_python_close(ts_python *p)
{
    if (p->folder.len)
        (void)!ts_remove_tree(p->folder.s);
    ts_str_deinit(&p->path);
    ts_str_deinit(&p->folder);
}
