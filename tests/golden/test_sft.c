/* Tuning on answers against tests/golden/sft.json (scripts/golden_sft.py): order, parts, rows, losses, gradients. */
#include "../unit/cmocka_all.h"
#include "../unit/temp.h"
#include "api/training.h"
#include "base/json.h"
#include "data/indexed.h"
#include "data/rows_order.h"
#include "data/split.h"
#include "tessera/train.h"

#include <math.h>
#include <string.h>

static int64_t number(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }
static int64_t at(const json_t *array, size_t i) { return json_integer_value(json_array_get(array, i)); }

static int setup(void **state)
{
    json_t *root = NULL;
    OK(ts_json_read("tests/golden/sft.json", &root));
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void order_is_numpy_s(void **state)
{
    const json_t *rows = json_object_get(*state, "orders"), *c;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)rows, i, c)
    {
        const ts_rows_order o = { .n = number(c, "n"), .wanted = number(c, "wanted"), .seed = (uint32_t)number(c, "seed"),
                                  .shuffles = json_is_true(json_object_get(c, "shuffle")),
                                  .shuffles_all = json_is_true(json_object_get(c, "full")), .multiple = number(c, "multiple") };
        const json_t *want = json_object_get(c, "order");
        uint32_t *order;
        int64_t n;
        OK(ts_rows_order_make(&o, &order, &n));
        assert_int_equal(n, json_array_size(want));
        for (size_t k = 0; k < (size_t)n; k++)
            assert_int_equal(order[k], at(want, k));
        ts_free(&order);
    }
    assert_int_equal(i, 7);
}

static void parts_are_mindspeed_s(void **state)
{
    const json_t *rows = json_object_get(*state, "splits"), *c;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)rows, i, c)
    {
        const json_t *bound = json_object_get(c, "bounds");
        double share[3];
        OK(ts_split_shares(json_string_value(json_object_get(c, "split")), share));
        for (int part = 0; part < 3; part++) {
            int64_t first, n;
            ts_split_samples(share, part, number(c, "n"), &first, &n);
            assert_int_equal(first, at(bound, (size_t)part));
            assert_int_equal(first + n, at(bound, (size_t)part + 1));
        }
    }
    assert_int_equal(i, 7);
}

static void write_key(const char *prefix, const char *key, const json_t *rows)
{
    char path[512];
    ts_indexed_builder *b = NULL;
    int32_t ids[256];
    snprintf(path, sizeof path, "%s_packed_%s_document", prefix, key);
    OK(ts_indexed_builder_create(path, TS_INDEXED_I32, &b));
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);
        const size_t n = json_array_size(row);
        assert_in_range(n, 1, 256);
        for (size_t i = 0; i < n; i++)
            ids[i] = (int32_t)at(row, i);
        OK(ts_indexed_builder_add(b, ids, (int64_t)n));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
}

typedef struct seen {
    const json_t *steps;
    const char *name;
    int64_t n;
} seen;

/* The first step differs by fp32's rounding, later ones by what was trained of it; measured, a tenth of this. */
static unsigned compare(void *ctx, const ts_train_step *s)
{
    seen *v = ctx;
    const json_t *want = json_array_get(v->steps, (size_t)v->n);
    const double loss = json_real_value(json_array_get(want, 0)), norm = json_real_value(json_array_get(want, 1));
    const double bound = v->n ? 2e-5 : 2e-6;
    if (!(fabs(s->loss - loss) <= bound * loss) || !(fabs(s->grad_norm - norm) <= 10 * bound * norm))
        fail_msg("%s, iteration %lld: loss %.9g, not %.9g; norm %.9g, not %.9g", v->name, (long long)s->iteration, s->loss, loss,
                 s->grad_norm, norm);
    assert_int_equal(s->tokens, at(want, 2));
    v->n++;
    return TS_TRAIN_GO_ON;
}

/* Trains with the options of a case, and these two words. */
static void train_with(const json_t *common, const json_t *c, const char *name, const char *load, const char *data)
{
    const char *words[48];
    const json_t *options = json_object_get(c, "options");
    size_t n = 0;
    ts_training *t = NULL;
    seen v = { .steps = json_object_get(c, "steps"), .name = name };
    for (size_t i = 0; i < json_array_size(common); i++)
        words[n++] = json_string_value(json_array_get(common, i));
    for (size_t i = 0; i < json_array_size(options); i++)
        words[n++] = json_string_value(json_array_get(options, i));
    words[n++] = load, words[n++] = data, words[n++] = "--threads=1", words[n++] = "--log-level=warning";
    assert_true(n <= 48);
    OK(ts_training_open(words, n, &t));
    OK(ts_training_run(t, compare, &v));
    assert_int_equal(v.n, json_array_size(v.steps));
    ts_training_close(&t);
}

static void train(const json_t *common, const json_t *c, const char *dir)
{
    char load[256], data[512], prefix[400];
    const char *key, *name = json_string_value(json_object_get(c, "name"));
    const json_t *rows;
    snprintf(prefix, sizeof prefix, "%s/%s", dir, name);
    json_object_foreach(json_object_get(c, "keys"), key, rows)
        write_key(prefix, key, rows);
    snprintf(load, sizeof load, "--load=tests/golden/families/%s", json_string_value(json_object_get(c, "model")));
    snprintf(data, sizeof data, "--data-path=%s", prefix);
    train_with(common, c, name, load, data);
}

static void steps_are_torch_s(void **state)
{
    const json_t *cases = json_object_get(*state, "cases"), *c;
    temp t;
    size_t i;
    temp_make(&t);
    json_array_foreach((json_t *)(uintptr_t)cases, i, c)
        train(json_object_get(*state, "common"), c, t.dir);
    assert_int_equal(i, 9);
    temp_remove(&t);
}

/* Heads of labels, rankings and vectors against tests/golden/classes.json (scripts/golden_classes.py). */
static void classes_are_transformers_s(void **state)
{
    json_t *root = NULL;
    const json_t *c, *one;
    temp t;
    size_t i, k;
    (void)state;
    temp_make(&t);
    OK(ts_json_read("tests/golden/classes.json", &root));
    json_array_foreach(json_object_get(root, "cases"), i, c) {
        const char *model = json_string_value(json_object_get(c, "model"));
        char load[256], data[600];
        ts_str lines = { 0 };
        json_array_foreach(json_object_get(c, "records"), k, one) {
            OK(ts_json_write(one, 0, "a record", &lines));
            OK(ts_str_puts(&lines, "\n"));
        }
        temp_write(&t, "texts.jsonl", lines.s, lines.len);
        snprintf(load, sizeof load, "--load=tests/golden/%s", model);
        snprintf(data, sizeof data, "--data-path=%s", temp_path(&t, "texts.jsonl"));
        train_with(json_object_get(root, "common"), c, model, load, data);
        ts_str_deinit(&lines);
    }
    assert_int_equal(i, 11);
    json_decref(root);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(order_is_numpy_s), cmocka_unit_test(parts_are_mindspeed_s),
                                        cmocka_unit_test(steps_are_torch_s), cmocka_unit_test(classes_are_transformers_s) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
