/* Training on preferences against tests/golden/compare.json (scripts/golden_compare.py): losses, gradients, every figure
 * that is told; and rewards of sequences. */
#include "../unit/cmocka_all.h"
#include "../unit/temp.h"
#include "api/training.h"
#include "base/json.h"
#include "data/indexed.h"
#include "tessera/model.h"

#include <math.h>
#include <string.h>

static int setup(void **state)
{
    json_t *root = NULL;
    OK(ts_json_read("tests/golden/compare.json", &root));
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void write_key(const char *prefix, const char *key, const json_t *rows)
{
    char path[512];
    ts_indexed_builder *b = NULL;
    int32_t ids[64];
    snprintf(path, sizeof path, "%s_packed_%s_document", prefix, key);
    OK(ts_indexed_builder_create(path, TS_INDEXED_I32, &b));
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);
        const size_t n = json_array_size(row);
        assert_in_range(n, 1, 64);
        for (size_t i = 0; i < n; i++)
            ids[i] = (int32_t)json_integer_value(json_array_get(row, i));
        OK(ts_indexed_builder_add(b, ids, (int64_t)n));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
}

/* Sums of some tens of log-probabilities of fp32: rewards are told from each other by some 1e-6 of the sums (below 150
 * here, times beta), and what is trained of it makes later steps differ by more. A norm's terms are as large as its
 * slope. */
static void judge(const char *name, size_t step, const json_t *want, const json_t *got)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
    {
        const json_t *mine = json_object_get(got, key);
        const double a = json_real_value(v), b = json_number_value(mine), part = step ? 2e-4 : 1e-5,
                     bound = !strcmp(key, "rewards/accuracies") ? 1e-9 : part * (fabs(a) + 1) * (*key == 'g' ? 10 : 1);
        if (!json_is_number(mine) || !(fabs(a - b) <= bound))
            fail_msg("%s, step %zu: %s is %.9g, expected %.9g", name, step, key, b, a);
    }
    /* and nothing that was not to be told */
    json_object_foreach((json_t *)(uintptr_t)got, key, v)
        if (strchr(key, '/') || !strcmp(key, "kl"))
            assert_non_null(json_object_get(want, key));
}

static void judge_all(const char *name, const char *metrics, const json_t *steps)
{
    char line[4096];
    size_t n = 0;
    FILE *in = fopen(metrics, "r");
    assert_non_null(in);
    for (; fgets(line, sizeof line, in); n++) {
        json_t *got = json_loads(line, 0, NULL);
        assert_non_null(got);
        judge(name, n, json_array_get(steps, n), got);
        json_decref(got);
    }
    fclose(in);
    assert_int_equal(n, json_array_size(steps));
}

static const char *text(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static void train(const json_t *common, const json_t *c, const char *dir)
{
    const char *words[48];
    char load[256], reference[256], data[512], prefix[400], metrics[512];
    const json_t *options = json_object_get(c, "options"), *rows;
    const char *key;
    size_t n = 0;
    ts_training *t = NULL;
    snprintf(prefix, sizeof prefix, "%s/%s", dir, text(c, "name"));
    json_object_foreach(json_object_get(c, "keys"), key, rows)
        write_key(prefix, key, rows);
    snprintf(load, sizeof load, "--load=tests/golden/%s", text(c, "model"));
    snprintf(data, sizeof data, "--data-path=%s", prefix);
    snprintf(metrics, sizeof metrics, "--metrics-jsonl=%s.jsonl", prefix);
    for (size_t i = 0; i < json_array_size(common); i++)
        words[n++] = json_string_value(json_array_get(common, i));
    for (size_t i = 0; i < json_array_size(options); i++)
        words[n++] = json_string_value(json_array_get(options, i));
    if (text(c, "reference")) {
        snprintf(reference, sizeof reference, "--ref-model=tests/golden/%s", text(c, "reference"));
        words[n++] = reference;
    }
    words[n++] = load, words[n++] = data, words[n++] = metrics, words[n++] = "--threads=1", words[n++] = "--log-level=warning";
    assert_true(n <= 48);
    OK(ts_training_open(words, n, &t));
    OK(ts_training_run(t, NULL, NULL));
    ts_training_close(&t);
    judge_all(text(c, "name"), strchr(metrics, '=') + 1, json_object_get(c, "steps"));
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

static void rewards_are_torch_s(void **state)
{
    const json_t *lines = json_object_get(*state, "lines"), *want = json_object_get(*state, "rewards");
    static const char *const options[] = { "--reward", "--no-post-layer-norm" };
    double unused[8];
    for (size_t without = 0; without < 2; without++) {
        ts_lm *lm;
        OK(ts_lm_open("tests/golden/reward", options, 1 + without, &lm));
        for (size_t i = 0; i < json_array_size(lines); i++) {
            const json_t *line = json_array_get(lines, i);
            int32_t ids[32];
            double reward;
            for (size_t k = 0; k < json_array_size(line); k++)
                ids[k] = (int32_t)json_integer_value(json_array_get(line, k));
            OK(ts_lm_reward(lm, ids, json_array_size(line), &reward));
            const double expected = json_real_value(json_array_get(json_array_get(want, without), i));
            if (!(fabs(reward - expected) <= 2e-6 * (1 + fabs(expected))))
                fail_msg("line %zu: %.9g, expected %.9g", i, reward, expected);
        }
        assert_int_equal(ts_lm_score(lm, &(int32_t){ 3 }, 1, unused, NULL), TS_ERR_USER);
        assert_non_null(strstr(ts_error_message(), "no output layer"));
        ts_lm_close(&lm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(steps_are_torch_s), cmocka_unit_test(rewards_are_torch_s) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
