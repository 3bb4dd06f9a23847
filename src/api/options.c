#include "tessera/options.h"

#include "api/checkpoint.h"
#include "api/lm.h"
#include "api/preprocess_run.h"
#include "api/words.h"
#include "convert/convert.h"
#include "plan/simulate.h"

#include <string.h>

/* Every subject's settings, one of which is looked at. */
typedef struct settings {
    ts_job_options job;
    ts_plan_options plan;
    ts_preprocess_options preprocess;
    ts_tokenizer_train_options tokenizer_train;
    ts_gen_options gen;
    ts_lm_batch_options batch;
    ts_lm_options lm;
    ts_checkpoint_options checkpoint;
    ts_convert_options convert;
} settings;

enum { MOST_TABLES = TS_JOB_TABLES + 1 };

static const char *const subjects[] = {
    "tokenizer", "tokenizer_train", "preprocess", "model", "generate", "train", "plan", "checkpoint",
    "convert",
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

const char *ts_options_subject(size_t index) { return index < N_SUBJECTS ? subjects[index] : NULL; }

static size_t tables_of(size_t subject, settings *s, ts_option_table *out)
{
    const ts_option_table text = { ts_text_option_rows, ts_text_option_count, &s->job.text };
    out[0] = text;
    switch (subject) {
    case 0: return 1;
    case 1:
        out[0] = (ts_option_table){ ts_tokenizer_train_rows, ts_tokenizer_train_count,
                                    &s->tokenizer_train };
        return 1;
    case 2:
        out[1] = (ts_option_table){ ts_preprocess_option_rows, ts_preprocess_option_count,
                                    &s->preprocess };
        return 2;
    case 3:
        out[1] =
            (ts_option_table){ ts_runtime_option_rows, ts_runtime_option_count, &s->job.runtime };
        out[2] = (ts_option_table){ ts_lm_option_rows, ts_lm_option_count, &s->lm };
        out[3] = (ts_option_table){ ts_lm_cache_rows, ts_lm_cache_count, &s->lm };
        return 4;
    case 4:
        out[0] = (ts_option_table){ ts_gen_option_rows, ts_gen_option_count, &s->gen };
        out[1] = (ts_option_table){ ts_lm_batch_rows, ts_lm_batch_count, &s->batch };
        return 2;
    case 5:
    case 6:
        ts_job_tables(&s->job, out);
        out[TS_JOB_TABLES] =
            (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &s->plan };
        return subject == 5 ? TS_JOB_TABLES : TS_JOB_TABLES + 1;
    case 7:
        out[0] = (ts_option_table){ ts_checkpoint_rows, ts_checkpoint_count_rows, &s->checkpoint };
        return 1;
    default:
        out[0] = (ts_option_table){ ts_convert_rows, ts_convert_count_rows, &s->convert };
        return 1;
    }
}

static ts_status describe(const char *subject, char **text,
                          ts_status (*put)(const ts_option_set *set, ts_str *out))
{
    size_t i = 0;
    settings *s;
    ts_option_table tables[MOST_TABLES];
    ts_option_set *set = NULL;
    ts_str out = { 0 };
    while (i < N_SUBJECTS && strcmp(subject, subjects[i]))
        i++;
    if (i == N_SUBJECTS)
        return ts_error(TS_ERR_USER, "there are no options of \"%s\"; see ts_options_subject",
                        subject);
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    ts_status st = ts_option_set_create(tables, tables_of(i, s, tables), &set);
    if (st == TS_OK)
        st = put(set, &out);
    if (st == TS_OK)
        st = ts_give_text(&out, text, NULL);
    ts_str_deinit(&out);
    ts_option_set_destroy(&set);
    ts_free(&s);
    return st;
}

ts_status ts_options_help(const char *subject, char **text)
{
    TS_NEED(subject);
    TS_NEED(text);
    return describe(subject, text, ts_option_help);
}

ts_status ts_options_defaults(const char *subject, char **json)
{
    TS_NEED(subject);
    TS_NEED(json);
    return describe(subject, json, ts_option_json);
}
