/* Gradients between processes, wherever they lie. Communicators take host memory: where the device's
 * is the host's they get the gradients themselves, elsewhere a copy on the host, which is summed
 * there and goes back. While backward runs, each parameter's gradient comes as soon as it is
 * complete, on the device's queue of copies, and then goes its way through the reducer. Of a process
 * alone nothing leaves the device. */
#ifndef TS_TRAIN_STAGED_H
#define TS_TRAIN_STAGED_H
#include "dist/bucket.h"
#include "tensor/param.h"

typedef struct ts_staged {
    ts_param_set *params;
    const ts_reduced *of;
    int64_t n_of;
    float *grads;         /* on the host, flat like the set's; NULL: those are good */
    float *acc, *staging; /* likewise, in deterministic mode */
    int64_t n_staging;
    /* With a reducer: the parameters whose gradients are on their way to the host, in the order in
     * which they were complete, and a mark behind each one's copy. */
    const ts_param **sent; /* [n_marks] */
    ts_event **mark;       /* [n_marks], by a parameter's number in the set */
    bool *is_sent;         /* likewise */
    size_t n_marks, n_sent, n_here;
    ts_event *back;
} ts_staged;

/* Borrows all; the set has its gradients, which n_of stretches are. Before the reducer. n_staging: values that are
 * received in one go in deterministic mode, 0: in the other. Deinit takes one that was never begun, too. */
ts_status ts_staged_init(ts_staged *s, ts_param_set *params, const ts_reduced *of, int64_t n_of,
                         int64_t n_staging) TS_NODISCARD;
void ts_staged_deinit(ts_staged *s);
/* The gradients as the reducer gets them. */
float *ts_staged_grads(const ts_staged *s);

/* With a reducer: see dist/bucket.h. */
void ts_staged_begin(ts_staged *s, ts_reducer *r);
ts_status ts_staged_param_done(ts_staged *s, ts_reducer *r, const ts_param *p) TS_NODISCARD;
ts_status ts_staged_progress(ts_staged *s, ts_reducer *r) TS_NODISCARD;
ts_status ts_staged_finish(ts_staged *s, ts_reducer *r) TS_NODISCARD;

/* In deterministic mode: the sum, flat on the device, becomes zero; one micro-batch's gradients of
 * every rank are added; every rank gets all of it. staging: NULL, or room for n_staging values where
 * the device's memory is the host's. See dist/ordered.h. */
ts_status ts_staged_clear(ts_staged *s, ts_storage *acc) TS_NODISCARD;
ts_status ts_staged_add(ts_staged *s, ts_storage *acc, ts_storage *staging) TS_NODISCARD;
ts_status ts_staged_add_up(ts_staged *s, ts_storage *acc) TS_NODISCARD;
#endif
