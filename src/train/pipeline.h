/* A step's micro-batches on their way through this process: which units of work it does in which order
 * (parallel/schedule.h), and what is between their forward and their backward pass. A process alone is a
 * pipeline of one stage. */
#ifndef TS_TRAIN_PIPELINE_H
#define TS_TRAIN_PIPELINE_H
#include "parallel/schedule_table.h"
#include "train/passing.h"

/* How a job's pipeline works. Of all zeros: one forward, one backward, one chunk a stage. */
typedef struct ts_pipeline_kind {
    ts_schedule_kind schedule;
    int64_t chunks;                  /* parts of the objective on each stage; 0 is 1 */
    int64_t group;                   /* as in ts_schedule_shape, like the next two */
    ts_schedule_recompute recompute;
    bool detaches_weights;
    bool interweaves;                /* units that may run interwoven do */
} ts_pipeline_kind;

/* A micro-batch under way in one part: between its forward pass and the end of its backward pass. */
typedef struct ts_flight {
    ts_tape *tape;
    bool is_busy;
    int64_t micro, chunk;
    ts_passed in, out; /* of the part; the last one's out is its losses */
    ts_parcel given;   /* what it gave the next part; then, within a stage, the gradient from there */
    ts_parcel kept;    /* its input, where the forward pass runs again */
} ts_flight;

typedef struct ts_pipeline {
    ts_pipeline_kind kind;
    int stage, n_stages; /* of the whole pipeline, over both networks where there are two (dist/line.h) */
    ts_schedule *schedule; /* of the micro-batches of the step */
    ts_flight *flight;     /* [n_flights] */
    int n_flights;
    bool splits;           /* some backward passes come in halves */
    ts_passing passing;
    /* units of this stage up to which messages were asked for, each way */
    int64_t asked[TS_PASS_WAYS];
    double (*clock)(void *ctx); /* seconds; NULL: nothing is timed */
    void *clock_ctx;
    struct ts_unit_time {
        double seconds;
        int64_t units;
        int64_t held;   /* bytes of activations that they have left on the device */
        double swapped; /* bytes that they have sent to the second memory */
    } *time; /* [chunks * TS_UNIT_KINDS] with a clock: of the last step */
} ts_pipeline;

typedef struct ts_pipeline_needs {
    ts_device *dev;
    const ts_mesh *mesh;
    const ts_objective *objective; /* of a part for each chunk */
    int64_t micro, n_micro;        /* samples of a micro-batch, and how many of these a step has */
    ts_tape_options tape;
} ts_pipeline_needs;

/* Makes the schedule for a step, and what it needs; where the number of micro-batches has not changed it
 * is there. Sizes that the schedule does not have are TS_ERR_USER. p->kind is set. */
ts_status ts_pipeline_prepare(ts_pipeline *p, const ts_pipeline_needs *n) TS_NODISCARD;
void ts_pipeline_deinit(ts_pipeline *p);

/* A micro-batch's unit that takes its gradient; the last of its units in a chunk. */
static inline bool ts_unit_goes_back(const ts_unit *u)
{
    return u->kind == TS_UNIT_BACKWARD || u->kind == TS_UNIT_INPUT_GRAD;
}

static inline bool ts_unit_ends(const ts_unit *u)
{
    return u->kind == TS_UNIT_BACKWARD || u->kind == TS_UNIT_WEIGHT_GRAD;
}

/* Who has the last part, and so the losses: a stage of the network that has the last one. */
static inline int ts_pipeline_end(const ts_pipeline *p, const ts_mesh *m)
{
    int first;
    return p->schedule->is_v ? 0 : ts_line_end(m, &first)->size[TS_MESH_PP] - 1;
}
#endif
