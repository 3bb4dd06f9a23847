/* Decoding that explores: of a prompt several answers are begun side by side, over the scheduler, so that they share the
 * keys and values of their beginnings; one of them is chosen.
 *
 *   cot_decoding      the n most probable first tokens branch, each goes on greedily. Score: of the tokens that tell the
 *                     answer, the mean of the first token's probability less the second's (Wang and Zhou, arXiv 2402.10200)
 *   best_of_n         n drawn answers, scored by a reward
 *   self_consistency  n drawn answers, of which most tell the same (Wang et al., arXiv 2203.11171)
 *   beam_search       in steps: n drawn beginnings, of which the n / m best go on, m times each (Snell et al., arXiv
 *                     2408.03314); those that end leave
 *   dvts              the same in n / m trees apart: of each tree's m the best goes on
 *   rebase            in steps: of n continuations a node gets its share by softmax(reward / temperature), rounded; those
 *                     that end take their place with them (Wu et al., arXiv 2408.00724)
 *
 * A draw depends on the seed, the line's number, the number of the continuation (in the order in which they are begun) and
 * the position in the answer; continuation 0 draws as the line does alone. */
#ifndef TS_INFER_EXPLORE_H
#define TS_INFER_EXPLORE_H
#include "infer/generate.h"
#include "infer/scheduler.h"

#define TS_APPROACHES(W)                                                                                                 \
    W(TS_APPROACH_NONE, "none")                                                                                          \
    W(TS_APPROACH_COT, "cot_decoding")                                                                                   \
    W(TS_APPROACH_BEST_OF_N, "best_of_n")                                                                                \
    W(TS_APPROACH_SELF_CONSISTENCY, "self_consistency")                                                                  \
    W(TS_APPROACH_BEAMS, "beam_search")                                                                                  \
    W(TS_APPROACH_DVTS, "dvts")                                                                                          \
    W(TS_APPROACH_REBASE, "rebase")
typedef enum ts_approach { TS_APPROACHES(TS_CHOICE_VALUE) } ts_approach;

/* What the rewards of an answer's steps come to. */
#define TS_STEP_SCORES(W)                                                                                                \
    W(TS_STEPS_LAST, "last") W(TS_STEPS_MIN, "min") W(TS_STEPS_PROD, "prod") W(TS_STEPS_MEAN, "mean")
typedef enum ts_step_score { TS_STEP_SCORES(TS_CHOICE_VALUE) } ts_step_score;

/* Which answer is chosen: the one of the best score; the one that most tell; the one whose scores sum to most. */
#define TS_VOTES(W) W(TS_VOTE_BEST, "best") W(TS_VOTE_MAJORITY, "majority") W(TS_VOTE_WEIGHTED, "weighted")
typedef enum ts_vote { TS_VOTES(TS_CHOICE_VALUE) } ts_vote;

enum { TS_EXPLORE_MOST = 1024 }; /* answers at once */

typedef struct ts_explore_options {
    ts_approach approach;
    int64_t n, m;          /* TS_EXPLORE_MOST at most; beams and trees: m divides n */
    int64_t most_steps;    /* the last of them goes to the answer's end */
    int64_t step_tokens;   /* a step ends behind so many tokens, */
    const char *delimiter; /* or where its text has this; NULL: nowhere else */
    int64_t budget;        /* new tokens of all continuations of a prompt; 0: any */
    double temperature;    /* of rebase */
    ts_step_score steps;
    ts_vote vote;
} ts_explore_options;

/* How a continuation ended. */
typedef enum ts_path_end {
    TS_PATH_OPEN,   /* it has not */
    TS_PATH_STOP,   /* an end-of-text token, a stop text, a grammar */
    TS_PATH_LENGTH, /* its length, or the budget */
    TS_PATH_LEFT,   /* others were better */
    TS_PATH_INNER   /* it has gone over into several: while a tree grows */
} ts_path_end;

typedef struct ts_path {
    int64_t number; /* of the continuation */
    int64_t tree;   /* it belongs to */
    int32_t *ids;
    double *logprobs, *gaps; /* of each id: its log-probability; the first token's probability less the second's */
    size_t n, cap_ids, cap_logprobs, cap_gaps;
    double *rewards; /* behind each step */
    size_t n_rewards, cap_rewards;
    double score; /* not a number: there is none */
    ts_path_end end;
    int32_t state; /* of the constraint, where there is one */
    ts_str text;   /* with a tokenizer */
    bool has_answer;
    ts_str answer;
} ts_path;

/* Zero-initialise; deinit. */
typedef struct ts_exploration {
    ts_path *paths; /* answers and what was left, in the order of their numbers */
    size_t n, cap;
    int64_t chosen;      /* among them */
    int64_t new_tokens;
} ts_exploration;
void ts_exploration_deinit(ts_exploration *e);

typedef struct ts_explore_hooks {
    void *ctx;
    /* The reward of a prompt with an answer, or with its beginning. NULL: the approach needs none. */
    ts_status (*reward)(void *ctx, const ts_prompt *prompt, const int32_t *ids, int64_t n, double *out);
    /* Which bytes of a text [n] tell the answer, as it is compared. NULL: the whole text does. */
    ts_status (*answer)(void *ctx, const char *text, size_t n, size_t *from, size_t *upto, bool *found);
} ts_explore_hooks;

typedef struct ts_explorer ts_explorer;
/* All but `hooks` is lent, and what is in it. tok NULL: there are no texts. batch: continuations side by side; it changes
 * speed alone. tokens: of the longest line with its answer. */
ts_status ts_explorer_create(ts_decoder *d, const ts_gen_config *c, const ts_explore_options *o, const ts_tokenizer *tok,
                             const ts_explore_hooks *hooks, int64_t batch, int64_t tokens, ts_explorer **out) TS_NODISCARD;
void ts_explorer_destroy(ts_explorer **x);
ts_status ts_explore(ts_explorer *x, const ts_gen_line *line, ts_exploration *out) TS_NODISCARD;

/* Whether answers are drawn, scored by a reward, written in steps. */
static inline bool ts_approach_draws(ts_approach a) { return a > TS_APPROACH_COT; }
static inline bool ts_approach_has_steps(ts_approach a) { return a >= TS_APPROACH_BEAMS; }
static inline bool ts_approach_rewards(ts_approach a) { return a >= TS_APPROACH_BEAMS || a == TS_APPROACH_BEST_OF_N; }
#endif
