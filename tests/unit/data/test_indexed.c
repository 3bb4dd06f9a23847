#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <signal.h>

#include "../temp.h"
#include "data/indexed.h"

static void reads_every_type(void **state)
{
    (void)state;
    static const int32_t want[] = { 1, 2, 3, 100, 101, 102, 127 };
    for (int code = 1; code <= 8; code++) {
        char prefix[64];
        int32_t got[8] = { 0 };
        ts_indexed *d = NULL;
        snprintf(prefix, sizeof prefix, "tests/golden/data/type%d", code);
        OK(ts_indexed_open(prefix, &d));
        assert_int_equal(ts_indexed_type(d), code);
        assert_int_equal(ts_indexed_count(d), 3);
        assert_int_equal(ts_indexed_documents(d), 3);
        assert_int_equal(ts_indexed_tokens(d), 7);
        assert_int_equal(ts_indexed_document_of(d, 0), 0);
        assert_int_equal(ts_indexed_document_of(d, 2), 1);
        OK(ts_indexed_read(d, 0, 0, 3, 0, 128, got));
        OK(ts_indexed_read(d, 1, 0, 0, 0, 128, got + 3));
        OK(ts_indexed_read(d, 2, 1, 3, 0, 128, got + 4));
        OK(ts_indexed_read(d, 2, 0, 1, 0, 128, got + 3));
        assert_memory_equal(got, want, sizeof want);
        OK(ts_indexed_check_ids(d, 0, 128));
        REFUSED(ts_indexed_check_ids(d, 0, 127), TS_ERR_USER, "document 1: the id 127 at token 3");
        assert_non_null(strstr(ts_error_message(), ".bin"));
        REFUSED(ts_indexed_read(d, 0, 0, 2, 2, 128, got), TS_ERR_USER,
                "document 0: the id 1 at token 0");
        ts_indexed_destroy(&d);
    }
}

static void real_numbers_must_be_whole(void **state)
{
    (void)state;
    const double bad[] = { 1.5, -1, 4294967297.0, 1e300, 0.0 / 1.0 };
    temp t;
    ts_str idx = { 0 };
    temp_make(&t);
    OK(ts_file_read("tests/golden/data/type6.idx", &idx));
    temp_write(&t, "x.idx", idx.s, idx.len);
    for (int i = 0; i < 5; i++) {
        const double v[7] = { 1, 2, bad[i], 0, 0, 0, 0 };
        int32_t out[3];
        ts_indexed *d = NULL;
        temp_write(&t, "x.bin", v, sizeof v);
        OK(ts_indexed_open(temp_path(&t, "x"), &d));
        const ts_status st = ts_indexed_read(d, 0, 0, 3, 0, 1000, out);
        assert_int_equal(st, i == 4 ? TS_OK : TS_ERR_USER);
        ts_indexed_destroy(&d);
    }
    ts_str_deinit(&idx);
    temp_remove(&t);
}

static void refuses_damage(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        { 0, "X", 1, "x.idx: does not begin with MMIDIDX" },
        { 9, "\x02", 1, "x.idx: version 2, expected 1" },
        { 17, "\x00", 1, "x.idx: data type code 0" },
        { 17, "\x09", 1, "x.idx: data type code 9" },
        { 18, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x0F", 8, "x.idx: announces" },
        { 18, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8, "x.idx: announces" },
        { 26, "\x00", 1, "x.idx: announces" },
        { 26, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8, "x.idx: announces" },
        { 18, "\x02", 1, "x.idx: 2 sequences and 4 document boundaries need 90 bytes" },
        { 34, "\xFF\xFF\xFF\x7F", 4, "x.idx: sequence 1 begins at byte 12" },
        { 34, "\xFF\xFF\xFF\xFF", 4, "x.idx: sequence 0 has length -1" },
        { 42, "\x05", 1, "x.bin: 28 bytes long, but" },
        { 46, "\x04", 1, "x.idx: sequence 0 begins at byte 4, expected 0" },
        { 70, "\x01", 1, "x.idx: document boundary 0 is 1" },
        { 78, "\x04", 1, "x.idx: document boundary 1 is 4" },
        { 86, "\x00", 1, "x.idx: document boundary 2 is 0, expected 1" },
        { 94, "\x02", 1, "document boundary 3 is 2" },
    };
    temp t;
    ts_str idx = { 0 }, bin = { 0 };
    ts_indexed *d = NULL;
    temp_make(&t);
    OK(ts_file_read("tests/golden/data/type4.idx", &idx));
    OK(ts_file_read("tests/golden/data/type4.bin", &bin));
    temp_write(&t, "x.bin", bin.s, bin.len);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char copy[128];
        memcpy(copy, idx.s, idx.len);
        memcpy(copy + cases[i].at, cases[i].bytes, cases[i].n);
        temp_write(&t, "x.idx", copy, idx.len);
        REFUSED(ts_indexed_open(temp_path(&t, "x"), &d), TS_ERR_USER, cases[i].message);
        assert_null(d);
    }
    for (size_t n = 0; n < idx.len; n++) { /* cut anywhere: refused */
        temp_write(&t, "x.idx", idx.s, n);
        REFUSED(ts_indexed_open(temp_path(&t, "x"), &d), TS_ERR_USER, "x.idx");
    }
    temp_write(&t, "x.idx", idx.s, idx.len);
    temp_write(&t, "x.bin", bin.s, bin.len - 1);
    REFUSED(ts_indexed_open(temp_path(&t, "x"), &d), TS_ERR_USER, "x.bin: 27 bytes long");
    char longer[64] = { 0 };
    temp_write(&t, "x.bin", longer, bin.len + 1);
    REFUSED(ts_indexed_open(temp_path(&t, "x"), &d), TS_ERR_USER, "x.bin: 29 bytes long");
    remove(temp_path(&t, "x.bin"));
    REFUSED(ts_indexed_open(temp_path(&t, "x"), &d), TS_ERR_USER, "x.bin");
    REFUSED(ts_indexed_open(temp_path(&t, "absent"), &d), TS_ERR_USER, "absent.idx");
    ts_str_deinit(&idx);
    ts_str_deinit(&bin);
    temp_remove(&t);
}

static void same_file(const char *a, const char *b)
{
    ts_str x = { 0 }, y = { 0 };
    OK(ts_file_read(a, &x));
    OK(ts_file_read(b, &y));
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.s, y.s, x.len);
    ts_str_deinit(&x);
    ts_str_deinit(&y);
}

static void builds_every_type(void **state)
{
    (void)state;
    static const int32_t ids[] = { 1, 2, 3, 100, 101, 102, 127 };
    temp t;
    temp_make(&t);
    for (int code = 1; code <= 8; code++) {
        char golden[64];
        ts_indexed_builder *b = NULL;
        OK(ts_indexed_builder_create(temp_path(&t, "x"), (ts_indexed_dtype)code, &b));
        OK(ts_indexed_builder_add(b, ids, 3));
        OK(ts_indexed_builder_end_document(b));
        OK(ts_indexed_builder_add(b, ids, 0));
        OK(ts_indexed_builder_add(b, ids + 3, 4));
        OK(ts_indexed_builder_end_document(b));
        OK(ts_indexed_builder_end_document(b));
        assert_int_equal(ts_indexed_builder_count(b), 3);
        assert_int_equal(ts_indexed_builder_tokens(b), 7);
        OK(ts_indexed_builder_finish(b));
        ts_indexed_builder_destroy(&b);
        snprintf(golden, sizeof golden, "tests/golden/data/type%d.idx", code);
        same_file(temp_path(&t, "x.idx"), golden);
        snprintf(golden, sizeof golden, "tests/golden/data/type%d.bin", code);
        same_file(temp_path(&t, "x.bin"), golden);
    }
    temp_remove(&t);
}

static void merges(void **state)
{
    (void)state;
    static const int32_t want[] = { 9, 1, 2, 3, 100, 101, 102, 127 };
    temp t;
    ts_indexed *d = NULL, *bytes = NULL;
    ts_indexed_builder *b = NULL;
    int32_t got[8];
    temp_make(&t);
    OK(ts_indexed_open("tests/golden/data/type4", &d));
    OK(ts_indexed_open("tests/golden/data/type1", &bytes));
    OK(ts_indexed_builder_create(temp_path(&t, "m"), TS_INDEXED_I32, &b));
    OK(ts_indexed_builder_add(b, want, 1));
    OK(ts_indexed_builder_end_document(b));
    OK(ts_indexed_builder_merge(b, d));
    REFUSED(ts_indexed_builder_merge(b, bytes), TS_ERR_USER, "type1.idx: data type code 1");
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
    ts_indexed_destroy(&d);
    ts_indexed_destroy(&bytes);
    OK(ts_indexed_open(temp_path(&t, "m"), &d));
    assert_int_equal(ts_indexed_count(d), 4);
    assert_int_equal(ts_indexed_documents(d), 4);
    assert_int_equal(ts_indexed_boundary(d, 1), 1);
    assert_int_equal(ts_indexed_boundary(d, 2), 2);
    assert_int_equal(ts_indexed_boundary(d, 3), 4);
    assert_int_equal(ts_indexed_boundary(d, 4), 4);
    OK(ts_indexed_read(d, 0, 0, 1, 0, 128, got));
    OK(ts_indexed_read(d, 1, 0, 3, 0, 128, got + 1));
    OK(ts_indexed_read(d, 3, 0, 4, 0, 128, got + 4));
    assert_memory_equal(got, want, sizeof want);
    ts_indexed_destroy(&d);
    temp_remove(&t);
}

/* A builder that fails or is given up leaves what was there. */
static void failing_leaves_all_as_it_was(void **state)
{
    (void)state;
    temp t;
    struct rlimit was;
    ts_indexed_builder *b = NULL;
    static int32_t ids[1 << 18];
    temp_make(&t);
    temp_write(&t, "x.bin", "old", 3);
    temp_write(&t, "x.idx", "old", 3);
    OK(ts_indexed_builder_create(temp_path(&t, "x"), TS_INDEXED_I32, &b));
    OK(ts_indexed_builder_add(b, ids, 10));
    ts_indexed_builder_destroy(&b);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct rlimit small = was;
    small.rlim_cur = 100000;
    OK(ts_indexed_builder_create(temp_path(&t, "x"), TS_INDEXED_I32, &b));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const ts_status st = ts_indexed_builder_add(b, ids, 1 << 18);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    REFUSED(st, TS_ERR_IO, "x.bin: writing failed");
    ts_indexed_builder_destroy(&b);
    REFUSED(ts_indexed_builder_create(temp_path(&t, "no/x"), TS_INDEXED_I32, &b), TS_ERR_USER,
            "no/x.bin: cannot be made");
    ts_str text = { 0 };
    OK(ts_file_read(temp_path(&t, "x.bin"), &text));
    assert_string_equal(text.s, "old");
    ts_str_deinit(&text);
    char **names = NULL;
    size_t n;
    OK(ts_dir_list(t.dir, &names, &n));
    assert_int_equal(n, 2);
    while (n)
        ts_free(&names[--n]);
    ts_free(&names);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type), cmocka_unit_test(real_numbers_must_be_whole),
        cmocka_unit_test(refuses_damage),   cmocka_unit_test(builds_every_type),
        cmocka_unit_test(merges),           cmocka_unit_test(failing_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
