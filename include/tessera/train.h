/* Training: a job from options, run with a call back after each step.
 *
 * A ts_training is used by one thread at a time. Started by mpirun, every process opens the same
 * job and makes the same calls in the same order; a process takes part in one training then, since
 * closing it ends MPI. Without a launcher any number may follow each other or be open at once. */
#ifndef TESSERA_TRAIN_H
#define TESSERA_TRAIN_H
#include "tessera/options.h"

TS_API_BEGIN

typedef struct ts_training ts_training;

/* options: those of `tessera pretrain` (subject "train"). Everything is opened and checked here;
 * nothing on disk has changed when this fails. */
TS_API ts_status ts_training_open(const char *const *options, size_t n,
                                  ts_training **out) TS_NODISCARD;
/* Clears *t; fine with NULL. After a failure of one process alone (of several) this ends the whole
 * job, as MPI_Abort does. */
TS_API void ts_training_close(ts_training **t);

/* A step that was made. Fields may be added at the end. */
typedef struct ts_train_step {
    int64_t iteration, train_iters; /* this one, from 1; the last one */
    int64_t consumed_samples;
    int64_t tokens;    /* of this step, over all processes */
    double loss;       /* mean over the trained tokens of the global batch */
    double valid_loss; /* of an evaluation after this step; NaN: there was none */
    double lr, grad_norm, loss_scale;
    double seconds, tokens_per_second;
    int64_t memory_peak_bytes; /* of the largest process */
    bool skipped;              /* fp16 overflow: no update was made */
} ts_train_step;

/* What a hook asks for; or them together. */
enum {
    TS_TRAIN_GO_ON = 0,
    /* Ends the run as if it were at its end: with --save it is saved. With several processes one
     * more step is made, and it is enough that one of them asks. */
    TS_TRAIN_STOP = 1,
    /* Saves a checkpoint now (with --save; else nothing happens). All processes must ask alike. */
    TS_TRAIN_SAVE = 2,
};

/* Called on the thread that runs, on every process, with the same loss, lr and grad_norm. */
typedef unsigned ts_train_hook(void *ctx, const ts_train_step *step);

/* Trains until --train-iters, or until the hook (may be NULL) asks to stop; called again it goes on
 * from there. Evaluates, logs and saves as the options say. No signal handler is installed. */
TS_API ts_status ts_training_run(ts_training *t, ts_train_hook *hook, void *ctx) TS_NODISCARD;

/* Writes the model as a Hugging Face folder; one that is there is replaced when the new one is
 * complete, and refused where it holds anything else. dtype: "fp32", "bf16", "fp16" (or Hugging
 * Face's "float32", "bfloat16", "float16"); NULL or "auto" for the type of the files that it came
 * from. */
TS_API ts_status ts_training_save_hf(ts_training *t, const char *folder,
                                     const char *dtype) TS_NODISCARD;

/* 0 with NULL. */
TS_API int64_t ts_training_iteration(const ts_training *t);  /* steps made, resumed ones included */
TS_API int64_t ts_training_iterations(const ts_training *t); /* in all */
TS_API int64_t ts_training_parameters(const ts_training *t);
TS_API int64_t ts_training_global_batch(const ts_training *t); /* samples of a step */
TS_API int ts_training_rank(const ts_training *t);             /* of this process */
TS_API int ts_training_processes(const ts_training *t);

TS_API_END
#endif
