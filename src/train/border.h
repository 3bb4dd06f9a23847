/* The border between two networks on processes of their own (dist/line.h), as one of the processes at it
 * passes tensors: which rows of each go to or come from which process beyond. */
#ifndef TS_TRAIN_BORDER_H
#define TS_TRAIN_BORDER_H
#include "dist/line.h"
#include "train/objective/objective.h"

typedef enum ts_pass_way { TS_PASS_FORWARD, TS_PASS_BACK, TS_PASS_WAYS } ts_pass_way;

/* All zeros: there is none here. */
typedef struct ts_border {
    ts_comm *comm[TS_PASS_WAYS];
    int stage; /* of the pipeline, beyond it */
    int first; /* rank in comm of the first process beyond */
    /* Of each tensor, what of the rows that are here is sent (or comes) each way. */
    ts_seam_runs runs[TS_PASS_WAYS][TS_PASSED];
    bool whole[TS_PASSED]; /* every process has all rows, however many: a run is all of them */
} ts_border;

/* Of a process that is not at the border of two networks: nothing. samples: of a micro-batch. deinit also after
 * a failure. */
ts_status ts_border_init(ts_border *b, const ts_mesh *mesh, const ts_objective *o, int64_t samples) TS_NODISCARD;
void ts_border_deinit(ts_border *b);
#endif
