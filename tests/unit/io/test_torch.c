#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/file.h"
#include "io/torch/torch_file.h"
#include "io/torch/zip.h"

/* ---- tests/golden/torch: what torch.save writes, and the same tensors in safetensors (scripts/golden_torch.py) ---- */

static bool is_real(ts_st_dtype t) { return t == TS_ST_F32 || t == TS_ST_F16 || t == TS_ST_BF16 || t == TS_ST_F64; }

static void check_tensor(const ts_st_tensor *got, const ts_st_tensor *want)
{
    assert_int_equal(got->dtype, want->dtype);
    assert_int_equal(got->rank, want->rank);
    assert_memory_equal(got->shape, want->shape, (size_t)want->rank * sizeof *got->shape);
    assert_int_equal(got->elements, want->elements);
    if (!got->make && want->size)
        assert_memory_equal(got->data, want->data, want->size);
    for (int64_t first = 0; is_real(want->dtype) && first < want->elements; first++) {
        float a[64], b[64];
        const int64_t n = want->elements - first < 64 ? want->elements - first : 64;
        OK(ts_st_read_f32(got, first, n, a));
        OK(ts_st_read_f32(want, first, n, b));
        assert_memory_equal(a, b, (size_t)n * sizeof *a);
    }
}

static void check_file(const char *path)
{
    ts_torch_dict d;
    ts_st_dir *want;
    OK(ts_torch_dict_open(path, &d));
    OK(ts_st_dir_open("tests/golden/torch/tensors.safetensors", NULL, &want));
    assert_int_equal(d.n, ts_st_dir_count(want));
    for (size_t i = 0; i < d.n; i++) {
        const ts_st_tensor *t = ts_st_dir_find(want, d.v[i].name);
        assert_non_null(t);
        check_tensor(&d.v[i], t);
    }
    ts_st_dir_destroy(&want);
    ts_torch_dict_close(&d);
}

static void reads_what_torch_saves(void **state)
{
    (void)state;
    check_file("tests/golden/torch/tensors.pt");
    check_file("tests/golden/torch/protocol4.pt");
}

static void takes_files_without_sums(void **state)
{
    (void)state;
    ts_torch_dict d;
    float v[4];
    OK(ts_torch_dict_open("tests/golden/torch/unchecked.pt", &d));
    assert_int_equal(d.n, 1);
    OK(ts_st_read_f32(&d.v[0], 0, 4, v));
    assert_true(v[0] == 0 && v[3] == 3);
    ts_torch_dict_close(&d);
}

/* ---- damage: every byte of a file changed, and the file cut at every length ---- */

static void try_bytes(const unsigned char *data, size_t n)
{
    ts_torch_file *f;
    ts_st_tensor t;
    if (ts_torch_file_read(data, n, "some.pt", &f) != TS_OK) {
        assert_non_null(strstr(ts_error_message(), "some.pt"));
        return;
    }
    const ts_pickle_node *a = ts_pickle_get(ts_torch_file_root(f), "a");
    if (ts_torch_is_tensor(a) && ts_torch_tensor(f, "a", a, &t) == TS_OK && is_real(t.dtype) && t.elements && t.elements <= 64) {
        float v[64];
        OK(ts_st_read_f32(&t, 0, t.elements, v));
    }
    ts_torch_file_close(&f);
}

static void stands_damage(void **state)
{
    (void)state;
    ts_str file = { 0 };
    OK(ts_file_read("tests/golden/torch/unchecked.pt", &file));
    for (size_t i = 0; i < file.len; i++)
        for (int by = 1; by < 256; by = by * 3 + 2) {
            file.s[i] = (char)(file.s[i] ^ by);
            try_bytes((unsigned char *)file.s, file.len);
            file.s[i] = (char)(file.s[i] ^ by);
        }
    for (size_t n = 0; n < file.len; n++) {
        unsigned char *cut; /* its own memory, so that a byte too far is seen */
        OK(ts_alloc(&cut, n ? n : 1, 1));
        memcpy(cut, file.s, n);
        try_bytes(cut, n);
        ts_free(&cut);
    }
    ts_str_deinit(&file);
}

static void finds_changed_bytes(void **state)
{
    (void)state;
    ts_str file = { 0 };
    ts_torch_file *f;
    ts_st_tensor t;
    OK(ts_file_read("tests/golden/torch/tensors.pt", &file));
    const float one = 2.5f; /* the scalar's storage */
    char *at = memmem(file.s, file.len, &one, sizeof one);
    assert_non_null(at);
    *at = (char)(*at ^ 1);
    OK(ts_torch_file_read((unsigned char *)file.s, file.len, "changed.pt", &f));
    const ts_pickle_node *dict = ts_pickle_get(ts_torch_file_root(f), "state_dict");
    assert_int_equal(ts_torch_tensor(f, "scalar", ts_pickle_get(dict, "scalar"), &t), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "changed.pt"));
    assert_non_null(strstr(ts_error_message(), "CRC-32"));
    ts_torch_file_close(&f);
    ts_str_deinit(&file);
}

/* ---- pickles ---- */

static ts_status read_text(const char *s, size_t n, ts_arena *arena, const ts_pickle_node **out)
{
    return ts_pickle_read((const unsigned char *)s, n, "p.pkl", arena, out);
}

static void refuse(const char *s, size_t n, const char *why)
{
    ts_arena arena = { 0 };
    const ts_pickle_node *node;
    assert_int_equal(read_text(s, n, &arena, &node), TS_ERR_USER);
    if (!strstr(ts_error_message(), why) || !strstr(ts_error_message(), "p.pkl"))
        fail_msg("\"%s\" says nothing of \"%s\"", ts_error_message(), why);
    ts_arena_deinit(&arena);
}
#define REFUSE(text, why) refuse(text, sizeof(text) - 1, why)

static void runs_nothing(void **state)
{
    (void)state;
    REFUSE("\x80\x02" "cposix\nsystem\nX\x02\0\0\0id\x85R.", "posix.system");
    REFUSE("\x80\x02" "cbuiltins\neval\n.", "builtins.eval");
    REFUSE("\x80\x02" "c__builtin__\ngetattr\n.", "getattr");
    REFUSE("\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system");
    REFUSE("\x80\x02" "ctorch\nload\n.", "torch.load");
    REFUSE("\x80\x02" "cmegatronics\nx\n.", "megatronics.x");
    REFUSE("\x80\x02" "i" "os\nsystem\n.", "code 0x69");
    REFUSE("\x80\x02P" "0\n.", "code 0x50");
}

static void refuses_what_is_no_pickle(void **state)
{
    (void)state;
    static char deep[4096];
    REFUSE("", "too early");
    REFUSE("\x80\x02", "too early");
    REFUSE("\x80\x09N.", "protocol");
    REFUSE(".", "one value");
    REFUSE("NN.", "one value");
    REFUSE("(N.", "one value");
    REFUSE("(NK\x01s.", "missing");
    REFUSE("}(NK\x01t.", "one value");
    REFUSE("}NK\x01u.", "mark is missing");
    REFUSE("}(Nu.", "holds none of them");
    REFUSE("](NNu.", "holds none of them");
    REFUSE("h\x05.", "not kept");
    REFUSE("X\xff\xff\xff\xff" "abc.", "64 MiB");
    REFUSE("X\xff\xff\xff\x00" "abc.", "too early");
    REFUSE("\x8a\x11" "aaaaaaaaaaaaaaaaaaaa.", "16 bytes");
    REFUSE("NN\x81.", "no name");
    REFUSE("Nr\xff\xff\xff\xff.", "10000000");
    memset(deep, ']', 1200);
    for (int i = 0; i < 1200; i++)
        deep[1200 + i] = 'a';
    refuse(deep, 2400, "deeper");
    memset(deep, '(', sizeof deep);
    refuse(deep, sizeof deep, "deeper");
}

static void reads_plain_values(void **state)
{
    (void)state;
    static const char text[] = "\x80\x02}q\x00(X\x01\0\0\0aK\x05X\x01\0\0\0bJ\xfe\xff\xff\xffX\x01\0\0\0c\x8a\x05\x00\x00\x00\x00\x80"
                               "X\x01\0\0\0dG\xbf\xf8\0\0\0\0\0\0X\x01\0\0\0e\x88X\x01\0\0\0f(K\x01K\x02tX\x01\0\0\0aK\x07u.";
    ts_arena arena = { 0 };
    const ts_pickle_node *d;
    int64_t v;
    OK(read_text(text, sizeof text - 1, &arena, &d));
    assert_true(ts_pickle_int(ts_pickle_get(d, "a"), 0, 9, &v) && v == 7); /* the last counts */
    assert_true(ts_pickle_int(ts_pickle_get(d, "b"), -9, 9, &v) && v == -2);
    assert_true(ts_pickle_int(ts_pickle_get(d, "c"), INT64_MIN, 0, &v) && v == -(INT64_C(1) << 39));
    assert_false(ts_pickle_int(ts_pickle_get(d, "c"), 0, 9, &v));
    assert_true(ts_pickle_is(ts_pickle_get(d, "d"), TS_PICKLE_REAL) && ts_pickle_get(d, "d")->real == -1.5);
    assert_true(ts_pickle_is(ts_pickle_get(d, "e"), TS_PICKLE_BOOL) && ts_pickle_get(d, "e")->truth);
    assert_int_equal(ts_pickle_count(ts_pickle_get(d, "f")), 2);
    assert_null(ts_pickle_at(ts_pickle_get(d, "f"), 2));
    assert_null(ts_pickle_get(d, "g"));
    ts_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_torch_saves), cmocka_unit_test(takes_files_without_sums),
        cmocka_unit_test(stands_damage),          cmocka_unit_test(finds_changed_bytes),
        cmocka_unit_test(runs_nothing),           cmocka_unit_test(refuses_what_is_no_pickle),
        cmocka_unit_test(reads_plain_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
