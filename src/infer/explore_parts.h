/* The inside of infer/explore.h: continuations, and rounds of them over the scheduler. */
#ifndef TS_INFER_EXPLORE_PARTS_H
#define TS_INFER_EXPLORE_PARTS_H
#include "infer/explore.h"

struct ts_explorer {
    ts_explore_options o;
    const ts_gen_config *c;
    ts_sampling sampling;
    const ts_tokenizer *tok;
    ts_explore_hooks hooks;
    ts_decoder *d;
    ts_scheduler *s;
    /* of the line at hand */
    const ts_gen_line *line;
    ts_exploration *out;
    int64_t next; /* number of the next continuation */
};

/* A new one, that begins as `of` (NULL: with nothing); *out is valid until the next. */
ts_status ts_path_begin(ts_explorer *x, const ts_path *of, ts_path **out) TS_NODISCARD;
void ts_path_deinit(ts_path *p);
/* A token more. gap: see ts_path. */
ts_status ts_path_add(ts_path *p, int32_t id, double logprob, double gap) TS_NODISCARD;
/* Behind a token: whether the text ends with it, and the state of the constraint. */
ts_status ts_path_take(ts_explorer *x, ts_path *p, bool *ends) TS_NODISCARD;
/* The text, and what it tells. */
ts_status ts_path_finish(ts_explorer *x, ts_path *p) TS_NODISCARD;
/* The mean gap of the tokens that tell the answer; not a number where nothing does. */
ts_status ts_path_gap(const ts_explorer *x, const ts_path *p, double *out) TS_NODISCARD;

/* Goes on with all paths that are open, a step of each or (whole) to the end, as far as the budget lets them. */
ts_status ts_explore_round(ts_explorer *x, bool whole) TS_NODISCARD;
/* The n most probable first tokens, a path each. */
ts_status ts_explore_branch(ts_explorer *x) TS_NODISCARD;
/* Among paths that have ended, by their scores and answers. */
void ts_explore_choose(ts_explorer *x);
#endif
