/* Orders against tests/golden/data/orders.json (scripts/golden_data.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/json.h"
#include "data/blend.h"
#include "data/gpt_dataset.h"
#include "data/nprandom.h"
#include "data/split.h"

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int64_t item(const json_t *o, const char *key, int64_t i)
{
    return json_integer_value(json_array_get(json_object_get(o, key), (size_t)i));
}

static int64_t length(const json_t *o, const char *key)
{
    return (int64_t)json_array_size(json_object_get(o, key));
}

static int setup(void **state)
{
    json_t *root = NULL;
    OK(ts_json_read("tests/golden/data/orders.json", &root));
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void outputs_of_the_generator(void **state)
{
    (void)state;
    static const uint32_t want[] = { 822569775, 2137449171, 2671936806, 3512589365 };
    ts_nprandom r;
    ts_nprandom_init(&r, 1234);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ts_nprandom_next(&r), want[i]);
    ts_nprandom_init(&r, 5489); /* the generator's own test: output 10000 of the default seed */
    for (int i = 1; i < 10000; i++)
        (void)ts_nprandom_next(&r);
    assert_int_equal(ts_nprandom_next(&r), 4123659995u);
}

static void shuffles(void **state)
{
    size_t k;
    json_t *c;
    json_array_foreach(json_object_get(*state, "shuffles"), k, c) {
        const int64_t n = number(c, "n");
        uint32_t v[1000];
        int64_t w[7];
        ts_nprandom r;
        ts_nprandom_init(&r, (uint32_t)number(c, "seed"));
        for (int64_t i = 0; i < n; i++)
            v[i] = (uint32_t)i;
        for (int64_t i = 0; i < 7; i++)
            w[i] = i;
        ts_nprandom_shuffle_u32(&r, v, n);
        ts_nprandom_shuffle_i64(&r, w, 7);
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(v[i], item(c, "first", i));
        for (int64_t i = 0; i < 7; i++)
            assert_int_equal(w[i], item(c, "then", i));
    }
    assert_int_equal(k, 6);
}

/* Sequences of these lengths whose tokens count up over the whole file. */
static void build(temp *t, const json_t *lengths, ts_indexed **out)
{
    int32_t ids[64], next = 0;
    ts_indexed_builder *b = NULL;
    OK(ts_indexed_builder_create(temp_path(t, "d"), TS_INDEXED_U16, &b));
    for (size_t i = 0; i < json_array_size(lengths); i++) {
        const int64_t n = json_integer_value(json_array_get(lengths, i));
        for (int64_t j = 0; j < n; j++)
            ids[j] = next++;
        OK(ts_indexed_builder_add(b, ids, n));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
    OK(ts_indexed_open(temp_path(t, "d"), out));
}

/* Each sample is the tokens of its stretch of the document order. */
static void check_samples(const json_t *c, const ts_indexed *d, const ts_gpt_dataset *ds,
                          int32_t *stream, int32_t *sample)
{
    const int64_t S = number(c, "seq_length");
    int64_t total = 0, n;
    for (int64_t i = 0; i < length(c, "documents"); i++) {
        const int64_t doc = item(c, "documents", i), len = ts_indexed_length(d, doc);
        OK(ts_indexed_read(d, doc, 0, len, 0, 1 << 16, stream + total));
        total += len;
    }
    for (int64_t i = 0; i < ts_gpt_dataset_count(ds); i++) {
        const int64_t at = item(c, "shuffle", i) * S, left = total - at;
        OK(ts_gpt_dataset_get(ds, i, 1 << 16, sample, &n));
        assert_int_equal(n, left < S + 1 ? left : S + 1);
        assert_memory_equal(sample, stream + at, (size_t)n * sizeof *sample);
    }
}

static void orders(void **state)
{
    static int32_t stream[200000], sample[4096];
    size_t k;
    json_t *c;
    temp t;
    temp_make(&t);
    json_array_foreach(json_object_get(*state, "orders"), k, c) {
        ts_indexed *d = NULL;
        ts_gpt_dataset *ds = NULL;
        build(&t, json_object_get(c, "lengths"), &d);
        const ts_gpt_args a = { .data = d, .first = 0, .count = ts_indexed_count(d),
                                .seq_length = number(c, "seq_length"), .n_samples = number(c, "n"),
                                .seed = (uint32_t)number(c, "seed"),
                                .keep_last_partial = json_is_true(json_object_get(c, "partial")) };
        OK(ts_gpt_dataset_create(&a, &ds));
        const ts_gpt_order o = ts_gpt_dataset_order(ds);
        assert_int_equal(o.epochs, number(c, "epochs"));
        assert_int_equal(o.is_last_separate, json_is_true(json_object_get(c, "separate")));
        assert_int_equal(ts_gpt_dataset_count(ds), length(c, "shuffle"));
        assert_int_equal(o.n_documents, length(c, "documents"));
        for (int64_t i = 0; i < o.n_documents; i++)
            assert_int_equal(o.documents[i], item(c, "documents", i));
        for (int64_t i = 0; i < length(c, "position"); i++) {
            assert_int_equal(o.places[i].position, item(c, "position", i));
            assert_int_equal(o.places[i].offset, item(c, "offset", i));
        }
        for (int64_t i = 0; i < length(c, "shuffle"); i++)
            assert_int_equal(o.shuffle[i], item(c, "shuffle", i));
        check_samples(c, d, ds, stream, sample);
        ts_gpt_dataset_destroy(&ds);
        ts_indexed_destroy(&d);
    }
    assert_int_equal(k, 14);
    temp_remove(&t);
}

static void refuses_orders(void **state)
{
    (void)state;
    temp t;
    ts_indexed *d = NULL;
    ts_gpt_dataset *ds = NULL;
    json_t *one = json_pack("[i,i]", 1, 0), *two = json_pack("[i,i]", 10, 10);
    temp_make(&t);
    build(&t, one, &d);
    ts_gpt_args a = { .data = d, .first = 0, .count = 2, .seq_length = 4, .n_samples = 1 };
    REFUSED(ts_gpt_dataset_create(&a, &ds), TS_ERR_USER, "hold 1 tokens");
    ts_indexed_destroy(&d);
    build(&t, two, &d);
    a.data = d;
    a.n_samples = (int64_t)1 << 50;
    REFUSED(ts_gpt_dataset_create(&a, &ds), TS_ERR_USER, "too many passes");
    a.n_samples = INT64_MAX;
    REFUSED(ts_gpt_dataset_create(&a, &ds), TS_ERR_USER, "too many passes");
    ts_indexed_destroy(&d);
    json_decref(one);
    json_decref(two);
    temp_remove(&t);
}

static void check_blend(const json_t *c, const ts_blend *b)
{
    assert_int_equal(ts_blend_count(b), length(c, "dataset"));
    for (int64_t i = 0; i < ts_blend_count(b); i++) {
        int64_t dataset, sample;
        ts_blend_at(b, i, &dataset, &sample);
        assert_int_equal(dataset, item(c, "dataset", i));
        assert_int_equal(sample, item(c, "sample", i));
    }
}

static void blends(void **state)
{
    size_t k;
    json_t *c;
    json_array_foreach(json_object_get(*state, "blends"), k, c) {
        double w[256];
        const int64_t n = length(c, "raw");
        ts_blend *b = NULL;
        for (int64_t i = 0; i < n; i++)
            w[i] = json_number_value(json_array_get(json_object_get(c, "raw"), (size_t)i));
        ts_blend_normalize(w, n);
        for (int64_t i = 0; i < n; i++) /* the same bits as NumPy's */
            assert_true(w[i] == json_number_value(
                                    json_array_get(json_object_get(c, "weights"), (size_t)i)));
        OK(ts_blend_create(w, n, number(c, "n"), &b));
        check_blend(c, b);
        ts_blend_destroy(&b);
    }
    assert_int_equal(k, 16);
    json_array_foreach(json_object_get(*state, "exhaustive"), k, c) {
        int64_t sizes[8];
        ts_blend *b = NULL;
        for (int64_t i = 0; i < length(c, "sizes"); i++)
            sizes[i] = item(c, "sizes", i);
        OK(ts_blend_create_exhaustive(sizes, length(c, "sizes"), &b));
        check_blend(c, b);
        ts_blend_destroy(&b);
    }
    assert_int_equal(k, 3);
}

static void splits(void **state)
{
    size_t k;
    json_t *c, *ranges;
    const char *count;
    json_array_foreach(json_object_get(*state, "splits"), k, c) {
        double split[4];
        OK(ts_split_parse(json_string_value(json_object_get(c, "text")), split));
        json_object_foreach(json_object_get(c, "ranges"), count, ranges) {
            for (int p = 0; p < 3; p++) {
                int64_t first, n;
                ts_split_range(split, p, strtoll(count, NULL, 10), &first, &n);
                const json_t *want = json_array_get(ranges, (size_t)p);
                assert_int_equal(first, json_integer_value(json_array_get(want, 0)));
                assert_int_equal(first + n, json_integer_value(json_array_get(want, 1)));
            }
        }
    }
    assert_int_equal(k, 8);
}

static void refuses_words(void **state)
{
    (void)state;
    double split[4];
    static const char *const bad[] = { "", "0,0,0", "a", "1,2,3,4", "1.2.3", "nan,1,1",
                                        "-1,2,3", "1,inf", "1e2,1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(ts_split_parse(bad[i], split), TS_ERR_USER, "--split");
    static const struct {
        const char *words[4];
        int64_t n, prefixes; /* -1: refused */
        bool weighted;
    } cases[] = {
        { { "a" }, 1, 1, false },           { { "a", "b" }, 2, 2, false },
        { { "0.3", "a" }, 2, 1, true },     { { "0.3", "a", "0.7", "b" }, 4, 2, true },
        { { "0.3", "a", "b" }, 3, 3, false }, { { "0.3", "a", "x", "b" }, 4, -1, false },
        { { "-1", "a", "2", "b" }, 4, -1, false }, { { "0", "a", "0", "b" }, 4, -1, false },
        { { "nan", "a", "1", "b" }, 4, -1, false }, { { "inf", "a", "1", "b" }, 4, -1, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *v[4];
        ts_blend_words w = { 0 };
        memcpy(v, cases[i].words, sizeof v);
        const ts_option_list list = { v, cases[i].n };
        if (cases[i].prefixes < 0) {
            REFUSED(ts_blend_words_parse("data-path", &list, &w), TS_ERR_USER, "--data-path");
            continue;
        }
        OK(ts_blend_words_parse("data-path", &list, &w));
        assert_int_equal(w.n, cases[i].prefixes);
        assert_int_equal(w.weights != NULL, cases[i].weighted);
        assert_string_equal(w.prefixes[0], cases[i].words[cases[i].weighted ? 1 : 0]);
        ts_blend_words_deinit(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_of_the_generator), cmocka_unit_test(shuffles),
        cmocka_unit_test(orders),                   cmocka_unit_test(refuses_orders),
        cmocka_unit_test(blends),                   cmocka_unit_test(splits),
        cmocka_unit_test(refuses_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
