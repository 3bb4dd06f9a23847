/* The options of a training command, and what they are together. */
#ifndef TS_TRAIN_JOB_OPTIONS_H
#define TS_TRAIN_JOB_OPTIONS_H
#include "data/instruct/writer.h"
#include "data/media/mm_data.h"
#include "data/source.h"
#include "device/runtime.h"
#include "dist/dist_options.h"
#include "model/experts_options.h"
#include "model/lora_options.h"
#include "model/narrow.h"
#include "model/new_rows.h"
#include "model/options.h"
#include "parallel/options.h"
#include "text/text_options.h"
#include "train/distill.h"
#include "train/head_options.h"
#include "train/options.h"
#include "train/prefer_options.h"
#include "train/profile_options.h"
#include "train/tuning_options.h"

/* All options of a training command, by module. */
typedef struct ts_job_options {
    ts_runtime_options runtime;
    ts_model_options model;
    ts_text_options text;
    ts_new_rows_options rows;
    ts_data_options data;
    ts_dist_options dist;
    ts_train_options train;
    ts_parallel_options parallel;
    ts_profile_options profile;
    ts_narrow_options narrow;
    ts_distill_options distill;
    ts_expert_options experts;
    ts_lora_options lora;
    ts_tuning_options tuning;
    ts_prefer_options prefer;
    ts_head_options head;
    ts_chat_options chat;
    ts_mm_options media;
} ts_job_options;
enum { TS_JOB_TABLES = 22 };
/* Samples to tune on: how they become rows; `global` are a global batch. */
ts_tuning_data ts_job_tuning_data(const ts_job_options *o, int64_t global);
/* Of a command that trains on text alone. */
void ts_pretrain_tables(ts_job_options *o, ts_option_table out[TS_JOB_TABLES]);
void ts_job_tables(ts_job_options *o, ts_option_table out[TS_JOB_TABLES]);
#endif
