#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/jsonl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* A file's text, read in pieces. */
static ts_status read_text(const char *path, size_t piece, ts_str *out)
{
    ts_input *in = NULL;
    size_t got = piece;
    ts_str_reset(out);
    TS_TRY(ts_input_open(path, &in));
    ts_status st = TS_OK;
    while (st == TS_OK && got == piece) {
        char buf[4096];
        st = ts_input_read(in, buf, piece, &got);
        if (st == TS_OK)
            OK(ts_str_add(out, buf, got));
    }
    ts_input_close(&in);
    return st;
}

static void add_gzip(ts_str *out, const char *text)
{
    unsigned char buf[4096];
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = buf;
    z.avail_out = sizeof buf;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    OK(ts_str_add(out, (char *)buf, sizeof buf - z.avail_out));
    deflateEnd(&z);
}

static void add_zstandard(ts_str *out, const char *text)
{
    char buf[4096];
    const size_t n = ZSTD_compress(buf, sizeof buf, text, strlen(text), 3);
    assert_false(ZSTD_isError(n));
    OK(ts_str_add(out, buf, n));
}

static void unpacks(void **state)
{
    (void)state;
    temp t;
    ts_str file = { 0 }, got = { 0 };
    temp_make(&t);
    for (int kind = 0; kind < 2; kind++) {
        void (*add)(ts_str *, const char *) = kind ? add_zstandard : add_gzip;
        const char *name = kind ? "a.zst" : "a.gz";
        ts_str_reset(&file);
        if (kind) /* pzstd begins so */
            OK(ts_str_add(&file, "\x50\x2A\x4D\x18\4\0\0\0abcd", 12));
        add(&file, "\xEF\xBB\xBFone\n");
        const size_t first = file.len;
        add(&file, "");
        const size_t second = file.len;
        add(&file, "two and some more, some more, some more\n");
        if (!kind) /* what tapes leave */
            OK(ts_str_add(&file, "\0\0\0\0\0\0\0\0", 8));
        temp_write(&t, name, file.s, file.len);
        temp_write(&t, "no_such_name", file.s, file.len);
        for (size_t piece = 1; piece < 60; piece++) {
            OK(read_text(temp_path(&t, name), piece, &got));
            assert_string_equal(got.s, "one\ntwo and some more, some more, some more\n");
            OK(read_text(temp_path(&t, "no_such_name"), piece, &got));
            assert_int_equal(got.len, 44);
        }
        const size_t whole = file.len - (kind ? 0 : 8);
        for (size_t n = 0; n < whole; n++) {
            temp_write(&t, name, file.s, n);
            const ts_status st = read_text(temp_path(&t, name), 7, &got);
            if (n == first || n == second || (kind && n == 12))
                assert_int_equal(st, TS_OK); /* between two members */
            else
                assert_int_equal(st, TS_ERR_USER);
            if (st != TS_OK && !strstr(ts_error_message(), name))
                fail_msg("the message does not name the file: %s", ts_error_message());
        }
        REFUSED(read_text(temp_path(&t, name), 7, &got), TS_ERR_USER, "end too early");
        OK(ts_str_puts(&file, "trash"));
        temp_write(&t, name, file.s, file.len);
        REFUSED(read_text(temp_path(&t, name), 7, &got), TS_ERR_USER, "something else follows");
        file.s[first + 8] ^= 0x55; /* in a header or a block */
        file.s[second + 20] ^= 0x55;
        temp_write(&t, name, file.s, file.len);
        REFUSED(read_text(temp_path(&t, name), 7, &got), TS_ERR_USER, "damaged");
    }
    ts_str_deinit(&file);
    ts_str_deinit(&got);
    temp_remove(&t);
}

static void tells_encodings(void **state)
{
    (void)state;
#define CASE(text, message) { text, sizeof text - 1, message }
    static const struct {
        const char *text;
        size_t n;
        const char *message; /* NULL: it is read */
    } cases[] = {
        CASE("\xEF\xBB\xBFtext", NULL),
        CASE("text", NULL),
        CASE("\xEF\xBB\xBF", NULL),
        CASE("", NULL),
        CASE("\xEF\xBB", NULL),
        CASE("a\0", NULL),
        CASE("\0\0\0\0", NULL),
        CASE("\xFF\xFE" "a\0b\0", "is UTF-16 text"),
        CASE("\xFE\xFF\0a\0b", "is UTF-16 text"),
        CASE("\xFF\xFE\0\0a\0\0\0", "is UTF-32 text"),
        CASE("\0\0\xFE\xFF\0\0\0a", "is UTF-32 text"),
        CASE("{\0\"\0a\0", "is UTF-16LE text"),
        CASE("\0{\0\"\0a", "is UTF-16BE text"),
        CASE("\xFD" "7zXZ\0", "is a xz file"),
        CASE("BZh91AY&SYxx", "is a bzip2 file"),
        CASE("BZh was here", NULL),
        CASE("PAR1\25\4", "is a Parquet file"),
    };
    temp t;
    ts_str got = { 0 };
    temp_make(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write(&t, "a", cases[i].text, cases[i].n);
        if (cases[i].message) {
            REFUSED(read_text(temp_path(&t, "a"), 3, &got), TS_ERR_USER, cases[i].message);
            continue;
        }
        OK(read_text(temp_path(&t, "a"), 3, &got));
        const size_t mark = cases[i].n >= 3 && cases[i].text[0] == '\xEF' ? 3 : 0;
        assert_int_equal(got.len, cases[i].n - mark);
        assert_memory_equal(ts_str_text(&got), cases[i].text + mark, got.len);
    }
    REFUSED(read_text(t.dir, 3, &got), TS_ERR_USER, "is a folder");
    REFUSED(read_text(temp_path(&t, "absent"), 3, &got), TS_ERR_USER, "cannot be opened");
    ts_str_deinit(&got);
    temp_remove(&t);
}

/* A pipe says that its size is 0, and one that does not block that there is nothing yet. */
static void reads_pipes(void **state)
{
    (void)state;
    ts_str got = { 0 };
    ts_map map;
    char name[32];
    for (int k = 0; k < 3; k++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        assert_int_equal(write(fd[1], "{\"a\":1}\n", 8), 8);
        snprintf(name, sizeof name, "/dev/fd/%d", fd[0]);
        close(fd[1]);
        if (k == 0) {
            OK(read_text(name, 3, &got));
            assert_string_equal(got.s, "{\"a\":1}\n");
        } else if (k == 1) {
            OK(ts_file_read(name, &got));
            assert_string_equal(got.s, "{\"a\":1}\n");
        } else {
            OK(ts_map_open(name, &map));
            assert_int_equal(map.size, 8);
            assert_memory_equal(map.data, "{\"a\":1}\n", 8);
            ts_map_close(&map);
        }
        close(fd[0]);
    }
    ts_str_deinit(&got);
}

static const char *const keys[] = { "a" };

static void reads_records(void **state)
{
    (void)state;
    temp t;
    ts_str file = { 0 };
    ts_jsonl j;
    json_t *line;
    temp_make(&t);
    OK(ts_str_puts(&file, "\xEF\xBB\xBF{\"a\":0,\"b\":NaN}\r\n\n \t\r\n"));
    for (int i = 1; i < 500; i++) /* over the borders of the pieces that are read */
        OK(ts_str_printf(&file, "{\"x\":\"%0*d\",\"a\":%d}\n", i * 7, 5, i));
    OK(ts_str_puts(&file, "nope\n{\"a\":[1]}\n{\"a\":\"\\ud800\"}\n{\"a\":500}"));
    temp_write(&t, "a", file.s, file.len);
    for (int skip = 0; skip < 2; skip++) {
        int64_t want = 0;
        ts_status st;
        OK(ts_jsonl_open(temp_path(&t, "a"), keys, 1,
                         skip ? TS_BAD_RECORD_SKIP : TS_BAD_RECORD_STOP, &j));
        while ((st = ts_jsonl_next(&j, &line)) == TS_OK && line) {
            const json_t *a = json_object_get(line, "a");
            if (json_is_integer(a)) {
                assert_int_equal(json_integer_value(a), want);
                assert_int_equal(json_object_size(line), 1);
                assert_int_equal(j.line, want == 0 ? 1 : want == 500 ? 506 : want + 3);
                want++;
            } else {
                st = ts_jsonl_done(&j, ts_jsonl_error(&j, "a list"));
            }
            json_decref(line);
            if (st != TS_OK)
                break;
        }
        assert_int_equal(want, skip ? 501 : 500);
        assert_int_equal(j.bad.n, skip ? 3 : 0);
        if (skip)
            assert_int_equal(j.records, 501);
        else
            REFUSED(st, TS_ERR_USER, "/a:503: expected a JSON object");
        ts_jsonl_close(&j);
    }
    ts_str_deinit(&file);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacks),
        cmocka_unit_test(tells_encodings),
        cmocka_unit_test(reads_pipes),
        cmocka_unit_test(reads_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
