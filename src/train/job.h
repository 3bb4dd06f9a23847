/* A training command made ready: what the options say, opened and checked in an order that changes
 * nothing on disk before everything is known to fit. `pretrain` runs it, `plan` runs a step of it
 * on `sim`. */
#ifndef TS_TRAIN_JOB_H
#define TS_TRAIN_JOB_H
#include "tessera/train.h"
#include "ops/judge.h"
#include "parallel/overlap.h"
#include "parallel/placement.h"
#include "parallel/stages.h"
#include "train/job_options.h"
#include "train/objective/lm.h"
#include "train/objective/prefer.h"
#include "train/record.h"
#include "train/resume.h"

typedef struct ts_job {
    const ts_job_options *o;
    const ts_option_set *set;
    ts_comm *comm;          /* all processes; borrowed */
    ts_text_options text;   /* o's, or with new tokens the tokenizer of the model that is loaded */
    ts_new_rows_want rows;  /* of the vocabulary; ids 0: as many as the model has */
    ts_mesh *mesh;          /* of them */
    ts_sharers sharers;     /* of the mesh */
    ts_device *dev;         /* borrowed */
    ts_dtype compute;
    ts_stages stages; /* whose parts this process has: chunks of its stage of the mesh */
    ts_layer_range *layers; /* [stages.n_chunks] of these */
    ts_model model, teacher; /* teacher: where one is learned from */
    ts_data_source *source; /* of text; NULL when planning, or tuning */
    ts_mm_source *media;       /* with pictures; NULL: of words alone */
    ts_tuning_source *samples; /* to tune on; NULL when planning, or pretraining */
    ts_parallel_parts parts; /* of exchanges beside products */
    ts_placement placement; /* of experts on processes */
    ts_spread spread; /* of sequences; comm NULL: they are whole */
    ts_lm_objective objective;
    ts_prefer_objective prefer; /* of a stage that compares answers, over the former and that of the reference */
    ts_lm_objective compares;
    ts_model reference;         /* decoder NULL: none is compared with, or the model is its own */
    ts_prefer_kept kept;        /* what it has found, where that is kept */
    char *reference_folder;     /* where it is from */
    ts_compared compared;       /* folder NULL: nothing */
    ts_pooled_objective pooled; /* of a stage that tells something of whole texts, over `objective` */
    int64_t *dims, n_dims;      /* lengths of its vectors, if it compares these */
    ts_kept_file *tops;         /* what is kept of a teacher; NULL: nothing */
    ts_steps steps;             /* that are judged; n 0: none */
    int32_t *step_tokens;
    ts_trainer *trainer;
    ts_timeline timeline; /* of the device and of all communicators */
    ts_routes *routes;    /* choices of experts that are recorded or replayed; NULL: neither */
    ts_judge *judge;      /* of products of few bits; NULL: they are not compared */
    ts_holders *holders;  /* of the device, with --memory-report; else NULL */
    ts_batch_ramp ramp;
    int64_t train_iters;
    ts_job_options counted; /* o, once --num-train-epochs is counted in steps; else not used */
    int64_t loaded; /* iteration of the checkpoint that was loaded; -1: none was */
} ts_job;

/* What it trains or is judged on; NULL: nothing, or it plans. Borrowed. */
const ts_dataset *ts_job_data(const ts_job *j, ts_data_part part);
/* For job.c: opens --mm-data (job_media.c). */
ts_status ts_job_open_media(ts_job *j, const ts_data_need *need) TS_NODISCARD;

/* with_data false: no data file is looked at (planning). Collective: all ranks get the same status.
 * The job stays where it is (its trainer points into it). */
ts_status ts_job_open(const ts_job_options *o, const ts_option_set *set, ts_device *dev,
                      ts_comm *comm, bool with_data, ts_job *job) TS_NODISCARD;
void ts_job_close(ts_job *j);
/* What it asks first (job_check.c): what the options are together, and with the mesh and the device; fills the
 * job's ramp, how sequences are shared out and what travels beside products. TS_ERR_USER names the options. */
ts_status ts_job_check_options(ts_job *j, bool with_data) TS_NODISCARD;
/* Once the model is there (job_check_model.c): whether it can be trained so; and whether the folders that it is to be
 * written to can be. */
ts_status ts_job_check_model(const ts_job *j) TS_NODISCARD;
ts_status ts_job_check_save_hf(ts_job *j, bool with_data) TS_NODISCARD;
/* What one run has saved no other may write over unasked: a restart that forgets --load, or loads something
 * else (TS_ERR_USER). Going on from where an earlier checkpoint stands is what someone set back: a warning. */
ts_status ts_job_check_target(const ts_job *j) TS_NODISCARD;

/* How many samples of each part it needs (job_count.c). With --num-train-epochs also j->train_iters, and options that
 * say it: what the passes miss of the last batch comes from one more. */
ts_status ts_job_count_samples(ts_job *j, ts_data_need *need) TS_NODISCARD;
/* Of a job that compares answers (job_prefer.c). */
ts_prefer_rules ts_job_prefer_rules(const ts_job *j);
/* Whether what the reference finds is kept, for all samples. */
bool ts_job_keeps_reference(const ts_job *j);
/* Opens what its stage compares with, if anything, as the model is used; ck: what it goes on from, or NULL. The model
 * is there. TS_ERR_USER: there is none, or none that fits. */
ts_status ts_job_open_reference(ts_job *j, const ts_checkpoint *ck, const ts_model_use *model_use) TS_NODISCARD;
/* Makes its objective of the language model's, which is made. */
ts_objective *ts_job_compare(ts_job *j);
/* Likewise of one that tells something of whole texts (job_pooled.c). */
ts_objective *ts_job_pool(ts_job *j);
/* That of the language model, where steps are judged among their tokens alone. */
ts_objective *ts_job_restrict(ts_job *j);
/* NULL: none are judged. */
static inline const ts_steps *ts_job_steps(const ts_job *j) { return j->steps.n ? &j->steps : NULL; }
/* Whether the model has what such a stage asks of it, once it is there. */
ts_status ts_job_check_heads(ts_job *j) TS_NODISCARD;
/* How its vectors are made goes beside what is saved. */
ts_status ts_job_note_vectors(ts_job *j) TS_NODISCARD;
/* With --precompute-ref-log-probs, before the first step: the reference looks at all samples, and is let go. Collective. */
ts_status ts_job_look_ahead(ts_job *j) TS_NODISCARD;

/* Of a job that learns from a teacher (job_distill.c). Opens it as the model, which is there, is used, but where all
 * that is needed of it is kept. */
ts_status ts_job_open_teacher(ts_job *j, const ts_model_use *model_use, bool with_data) TS_NODISCARD;
ts_lm_teacher ts_job_teacher(const ts_job *j);
/* The fields that batches are to have for it; returns their number, at most 1. */
int ts_job_teacher_fields(const ts_job *j, ts_field *out);
/* With --kd-logits, before the first step: the teacher looks at all samples of which nothing is kept, and is let go.
 * Collective. */
ts_status ts_job_keep_teacher(ts_job *j) TS_NODISCARD;

/* Says what is about to run: where it begins, its data, the model's size. Rank 0 speaks. */
ts_status ts_job_describe(const ts_job *j) TS_NODISCARD;

/* From now until ts_job_run watches them itself SIGTERM and SIGINT end the program at once. */
void ts_job_watch_loading(void);

typedef struct ts_job_hooks {
    ts_train_hook *step; /* after each step, on every rank; may be NULL */
    void *ctx;
    bool signals; /* SIGTERM and SIGINT end the run as the hook may */
} ts_job_hooks;

/* Trains to the end (or until told to stop): steps, evaluation, log, checkpoints, the Hugging Face
 * folder. Called again it goes on. */
ts_status ts_job_run(ts_job *j, const ts_job_hooks *hooks) TS_NODISCARD;
/* The model as a Hugging Face folder. Collective. */
ts_status ts_job_save_hf(ts_job *j, const char *folder, ts_save_hf_dtype dtype) TS_NODISCARD;
/* Its adapter as a folder of PEFT. Collective. */
ts_status ts_job_save_peft(ts_job *j, const char *folder) TS_NODISCARD;
/* The same of the average that the optimizer keeps of them. */
ts_status ts_job_save_ema_hf(ts_job *j, const char *folder, ts_save_hf_dtype dtype) TS_NODISCARD;
#endif
