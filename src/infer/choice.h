/* The next token of a text among others: settings of its own, and what a client may want to know of it. */
#ifndef TS_INFER_CHOICE_H
#define TS_INFER_CHOICE_H
#include "infer/constraint.h"
#include "infer/sample.h"

typedef struct ts_logit_bias {
    int32_t id;
    float add;
} ts_logit_bias;

enum { TS_CHOICE_MOST_TOP = 20 };

typedef struct ts_choice_options {
    ts_sampling sampling;
    int64_t line;                 /* with the seed it decides on draws, as a line's number does in generation */
    /* OpenAI's: a logit loses presence where the answer has its token, and frequency each time it has it; and gains its
     * bias. Before what sampling does. */
    double presence, frequency;
    const ts_logit_bias *bias;    /* [n_bias], borrowed */
    size_t n_bias;
    ts_constraint *constraint;    /* what the answer must fit, borrowed; NULL: anything */
    bool logprobs;
    int top;                      /* with logprobs: so many of the most probable tokens, TS_CHOICE_MOST_TOP at most */
} ts_choice_options;

typedef struct ts_token_logprob {
    int32_t id;
    double logprob;
} ts_token_logprob;

/* A token, and natural logarithms of the model's own probabilities, before any penalty. */
typedef struct ts_choice {
    int32_t id;
    double logprob;               /* where asked for */
    ts_token_logprob top[TS_CHOICE_MOST_TOP];
    int n_top;
    bool is_whole;                /* by its grammar the answer ends with it */
} ts_choice;

/* Work space of one thread; zero-initialise. */
typedef struct ts_chooser {
    ts_sampler sampler;
    float *z;
    size_t cap_z;
    ts_seen seen;
} ts_chooser;
void ts_chooser_deinit(ts_chooser *c);

/* logits [vocab] after ids [n], of which the first n_prompt are not the answer's. Logits that are not numbers are
 * TS_ERR_RUN. state: the grammar's, where there is one; it goes on. */
ts_status ts_choose(ts_chooser *c, const ts_choice_options *o, const float *logits, int64_t vocab, const int32_t *ids,
                    int64_t n, int64_t n_prompt, int32_t *state, ts_choice *out) TS_NODISCARD;
/* The k most probable ids of logits [vocab], best first, equals by id; how many there are. */
int ts_top_logprobs(const float *logits, int64_t vocab, double log_sum, int k, ts_token_logprob *out);
#endif
