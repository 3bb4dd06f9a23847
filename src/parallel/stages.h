/* Which layers of a model are in which part of a pipeline, as the options say. */
#ifndef TS_PARALLEL_STAGES_H
#define TS_PARALLEL_STAGES_H
#include "ops/tape.h"
#include "parallel/options.h"
#include "parallel/schedule_table.h"

/* The parts of a pipeline in the order in which a micro-batch passes them: part k is a chunk of a stage as
 * ts_schedule_spot says. The first has the embedding, the last the output layer and the loss. */
typedef struct ts_stages {
    ts_schedule_kind schedule;
    int64_t n_stages, n_chunks;
    ts_layer_range *part; /* [n_stages * n_chunks] layers, in order; a part may have none */
    int64_t further;      /* layers that predict further tokens, as a layout has them; of no layout -1 */
} ts_stages;

/* layers: of the model. empty [n_empty]: layers of --num-layers that are none (--noop-layers), in
 * ascending order, which count where layers are shared out. What does not fit is TS_ERR_USER with what
 * would. Released by ts_stages_deinit, after a failure too. */
ts_status ts_stages_make(const ts_parallel_options *o, int64_t layers, const int64_t *empty,
                         int64_t n_empty, ts_stages *out) TS_NODISCARD;
void ts_stages_deinit(ts_stages *s);

/* Number of the process's stage and chunk to part, whatever the schedule. */
int64_t ts_stages_part(const ts_stages *s, int64_t stage, int64_t chunk);

/* Layers of each part from --pipeline-model-parallel-layout: "Et*3|t*3|(tt|)*2tmL". n receives the number
 * of its stages and parts, counts [n] is the caller's (ts_free); further: that of its m, layers that predict further
 * tokens. */
ts_status ts_stages_layout(const char *text, int64_t **counts, int64_t *n, int64_t *further) TS_NODISCARD;
/* The same from MindSpeed's --pipeline-num-transformer-layers, "[[0,1],[1,1]*2,[1,0]]": a row a stage, a number
 * a chunk. */
ts_status ts_stages_matrix(const char *text, int64_t stages, int64_t **counts, int64_t *n) TS_NODISCARD;
#endif
