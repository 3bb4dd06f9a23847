/* A training command's own options, and the job that they describe on the device without memory:
 * whatever is not refused can be planned. */
#include "base/json.h"
#include "fuzz.h"
#include "plan/report.h"
#include "plan/run.h"

enum { MOST_WORDS = 128 };

/* No file is looked at, and no more is counted than takes a moment. */
static bool is_small(ts_job_options *o, ts_plan_options *p)
{
    ts_model_options *m = &o->model;
    const ts_train_options *t = &o->train;
    const int64_t micro = t->micro_batch_size > 0 ? t->micro_batch_size : 1;
    o->runtime.load = m->model_config = NULL;
    memset(&o->text, 0, sizeof o->text);
    p->hardware = "laptop";
    return m->num_layers <= 4 && o->parallel.pipeline <= 8 && o->parallel.chunks <= 4 && m->hidden_size <= 1 << 16 && t->seq_length <= 1 << 16 &&
           micro <= 1 << 16;
}

static void plan(ts_job_options *o, const ts_option_set *set, ts_plan_options *p)
{
    ts_plan plan;
    ts_str text = { 0 };
    json_t *root = NULL;
    if (!is_small(o, p))
        return;
    if (ts_plan_run(o, set, p, &plan) != TS_OK) {
        ts_plan_deinit(&plan);
        return;
    }
    if (ts_plan_table(&plan, &text) != TS_OK)
        abort();
    ts_str_reset(&text);
    if (ts_plan_json(&plan, &text) != TS_OK ||
        ts_json_parse(text.s, text.len, "plan", &root) != TS_OK)
        abort();
    json_decref(root);
    ts_str_deinit(&text);
    ts_plan_deinit(&plan);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Words that begin like an option and are none are left out: suggesting names for them takes longer
 * than the rest, and is what the target `options` is for. */
static bool is_word(const ts_option_table *tables, const char *word)
{
    static const char *names[1024];
    static size_t n;
    char name[64];
    const char *key = name;
    const bool first = n == 0;
    for (size_t t = 0; first && t <= TS_JOB_TABLES; t++)
        for (size_t i = 0; i < tables[t].n && n < 1024; i++)
            names[n++] = tables[t].rows[i].name;
    if (first)
        qsort(names, n, sizeof *names, by_name);
    if (strncmp(word, "--", 2))
        return true;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    return bsearch(&key, names, n, sizeof *names, by_name);
}

/* The words of a command line, one a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ts_job_options o = { 0 };
    ts_plan_options p = { 0 };
    ts_option_table tables[TS_JOB_TABLES + 1];
    ts_option_set *set;
    char *text = fuzz_text(data, size), *words[MOST_WORDS];
    int n = 0;
    ts_job_tables(&o, tables);
    tables[TS_JOB_TABLES] = (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &p };
    for (char *s = text, *save = NULL, *w; n < MOST_WORDS && (w = strtok_r(s, "\n", &save));
         s = NULL)
        if (is_word(tables, w))
            words[n++] = w;
    if (ts_option_set_create(tables, TS_JOB_TABLES + 1, &set) != TS_OK)
        abort();
    if (ts_option_parse(set, n, words) == TS_OK && ts_option_finish(set) == TS_OK)
        plan(&o, set, &p);
    else if (!*ts_error_message())
        abort();
    ts_option_set_destroy(&set);
    free(text);
    return 0;
}
