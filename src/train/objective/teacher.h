/* A language model's teacher; what is kept of one (data/kept_tops.h) of the rows of a micro-batch that are here. */
#ifndef TS_TRAIN_OBJECTIVE_TEACHER_H
#define TS_TRAIN_OBJECTIVE_TEACHER_H
#include "data/kept_tops.h"
#include "ops/distill.h"
#include "train/objective/objective.h"

/* Who is learned from beside the tokens: a network that is not trained, or what was kept of one. network.kind NULL and
 * k 0: nobody. */
typedef struct ts_lm_teacher {
    ts_network network;
    float temperature, kl, ce, beta; /* see ops/distill.h */
    bool is_sum;                     /* as the objective's */
    int64_t k;          /* what is learned is these tokens' alone, and comes of `kept`; 0: the network sees each micro-batch */
    ts_kept_file *kept; /* borrowed; NULL where nothing is computed */
    bool writes;        /* this process is the one of those that share out the vocabulary that writes */
} ts_lm_teacher;

/* n rows for the operator: of those with a label alone (`some`), or of all, of which the others get anything. length: of
 * the sequences; here: which of their positions. */
ts_status ts_lm_teacher_upload(const ts_lm_teacher *t, ts_tape *tape, const ts_micro_batch *m, const ts_stretches *here,
                               bool some, int64_t n, ts_kept_tops *out) TS_NODISCARD;
/* Writes what the teacher has found of those with a label (out: id and logq of as many rows). */
ts_status ts_lm_teacher_write(const ts_lm_teacher *t, ts_device *dev, const ts_micro_batch *m, const ts_stretches *here,
                              bool some, const ts_passed *out) TS_NODISCARD;
#endif
