/* The samples of a job that tunes. */
#ifndef TS_TRAIN_JOB_SAMPLES_H
#define TS_TRAIN_JOB_SAMPLES_H
#include "model/weights.h"
#include "train/job_options.h"

/* `global` samples are a global batch. Conversations are written with the tokenizer of `text`, else the model's own. */
ts_status ts_job_open_samples(const ts_job_options *o, const ts_text_options *text, const ts_model *m, int64_t global,
                              const ts_data_need *need, ts_tuning_source **out) TS_NODISCARD;
#endif
