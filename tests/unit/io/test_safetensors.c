#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/safetensors.h"

/* Writes a file of this header and `data` bytes and opens it. */
static ts_status open_text(temp *t, const char *header, const void *data, size_t n, ts_st_file **f)
{
    char buf[4096];
    const uint64_t len = strlen(header);
    assert_true(8 + len + n <= sizeof buf);
    memcpy(buf, &len, 8);
    memcpy(buf + 8, header, len);
    if (n)
        memcpy(buf + 8 + len, data, n);
    temp_write(t, "x.safetensors", buf, 8 + len + n);
    return ts_st_file_open(temp_path(t, "x.safetensors"), f);
}

static void reads_golden(void **state)
{
    (void)state;
    ts_st_file *f = NULL;
    OK(ts_st_file_open("tests/golden/io/mixed.safetensors", &f));
    assert_int_equal(ts_st_file_count(f), 10);
    assert_string_equal(ts_st_file_metadata(f, "format"), "pt");
    assert_null(ts_st_file_metadata(f, "other"));
    assert_null(ts_st_file_find(f, "absent"));
    const ts_st_tensor *t = ts_st_file_find(f, "a.weight");
    assert_non_null(t);
    assert_int_equal(t->dtype, TS_ST_BF16);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    float row[4];
    OK(ts_st_read_rows_f32(t, 1, 2, row));
    for (int i = 0; i < 3; i++)
        assert_true(row[i] == (float)(3 + i));
    t = ts_st_file_find(f, "half");
    OK(ts_st_read_f32(t, 1, 4, row));
    for (int i = 0; i < 4; i++)
        assert_true(row[i] == (float)(1 + i));
    t = ts_st_file_find(f, "scalar");
    assert_int_equal(t->rank, 0);
    OK(ts_st_read_f32(t, 0, 1, row));
    assert_true(row[0] == 42);
    t = ts_st_file_find(f, "empty");
    assert_int_equal(t->size, 0);
    OK(ts_st_read_rows_f32(t, 0, 0, row));
    assert_non_null(ts_st_file_find(f, "a \"quoted\" n\xC3\xA4me"));
    t = ts_st_file_find(f, "ids");
    REFUSED(ts_st_read_f32(t, 0, 3, row), TS_ERR_USER, "mixed.safetensors: tensor ids is I64");
    ts_st_will_need(t);
    size_t at = 0; /* in the order of the data */
    for (int64_t i = 0; i < ts_st_file_count(f); at += ts_st_file_at(f, i++)->size)
        assert_ptr_equal(ts_st_file_at(f, i)->data, (const char *)ts_st_file_at(f, 0)->data + at);
    ts_st_file_destroy(&f);
    assert_null(f);
}

static const struct {
    const char *header;
    size_t data;
    const char *message;
} refused[] = {
    { "", 0, "not valid JSON" },
    { "{", 0, "not valid JSON" },
    { "[]", 0, "not a JSON object" },
    { "{}x", 0, "not valid JSON" },
    { "\xFF\xFF", 0, "not UTF-8 at byte 8" },
    { "{}", 1, "something was appended" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 14,
      "it is cut off" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 17,
      "was appended" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,12]}}", 12,
      "tensor a: data_offsets give it 12 bytes" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]}}", 20,
      "expected to begin at 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,-16]}}", 16,
      "tensor a has no data_offsets" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}",
      0, "tensor b" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
      6, "tensor b: data_offsets are [2, 6], expected to begin at 4" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
      3, "expected to begin at 1" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,18446744073709551614],\"data_offsets\":[0,16]}}",
      16, "not valid JSON" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,9223372036854775807],\"data_offsets\":[0,16]}}",
      16, "more than 2^63 elements" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2305843009213693952],\"data_offsets\":[0,16]}}",
      16, "more than 2^63 bits" },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
      "do not fill whole bytes" },
    { "{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "unknown dtype \"F31\"" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "dimension 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e0],\"data_offsets\":[0,4]}}", 4, "dimension 0" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
      "9 dimensions" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "has no dtype" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "has no shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "has no data_offsets" },
    { "{\"a\":7}", 4, "has no dtype" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
      1, "duplicate" },
    { "{\"__metadata__\":{\"n\":1}}", 0, "__metadata__" },
    { "{\"__metadata__\":[]}", 0, "__metadata__" },
};

static void refuses(void **state)
{
    (void)state;
    static const char zeros[64];
    temp t;
    temp_make(&t);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        ts_st_file *f = NULL;
        REFUSED(open_text(&t, refused[i].header, zeros, refused[i].data, &f), TS_ERR_USER,
                refused[i].message);
        assert_non_null(strstr(ts_error_message(), "x.safetensors"));
        assert_null(f);
    }
    temp_remove(&t);
}

static void refuses_lengths(void **state)
{
    (void)state;
    temp t;
    ts_st_file *f = NULL;
    temp_make(&t);
    temp_write(&t, "x.safetensors", "", 0);
    REFUSED(ts_st_file_open(temp_path(&t, "x.safetensors"), &f), TS_ERR_USER, "0 bytes long");
    temp_write(&t, "x.safetensors", "1234567", 7);
    REFUSED(ts_st_file_open(temp_path(&t, "x.safetensors"), &f), TS_ERR_USER, "7 bytes long");
    temp_write(&t, "x.safetensors", "<\0\0\0\0\0\0\0", 8);
    REFUSED(ts_st_file_open(temp_path(&t, "x.safetensors"), &f), TS_ERR_USER, "does not fit");
    temp_write(&t, "x.safetensors", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}", 10);
    REFUSED(ts_st_file_open(temp_path(&t, "x.safetensors"), &f), TS_ERR_USER,
            "header of 18446744073709551615 bytes");
    REFUSED(ts_st_file_open(temp_path(&t, "absent.safetensors"), &f), TS_ERR_USER,
            "absent.safetensors");
    REFUSED(ts_st_file_open(t.dir, &f), TS_ERR_USER, "not a file");
    temp_remove(&t);
}

static void accepts_white_space_and_unaligned(void **state)
{
    (void)state;
    temp t;
    ts_st_file *f = NULL;
    float v[2] = { 1.5f, -2 }, got[2];
    char data[9] = "\x07";
    temp_make(&t);
    OK(open_text(&t, " \n\t\r{} \n", NULL, 0, &f));
    assert_int_equal(ts_st_file_count(f), 0);
    ts_st_file_destroy(&f);
    memcpy(data + 1, v, 8);
    OK(open_text(
        &t,
        "{\"f\":{\"data_offsets\":[1,9],\"shape\":[2],\"dtype\":\"F32\",\"more\":null},"
        "\"z\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[1,1]},"
        "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        data, 9, &f));
    OK(ts_st_read_f32(ts_st_file_find(f, "f"), 0, 2, got));
    assert_memory_equal(got, v, 8);
    assert_string_equal(ts_st_file_at(f, 0)->name, "u");
    assert_string_equal(ts_st_file_at(f, 1)->name, "z");
    ts_st_file_destroy(&f);
    temp_remove(&t);
}

static void converts_all_halves(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t h = (uint16_t)i;
        float f;
        uint16_t back;
        const int e = h >> 10 & 31, m = h & 1023;
        double want = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        if (h & 0x8000)
            want = -want;
        assert_true(ts_st_to_f32(TS_ST_F16, &h, 1, &f));
        assert_true(isnan(want) ? isnan(f) : (double)f == want && !signbit(f) == !signbit(want));
        assert_true(ts_st_from_f32(TS_ST_F16, &f, 1, &back));
        if (!isnan(f))
            assert_int_equal(back, h);
        assert_true(ts_st_to_f32(TS_ST_BF16, &h, 1, &f));
        assert_true(ts_st_from_f32(TS_ST_BF16, &f, 1, &back));
        if (!isnan(f))
            assert_int_equal(back, h);
        else
            assert_int_equal(back & 0x7FC0, 0x7FC0);
    }
}

static void rounds_to_even(void **state)
{
    (void)state;
    static const struct {
        float f;
        uint16_t half, bf;
    } cases[] = {
        { 1.0f, 0x3C00, 0x3F80 },           { 1.0f + 0x1p-11f, 0x3C00, 0x3F80 },
        { 1.0f + 0x1.8p-10f, 0x3C02, 0x3F80 }, { 1.0f + 0x1p-8f, 0x3C04, 0x3F80 },
        { 1.0f + 0x1.8p-7f, 0x3C0C, 0x3F82 }, { 65519.0f, 0x7BFF, 0x4780 },
        { 65520.0f, 0x7C00, 0x4780 },       { 0x1p-24f, 0x0001, 0x3380 },
        { 0x1p-25f, 0x0000, 0x3300 },       { 0x1.8p-25f, 0x0001, 0x3340 },
        { 0x1.8p-24f, 0x0002, 0x33C0 },     { -0.0f, 0x8000, 0x8000 },
        { 0x1.fffffep+127f, 0x7C00, 0x7F80 }, { -0x1.ffcp-15f, 0x83FF + 1, 0xB87F + 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t h, b;
        assert_true(ts_st_from_f32(TS_ST_F16, &cases[i].f, 1, &h));
        assert_true(ts_st_from_f32(TS_ST_BF16, &cases[i].f, 1, &b));
        if (h != cases[i].half || b != cases[i].bf)
            fail_msg("%a: half %04x, expected %04x; bf16 %04x, expected %04x", (double)cases[i].f,
                     h, cases[i].half, b, cases[i].bf);
    }
}

static void reads_folders(void **state)
{
    (void)state;
    ts_st_dir *d = NULL;
    float v[6];
    OK(ts_st_dir_open("tests/golden/io/sharded", NULL, &d));
    assert_int_equal(ts_st_dir_count(d), 8);
    assert_int_equal(ts_st_dir_bytes(d), 188);
    assert_string_equal(ts_st_dir_at(d, 3)->name, "t3");
    OK(ts_st_read_f32(ts_st_dir_find(d, "t1"), 0, 6, v));
    assert_true(v[5] == 5);
    assert_non_null(strstr(ts_st_dir_find(d, "t4")->path, "model-00003-of-00005.safetensors"));
    ts_st_dir_destroy(&d);
    OK(ts_st_dir_open("tests/golden/io/mixed.safetensors", NULL, &d));
    assert_int_equal(ts_st_dir_count(d), 10);
    ts_st_dir_destroy(&d);
}

static void refuses_folders(void **state)
{
    (void)state;
    static const struct {
        const char *index, *message;
    } cases[] = {
        { "{ nope", "index.json: not valid JSON" },
        { "{}", "no weight_map" },
        { "{\"weight_map\":{}}", "no weight_map" },
        { "{\"weight_map\":{\"t\":\"../x.safetensors\"}}", "weight_map: t must name" },
        { "{\"weight_map\":{\"t\":\"/etc/passwd\"}}", "weight_map: t must name" },
        { "{\"weight_map\":{\"t\":\"..\"}}", "weight_map: t must name" },
        { "{\"weight_map\":{\"t\":3}}", "weight_map: t must name" },
        { "{\"weight_map\":{\"t\":\"a.safetensors\"}}", "tensor t should be in a.safetensors" },
        { "{\"weight_map\":{\"a\":\"a.safetensors\",\"t\":\"b.safetensors\"}}",
          "b.safetensors: missing" },
        { "{\"weight_map\":{\"a\":\"a.safetensors\",\"b\":\"c.safetensors\"}}", "stands in both" },
    };
    static const char one[] =
        "\x50\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"
        "                              !";
    static const char two[] =
        "\x80\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"
        "                              !!";
    char file[256];
    temp t;
    ts_st_dir *d = NULL;
    temp_make(&t);
    REFUSED(ts_st_dir_open(t.dir, NULL, &d), TS_ERR_USER, "neither model.safetensors nor");
    assert_non_null(strstr(ts_error_message(), t.dir));
    REFUSED(ts_st_dir_open(temp_path(&t, "no"), "adapter_model", &d), TS_ERR_USER,
            "adapter_model.safetensors");
    memcpy(file, one, sizeof one - 1);
    file[0] = (char)(sizeof one - 1 - 8 - 1);
    temp_write(&t, "a.safetensors", file, sizeof one - 1);
    memcpy(file, two, sizeof two - 1);
    file[0] = (char)(sizeof two - 1 - 8 - 2);
    temp_write(&t, "c.safetensors", file, sizeof two - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write(&t, "model.safetensors.index.json", cases[i].index, strlen(cases[i].index));
        REFUSED(ts_st_dir_open(t.dir, NULL, &d), TS_ERR_USER, cases[i].message);
        assert_null(d);
    }
    /* a single file goes before whatever index stands beside it, as in transformers */
    file[0] = (char)(sizeof one - 1 - 8 - 1);
    memcpy(file + 1, one + 1, sizeof one - 2);
    temp_write(&t, "model.safetensors", file, sizeof one - 1);
    OK(ts_st_dir_open(t.dir, NULL, &d));
    assert_int_equal(ts_st_dir_count(d), 1);
    assert_non_null(strstr(ts_st_dir_find(d, "a")->path, "model.safetensors"));
    assert_false(ts_st_dir_has_index(d));
    ts_st_dir_destroy(&d);
    temp_remove(&t);
}

static void names_types(void **state)
{
    (void)state;
    for (int i = 0; i < TS_ST_DTYPES; i++) {
        ts_st_dtype t = TS_ST_DTYPES;
        assert_true(ts_st_dtype_from_name(ts_st_dtype_name((ts_st_dtype)i), &t));
        assert_int_equal(t, i);
        assert_true(i == 0 || ts_st_dtype_bits(t) >= 4);
    }
    assert_int_equal(ts_st_dtype_bits(TS_ST_BF16), 16);
    assert_int_equal(ts_st_dtype_bits(TS_ST_U64), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_golden),       cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_lengths),    cmocka_unit_test(accepts_white_space_and_unaligned),
        cmocka_unit_test(converts_all_halves), cmocka_unit_test(rounds_to_even),
        cmocka_unit_test(reads_folders),      cmocka_unit_test(refuses_folders),
        cmocka_unit_test(names_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
