/* The language model: each token is told from those before it. */
#ifndef TS_TRAIN_OBJECTIVE_LM_H
#define TS_TRAIN_OBJECTIVE_LM_H
#include "train/objective/pictures.h"
#include "train/objective/teacher.h"
#include "train/options.h"

/* Fields of a batch: tokens [S + 1] and loss_mask [S], or tokens [S] and labels [S] with it; position_ids and segments where the data has
 * them (data/source.h). A network that predicts further ahead (model/mtp.h) has a loss beside the first for each
 * depth. */
typedef struct ts_lm_objective {
    ts_objective base;
    ts_network network;
    int64_t seq_length; /* of whole sequences */
    ts_recompute_plan recompute;
    float hidden_dropout, attention_dropout; /* in training */
    float adapter_dropout;                   /* likewise */
    float embedding_noise;                   /* likewise, as in nn/run.h */
    uint64_t seed;                           /* of their random numbers */
    bool has_segments; /* the data has them: told here, since a planned batch has no values */
    bool has_labels;   /* likewise; some tokens have none */
    const ts_layer_range *layers; /* [base.parts] of each part; NULL: one part has all */
    ts_lm_teacher teacher;
    ts_picture_feed pictures;
    bool at_once; /* losses have their values behind the forward pass already, at the price of making logits twice */
    bool leaves;  /* the last part gives what the network does, [rows, width], and takes no losses */
    const int32_t *among; /* [n_among] labels are numbers of these tokens, and nothing else could be said; borrowed */
    int64_t n_among;      /* 0: anything could */
    int64_t rows_shared; /* processes that share out the rows of what is passed: 0 is 1 */
} ts_lm_objective;

/* As the options of a run ask for it. Borrows what the network does, and the spread. */
void ts_lm_objective_init(ts_lm_objective *o, const ts_network *network, const ts_train_options *t,
                          bool has_segments, const ts_spread *spread);
/* From now on the loss is against the teacher; what the tokens alone would give is the last of the losses beside it,
 * told and not trained for. */
void ts_lm_objective_teach(ts_lm_objective *o, const ts_lm_teacher *teacher);
/* The teacher, whose tokens are to be kept, looks at each batch and writes what it finds, of samples of which nothing is
 * kept yet ("sample" is a field of the batch then); or not any more: what was kept is learned, and it is let go. */
void ts_lm_objective_look(ts_lm_objective *o, bool looks);
/* From now on each label is one of these tokens, by its number among them, and so is what is said; how often it is the
 * likeliest is told beside the loss. */
void ts_lm_objective_restrict(ts_lm_objective *o, const int32_t *tokens, int64_t n);
/* Cuts it into parts: the layers of each, which are borrowed. */
void ts_lm_objective_cut(ts_lm_objective *o, const ts_layer_range *layers, int64_t parts,
                         int64_t rows_shared);
/* One micro-batch through a part, as the objective's forward: for who makes something else of it. */
ts_status ts_lm_objective_run(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m,
                              ts_passed *out) TS_NODISCARD;
#endif
