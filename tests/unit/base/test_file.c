/* Files: whole, mapped, written so that nobody sees half of one. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/output.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void reading(void **state)
{
    (void)state;
    temp t;
    ts_str s = { 0 };
    ts_map m;
    temp_make(&t);
    temp_write(&t, "a", "one\0two", 7);
    OK(ts_file_read(temp_path(&t, "a"), &s));
    assert_int_equal(s.len, 7);
    assert_memory_equal(s.s, "one\0two", 8);
    OK(ts_map_open(temp_path(&t, "a"), &m));
    assert_int_equal(m.size, 7);
    assert_memory_equal(m.data, "one\0two", 7);
    ts_map_close(&m);
    temp_write(&t, "empty", "", 0);
    OK(ts_file_read(temp_path(&t, "empty"), &s));
    assert_int_equal(s.len, 0);
    OK(ts_map_open(temp_path(&t, "empty"), &m));
    assert_null(m.data);
    ts_map_close(&m);
    OK(ts_file_read("/proc/self/stat", &s)); /* says that it has 0 bytes */
    assert_true(s.len > 10);
    REFUSED(ts_file_read(temp_path(&t, "none"), &s), TS_ERR_USER, "/none: cannot be opened");
    REFUSED(ts_map_open(temp_path(&t, "none"), &m), TS_ERR_USER, "/none: cannot be opened");
    REFUSED(ts_file_read(t.dir, &s), TS_ERR_USER, "is not a file");
    REFUSED(ts_map_open(t.dir, &m), TS_ERR_USER, "is not a file");
    ts_str_deinit(&s);
    temp_remove(&t);
}

static void content_is(const char *path, const char *want)
{
    ts_str s = { 0 };
    OK(ts_file_read(path, &s));
    assert_string_equal(ts_str_text(&s), want);
    ts_str_deinit(&s);
}

static void atomic(void **state)
{
    (void)state;
    temp t;
    char **names;
    size_t n;
    temp_make(&t);
    OK(ts_file_write_atomic(temp_path(&t, "f"), "old", 3));
    OK(ts_file_write_atomic(temp_path(&t, "f"), "newer", 5));
    content_is(temp_path(&t, "f"), "newer");
    OK(ts_file_write_atomic(temp_path(&t, "g"), "", 0));
    content_is(temp_path(&t, "g"), "");
    REFUSED(ts_file_write_atomic(temp_path(&t, "no/folder"), "x", 1), TS_ERR_IO, "cannot be made");
    /* A folder in the way: refused, and nothing is left beside it. */
    OK(ts_mkdirs(temp_path(&t, "dir")));
    temp_write(&t, "dir/in", "x", 1);
    REFUSED(ts_file_write_atomic(temp_path(&t, "dir"), "x", 1), TS_ERR_IO, "is a folder; a file was expected");
    OK(ts_dir_list(t.dir, &names, &n));
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "dir");
    assert_string_equal(names[1], "f");
    assert_string_equal(names[2], "g");
    while (n)
        ts_free(&names[--n]);
    ts_free(&names);
    temp_remove(&t);
}

/* While one process writes a file again and again, another always reads a whole one. */
static void never_half(void **state)
{
    (void)state;
    enum { SIZE = 50000 };
    static char data[SIZE];
    temp t;
    ts_str s = { 0 };
    int status;
    temp_make(&t);
    memset(data, 'a', SIZE);
    OK(ts_file_write_atomic(temp_path(&t, "f"), data, SIZE));
    const pid_t child = fork();
    if (!child) {
        for (int i = 0; i < 300; i++) {
            memset(data, 'a' + i % 26, SIZE);
            if (ts_file_write_atomic(t.path.s, data, SIZE - (size_t)i) != TS_OK)
                _exit(1);
        }
        _exit(0);
    }
    int64_t reads = 0;
    while (!waitpid(child, &status, WNOHANG)) {
        OK(ts_file_read(t.path.s, &s));
        assert_true(s.len <= SIZE && s.len > SIZE - 300);
        for (size_t i = 1; i < s.len; i++)
            if (s.s[i] != s.s[0])
                fail_msg("byte %zu is of another file", i);
        reads++;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(reads > 0);
    ts_str_deinit(&s);
    temp_remove(&t);
}

static void folders(void **state)
{
    (void)state;
    temp t;
    ts_str p = { 0 };
    double bytes = 0;
    temp_make(&t);
    OK(ts_mkdirs(temp_path(&t, "a/b//c/")));
    OK(ts_mkdirs(temp_path(&t, "a/b/c")));
    assert_true(ts_path_is_dir(temp_path(&t, "a/b/c")));
    temp_write(&t, "a/file", "x", 1);
    assert_int_equal(ts_mkdirs(temp_path(&t, "a/file")), TS_ERR_IO);
    assert_int_equal(ts_mkdirs(temp_path(&t, "a/file/below")), TS_ERR_IO);
    assert_int_equal(ts_mkdirs(""), TS_ERR_IO);
    /* The link leads to a folder of the test's own: were it followed, nothing else would be
     * lost. */
    OK(ts_mkdirs(temp_path(&t, "kept")));
    temp_write(&t, "kept/file", "x", 1);
    assert_int_equal(symlink("../../kept", temp_path(&t, "a/b/link")), 0);
    assert_true(ts_path_exists(temp_path(&t, "a/b/link")));
    OK(ts_remove_tree(temp_path(&t, "a")));
    assert_false(ts_path_exists(temp_path(&t, "a")));
    assert_true(ts_path_exists(temp_path(&t, "kept/file"))); /* links are not followed */
    OK(ts_remove_tree(temp_path(&t, "kept")));
    OK(ts_remove_tree(temp_path(&t, "a")));
    OK(ts_path_join(&p, "x/", "y"));
    assert_string_equal(p.s, "x/y");
    OK(ts_path_join(&p, "x", "y"));
    assert_string_equal(p.s, "x/y");
    OK(ts_disk_free(temp_path(&t, "not/there/yet"), &bytes));
    assert_true(bytes > 0);
    bytes = 0;
    OK(ts_disk_free("not-there-either", &bytes));
    OK(ts_disk_free("/not-there-either", &bytes));
    assert_true(bytes > 0);
    char **names;
    size_t n;
    REFUSED(ts_dir_list(temp_path(&t, "none"), &names, &n), TS_ERR_USER, "/none: cannot be opened");
    OK(ts_dir_list(t.dir, &names, &n));
    assert_int_equal(n, 0);
    ts_free(&names);
    OK(ts_dir_sync(t.dir));
    assert_int_equal(ts_dir_sync(temp_path(&t, "none")), TS_ERR_IO);
    ts_str_deinit(&p);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading), cmocka_unit_test(atomic), cmocka_unit_test(never_half),
        cmocka_unit_test(folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
