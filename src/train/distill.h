/* A teacher's distributions as what is to be learned (distillation), by MindSpeed's options (--qad-...) or
 * Megatron-DeepSpeed's (--kd ...) with TRL's divergences: the teacher is a model of its own, frozen, that sees the same
 * batches, or all of them once, before the first step (data/kept_tops.h). */
#ifndef TS_TRAIN_DISTILL_H
#define TS_TRAIN_DISTILL_H
#include "model/open.h"
#include "train/objective/lm.h"

#define TS_KL_REDUCTIONS(W) W(TS_KL_MEAN, "mean") W(TS_KL_SUM, "sum")
typedef enum ts_kl_reduction { TS_KL_REDUCTIONS(TS_CHOICE_VALUE) } ts_kl_reduction;

typedef struct ts_distill_options {
    bool qad, kd;
    const char *qad_teacher, *kd_teacher;
    double temperature, weight;         /* of qad */
    int reduction;                      /* TS_KL_* */
    double kd_temperature, alpha, beta; /* weights of cross-entropy, and of the teacher's part */
    const char *teacher_model;  /* of kd, which it turns on */
    double divergence, on_policy;
    const char *kept;           /* of kd: a file of the teacher's likeliest tokens */
    int64_t topk;
    bool only;                  /* that is made, and nothing is trained */
} ts_distill_options;
extern const ts_option ts_distill_option_rows[];
extern const size_t ts_distill_option_count;

static inline bool ts_distill_on(const ts_distill_options *o) { return o->qad || o->kd || o->teacher_model || o->kept; }
/* Contradictions, before anything is opened: TS_ERR_USER that says what to do. stage: TS_STAGE_*; stages: of the
 * pipeline. */
ts_status ts_distill_options_check(const ts_distill_options *o, int stage, int64_t stages) TS_NODISCARD;
void ts_distill_options_warn(const ts_distill_options *o, const ts_option_set *set);

/* Opens the teacher as the student is used (device, groups, stage), without gradients. One of another vocabulary is
 * TS_ERR_USER. */
ts_status ts_distill_open(const ts_distill_options *o, const ts_model_use *student_use,
                          const ts_decoder *student, ts_model *teacher) TS_NODISCARD;
/* Whether one is named; with `kept` there may be none. */
bool ts_distill_has_teacher(const ts_distill_options *o);
/* What a file that is made of it says of itself, and whether one that says this is the run's. */
ts_kept_facts ts_distill_facts(const ts_distill_options *o, int64_t vocab, int64_t samples, int64_t seq_length);
ts_status ts_distill_check_kept(const ts_distill_options *o, const ts_kept_facts *is, const ts_kept_facts *wanted) TS_NODISCARD;
/* What the objective is told. teacher, whose decoder is NULL where none was opened, outlives it. */
ts_lm_teacher ts_distill_teacher(const ts_distill_options *o, const ts_model *teacher);
#endif
