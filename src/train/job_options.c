#include "train/job_options.h"

#include <string.h>

void ts_job_tables(ts_job_options *o, ts_option_table out[TS_JOB_TABLES])
{
    const ts_option_table all[TS_JOB_TABLES] = {
        { ts_runtime_option_rows, ts_runtime_option_count, &o->runtime },
        { ts_model_option_rows, ts_model_option_count, &o->model },
        { ts_text_option_rows, ts_text_option_count, &o->text },
        { ts_new_rows_option_rows, ts_new_rows_option_count, &o->rows },
        { ts_data_option_rows, ts_data_option_count, &o->data },
        { ts_mm_option_rows, ts_mm_option_count, &o->media },
        { ts_dist_option_rows, ts_dist_option_count, &o->dist },
        { ts_train_option_rows, ts_train_option_count, &o->train },
        { ts_matrix_option_rows, ts_matrix_option_count, &o->train.matrix },
        { ts_expert_option_rows, ts_expert_option_count, &o->experts },
        { ts_narrow_option_rows, ts_narrow_option_count, &o->narrow },
        { ts_distill_option_rows, ts_distill_option_count, &o->distill },
        { ts_lora_option_rows, ts_lora_option_count, &o->lora },
        { ts_parallel_option_rows, ts_parallel_option_count, &o->parallel },
        { ts_pipeline_option_rows, ts_pipeline_option_count, &o->parallel },
        { ts_profile_option_rows, ts_profile_option_count, &o->profile },
        { ts_model_script_rows, ts_model_script_count, NULL },
        { ts_train_script_rows, ts_train_script_count, NULL },
        { ts_head_option_rows, ts_head_option_count, &o->head },
        { ts_prefer_option_rows, ts_prefer_option_count, &o->prefer },
        { ts_tuning_option_rows, ts_tuning_option_count, &o->tuning },
        { ts_chat_option_rows, ts_chat_option_count, &o->chat },
    };
    memcpy(out, all, sizeof all);
}

void ts_pretrain_tables(ts_job_options *o, ts_option_table out[TS_JOB_TABLES])
{
    ts_job_tables(o, out);
    out[TS_JOB_TABLES - 4] = (ts_option_table){ ts_head_later_rows, ts_head_later_count, NULL };
    out[TS_JOB_TABLES - 3] = (ts_option_table){ ts_prefer_later_rows, ts_prefer_later_count, NULL };
    out[TS_JOB_TABLES - 2] = (ts_option_table){ ts_tuning_later_rows, ts_tuning_later_count, NULL };
    out[TS_JOB_TABLES - 1] = (ts_option_table){ ts_chat_later_rows, ts_chat_later_count, NULL };
}

ts_tuning_data ts_job_tuning_data(const ts_job_options *o, int64_t global)
{
    ts_tuning_data t = ts_tuning_options_data(&o->tuning, global);
    if (ts_head_on(o->tuning.stage)) {
        t.kind = TS_ROWS_TEXTS;
        t.texts = ts_head_texts(&o->head, o->tuning.stage);
    }
    return t;
}
