/* Gradient reduction between the ranks of a data-parallel group: the flat array of gradients is cut
 * into buckets, and a bucket is on its way as soon as backward has finished all that lies in it. Stretches
 * of the array may be other groups' (those of experts). */
#ifndef TS_DIST_BUCKET_H
#define TS_DIST_BUCKET_H
#include "dist/comm.h"

typedef struct ts_reducer ts_reducer;

/* Elements [begin, end) of a flat array, and who sums them. */
typedef struct ts_reduced {
    int64_t begin, end;
    ts_comm *comm;
} ts_reduced;
/* grads consists of n_of stretches, from 0 on; parameter i is [offset[i], offset[i] + count[i]) of it, in one of
 * them. The arrays are copied, comm and grads borrowed. Without overlap everything is sent in
 * ts_reducer_finish. */
ts_status ts_reducer_create(const ts_reduced *of, int64_t n_of, float *grads, const int64_t *param_offset,
                            const int64_t *param_count, int64_t n_params, int64_t bucket_elements,
                            bool overlap, ts_reducer **out) TS_NODISCARD;
/* Waits for nothing: after a failure the buffers may still be MPI's, and the job has to end. */
void ts_reducer_destroy(ts_reducer **r);

/* From now on what is sent is bf16, see dist/bf16_sum.h, all of it in ts_reducer_finish. computes
 * false: the gradients are no memory (a simulated device), and only what is sent is counted. */
ts_status ts_reducer_use_bf16(ts_reducer *r, bool computes) TS_NODISCARD;

/* Before the backward pass that completes the gradients. */
void ts_reducer_begin(ts_reducer *r);
/* The gradient of parameter i is complete (once a round). Every rank must see its parameters done
 * in the same order relative to other collectives of comm, as the same program does by itself. */
ts_status ts_reducer_param_done(ts_reducer *r, int64_t i) TS_NODISCARD;
/* Moves what is on its way; call it between pieces of work. Never waits. */
ts_status ts_reducer_progress(ts_reducer *r) TS_NODISCARD;
/* Sends what was never reported done and waits for all: grads hold the sums. */
ts_status ts_reducer_finish(ts_reducer *r) TS_NODISCARD;
int64_t ts_reducer_bytes(const ts_reducer *r); /* of what is sent and received, beside grads */
int64_t ts_reducer_buckets(const ts_reducer *r);
#endif
