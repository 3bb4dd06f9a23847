/* A file that cannot be written for a while: the linker puts a write between that takes so many
 * bytes and then finds the disk full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../temp.h"
#include "base/log.h"
#include "io/events.h"
#include "io/trail.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t room = -1; /* bytes that the disk takes; -1: all */
static ino_t watched;

static ino_t inode(int fd)
{
    struct stat sb;
    return fstat(fd, &sb) == 0 ? sb.st_ino : 0;
}

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
    if (room < 0 || inode(fd) != watched)
        return __real_write(fd, data, n);
    if (!room) {
        errno = ENOSPC;
        return -1;
    }
    const ssize_t k = __real_write(fd, data, n < (size_t)room ? n : (size_t)room);
    room -= k > 0 ? k : 0;
    return k;
}

static void add_line(ts_trail *t, int i)
{
    char line[64];
    ts_trail_add(t, line, (size_t)snprintf(line, sizeof line, "{\"iteration\": %d}\n", i));
}

static void want_lines(const char *path, int n)
{
    ts_str got = { 0 }, want = { 0 };
    for (int i = 0; i < n; i++)
        OK(ts_str_printf(&want, "{\"iteration\": %d}\n", i));
    OK(ts_file_read(path, &got));
    assert_string_equal(ts_str_text(&got), ts_str_text(&want));
    ts_str_deinit(&got);
    ts_str_deinit(&want);
}

/* Ten lines, the disk full from any byte of the fourth on and for three lines. */
static void goes_on(void **state)
{
    (void)state;
    for (int at = 0; at <= 17; at++) {
        temp t;
        ts_trail trail = { 0 };
        temp_make(&t);
        OK(ts_trail_open_lines(&trail, "--metrics-jsonl", temp_path(&t, "m")));
        watched = inode(trail.out.fd);
        for (int i = 0; i < 10; i++) {
            if (i == 3)
                room = at;
            if (i == 6)
                room = -1;
            add_line(&trail, i);
            want_lines(temp_path(&t, "m"), i < 3 || i > 5 ? i + 1 : at < 17 ? 3 : 4);
        }
        OK(ts_trail_close(&trail));
        want_lines(temp_path(&t, "m"), 10);
        temp_remove(&t);
    }
}

/* What was written cannot be cut off a pipe: the rest of the record comes first. */
static void goes_on_in_a_pipe(void **state)
{
    (void)state;
    int ends[2];
    char path[32], got[64] = "";
    ts_trail trail;
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    OK(ts_trail_open_lines(&trail, "--metrics-jsonl", path));
    watched = inode(trail.out.fd);
    room = 5;
    add_line(&trail, 0);
    add_line(&trail, 1);
    room = -1;
    OK(ts_trail_close(&trail));
    assert_int_equal(read(ends[0], got, sizeof got - 1), 34);
    assert_string_equal(got, "{\"iteration\": 0}\n{\"iteration\": 1}\n");
    close(ends[0]);
    close(ends[1]);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    temp t;
    ts_trail trail;
    temp_make(&t);
    OK(ts_trail_open_lines(&trail, "--metrics-jsonl", temp_path(&t, "m")));
    watched = inode(trail.out.fd);
    trail.most = 40; /* two lines */
    room = 0;
    for (int i = 0; i < 5; i++)
        add_line(&trail, i);
    assert_int_equal(trail.lost, 3);
    room = -1;
    REFUSED(ts_trail_close(&trail), TS_ERR_IO, "3 lines are missing");
    want_lines(temp_path(&t, "m"), 2);
    /* full to the end */
    OK(ts_trail_open_lines(&trail, "--metrics-jsonl", temp_path(&t, "n")));
    watched = inode(trail.out.fd);
    room = 20;
    add_line(&trail, 0);
    add_line(&trail, 1);
    REFUSED(ts_trail_close(&trail), TS_ERR_IO, "1 lines are missing: No space left");
    want_lines(temp_path(&t, "n"), 1);
    room = -1;
    temp_remove(&t);
}

/* Event files: the same bytes as without the fault, but for the times. */
static void event_files_too(void **state)
{
    (void)state;
    const ts_event_scalar v = { "lm loss", 1.5 };
    temp t;
    struct stat sb, want;
    ts_events *e = NULL, *twin = NULL;
    temp_make(&t);
    OK(ts_events_create(temp_path(&t, "a"), 0, &e));
    OK(ts_events_create(temp_path(&t, "b"), 0, &twin));
    assert_int_equal(stat(ts_events_path(e), &sb), 0);
    watched = sb.st_ino;
    for (int step = 1; step < 6; step++) {
        room = step == 2 ? 7 : step < 5 ? room : -1;
        OK(ts_events_scalars(e, step, &v, 1));
        OK(ts_events_scalars(twin, step, &v, 1));
        assert_int_equal(stat(ts_events_path(e), &sb), 0);
        if (step == 2)
            want = sb;
        if (step == 3 || step == 4)
            assert_int_equal(sb.st_size, want.st_size);
    }
    assert_int_equal(stat(ts_events_path(twin), &want), 0);
    assert_int_equal(stat(ts_events_path(e), &sb), 0);
    assert_int_equal(sb.st_size, want.st_size);
    OK(ts_events_close(&e));
    OK(ts_events_close(&twin));
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on), cmocka_unit_test(goes_on_in_a_pipe),
        cmocka_unit_test(memory_is_bounded), cmocka_unit_test(event_files_too),
    };
    ts_log_init(TS_LOG_ERROR, "");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
