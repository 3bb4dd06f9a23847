/* Texts that come and go: continuous batching. Each step puts some tokens of waiting prompts through the
 * model, and one token of each text that is being written; a text joins when there is room and leaves when
 * it ends, and nobody waits for anybody's end.
 *
 * What becomes of a text depends on it and its settings alone, to the bit: not on who is beside it, when it
 * came, in how many steps its prompt went in, whether the beginning of it was there already, or whether it
 * had to make room in between. Where layers keep keys and values alone they lie in pages (infer/pages.h),
 * and prompts that begin alike are computed once, also where they come together: the younger waits for the
 * older's pages. Else each text has a slot of the engine, and its prompt goes in at once.
 *
 * When pages run out the text that came last gives its pages back. It waits at the head of the queue, and
 * then its prompt goes in again, and the tokens that it has, one by one, as they did the first time. */
#ifndef TS_INFER_SCHEDULER_H
#define TS_INFER_SCHEDULER_H
#include "infer/choice.h"
#include "infer/constraint.h"
#include "infer/engine.h"

typedef struct ts_scheduler ts_scheduler;
typedef struct ts_scheduled ts_scheduled;

/* Who guesses how a text goes on (speculative decoding): ids [n] of it, up to `most` guesses to out; how many there
 * are, 0 or more, or a negative ts_status. Guesses go through the model beside the newest token, in one pass, and are
 * taken as long as they are what would have been chosen: what becomes of a text does not depend on them, to the bit. */
typedef int64_t ts_drafter_fn(void *ctx, const int32_t *ids, int64_t n, int64_t most, int32_t *out);

typedef struct ts_scheduler_options {
    int64_t texts;       /* being written at once, TS_ENGINE_MOST_SLOTS at most */
    int64_t step_tokens; /* of prompts in a step, at most */
    int64_t tokens;      /* that all texts together may have in pages; rounded up to whole pages */
    bool reuse;          /* beginnings of prompts */
    bool remembers;      /* with reuse: when there is nothing else to do, what was written goes in as a prompt would, so
                          * that a talk that goes on finds it; ts_scheduler_is_idle is false until that is done */
    int64_t drafts;      /* guesses for a text in a step, at most; 0: none. Of texts in pages alone */
    ts_drafter_fn *drafter;
    void *drafter_ctx;
} ts_scheduler_options;

typedef struct ts_scheduler_request {
    const int32_t *prompt;     /* [n_prompt], 1 or more */
    int64_t n_prompt, max_new; /* max_new: 1 or more; both together have room in the cache */
    int64_t n_answered;        /* of the prompt's last tokens that are the answer's beginning: it goes on */
    int32_t state;             /* of the constraint behind them, where there are some */
    ts_choice_options choice;
    ts_constraint *constraint; /* what the answer must fit, borrowed; NULL: anything */
    void *ctx;
    /* A new token; *stop ends the text. An error ends it too, with that status. */
    ts_status (*token)(void *ctx, const ts_choice *c, bool *stop);
    /* The text has ended (is_stopped: by an end-of-text token or the hook; else by max_new) or failed, with
     * its message where the thread's messages are. It is gone then. */
    void (*done)(void *ctx, ts_status st, bool is_stopped);
} ts_scheduler_request;

/* What there is and was. */
typedef struct ts_scheduler_figures {
    int64_t waiting, writing;
    int64_t tokens_held, tokens_room; /* of texts in pages; in all */
    int64_t prompt_tokens, reused_tokens, new_tokens, preempted, steps;
    int64_t drafted, accepted; /* guesses; of them taken */
    int64_t remembered_tokens; /* of answers, that went in as prompts do */
} ts_scheduler_figures;

/* The decoder is borrowed. */
ts_status ts_scheduler_create(ts_decoder *d, const ts_scheduler_options *o, ts_scheduler **out) TS_NODISCARD;
/* Texts that are still there end without a word. */
void ts_scheduler_destroy(ts_scheduler **b);
/* At the end of the queue. The request's ids and biases are borrowed until it is done or taken out. */
ts_status ts_scheduler_add(ts_scheduler *b, const ts_scheduler_request *r, ts_scheduled **out) TS_NODISCARD;
/* Takes a text out, without a word, wherever it is; not from within a hook. */
void ts_scheduler_cancel(ts_scheduler *b, ts_scheduled *t);
/* Tokens of its prompt that were there already. */
int64_t ts_scheduler_reused(const ts_scheduled *t);
/* One step; nothing where there is nothing to do (ts_scheduler_is_idle). What fails for one text ends that
 * text alone; what fails for all ends all that are being written, and is the result. */
ts_status ts_scheduler_step(ts_scheduler *b) TS_NODISCARD;
bool ts_scheduler_is_idle(const ts_scheduler *b);
ts_scheduler_figures ts_scheduler_look(const ts_scheduler *b);
#endif
