/* The tensors that a job saves, as every process must name them, of the stages of a pipeline, each of which
 * has some. */
#ifndef TS_TRAIN_STAGE_LIST_H
#define TS_TRAIN_STAGE_LIST_H
#include "ckpt/checkpoint.h"

enum { TS_SAVED_NAME = 160 };

typedef struct ts_saved {
    char name[TS_SAVED_NAME];
    int64_t key; /* its place among all: those of one key are the same tensor */
    ts_ckpt_tensor tensor; /* its name is not set */
} ts_saved;

/* Collective over the stages: in comes what this one has, [n] in the order of keys; out comes everything,
 * without data where it is another's, its `holder` the stage. A tensor that two have is the lower one's.
 * *list is the caller's (ts_free), before and after. */
ts_status ts_stage_list(ts_comm *stages, ts_saved **list, int64_t *n) TS_NODISCARD;
#endif
