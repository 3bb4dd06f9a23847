/* What is told of whole texts: a head's numbers of each (classes, shares, numbers; which text belongs to a query), or
 * vectors that lie close where texts belong together. Each row goes through the network once, one vector is made of it, and
 * ops/heads.h says what becomes of these. */
#ifndef TS_TRAIN_OBJECTIVE_POOLED_H
#define TS_TRAIN_OBJECTIVE_POOLED_H
#include "ops/heads.h"
#include "train/objective/lm.h"

typedef struct ts_pooled_rules {
    ts_told_form form;
    double scale;
    ts_pooling pooling;
    bool pads_left;
    int64_t passed;  /* a token that the last one is not: transformers' heads of labels pass over the filling; -1: none */
    int64_t each;    /* rows of a sample */
    int64_t numbers; /* that the batch says of a row; 0: the sample's first row is the one that is told, or of `matches` */
    /* Vectors are compared, no head is asked: of a sample's rows the first is the query, the second belongs to it, and none
     * of the others, nor any of other samples, does. */
    bool matches, unit;
    const int64_t *dims; /* [n_dims] how many numbers of them, for each length the loss counts; borrowed */
    int64_t n_dims;
    ts_comm *peers;      /* whose samples count among the others; NULL: none's but one's own */
} ts_pooled_rules;

/* Fields of a batch: tokens and length of the language model's, segments where rows are filled up in front, and
 *   numbers  fp32 [rules.numbers], of forms that choose the number of a column */
typedef struct ts_pooled_objective {
    ts_objective base;
    ts_lm_objective *network; /* borrowed */
    ts_pooled_rules rules;
} ts_pooled_objective;

/* network: initialised, and cut into parts; outlives o, which gets what it makes of rows. */
void ts_pooled_objective_init(ts_pooled_objective *o, const ts_pooled_rules *rules, ts_lm_objective *network);
#endif
