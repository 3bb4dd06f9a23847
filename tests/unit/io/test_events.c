#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/crc32c.h"
#include "io/events.h"

static void equals_tensorboards_writer(void **state)
{
    (void)state;
    const ts_event_scalar v[] = { { "lm loss", 10.5 }, { "learning-rate", 1e-4 }, { "zero", 0 } };
    ts_str got = { 0 }, want = { 0 };
    OK(ts_file_read("tests/golden/io/events.bin", &want));
    OK(ts_event_record_version(1700000000.25, &got));
    OK(ts_event_record_scalars(1700000001.5, 3, v, 3, &got));
    OK(ts_event_record_start(1700000001.75, 4, &got));
    OK(ts_event_record_text(1700000002.0, 0, "args/text_summary", "--lr **1e-3**", &got));
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.s, want.s, want.len);
    ts_str_deinit(&got);
    ts_str_deinit(&want);
}

/* Walks over the records; returns how many there are. */
static int count_records(const ts_str *file)
{
    int n = 0;
    for (size_t at = 0; at < file->len; n++) {
        uint64_t len;
        uint32_t crc;
        assert_true(file->len - at >= 16);
        memcpy(&len, file->s + at, 8);
        memcpy(&crc, file->s + at + 8, 4);
        assert_int_equal(crc, ts_crc32c_mask(ts_crc32c_ref(0, file->s + at, 8)));
        assert_true(len <= file->len - at - 16);
        memcpy(&crc, file->s + at + 12 + len, 4);
        assert_int_equal(crc, ts_crc32c_mask(ts_crc32c_ref(0, file->s + at + 12, len)));
        at += 16 + len;
    }
    return n;
}

static void writes_a_file(void **state)
{
    (void)state;
    temp t;
    ts_events *e = NULL, *twin = NULL;
    ts_str file = { 0 };
    temp_make(&t);
    OK(ts_events_create(temp_path(&t, "logs/run"), 0, &e));
    OK(ts_events_create(temp_path(&t, "logs/run"), 41, &twin));
    assert_string_not_equal(ts_events_path(e), ts_events_path(twin));
    assert_non_null(strstr(ts_events_path(e), "/logs/run/events.out.tfevents."));
    for (int step = 1; step <= 5; step++) {
        const ts_event_scalar v = { "loss", 1.0 / step };
        OK(ts_events_scalars(e, step, &v, 1));
        OK(ts_file_read(ts_events_path(e), &file)); /* on disk after every step */
        assert_int_equal(count_records(&file), 1 + step);
    }
    OK(ts_file_read(ts_events_path(twin), &file)); /* version and start */
    assert_int_equal(count_records(&file), 2);
    /* it is read after the other, though both began in one second */
    assert_true(strcmp(ts_events_path(e), ts_events_path(twin)) < 0);
    temp_write(&t, "logs/run/events.out.tfevents.9999999998.host.1.0", "", 0);
    ts_events_destroy(&twin);
    OK(ts_events_create(temp_path(&t, "logs/run"), 41, &twin));
    assert_non_null(strstr(ts_events_path(twin), "events.out.tfevents.9999999999."));
    ts_events_destroy(&e);
    ts_events_destroy(&twin);
    ts_str_deinit(&file);
    temp_write(&t, "file", "", 0);
    REFUSED(ts_events_create(temp_path(&t, "file/x"), 0, &e), TS_ERR_IO, "file");
    temp_remove(&t);
}

typedef struct seen {
    int values, starts;
    double last;
    int64_t step;
} seen;

static ts_status look(void *ctx, const ts_event *e)
{
    seen *s = ctx;
    s->values += e->tag && !strcmp(e->tag, "loss");
    s->starts += !e->tag;
    s->last = e->tag ? e->value : s->last;
    s->step = e->step;
    return TS_OK;
}

/* What was written is read: also of a file that ends in a record; one with a wrong bit is refused. */
static void reads_again(void **state)
{
    (void)state;
    temp t;
    ts_str file = { 0 };
    bool is_whole;
    const ts_event_scalar v[] = { { "loss", 0.5 }, { "rate", 3 } };
    seen s = { 0 };
    temp_make(&t);
    OK(ts_event_record_version(1, &file));
    OK(ts_event_record_start(1, 7, &file));
    OK(ts_event_record_text(2, 7, "text", "words", &file));
    for (int64_t step = 7; step < 10; step++)
        OK(ts_event_record_scalars(3, step, v, 2, &file));
    temp_write(&t, "e", file.s, file.len);
    OK(ts_events_read(temp_path(&t, "e"), look, &s, &is_whole));
    assert_true(is_whole && s.values == 3 && s.starts == 1 && s.last == 3 && s.step == 9);
    temp_write(&t, "e", file.s, file.len - 3);
    s = (seen){ 0 };
    OK(ts_events_read(temp_path(&t, "e"), look, &s, &is_whole));
    assert_true(!is_whole && s.values == 2 && s.step == 8);
    file.s[file.len - 6] ^= 1;
    temp_write(&t, "e", file.s, file.len);
    REFUSED(ts_events_read(temp_path(&t, "e"), look, &s, &is_whole), TS_ERR_USER, "its checksum is wrong");
    ts_str_deinit(&file);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_tensorboards_writer),
                                        cmocka_unit_test(writes_a_file),
                                        cmocka_unit_test(reads_again) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
