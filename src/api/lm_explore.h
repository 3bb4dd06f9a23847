/* Answers that are chosen of several (infer/explore.h), as the commands' options have it. */
#ifndef TS_API_LM_EXPLORE_H
#define TS_API_LM_EXPLORE_H
#include "api/rewarder.h"
#include "eval/pyregex.h"
#include "infer/explore.h"

typedef struct ts_lm_explore_options {
    int approach, steps, vote; /* ts_approach, ts_step_score, ts_vote */
    int64_t n, beam_width, iterations, step_tokens, budget;
    double temperature;
    const char *delimiter, *regex;
    ts_rewarder_options reward;
} ts_lm_explore_options;
extern const ts_option ts_lm_explore_rows[];
extern const size_t ts_lm_explore_count;
/* Both tables of options: these and the rewarder's, of o->reward. */
#define TS_LM_EXPLORE_TABLES(o)                                                                                          \
    { ts_lm_explore_rows, ts_lm_explore_count, o }, { ts_rewarder_rows, ts_rewarder_count, &(o)->reward }

/* Zero-initialise; close. */
typedef struct ts_lm_explorer {
    ts_explore_options o; /* resolved; approach TS_APPROACH_NONE: nothing is explored */
    ts_pyregex *regex;
    ts_rewarder rewarder;
    bool has_rewarder;
} ts_lm_explorer;

/* Before the settings of generation are resolved: an approach that draws does so without --do-sample. Refuses what does not
 * go together, TS_ERR_USER. */
ts_status ts_lm_explore_check(const ts_lm_explore_options *o, const ts_option_set *set, ts_gen_options *go) TS_NODISCARD;
/* Behind it; the lm and its tokenizer are there. */
ts_status ts_lm_explore_open(const ts_lm *lm, const ts_lm_explore_options *o, const ts_option_set *set, const ts_gen_config *c,
                             ts_lm_explorer *out) TS_NODISCARD;
void ts_lm_explore_close(ts_lm_explorer *x);

/* Called for each line, in their order, with all its answers. */
typedef ts_status ts_lm_explored_fn(void *ctx, const ts_gen_line *line, const ts_exploration *e);
/* Lines one after another, `batch` answers side by side. */
ts_status ts_lm_explore_run(ts_lm *lm, ts_lm_explorer *x, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines,
                            size_t n, ts_lm_explored_fn *done, void *ctx) TS_NODISCARD;
#endif
