/* What preprocess makes of records by MindSpeed LLM's handlers and templates, against those themselves
 * (scripts/golden_prompts.py). */
#include "base/file.h"
#include "base/json.h"
#include "tessera/data.h"

#include "../unit/cmocka_all.h"
#include "../unit/temp.h"

#include <string.h>

#define FOLDER "tests/golden/prompts"
enum { MOST = 4096, SAMPLES = 16 };

static temp dir;

/* A file of the case's values, one a line, or whole. Its path is kept in `made`. */
static const char *write_file(const char *name, const json_t *v, bool lines, ts_str *made)
{
    ts_str text = { 0 };
    for (size_t i = 0; lines && i < json_array_size(v); i++) {
        OK(ts_json_write(json_array_get(v, i), JSON_COMPACT, name, &text));
        OK(ts_str_puts(&text, "\n"));
    }
    if (!lines)
        OK(ts_json_write(v, 0, name, &text));
    temp_write(&dir, name, text.s, text.len);
    OK(ts_path_join(made, dir.dir, name));
    ts_str_deinit(&text);
    return made->s;
}

/* The options of a case; texts that are made stand in `made`. */
static size_t options_of(const json_t *c, const char *prefix, ts_str made[3], const char **out)
{
    const json_t *given = json_object_get(c, "options"), *templates = json_object_get(c, "templates");
    size_t n = 0;
    OK(ts_str_printf(&made[1], FOLDER "/%s", json_string_value(json_object_get(c, "tokenizer"))));
    const char *const fixed[] = { "--input",
                                  write_file("records.jsonl", json_object_get(c, "records"), true, &made[0]),
                                  "--output-prefix",
                                  prefix,
                                  "--tokenizer-type",
                                  "PretrainedFromHF",
                                  "--tokenizer-name-or-path",
                                  made[1].s,
                                  "--workers",
                                  "2" };
    for (; n < sizeof fixed / sizeof *fixed; n++)
        out[n] = fixed[n];
    for (size_t i = 0; i < json_array_size(given); i++)
        out[n++] = json_string_value(json_array_get(given, i));
    if (templates) {
        out[n++] = "--prompt-type-path";
        out[n++] = write_file("templates.json", templates, false, &made[2]);
    }
    return n;
}

/* A compact array as it is written: labels as lengths of runs without and with labels, in turn. */
static int64_t expected(const json_t *want, const int32_t *ids, int32_t *out)
{
    const json_t *runs = json_object_get(want, "runs");
    int64_t n = 0;
    for (size_t i = 0; i < json_array_size(runs); i++)
        for (json_int_t k = json_integer_value(json_array_get(runs, i)); k > 0; k--, n++)
            out[n] = i % 2 ? ids[n] : -100;
    for (size_t i = 0; !runs && i < json_array_size(want); i++)
        out[n++] = (int32_t)json_integer_value(json_array_get(want, i));
    return n;
}

/* ids: of the sample's input_ids, of which the labels are made; read here where the key is that. */
static void compare(const char *name, const char *key, const char *prefix, const json_t *samples,
                    int32_t (*ids)[MOST])
{
    ts_token_file *f;
    int32_t got[MOST], want[MOST];
    OK(ts_token_file_open(prefix, &f));
    if (ts_token_file_documents(f) != (int64_t)json_array_size(samples))
        fail_msg("%s: %s: %lld samples, expected %zu", name, key, (long long)ts_token_file_documents(f),
                 json_array_size(samples));
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const int64_t n = ts_token_file_length(f, (int64_t)i),
                      m = expected(json_array_get(samples, i), ids[i], want);
        assert_true(n <= MOST && i < SAMPLES);
        OK(ts_token_file_read(f, (int64_t)i, 0, n, got));
        for (int64_t k = 0; k < n && k < m; k++)
            if (got[k] != want[k])
                fail_msg("%s: %s: sample %zu, token %lld is %d, expected %d", name, key, i, (long long)k,
                         got[k], want[k]);
        if (n != m)
            fail_msg("%s: %s: sample %zu has %lld tokens, expected %lld", name, key, i, (long long)n,
                     (long long)m);
        if (strstr(key, "input_ids"))
            memcpy(ids[i], got, (size_t)n * sizeof *got);
    }
    ts_token_file_close(&f);
}

static void run_case(const json_t *c, size_t number)
{
    const char *options[64], *key, *name = json_string_value(json_object_get(c, "case"));
    ts_str made[3] = { { 0 }, { 0 }, { 0 } }, prefix = { 0 }, file = { 0 };
    static int32_t ids[SAMPLES][MOST];
    json_t *samples, *arrays = json_object_get(c, "arrays");
    OK(ts_str_printf(&prefix, "%s/%zu", dir.dir, number));
    const size_t n = options_of(c, prefix.s, made, options);
    if (ts_data_preprocess(options, n, NULL) != TS_OK)
        fail_msg("%s: %s", name, ts_error_message());
    json_object_foreach(arrays, key, samples)
    {
        const bool is_text = !strcmp(key, "text");
        ts_str_reset(&file);
        OK(ts_str_printf(&file, "%s%s_%s_document", prefix.s, is_text ? "" : "_packed", key));
        compare(name, key, file.s, samples, ids);
    }
    ts_str_deinit(&prefix);
    ts_str_deinit(&file);
    for (int i = 0; i < 3; i++)
        ts_str_deinit(&made[i]);
}

static void cases(void **state)
{
    (void)state;
    ts_str text = { 0 };
    size_t n = 0;
    OK(ts_file_read(FOLDER "/cases.jsonl", &text));
    for (char *line = text.s, *end; *line; line = end + 1, n++) {
        json_t *c;
        end = strchr(line, '\n');
        OK(ts_json_parse(line, (size_t)(end - line), "cases.jsonl", &c));
        run_case(c, n);
        json_decref(c);
    }
    assert_true(n > 90);
    ts_str_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cases) };
    temp_make(&dir);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    temp_remove(&dir);
    return failed;
}
