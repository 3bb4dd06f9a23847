/* Which layout a job should have: every one that its options leave open is planned, and the fastest that
 * fits is told, with why the others are not it. */
#ifndef TS_PLAN_TUNE_H
#define TS_PLAN_TUNE_H
#include "plan/simulate.h"

/* What is chosen. What the user gave is kept as it is. */
typedef enum ts_tuned {
    TS_TUNED_TENSOR,    /* --tensor-model-parallel-size (with --sequence-parallel) */
    TS_TUNED_PIPELINE,  /* --pipeline-model-parallel-size */
    TS_TUNED_CHUNKS,    /* --num-virtual-stages-per-pipeline-rank */
    TS_TUNED_CONTEXT,   /* --context-parallel-size, for long sequences */
    TS_TUNED_MICRO,     /* --micro-batch-size */
    TS_TUNED_STATE,     /* --use-distributed-optimizer: 0 or 1 */
    TS_TUNED_RECOMPUTE, /* --recompute-granularity full: 0 or 1 */
    TS_TUNED,
} ts_tuned;
const char *ts_tuned_name(ts_tuned t); /* of the option, without dashes */

typedef struct ts_candidate {
    int64_t value[TS_TUNED];
    int64_t peak; /* bytes of the largest process */
    double seconds, tokens, bubble, utilisation;
    double network; /* share of a step that the slowest process spends in messages */
    bool fits;
} ts_candidate;

typedef struct ts_tuning {
    ts_candidate *v; /* [n] those that can be, the best first: that fit, then by tokens per second */
    int64_t n, refused; /* refused: combinations that no layout has */
    size_t cap;
    int world;
    char hardware[128];
    bool given[TS_TUNED]; /* by the user: not chosen */
} ts_tuning;

/* progress: of so many combinations, may be NULL. Where none can be the last reason is the error. */
ts_status ts_tune(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                  void (*progress)(int64_t done, int64_t all), ts_tuning *out) TS_NODISCARD;
void ts_tuning_deinit(ts_tuning *t);

/* The choice as options, the `top` best in a table, and for each thing that was chosen what the best
 * layout with another value loses, and why. */
ts_status ts_tuning_table(const ts_tuning *t, int64_t top, ts_str *out) TS_NODISCARD;
ts_status ts_tuning_json(const ts_tuning *t, ts_str *out) TS_NODISCARD;
/* All that were compared: memory across, tokens per second up. */
ts_status ts_tuning_svg(const ts_tuning *t, ts_str *out) TS_NODISCARD;
/* "--tensor-model-parallel-size 2 --sequence-parallel ..." */
ts_status ts_candidate_options(const ts_candidate *c, ts_str *out) TS_NODISCARD;
#endif
