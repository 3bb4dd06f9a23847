#include "train/job_options.h"

void ts_job_tables(ts_job_options *o, ts_option_table out[TS_JOB_TABLES])
{
    out[0] = (ts_option_table){ ts_runtime_option_rows, ts_runtime_option_count, &o->runtime };
    out[1] = (ts_option_table){ ts_model_option_rows, ts_model_option_count, &o->model };
    out[2] = (ts_option_table){ ts_text_option_rows, ts_text_option_count, &o->text };
    out[3] = (ts_option_table){ ts_data_option_rows, ts_data_option_count, &o->data };
    out[4] = (ts_option_table){ ts_dist_option_rows, ts_dist_option_count, &o->dist };
    out[5] = (ts_option_table){ ts_train_option_rows, ts_train_option_count, &o->train };
    out[6] = (ts_option_table){ ts_parallel_option_rows, ts_parallel_option_count, &o->parallel };
    out[7] = (ts_option_table){ ts_pipeline_option_rows, ts_pipeline_option_count, &o->parallel };
    out[10] = (ts_option_table){ ts_matrix_option_rows, ts_matrix_option_count, &o->train.matrix };
    out[8] = (ts_option_table){ ts_model_script_rows, ts_model_script_count, NULL };
    out[9] = (ts_option_table){ ts_train_script_rows, ts_train_script_count, NULL };
    out[10] = (ts_option_table){ ts_profile_option_rows, ts_profile_option_count, &o->profile };
}
