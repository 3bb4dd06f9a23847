/* Log-likelihoods of continuations, many at once. What requests have in common goes through the model once: how all of
 * them begin (the examples of a subject), and how those of one question begin (the question). */
#ifndef TS_EVAL_LOGLIK_H
#define TS_EVAL_LOGLIK_H
#include "infer/engine.h"

typedef struct ts_loglik_request {
    int32_t *ids;    /* [n] context and continuation */
    int64_t n, from; /* the continuation is ids[from..n); 1 <= from < n */
    int64_t group;   /* those of one question are neighbours and have the same number here */
    double sum;      /* what is asked for: of the logarithms of its tokens' probabilities */
} ts_loglik_request;

typedef struct ts_loglik ts_loglik;

/* The decoder and the tape are borrowed. batch: sequences side by side, 1 to TS_ENGINE_MOST_SLOTS - 1; it changes the
 * speed and never a result by more than rounding. */
ts_status ts_loglik_create(ts_decoder *d, ts_tape *tape, int64_t batch, ts_loglik **out) TS_NODISCARD;
void ts_loglik_destroy(ts_loglik **l);
/* From now on requests begin with what these [n] have in common, as far as that is context. */
ts_status ts_loglik_begin(ts_loglik *l, const ts_loglik_request *r, int64_t n) TS_NODISCARD;
/* Fills in sum. */
ts_status ts_loglik_run(ts_loglik *l, ts_loglik_request *r, int64_t n) TS_NODISCARD;
#endif
