/* Preferences: which of two answers is the better one (DPO, SimPO, ORPO, a reward model), or whether an answer is
 * desirable (KTO). Each row goes through the network once; what becomes of its tokens' losses, or of its score, says
 * ops/prefer.h. What a reference network gives the rows is looked at before the step. */
#ifndef TS_TRAIN_OBJECTIVE_PREFER_H
#define TS_TRAIN_OBJECTIVE_PREFER_H
#include "ops/prefer.h"
#include "train/objective/lm.h"

typedef struct ts_prefer_rules {
    ts_prefer_form form;
    bool averages;  /* log-probabilities are means over a row's labels */
    bool refers;    /* to a reference */
    bool scores;    /* rows are told by a reward of their last token, not by log-probabilities */
    bool pads_left; /* which stands at their end then */
    double beta, smoothing, margin, ftx;
    double weight[2]; /* of KTO: desirable, not */
} ts_prefer_rules;

/* Rows of a batch: of each sample two, the chosen answer's and the rejected one's; of KTO the answer's and that of one
 * which does not belong to the prompt. Their fields are those of the language model, and
 *   length              int32 [1], tokens of the row
 *   kto_tag             int32 [1], of KTO: 1 desirable, 0 not
 *   reference_logps     fp64 [1], where `refers`: a look fills it, or who has kept it
 *   policy_logps, kl    fp64 [1], of KTO
 *   sample              int32 [1], where what a reference has found is kept
 *   desirable, other    fp32 [1], of KTO: by what its answers' rewards are told apart */

/* What a reference has found, of all samples of the data. */
typedef struct ts_prefer_kept {
    double *logps; /* [n, rows of a sample], -INFINITY: not known */
    int64_t n;
} ts_prefer_kept;

typedef struct ts_prefer_objective {
    ts_objective base;
    ts_lm_objective *policy;          /* borrowed */
    const ts_lm_objective *reference; /* likewise; NULL: there is none of its own */
    ts_prefer_rules rules;
    const ts_prefer_kept *kept; /* borrowed; NULL: the reference looks at each batch */
    /* The policy is its own reference while this is on; NULL: it cannot be. */
    void (*as_reference)(void *ctx, bool on);
    void *as_reference_ctx;
} ts_prefer_objective;

enum { TS_PREFER_FIELDS = 6, TS_PREFER_ROWS = 2 /* of a sample */ };
/* The fields beside the data's that batches are to have; returns their number. */
int ts_prefer_fields(const ts_prefer_rules *r, bool keeps, ts_field out[TS_PREFER_FIELDS]);

/* policy: initialised for a network, and cut into parts; outlives o, which gets its losses at once. reference: likewise,
 * or NULL. */
void ts_prefer_objective_init(ts_prefer_objective *o, const ts_prefer_rules *rules, ts_lm_objective *policy,
                              const ts_lm_objective *reference);
/* Whether of some sample of a micro-batch nothing is known yet; takes what the reference has found of it. */
bool ts_prefer_lacks(const ts_prefer_kept *kept, const ts_micro_batch *m);
void ts_prefer_keep(ts_prefer_kept *kept, const ts_micro_batch *m);
/* Looks alone at the batch (the reference does), or from now on not any more: all is kept. */
void ts_prefer_look_alone(ts_prefer_objective *o);
void ts_prefer_use_kept(ts_prefer_objective *o, const ts_prefer_kept *kept);
#endif
