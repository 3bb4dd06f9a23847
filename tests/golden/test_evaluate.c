/* `evaluate` against lm-evaluation-harness 0.4.13 on transformers (scripts/golden_evaluate.py). */
#include "base/file.h"
#include "base/json.h"
#include "tessera/evaluate.h"

#include "../unit/cmocka_all.h"
#include "../unit/temp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/golden/evaluate"
enum { MOST = 24 };

static temp dir;

static double real_at(const json_t *list, size_t i) { return json_number_value(json_array_get(list, i)); }

static void is_same(const json_t *got, const json_t *want, const char *key, const char *name)
{
    const json_t *a = json_object_get(got, key), *b = json_object_get(want, key);
    if (b && !json_equal(a, b))
        fail_msg("%s: %s: %s, expected %s", name, key, json_dumps(a, JSON_ENCODE_ANY), json_dumps(b, JSON_ENCODE_ANY));
}

/* Log-likelihoods were made in float64. Ours are sums in float32 of a model of this depth, as own_error is of
 * transformers; another order of summing has errors of that size: 10 times as many are allowed, and rounding to nine
 * digits. */
static void is_near(const json_t *got, const json_t *want, const char *name)
{
    const json_t *a = json_object_get(got, "loglikelihoods"), *b = json_object_get(want, "loglikelihoods");
    const double own = json_number_value(json_object_get(want, "own_error"));
    assert_int_equal(json_array_size(a), json_array_size(b));
    for (size_t i = 0; i < json_array_size(b); i++)
        if (fabs(real_at(a, i) - real_at(b, i)) > 10 * own + 1e-6 * (1 + fabs(real_at(b, i))))
            fail_msg("%s: log-likelihood %zu is %g, expected %g", name, i, real_at(a, i), real_at(b, i));
}

/* The golden sample of a line. */
static const json_t *golden_of(const json_t *run, const json_t *line, bool subjects)
{
    const json_t *samples = json_object_get(run, "samples");
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *s = json_array_get(samples, i);
        if (json_equal(json_object_get(s, "index"), json_object_get(line, "index")) &&
            (!subjects || json_equal(json_object_get(s, "subject"), json_object_get(line, "subject"))))
            return s;
    }
    return NULL;
}

static size_t check_lines(const json_t *run, const char *path, const char *name, bool subjects)
{
    ts_str text = { 0 };
    size_t n = 0;
    OK(ts_file_read(path, &text));
    for (char *s = text.s, *end; (end = strchr(s, '\n')); s = end + 1, n++) {
        json_t *line;
        OK(ts_json_parse(s, (size_t)(end - s), name, &line));
        const json_t *want = golden_of(run, line, subjects);
        assert_non_null(want);
        is_same(line, want, json_object_get(line, "prompt") ? "prompt" : "index", name);
        is_same(line, want, "generated", name);
        is_same(line, want, "extracted", name);
        is_same(line, want, "correct", name);
        is_near(line, want, name);
        json_decref(line);
    }
    ts_str_deinit(&text);
    return n;
}

/* Shares and standard errors. */
static void check_scores(const json_t *run, const json_t *report, const char *name)
{
    const char *task, *metric;
    json_t *want, *v;
    json_t *all = json_object_get(report, "tasks");
    json_t *of_task = json_object_iter_value(json_object_iter(all));
    json_object_foreach(json_object_get(run, "scores"), task, want)
    {
        const json_t *got = strncmp(task, "mmlu_", 5) ? of_task
                                                      : json_object_get(json_object_get(of_task, "subjects"), task + 5);
        json_object_foreach(want, metric, v)
        {
            const double d = json_number_value(json_object_get(got, metric)) - json_number_value(v);
            if (!json_is_number(json_object_get(got, metric)) || fabs(d) > 1e-12)
                fail_msg("%s: %s is off by %g", name, metric, d);
        }
    }
}

static void check_run(const json_t *run)
{
    const char *name = json_string_value(json_object_get(run, "name")), *options[MOST];
    const json_t *more = json_object_get(run, "options");
    ts_str out = { 0 }, data = { 0 };
    char *report;
    size_t n = 0, bytes;
    json_t *said;
    OK(ts_path_join(&out, dir.dir, "samples.jsonl"));
    OK(ts_path_join(&data, FOLDER "/data", json_string_value(json_object_get(run, "data"))));
    const char *const fixed[] = { "--task", json_string_value(json_object_get(run, "task")), "--task-data-path", data.s,
                                  "--output", out.s, "--threads", "1" };
    for (; n < sizeof fixed / sizeof *fixed; n++)
        options[n] = fixed[n];
    for (size_t i = 0; i < json_array_size(more); i++)
        options[n++] = json_string_value(json_array_get(more, i));
    if (ts_evaluate(FOLDER "/model", options, n, &report, &bytes) != TS_OK)
        fail_msg("%s: %s", name, ts_error_message());
    OK(ts_json_parse(report, bytes, name, &said));
    assert_int_equal(check_lines(run, out.s, name, !strncmp(name, "mmlu", 4)),
                     json_array_size(json_object_get(run, "samples")));
    check_scores(run, said, name);
    json_decref(said);
    free(report);
    ts_str_deinit(&out);
    ts_str_deinit(&data);
}

static void equals_the_harness(void **state)
{
    json_t *runs;
    (void)state;
    temp_make(&dir);
    OK(ts_json_read(FOLDER "/golden.json", &runs));
    for (size_t i = 0; i < json_array_size(runs); i++)
        check_run(json_array_get(runs, i));
    json_decref(runs);
    temp_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_the_harness) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
