#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "data/indexed.h"
#include "data/source.h"

enum { S = 8 };

/* docs documents of `len` tokens: base, base + 1, ... and an end-of-document id (99) last. */
static void build(const char *prefix, int docs, int len, int32_t base)
{
    int32_t ids[256];
    ts_indexed_builder *b = NULL;
    OK(ts_indexed_builder_create(prefix, TS_INDEXED_I32, &b));
    for (int d = 0; d < docs; d++) {
        for (int i = 0; i < len; i++)
            ids[i] = i == len - 1 ? 99 : base + i;
        OK(ts_indexed_builder_add(b, ids, len));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
}

static ts_option_list list_of(const char **words, int64_t n)
{
    return (ts_option_list){ words, n };
}

static void marks_follow_the_options(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    build(temp_path(&t, "a"), 20, 5, 10);
    for (int flags = 0; flags < 8; flags++) {
        ts_data_source *s = NULL;
        const char *word = temp_path(&t, "a");
        const ts_data_options o = { .data_path = list_of(&word, 1), .split = "100,0,0",
                                    .eod_mask_loss = flags & 1, .reset_position_ids = flags & 2,
                                    .reset_attention_mask = flags & 4 };
        const ts_data_need need = { .seq_length = S, .seed = 1, .n_train = 30, .n_valid = 4,
                                    .n_test = 4, .vocab_size = 100, .eod = 99, .pad = -1 };
        OK(ts_data_source_create(&o, &need, &s));
        const ts_dataset *d = ts_data_source_part(s, TS_DATA_TRAIN);
        assert_non_null(d);
        assert_null(ts_data_source_part(s, TS_DATA_VALID));
        assert_null(ts_data_source_part(s, TS_DATA_TEST));
        assert_true(d->n >= 30);
        ts_batch all, few; /* a batch may have less than the samples, and any row of it is theirs */
        OK(ts_batch_create(d->field, d->n_fields, 2, true, &all));
        OK(ts_batch_create(d->field, 1, 1, true, &few));
        for (int64_t i = 0; i < d->n; i++) {
            int32_t position = 0, segment = 0;
            OK(d->get(d, i, &all, 1));
            OK(d->get(d, i, &few, 0));
            const int32_t *tokens = ts_batch_ints(&all, "tokens", 1),
                          *positions = ts_batch_ints(&all, "position_ids", 1),
                          *segments = ts_batch_ints(&all, "segments", 1);
            const float *loss = ts_batch_floats(&all, "loss_mask", 1);
            assert_memory_equal(tokens, ts_batch_ints(&few, "tokens", 0), (S + 1) * sizeof *tokens);
            assert_int_equal(positions != NULL, (flags & 2) != 0);
            assert_int_equal(segments != NULL, (flags & 4) != 0);
            for (int k = 0; k < S; k++) {
                const bool end = tokens[k] == 99;
                assert_true(loss[k] == ((flags & 1) && end ? 0.0f : 1.0f));
                assert_true(!positions || positions[k] == position);
                assert_true(!segments || segments[k] == segment);
                position = (flags & 2) && end ? 0 : position + 1;
                segment += (flags & 4) && end;
                assert_int_equal(tokens[k + 1], end ? 10 : tokens[k] == 13 ? 99 : tokens[k] + 1);
            }
        }
        ts_batch_deinit(&all);
        ts_batch_deinit(&few);
        ts_data_source_destroy(&s);
    }
    temp_remove(&t);
}

static void pads_carry_no_loss(void **state)
{
    (void)state;
    temp t;
    ts_data_source *s = NULL;
    temp_make(&t);
    build(temp_path(&t, "a"), 20, 5, 10);
    const char *word = temp_path(&t, "a");
    const ts_data_options o = { .data_path = list_of(&word, 1), .split = "1" };
    const ts_data_need need = {
        .seq_length = S, .n_train = 10, .vocab_size = 100, .eod = 99, .pad = 12
    };
    OK(ts_data_source_create(&o, &need, &s));
    const ts_dataset *d = ts_data_source_part(s, TS_DATA_TRAIN);
    ts_batch b;
    OK(ts_batch_create(d->field, d->n_fields, 1, true, &b));
    for (int64_t i = 0; i < d->n; i++) {
        const int32_t *tokens = ts_batch_ints(&b, "tokens", 0);
        const float *loss = ts_batch_floats(&b, "loss_mask", 0);
        OK(d->get(d, i, &b, 0));
        for (int k = 0; k < S; k++) { /* 12 is read as padding: 0, without loss */
            assert_int_not_equal(tokens[k], 12);
            assert_true(loss[k] == (tokens[k + 1] == 0 ? 0.0f : 1.0f));
        }
    }
    ts_batch_deinit(&b);
    ts_data_source_destroy(&s);
    temp_remove(&t);
}

static void get_tokens(const ts_dataset *d, int64_t i, int32_t *tokens)
{
    ts_batch b;
    OK(ts_batch_create(d->field, 1, 1, true, &b));
    OK(d->get(d, i, &b, 0));
    memcpy(tokens, ts_batch_ints(&b, "tokens", 0), (S + 1) * sizeof *tokens);
    ts_batch_deinit(&b);
}

static int family(const int32_t *tokens)
{
    for (int k = 0;; k++)
        if (tokens[k] != 99)
            return tokens[k] / 10;
}

static void blends_files(void **state)
{
    (void)state;
    static const int want[] = { 2, 1, 2, 2, 1, 2, 2, 1, 2, 2 };
    temp t;
    ts_data_source *s = NULL;
    char a[96], b[96];
    temp_make(&t);
    snprintf(a, sizeof a, "%s", temp_path(&t, "a"));
    snprintf(b, sizeof b, "%s", temp_path(&t, "b"));
    build(a, 20, 5, 10);
    build(b, 30, 5, 20);
    const char *weighted[] = { "0.3", a, "0.7", b }, *plain[] = { a, b };
    const ts_data_need need = {
        .seq_length = S, .n_train = 10, .n_valid = 3, .vocab_size = 100, .eod = 99, .pad = -1
    };
    ts_data_options o = { .data_path = list_of(weighted, 4), .split = "90,10,0" };
    OK(ts_data_source_create(&o, &need, &s));
    const ts_dataset *d = ts_data_source_part(s, TS_DATA_TRAIN);
    assert_int_equal(d->n, 10);
    assert_non_null(ts_data_source_part(s, TS_DATA_VALID));
    for (int i = 0; i < 10; i++) {
        int32_t tokens[S + 1];
        get_tokens(d, i, tokens);
        assert_int_equal(family(tokens), want[i]);
    }
    ts_data_source_destroy(&s);
    o.data_path = list_of(plain, 2);
    OK(ts_data_source_create(&o, &need, &s)); /* whole files: 11 and 16 samples, 10 wanted */
    assert_int_equal(ts_data_source_part(s, TS_DATA_TRAIN)->n, 10);
    ts_data_source_destroy(&s);
    o = (ts_data_options){ .train_data_path = list_of(weighted, 4),
                           .valid_data_path = list_of(plain, 1) };
    OK(ts_data_source_create(&o, &need, &s));
    assert_int_equal(ts_data_source_part(s, TS_DATA_TRAIN)->n, 10);
    assert_int_equal(ts_data_source_part(s, TS_DATA_VALID)->n, 12);
    ts_data_source_destroy(&s);
    ts_str args = { 0 };
    OK(ts_str_printf(&args, "0.3 %s\n0.7\t%s\n", a, b));
    temp_write(&t, "args", args.s, args.len);
    ts_str_deinit(&args);
    o = (ts_data_options){ .data_args_path = temp_path(&t, "args"), .split = "100" };
    OK(ts_data_source_create(&o, &need, &s));
    assert_int_equal(ts_data_source_part(s, TS_DATA_TRAIN)->n, 10);
    ts_data_source_destroy(&s);
    temp_remove(&t);
}

static void mock_data(void **state)
{
    (void)state;
    ts_data_source *s = NULL;
    const ts_data_options o = { .mock_data = true };
    const ts_data_need need = {
        .seq_length = S, .n_train = 100, .vocab_size = 50, .eod = 49, .pad = -1
    };
    int32_t a[S + 1], b[S + 1];
    OK(ts_data_source_create(&o, &need, &s));
    const ts_dataset *d = ts_data_source_part(s, TS_DATA_TRAIN);
    assert_int_equal(d->n, 100);
    for (int64_t i = 0; i < 100; i++) {
        get_tokens(d, i, a);
        get_tokens(d, i, b);
        assert_memory_equal(a, b, sizeof a);
        for (int k = 0; k <= S; k++)
            assert_in_range(a[k], 0, 49);
    }
    ts_data_source_destroy(&s);
}

static void refuses(void **state)
{
    (void)state;
    temp t;
    ts_data_source *s = NULL;
    char a[96];
    temp_make(&t);
    snprintf(a, sizeof a, "%s", temp_path(&t, "a"));
    build(a, 20, 5, 10);
    const char *word = a, *absent = "/nowhere/absent";
    ts_data_need need = {
        .seq_length = S, .n_train = 10, .n_valid = 3, .vocab_size = 99, .eod = 99, .pad = -1
    };
    ts_data_options o = { .data_path = list_of(&word, 1), .split = "100,0,0" };
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER,
            "a.bin: document 0: the id 99 at token 4");
    need.vocab_size = 100;
    o.split = "9999,1,0";
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "leaves validation data none");
    o.split = "0,1,0";
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--split 0,1,0 leaves nothing");
    o.split = "x";
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--split");
    o.split = "100,0,0";
    o.data_path = list_of(&absent, 1);
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "absent.idx");
    o.train_data_path = list_of(&word, 1);
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--train-data-path");
    o = (ts_data_options){ .data_path = list_of(&word, 1), .mock_data = true };
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--mock-data");
    o = (ts_data_options){ .split = "100,0,0" };
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "there are no data to train on");
    o.valid_data_path = list_of(&word, 1);
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--valid-data-path is given, but");
    need.eod = -1;
    o = (ts_data_options){ .data_path = list_of(&word, 1), .reset_position_ids = true };
    REFUSED(ts_data_source_create(&o, &need, &s), TS_ERR_USER, "--reset-position-ids");
    assert_null(s);
    temp_remove(&t);
}

static void sampler(void **state)
{
    (void)state;
    /* 3 ranks, micro-batches of 2, after 12 samples: rank 1's second micro-batch. */
    assert_int_equal(ts_sampler_first(12, 1, 2, 1, 3), 20);
    assert_int_equal(ts_sampler_first(12, 0, 2, 0, 3), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_follow_the_options), cmocka_unit_test(pads_carry_no_loss),
        cmocka_unit_test(blends_files),             cmocka_unit_test(mock_data),
        cmocka_unit_test(refuses),                  cmocka_unit_test(sampler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
