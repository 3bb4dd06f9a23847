/* What a model says to samples: log-likelihoods of their choices, or texts. */
#ifndef TS_EVAL_ASKER_H
#define TS_EVAL_ASKER_H
#include "eval/loglik.h"
#include "eval/unit.h"

/* Of one unit; zero-initialise, deinit. */
typedef struct ts_eval_asker {
    const ts_eval_options *o;
    const ts_eval_model *m;
    ts_loglik *loglik; /* made when there are choices, */
    ts_engine *engine; /* when there are texts to be written, and none in pages */
    int64_t slots;     /* of it */
    ts_ids whole, context;
    ts_str text;
} ts_eval_asker;
void ts_eval_asker_deinit(ts_eval_asker *a);

/* One sample's tokens. */
typedef struct ts_eval_tokens {
    size_t sample;        /* its number in the unit */
    ts_loglik_request *r; /* [n] one a choice; of a text to be written one, of which the context is all */
    size_t n;
    int64_t longest;
} ts_eval_tokens;
void ts_eval_tokens_deinit(ts_eval_tokens *t);

/* As lm-evaluation-harness cuts a prompt and a choice into tokens, the oldest left out where there are more than the model
 * has positions. */
ts_status ts_eval_encode(ts_eval_asker *a, const ts_eval_unit *u, size_t sample,
                         ts_eval_tokens *out) TS_NODISCARD;
/* Before the samples of a unit: what these [n], all that this process has of it, begin with goes through the model. */
ts_status ts_eval_ask_begin(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t,
                            size_t n) TS_NODISCARD;
/* These samples of it, judged: their lines are put into lines [n] (json_decref). */
ts_status ts_eval_ask(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n,
                      json_t **lines) TS_NODISCARD;
#endif
