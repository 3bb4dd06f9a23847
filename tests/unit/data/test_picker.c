/* The cyclic order against PyTorch's: tests/golden/data/batches.json of scripts/golden_batches.py.
 */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "data/nprandom.h"
#include "data/picker.h"

#include <string.h>

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int64_t at(const json_t *array, int64_t i)
{
    return json_integer_value(json_array_get(array, (size_t)i));
}

static int setup(void **state)
{
    json_t *root = NULL;
    OK(ts_json_read("tests/golden/data/batches.json", &root));
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static ts_data_source *made_up(int64_t n)
{
    ts_data_source *s = NULL;
    const ts_data_options o = { .mock_data = true, .split = "1,1,1" };
    const ts_data_need need = {
        .seq_length = 4, .n_train = n, .vocab_size = 9, .eod = 8, .pad = -1
    };
    OK(ts_data_source_create(&o, &need, &s));
    return s;
}

static ts_data_options cyclic(bool sharded)
{
    return (ts_data_options){ .dataloader_type = TS_DATALOADER_CYCLIC, .data_sharding = sharded };
}

static void permutations_are_torch_s(void **state)
{
    const json_t *cases = json_object_get(*state, "permutations"), *c;
    size_t i;
    uint32_t order[1500];
    json_array_foreach((json_t *)(uintptr_t)cases, i, c)
    {
        const int64_t n = number(c, "n");
        assert_in_range(n, 1, 1500);
        ts_nprandom_torch_permutation((uint32_t)number(c, "seed"), order, n);
        for (int64_t k = 0; k < n; k++)
            assert_int_equal(order[k], at(json_object_get(c, "order"), k));
    }
    assert_true(i > 3);
}

/* One rank of a case: in one go, or asked for two micro-batches at a time as a step does, the whole
 * way once more from behind. */
static void compare(const json_t *c, const ts_dataset *part, int64_t rank, bool from_behind)
{
    const int64_t micro = number(c, "micro"), dp = number(c, "dp"), n = number(c, "n"),
                  first = number(c, "first");
    const json_t *want = json_array_get(json_object_get(c, "ranks"), (size_t)rank);
    const ts_data_options o = cyclic(json_is_true(json_object_get(c, "sharded")));
    ts_picker p;
    int64_t got[8];
    OK(ts_picker_init(&p, &o, part, micro, rank, dp));
    OK(ts_picker_check(&p, first));
    for (int64_t k = 0; k < n; k++) {
        const int64_t m = from_behind ? n - 1 - k : k;
        OK(ts_picker_take(&p, first + m / 2 * 2 * micro * dp, m % 2, got));
        for (int64_t b = 0; b < micro; b++)
            if (got[b] != at(want, m * micro + b))
                fail_msg("total %lld, micro %lld, rank %lld of %lld: micro-batch %lld has %lld, "
                         "expected %lld",
                         (long long)p.total, (long long)micro, (long long)rank, (long long)dp,
                         (long long)m, (long long)got[b], (long long)at(want, m * micro + b));
    }
    ts_picker_deinit(&p);
}

static void every_rank_reads_what_torch_says(void **state)
{
    const json_t *cases = json_object_get(*state, "cyclic"), *c;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)cases, i, c)
    {
        ts_data_source *s = made_up(number(c, "total"));
        const ts_dataset *part = ts_data_source_part(s, TS_DATA_TRAIN);
        for (int64_t rank = 0; rank < number(c, "dp"); rank++) {
            compare(c, part, rank, false);
            compare(c, part, rank, true);
        }
        ts_data_source_destroy(&s);
    }
    assert_true(i > 30);
}

static void single_counts_on_and_wraps(void **state)
{
    (void)state;
    ts_data_source *s = made_up(10);
    const ts_data_options o = { .dataloader_type = TS_DATALOADER_SINGLE };
    ts_picker p;
    int64_t got[2];
    OK(ts_picker_init(&p, &o, ts_data_source_part(s, TS_DATA_TRAIN), 2, 1, 2));
    OK(ts_picker_check(&p, 3));
    OK(ts_picker_take(&p, 3, 1, got)); /* 3 + 4 + 2 */
    assert_true(got[0] == 9 && got[1] == 0);
    ts_picker_deinit(&p);
    ts_data_source_destroy(&s);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    ts_data_source *s = made_up(23), *none = NULL;
    const ts_dataset *part = ts_data_source_part(s, TS_DATA_TRAIN);
    ts_data_options o = cyclic(true);
    ts_picker p;
    int64_t got[4];
    REFUSED(ts_picker_init(&p, &o, part, 6, 0, 4), TS_ERR_USER,
            "23 samples are fewer than one micro-batch of 6 for each of 4 processes");
    OK(ts_picker_init(&p, &o, part, 4, 0, 2)); /* 16 of a pass */
    OK(ts_picker_check(&p, 16 + 8));
    REFUSED(ts_picker_check(&p, 16 + 6), TS_ERR_USER, "6 samples into a pass of 16");
    REFUSED(ts_picker_take(&p, 16 + 6, 0, got), TS_ERR_USER, "--micro-batch-size 4 x 2 processes");
    ts_picker_deinit(&p);
    o = (ts_data_options){ .mock_data = true, .dataloader_type = TS_DATALOADER_EXTERNAL };
    const ts_data_need need = { .seq_length = 4, .n_train = 1, .eod = -1, .pad = -1 };
    REFUSED(ts_data_source_create(&o, &need, &none), TS_ERR_USER, "--dataloader-type external");
    ts_data_source_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutations_are_torch_s),
        cmocka_unit_test(every_rank_reads_what_torch_says),
        cmocka_unit_test(single_counts_on_and_wraps),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
