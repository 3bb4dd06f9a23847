#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/gguf/models.h"
#include "io/gguf/tensors.h"

/* ---- blocks: tests/golden/gguf/blocks.gguf has a tensor of each type and beside it, in F32, what the package gguf
 * makes of it (scripts/golden_gguf.py) ---- */

static void check_type(const ts_gguf *g, const ts_gguf_tensor *t, const ts_gguf_tensor *values)
{
    float *got, *want, part[40];
    assert_int_equal(t->elements, values->elements);
    OK(ts_alloc(&got, (size_t)t->elements, sizeof *got));
    OK(ts_alloc(&want, (size_t)t->elements, sizeof *want));
    OK(ts_gguf_read_f32(g, t, 0, t->elements, got));
    OK(ts_gguf_read_f32(g, values, 0, t->elements, want));
    for (int64_t i = 0; i < t->elements; i++)
        if (memcmp(&got[i], &want[i], sizeof *got))
            fail_msg("%s: element %lld is %a, expected %a", t->name, (long long)i, (double)got[i], (double)want[i]);
    for (int64_t first = 0; first + 40 <= t->elements; first += 37) { /* over the borders of blocks */
        OK(ts_gguf_read_f32(g, t, first, 40, part));
        assert_memory_equal(part, want + first, sizeof part);
    }
    ts_free(&got);
    ts_free(&want);
}

static void reads_every_type(void **state)
{
    (void)state;
    ts_gguf *g;
    int types = 0;
    OK(ts_gguf_open("tests/golden/gguf/blocks.gguf", &g));
    for (int64_t i = 0; i < ts_gguf_count(g); i++) {
        const ts_gguf_tensor *t = ts_gguf_at(g, i);
        char name[TS_GGUF_MAX_NAME + 16];
        if (strchr(t->name, '.'))
            continue;
        snprintf(name, sizeof name, "%s.values", t->name);
        const ts_gguf_tensor *values = ts_gguf_tensor_find(g, name);
        assert_non_null(values);
        assert_string_equal(t->type->name, t->name);
        check_type(g, t, values);
        types++;
    }
    assert_int_equal(types, 28); /* F32, F16, BF16, F64, those in blocks that the package reads, Q1_0 */
    ts_gguf_close(&g);
}

/* ---- the other way: encoded.gguf has what ggml makes of values ---- */

static void writes_every_type(void **state)
{
    (void)state;
    ts_gguf *g;
    float x[7 * 256];
    unsigned char got[2 * 7 * 256]; /* more than any type takes */
    OK(ts_gguf_open("tests/golden/gguf/encoded.gguf", &g));
    OK(ts_gguf_read_f32(g, ts_gguf_tensor_find(g, "values"), 0, 7 * 256, x));
    for (int64_t i = 0; i < ts_gguf_count(g); i++) {
        const ts_gguf_tensor *t = ts_gguf_at(g, i);
        if (t->type->is_plain)
            continue;
        assert_ptr_equal(t->type, ts_block_type_named(t->name));
        ts_blocks_write(t->type, x, 7 * 256, got);
        for (size_t b = 0; b < t->size; b++)
            if (got[b] != t->data[b])
                fail_msg("%s: byte %zu of block %zu is %d, expected %d", t->name, b % (size_t)t->type->bytes,
                         b / (size_t)t->type->bytes, got[b], t->data[b]);
    }
    assert_int_equal(ts_gguf_count(g), 12);
    ts_gguf_close(&g);
}

/* ---- files made by hand ---- */

typedef struct made {
    unsigned char b[4096];
    size_t n;
} made;

static void put(made *m, const void *p, size_t n)
{
    assert_true(m->n + n <= sizeof m->b);
    memcpy(m->b + m->n, p, n);
    m->n += n;
}

static void put32(made *m, uint32_t v) { put(m, &v, sizeof v); }
static void put64(made *m, uint64_t v) { put(m, &v, sizeof v); }

static void put_text(made *m, const char *s)
{
    put64(m, strlen(s));
    put(m, s, strlen(s));
}

static void begin(made *m, uint32_t version, uint64_t tensors, uint64_t keys)
{
    m->n = 0;
    put(m, "GGUF", 4);
    put32(m, version);
    put64(m, tensors);
    put64(m, keys);
}

static void put_u32(made *m, const char *key, uint32_t v)
{
    put_text(m, key);
    put32(m, TS_GGUF_U32);
    put32(m, v);
}

static void put_tensor(made *m, const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_text(m, name);
    put32(m, 2);
    put64(m, cols);
    put64(m, rows);
    put32(m, type);
    put64(m, offset);
}

/* To a multiple of `alignment`, then n bytes of data: 0, 1, 2, ... */
static void end(made *m, size_t alignment, size_t n)
{
    while (m->n % alignment)
        m->b[m->n++] = 0;
    for (size_t i = 0; i < n; i++)
        m->b[m->n++] = (unsigned char)i;
}

static ts_status open_made(temp *t, const made *m, ts_gguf **g)
{
    temp_write(t, "x.gguf", m->b, m->n);
    return ts_gguf_open(temp_path(t, "x.gguf"), g);
}

static void refused(const made *m, const char *text)
{
    temp t;
    ts_gguf *g = NULL;
    temp_make(&t);
    REFUSED(open_made(&t, m, &g), TS_ERR_USER, "x.gguf");
    REFUSED(open_made(&t, m, &g), TS_ERR_USER, text);
    assert_null(g);
    temp_remove(&t);
}

static void reads_keys(void **state)
{
    (void)state;
    made m;
    temp t;
    ts_gguf *g;
    int64_t n;
    double x;
    bool flag;
    const char *s;
    const ts_gguf_value *list;
    begin(&m, 3, 1, 6);
    put_u32(&m, "general.alignment", 64);
    put_text(&m, "neg"), put32(&m, TS_GGUF_I8), put(&m, "\xFE", 1);
    put_text(&m, "real"), put32(&m, TS_GGUF_F64), put(&m, &(double){ 1.5 }, 8);
    put_text(&m, "flag"), put32(&m, TS_GGUF_BOOL), put(&m, "\1", 1);
    put_text(&m, "list"), put32(&m, TS_GGUF_LIST), put32(&m, TS_GGUF_TEXT), put64(&m, 2), put_text(&m, "ab"), put_text(&m, "");
    put_text(&m, "text"), put32(&m, TS_GGUF_TEXT), put_text(&m, "\xFF");
    put_tensor(&m, "w", 2, 3, 24, 64);
    end(&m, 64, 70);
    temp_make(&t);
    OK(open_made(&t, &m, &g));
    OK(ts_gguf_int(g, "neg", 0, -10, 10, &n));
    assert_int_equal(n, -2);
    REFUSED(ts_gguf_int(g, "neg", 0, 0, 10, &n), TS_ERR_USER, "neg is -2, expected 0 to 10");
    REFUSED(ts_gguf_int(g, "real", 0, 0, 10, &n), TS_ERR_USER, "real is f64, expected a whole number");
    OK(ts_gguf_int(g, "none", 7, 0, 10, &n));
    assert_int_equal(n, 7);
    OK(ts_gguf_real(g, "real", 0, &x));
    assert_true(x == 1.5);
    OK(ts_gguf_bool(g, "flag", false, &flag));
    assert_true(flag);
    OK(ts_gguf_texts(g, "list", &list));
    const unsigned char *at = list->data;
    size_t len;
    s = ts_gguf_next_text(&at, &len);
    assert_true(len == 2 && !memcmp(s, "ab", 2));
    (void)ts_gguf_next_text(&at, &len);
    assert_int_equal(len, 0);
    REFUSED(ts_gguf_texts(g, "flag", &list), TS_ERR_USER, "flag is bool, expected an array of strings");
    REFUSED(ts_gguf_text(g, "text", &s, &len), TS_ERR_USER, "text is not UTF-8");
    const ts_gguf_tensor *w = ts_gguf_tensor_find(g, "w");
    assert_true(w->rank == 2 && w->shape[0] == 3 && w->shape[1] == 2 && w->data[5] == 69);
    float v;
    REFUSED(ts_gguf_read_f32(g, w, 0, 1, &v), TS_ERR_USER, "tensor w is I8");
    ts_gguf_close(&g);
    temp_remove(&t);
}

static void refuses_broken_heads(void **state)
{
    (void)state;
    made m;
    m.n = 0;
    refused(&m, "is empty");
    begin(&m, 3, 0, 0), m.n = 3;
    refused(&m, "ends in its first bytes");
    begin(&m, 1, 0, 0);
    refused(&m, "is of version 1 of GGUF");
    begin(&m, 3u << 24, 0, 0);
    refused(&m, "order of bytes of other machines");
    begin(&m, 3, 0, 0), m.b[0] = 'X';
    refused(&m, "does not begin with GGUF");
    begin(&m, 3, UINT64_MAX / 8, 0);
    refused(&m, " tensors");
    begin(&m, 3, 0, UINT64_MAX);
    refused(&m, "says that it has 18446744073709551615 keys");
    begin(&m, 3, 0, 2), put_u32(&m, "a", 1), put_u32(&m, "a", 2);
    refused(&m, "the key a stands twice");
    begin(&m, 3, 0, 1), put_u32(&m, "", 1), put64(&m, 0);
    refused(&m, "a key of 0 bytes");
    begin(&m, 3, 0, 1), put64(&m, UINT64_MAX), put64(&m, 0), put64(&m, 0);
    refused(&m, "says that it has 18446744073709551615 bytes");
    begin(&m, 3, 0, 1), put_text(&m, "k"), put32(&m, 13), put64(&m, 0);
    refused(&m, "unknown kind 13");
    begin(&m, 3, 0, 1), put_text(&m, "k"), put32(&m, TS_GGUF_BOOL), put(&m, "\2", 1);
    refused(&m, "a bool is 2");
    begin(&m, 3, 0, 1), put_text(&m, "k"), put32(&m, TS_GGUF_LIST), put32(&m, TS_GGUF_U64), put64(&m, 1ull << 61), put64(&m, 0);
    refused(&m, "2305843009213693952 elements (u64)");
    begin(&m, 3, 0, 1), put_text(&m, "k"), put32(&m, TS_GGUF_LIST), put32(&m, TS_GGUF_U64), put64(&m, 2), put64(&m, 0);
    refused(&m, "2 elements (u64)");
    begin(&m, 3, 0, 1), put_text(&m, "k"), put32(&m, TS_GGUF_LIST);
    for (int i = 0; i < 6; i++)
        put32(&m, TS_GGUF_LIST), put64(&m, 1);
    put32(&m, TS_GGUF_U8), put64(&m, 1), put64(&m, 0);
    refused(&m, "arrays in arrays");
    begin(&m, 3, 0, 1), put_u32(&m, "general.alignment", 48);
    refused(&m, "general.alignment is 48, expected a power of two");
}

static void refuses_broken_tensors(void **state)
{
    (void)state;
    made m;
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 1ull << 40, 1ull << 40, 0, 0), end(&m, 32, 8);
    refused(&m, "expected numbers from 1 whose product is below 2^63");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 1ull << 30, 1ull << 31, 0, 0), end(&m, 32, 8);
    refused(&m, "it is cut off");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 1ull << 31, 1ull << 31, 28, 0), end(&m, 32, 8);
    refused(&m, "more bytes than there can be");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 0, 4, 0, 0), end(&m, 32, 8);
    refused(&m, "its dimension 0 is 0");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", UINT64_MAX, 1, 0, 0), end(&m, 32, 8);
    refused(&m, "its dimension 0 is -1");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 33, 1, 2, 0), end(&m, 32, 64);
    refused(&m, "rows of 33 elements are no whole blocks of Q4_0");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 32, 1, 99, 0), end(&m, 32, 64);
    refused(&m, "is of type 99, which is not known here; known are F32, F16, Q4_0");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 4, 1, 0, 4), end(&m, 32, 64);
    refused(&m, "begins at byte 4 of the data, expected a multiple of 32");
    begin(&m, 3, 1, 0), put_tensor(&m, "w", 4, 1, 0, UINT64_MAX - 31), end(&m, 32, 64);
    refused(&m, "it is cut off");
    begin(&m, 3, 2, 0), put_tensor(&m, "w", 9, 1, 0, 0), put_tensor(&m, "v", 4, 1, 0, 32), end(&m, 32, 64);
    refused(&m, "tensors w and v stand over each other");
    begin(&m, 3, 2, 0), put_tensor(&m, "w", 4, 1, 0, 0), put_tensor(&m, "w", 4, 1, 0, 32), end(&m, 32, 64);
    refused(&m, "tensor w stands twice");
    begin(&m, 3, 1, 0), put_text(&m, "w"), put32(&m, 5), put64(&m, 0), put64(&m, 0);
    refused(&m, "has 5 dimensions, at most 4");
    begin(&m, 3, 1, 0), put_tensor(&m, "0123456789012345678901234567890123456789012345678901234567890123", 4, 1, 0, 0), end(&m, 32, 64);
    refused(&m, "a tensor's name of 64 bytes");
}

static void refuses_other_models(void **state)
{
    (void)state;
    made m;
    temp t;
    ts_gguf_tensors *g = NULL;
    temp_make(&t);
    begin(&m, 3, 0, 1), put_text(&m, "general.architecture"), put32(&m, TS_GGUF_TEXT), put_text(&m, "clip");
    temp_write(&t, "x.gguf", m.b, m.n);
    REFUSED(ts_gguf_tensors_open(temp_path(&t, "x.gguf"), &g), TS_ERR_USER, "general.architecture is clip, which is not read");
    begin(&m, 3, 1, 1), put_text(&m, "general.architecture"), put32(&m, TS_GGUF_TEXT), put_text(&m, "llama");
    put_tensor(&m, "blk.0.attn_q.scale", 4, 1, 0, 0), end(&m, 32, 16);
    temp_write(&t, "x.gguf", m.b, m.n);
    REFUSED(ts_gguf_tensors_open(temp_path(&t, "x.gguf"), &g), TS_ERR_USER,
            "tensor blk.0.attn_q.scale is not part of models of the architecture llama");
    temp_remove(&t);
}

/* ---- Llama 3's stretched rotary embeddings, which files hold as factors ---- */

static float slowed(double w, double factor, double low, double high, double length)
{
    const double s = (length / w - low) / (high - low);
    return (float)(w < length / high ? 1 : w > length / low ? factor : 1 / ((1 - s) / factor + s));
}

static void put_count(made *m, const char *key, uint32_t v)
{
    char full[64];
    snprintf(full, sizeof full, "llama.%s", key);
    put_u32(m, full, v);
}

static void finds_rope_scaling(void **state)
{
    /* Llama 3.1, 3.2; few angles; another border; angles that no formula gives */
    static const struct {
        double theta, factor, low, high, length;
        int n;
        bool wrong;
    } cases[] = { { 500000, 8, 1, 4, 8192, 64, false }, { 500000, 32, 1, 4, 8192, 32, false }, { 500000, 8, 1, 4, 64, 8, false },
                  { 10000, 4, 1, 3, 2048, 32, false }, { 500000, 8, 1, 4, 8192, 64, true } };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        made m;
        temp t;
        ts_gguf *g;
        json_t *config = NULL;
        float v[64];
        const size_t n = (size_t)cases[c].n;
        for (size_t i = 0; i < n; i++)
            v[i] = slowed(2 * M_PI * pow(cases[c].theta, (double)i / (double)n), cases[c].factor, cases[c].low, cases[c].high,
                          cases[c].length);
        if (cases[c].wrong)
            v[n / 2] *= 1.01f;
        begin(&m, 3, 2, 8);
        put_text(&m, "general.architecture"), put32(&m, TS_GGUF_TEXT), put_text(&m, "llama");
        put_count(&m, "context_length", 1 << 17), put_count(&m, "embedding_length", 64), put_count(&m, "block_count", 1);
        put_count(&m, "feed_forward_length", 64), put_count(&m, "attention.head_count", 1);
        put_text(&m, "llama.attention.layer_norm_rms_epsilon"), put32(&m, TS_GGUF_F32), put(&m, &(float){ 1e-5f }, 4);
        put_text(&m, "llama.rope.freq_base"), put32(&m, TS_GGUF_F32), put(&m, &(float){ (float)cases[c].theta }, 4);
        put_tensor(&m, "token_embd.weight", 1, 4, 0, 256), put_tensor(&m, "rope_freqs.weight", n, 1, 0, 0);
        end(&m, 32, 0), put(&m, v, n * sizeof *v), end(&m, 32, 512);
        temp_make(&t);
        OK(open_made(&t, &m, &g));
        if (cases[c].wrong) {
            REFUSED(ts_gguf_config(g, &config), TS_ERR_USER, "are not those of Llama 3's scaling");
        } else {
            OK(ts_gguf_config(g, &config));
            const json_t *s = json_object_get(config, "rope_scaling");
            assert_string_equal(json_string_value(json_object_get(s, "rope_type")), "llama3");
            assert_true(json_number_value(json_object_get(s, "factor")) == cases[c].factor);
            assert_true(json_number_value(json_object_get(s, "high_freq_factor")) == cases[c].high);
            assert_int_equal(json_integer_value(json_object_get(s, "original_max_position_embeddings")), cases[c].length);
            /* and the shortest text of a float */
            assert_true(json_number_value(json_object_get(config, "rms_norm_eps")) == 1e-5);
        }
        json_decref(config);
        ts_gguf_close(&g);
        temp_remove(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type), cmocka_unit_test(writes_every_type), cmocka_unit_test(reads_keys), cmocka_unit_test(refuses_broken_heads),
        cmocka_unit_test(refuses_broken_tensors), cmocka_unit_test(refuses_other_models), cmocka_unit_test(finds_rope_scaling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
