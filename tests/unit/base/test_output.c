/* What a command writes never takes the place of a pipe, a device, a link or a folder. Every rename
 * of this program goes through a guard that fails outside of the test's own folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../temp.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char guarded[64];
static int rename_error, rename_turn; /* the turn-th rename from now on fails, from 1 */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    const size_t n = strlen(guarded);
    if (!n || strncmp(to, guarded, n) || to[n] != '/' || strstr(to, "/../"))
        fail_msg("a rename over %s", to);
    if (rename_turn && --rename_turn == 0) {
        errno = rename_error;
        return -1;
    }
    return __real_rename(from, to);
}

static void begin(temp *t)
{
    temp_make(t);
    snprintf(guarded, sizeof guarded, "%s", t->dir);
}

static void content_is(const char *path, const char *want)
{
    ts_str s = { 0 };
    OK(ts_file_read(path, &s));
    assert_string_equal(ts_str_text(&s), want);
    ts_str_deinit(&s);
}

static void put(const char *path, const char *text)
{
    ts_output o;
    OK(ts_output_open(&o, "--output", path, TS_OUTPUT_REPLACE));
    OK(ts_output_write(&o, text, strlen(text)));
    OK(ts_output_finish(&o));
}

static size_t names_in(const char *dir)
{
    char **names;
    size_t n;
    OK(ts_dir_list(dir, &names, &n));
    for (size_t i = 0; i < n; i++)
        ts_free(&names[i]);
    ts_free(&names);
    return n;
}

static mode_t kind_of(const char *path)
{
    struct stat sb;
    return lstat(path, &sb) == 0 ? sb.st_mode & S_IFMT : 0;
}

static mode_t mode_of(const char *path)
{
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_mode & 07777;
}

static void follows_links(void **state)
{
    (void)state;
    temp t;
    begin(&t);
    OK(ts_mkdirs(temp_path(&t, "far")));
    temp_write(&t, "far/real", "old", 3);
    assert_int_equal(symlink("far/real", temp_path(&t, "one")), 0);
    assert_int_equal(symlink("one", temp_path(&t, "two")), 0);
    put(temp_path(&t, "two"), "new");
    content_is(temp_path(&t, "far/real"), "new");
    assert_int_equal(kind_of(temp_path(&t, "one")), S_IFLNK);
    assert_int_equal(kind_of(temp_path(&t, "two")), S_IFLNK);
    assert_int_equal(kind_of(temp_path(&t, "far/real")), S_IFREG);
    /* a link to nothing makes what it names */
    assert_int_equal(symlink("far/none", temp_path(&t, "three")), 0);
    put(temp_path(&t, "three"), "made");
    assert_int_equal(kind_of(temp_path(&t, "three")), S_IFLNK);
    content_is(temp_path(&t, "far/none"), "made");
    OK(ts_file_write_atomic(temp_path(&t, "two"), "again", 5));
    content_is(temp_path(&t, "far/real"), "again");
    /* a ring has no end */
    assert_int_equal(symlink("ring", temp_path(&t, "ring")), 0);
    REFUSED(ts_output_check("--output", temp_path(&t, "ring")), TS_ERR_USER, "symbolic links");
    assert_int_equal(names_in(t.dir), 5);
    assert_int_equal(names_in(temp_path(&t, "far")), 2);
    temp_remove(&t);
}

/* The bytes that a reader of the FIFO gets while the child writes. */
static void through_fifo(const char *path, ts_output_way way, const char *want)
{
    char got[64] = "";
    size_t n = 0;
    int status;
    const pid_t child = fork();
    if (!child) {
        ts_output o;
        ts_status st = ts_output_open(&o, "--output", path, way);
        if (st == TS_OK)
            st = way == TS_OUTPUT_SEEK && pwrite(o.fd, want, strlen(want), 0) < 0
                     ? TS_ERR_IO
                     : way == TS_OUTPUT_SEEK ? TS_OK : ts_output_write(&o, want, strlen(want));
        if (st == TS_OK)
            st = ts_output_finish(&o);
        _exit(st != TS_OK);
    }
    const int fd = open(path, O_RDONLY);
    for (ssize_t k; n < sizeof got && (k = read(fd, got + n, sizeof got - n)) > 0;)
        n += (size_t)k;
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(got, want, n);
    assert_int_equal(kind_of(path), S_IFIFO);
}

static void writes_straight(void **state)
{
    (void)state;
    temp t;
    char fd_path[32], got[16] = "", *pty_name;
    int ends[2];
    begin(&t);
    assert_int_equal(mkfifo(temp_path(&t, "fifo"), 0600), 0);
    through_fifo(t.path.s, TS_OUTPUT_REPLACE, "abc");
    through_fifo(t.path.s, TS_OUTPUT_SEEK, "defg");
    through_fifo(t.path.s, TS_OUTPUT_APPEND, "hi");
    /* an open file by its number: a pipe's end */
    assert_int_equal(pipe(ends), 0);
    snprintf(fd_path, sizeof fd_path, "/dev/fd/%d", ends[1]);
    put(fd_path, "pipe");
    assert_int_equal(read(ends[0], got, sizeof got), 4);
    assert_string_equal(got, "pipe");
    close(ends[0]);
    close(ends[1]);
    /* a terminal of our own, and a link to it: written, and still a device */
    const int pty = posix_openpt(O_RDWR | O_NOCTTY);
    if (pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0 && (pty_name = ptsname(pty))) {
        assert_int_equal(symlink(pty_name, temp_path(&t, "terminal")), 0);
        put(temp_path(&t, "terminal"), "line\n");
        assert_int_equal(kind_of(pty_name), S_IFCHR);
        assert_int_equal(kind_of(t.path.s), S_IFLNK);
    } else
        print_message("no terminal could be made: not tried\n");
    close(pty);
    assert_true(names_in(t.dir) <= 2);
    temp_remove(&t);
}

/* Appending to the file that is our own open file keeps what was written before. */
static void open_file_keeps_its_place(void **state)
{
    (void)state;
    temp t;
    char path[32];
    begin(&t);
    temp_write(&t, "log", "before ", 7);
    const int fd = open(temp_path(&t, "log"), O_WRONLY | O_APPEND);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    put(path, "after");
    close(fd);
    content_is(temp_path(&t, "log"), "before after");
    assert_int_equal(names_in(t.dir), 1);
    temp_remove(&t);
}

static void refuses(void **state)
{
    (void)state;
    temp t;
    ts_output o;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    begin(&t);
    assert_true(ts_output_is_same("/dev/stdout", "-"));
    assert_true(ts_output_is_same("/proc/self/fd/1", "/dev/fd/1"));
    assert_false(ts_output_is_same(t.dir, "-"));
    OK(ts_mkdirs(temp_path(&t, "dir")));
    REFUSED(ts_output_open(&o, "--output", t.path.s, TS_OUTPUT_REPLACE), TS_ERR_USER,
            "dir: is a folder");
    REFUSED(ts_output_open(&o, "--metrics-jsonl", t.path.s, TS_OUTPUT_APPEND), TS_ERR_USER,
            "--metrics-jsonl ");
    REFUSED(ts_output_open(&o, NULL, t.path.s, TS_OUTPUT_SEEK), TS_ERR_IO, "dir: is a folder");
    REFUSED(ts_output_check("--output", ""), TS_ERR_USER, "names no file");
    REFUSED(ts_output_check("--output", temp_path(&t, "no/file")), TS_ERR_USER, "cannot be made");
    REFUSED(ts_output_check("--output", "/dev/fd/987"), TS_ERR_USER,
            "cannot be opened for writing");
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", t.dir);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    REFUSED(ts_output_open(&o, "--output", at.sun_path, TS_OUTPUT_REPLACE), TS_ERR_USER,
            "is a socket");
    assert_int_equal(kind_of(at.sun_path), S_IFSOCK);
    close(s);
    assert_int_equal(names_in(t.dir), 2);
    temp_remove(&t);
}

static void modes(void **state)
{
    (void)state;
    static const struct { mode_t mask, old, want; } cases[] = {
        { 000, 0, 0640 },    { 027, 0, 0640 },    { 077, 0, 0600 },    { 022, 0666, 0640 },
        { 022, 0600, 0600 }, { 000, 0604, 0600 }, { 077, 0644, 0600 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp t;
        begin(&t);
        const mode_t was = umask(cases[i].mask);
        if (cases[i].old) {
            temp_write(&t, "f", "old", 3);
            assert_int_equal(chmod(temp_path(&t, "f"), cases[i].old), 0);
        }
        put(temp_path(&t, "f"), "new");
        assert_int_equal(mode_of(temp_path(&t, "f")), cases[i].want);
        OK(ts_mkdirs(temp_path(&t, "a/b")));
        assert_int_equal(mode_of(temp_path(&t, "a")), 0750 & ~cases[i].mask);
        umask(was);
        temp_remove(&t);
    }
}

static void keeps_the_owner(void **state)
{
    (void)state;
    temp t;
    struct stat sb;
    begin(&t);
    if (geteuid() != 0) {
        temp_remove(&t);
        skip();
    }
    temp_write(&t, "f", "old", 3);
    assert_int_equal(chown(temp_path(&t, "f"), 12345, 54321), 0);
    put(t.path.s, "new");
    assert_int_equal(stat(t.path.s, &sb), 0);
    assert_int_equal(sb.st_uid, 12345);
    assert_int_equal(sb.st_gid, 54321);
    temp_remove(&t);
}

/* Two files that belong together: each rename fails once, and the old pair is there. */
static void all_or_none(void **state)
{
    (void)state;
    for (int turn = 1; turn <= 5; turn++) {
        temp t;
        ts_output a, b;
        begin(&t);
        temp_write(&t, "a", "old a", 5);
        temp_write(&t, "b", "old b", 5);
        OK(ts_output_open(&a, NULL, temp_path(&t, "a"), TS_OUTPUT_REPLACE));
        OK(ts_output_open(&b, NULL, temp_path(&t, "b"), TS_OUTPUT_REPLACE));
        OK(ts_output_write(&a, "new a", 5));
        OK(ts_output_write(&b, "new b", 5));
        rename_error = EIO, rename_turn = turn;
        const ts_status st = ts_output_finish_all((ts_output *const[]){ &a, &b }, 2);
        rename_turn = 0;
        assert_int_equal(st, turn <= 4 ? TS_ERR_IO : TS_OK);
        content_is(temp_path(&t, "a"), turn <= 4 ? "old a" : "new a");
        content_is(temp_path(&t, "b"), turn <= 4 ? "old b" : "new b");
        assert_int_equal(names_in(t.dir), 2);
        temp_remove(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_links), cmocka_unit_test(writes_straight),
        cmocka_unit_test(open_file_keeps_its_place), cmocka_unit_test(refuses),
        cmocka_unit_test(modes), cmocka_unit_test(keeps_the_owner), cmocka_unit_test(all_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
