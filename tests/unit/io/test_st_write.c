#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/st_write.h"

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

/* A file read and written again, in another order and in pieces, has the same bytes. */
static void equals_the_library(const char *golden)
{
    temp t;
    ts_st_file *f = NULL;
    ts_st_writer *w = NULL;
    temp_make(&t);
    OK(ts_st_file_open(golden, &f));
    OK(ts_st_writer_create(temp_path(&t, "w.safetensors"), &w));
    const int64_t n = ts_st_file_count(f);
    for (int64_t i = 0; i < n; i++) {
        const ts_st_tensor *s = ts_st_file_at(f, (i * 7 + 3) % n);
        OK(ts_st_writer_add(w, s->name, s->dtype, s->rank, s->shape));
    }
    OK(ts_st_writer_begin(w));
    for (int64_t i = n - 1; i >= 0; i--) {
        const ts_st_tensor *s = ts_st_file_at(f, (i * 7 + 3) % n);
        const size_t half = s->size / 2;
        OK(ts_st_writer_put(w, i, half, (const char *)s->data + half, s->size - half));
        OK(ts_st_writer_put(w, i, 0, s->data, half));
    }
    OK(ts_st_writer_finish(w));
    ts_st_writer_destroy(&w);
    ts_st_file_destroy(&f);
    same_file(temp_path(&t, "w.safetensors"), golden);
    temp_remove(&t);
}

static void writes_as_the_library(void **state)
{
    (void)state;
    equals_the_library("tests/golden/io/mixed.safetensors");
    equals_the_library("tests/golden/io/none.safetensors");
}

/* Data begin at a multiple of 8 bytes whatever the names' lengths. */
static void aligns_the_data(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    for (int len = 1; len <= 9; len++) {
        ts_st_writer *w = NULL;
        ts_st_file *f = NULL;
        uint64_t header;
        const char *name = &"abcdefghi"[9 - len];
        OK(ts_st_writer_create(temp_path(&t, "w.safetensors"), &w));
        OK(ts_st_writer_metadata(w, "made by", "a \"test\""));
        OK(ts_st_writer_add(w, name, TS_ST_F64, 0, NULL));
        OK(ts_st_writer_begin(w));
        OK(ts_st_writer_put(w, 0, 0, "12345678", 8));
        OK(ts_st_writer_finish(w));
        ts_st_writer_destroy(&w);
        OK(ts_st_file_open(temp_path(&t, "w.safetensors"), &f));
        assert_string_equal(ts_st_file_metadata(f, "made by"), "a \"test\"");
        assert_memory_equal(ts_st_file_find(f, name)->data, "12345678", 8);
        ts_st_file_destroy(&f);
        ts_str file = { 0 };
        OK(ts_file_read(temp_path(&t, "w.safetensors"), &file));
        memcpy(&header, file.s, 8);
        assert_int_equal(header % 8, 0);
        assert_int_equal(file.len, 8 + header + 8);
        ts_str_deinit(&file);
    }
    temp_remove(&t);
}

static void cuts_as_transformers(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 6, 6, 2, 6, 20, 2, 2, 3 };
    static const char *const files[] = {
        "model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors",
        "model-00003-of-00005.safetensors", "model-00004-of-00005.safetensors",
        "model-00005-of-00005.safetensors", "model.safetensors.index.json"
    };
    float ramp[20];
    char name[16];
    temp t;
    ts_str golden = { 0 };
    ts_st_dir_writer *w = NULL;
    temp_make(&t);
    for (int i = 0; i < 20; i++)
        ramp[i] = (float)i;
    OK(ts_st_dir_writer_create(t.dir, NULL, 36, &w));
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "t%d", i);
        OK(ts_st_dir_writer_add(w, name, TS_ST_F32, 1, &sizes[i]));
    }
    OK(ts_st_dir_writer_begin(w));
    assert_int_equal(ts_st_dir_writer_shards(w), 5);
    assert_int_equal(ts_st_dir_writer_shard_of(w, 4), 2);
    for (int i = 0; i < 8; i++)
        OK(ts_st_dir_writer_put(w, i, 0, ramp, (size_t)sizes[i] * 4));
    OK(ts_st_dir_writer_finish(w));
    ts_st_dir_writer_destroy(&w);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        OK(ts_path_join(&golden, "tests/golden/io/sharded", files[i]));
        same_file(temp_path(&t, files[i]), golden.s);
    }
    ts_str_deinit(&golden);
    temp_remove(&t);
}

static void one_file_when_it_fits(void **state)
{
    (void)state;
    temp t;
    ts_st_dir_writer *w = NULL;
    ts_st_dir *d = NULL;
    const int64_t two = 2, none = 0;
    temp_make(&t);
    OK(ts_st_dir_writer_create(t.dir, "adapter_model", 0, &w));
    OK(ts_st_dir_writer_add(w, "a", TS_ST_U8, 1, &two));
    OK(ts_st_dir_writer_add(w, "e", TS_ST_U8, 1, &none));
    OK(ts_st_dir_writer_begin(w));
    OK(ts_st_dir_writer_put(w, 0, 0, "hi", 2));
    OK(ts_st_dir_writer_finish(w));
    ts_st_dir_writer_destroy(&w);
    OK(ts_st_dir_open(t.dir, "adapter_model", &d));
    assert_int_equal(ts_st_dir_count(d), 2);
    assert_memory_equal(ts_st_dir_find(d, "a")->data, "hi", 2);
    ts_st_dir_destroy(&d);
    assert_false(ts_path_exists(temp_path(&t, "adapter_model.safetensors.index.json")));
    temp_remove(&t);
}

static void limit_file_size(rlim_t n)
{
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* later_limit: file size allowed once the file was begun. */
static ts_status write_much(const char *path, size_t bytes, rlim_t later_limit)
{
    static const char zeros[65536];
    ts_st_writer *w = NULL;
    const int64_t n = (int64_t)bytes;
    ts_status st = ts_st_writer_create(path, &w);
    if (st == TS_OK)
        st = ts_st_writer_add(w, "t", TS_ST_U8, 1, &n);
    if (st == TS_OK)
        st = ts_st_writer_begin(w);
    if (st == TS_OK)
        limit_file_size(later_limit);
    for (size_t at = 0; st == TS_OK && at < bytes; at += sizeof zeros)
        st = ts_st_writer_put(w, 0, at, zeros, sizeof zeros);
    if (st == TS_OK)
        st = ts_st_writer_finish(w);
    ts_st_writer_destroy(&w);
    return st;
}

/* A limit on file size refuses the booking, or cuts a later write short; nothing is left behind. */
static void short_write(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(100000);
    ts_status st = write_much(temp_path(&t, "w.safetensors"), 1 << 20, 100000);
    limit_file_size(RLIM_INFINITY);
    REFUSED(st, TS_ERR_IO, "w.safetensors: booking space failed");
    assert_false(ts_path_exists(temp_path(&t, "w.safetensors")));
    st = write_much(temp_path(&t, "w.safetensors"), 1 << 20, 100000);
    limit_file_size(RLIM_INFINITY);
    REFUSED(st, TS_ERR_IO, "w.safetensors: writing failed");
    assert_false(ts_path_exists(temp_path(&t, "w.safetensors")));
    OK(write_much(temp_path(&t, "w.safetensors"), 1 << 20, RLIM_INFINITY));
    temp_remove(&t);
}

static void full_disk(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    if (mount("tmpfs", t.dir, "tmpfs", 0, "size=256k") != 0) {
        print_message("skipped: a full disk needs the right to mount a small file system\n");
        temp_remove(&t);
        skip();
    }
    const ts_status st = write_much(temp_path(&t, "w.safetensors"), 1 << 20, RLIM_INFINITY);
    const bool is_left = ts_path_exists(temp_path(&t, "w.safetensors"));
    assert_int_equal(umount(t.dir), 0);
    REFUSED(st, TS_ERR_IO, "no space left on device");
    assert_false(is_left);
    temp_remove(&t);
}

static void unwritable(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    REFUSED(write_much(temp_path(&t, "no/w.safetensors"), 65536, RLIM_INFINITY), TS_ERR_IO,
            "no/w.safetensors: cannot be made");
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_as_the_library),
        cmocka_unit_test(aligns_the_data),
        cmocka_unit_test(cuts_as_transformers),
        cmocka_unit_test(one_file_when_it_fits),
        cmocka_unit_test(short_write),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
