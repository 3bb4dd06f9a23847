/* What the parts of the scheduler share: scheduler_batch.c (who is in the batch) and scheduler_pages.c (texts in pages). */
#ifndef TS_INFER_SCHEDULER_INSIDE_H
#define TS_INFER_SCHEDULER_INSIDE_H
#include "infer/pages.h"
#include "infer/scheduler.h"

struct ts_scheduled {
    ts_scheduler_request r;
    int64_t number; /* texts in the order in which they came */
    int32_t *ids;   /* [n]: the prompt, and the answer so far */
    size_t cap_ids;
    int64_t n, there; /* there: tokens whose keys and values are */
    int64_t prompt;   /* tokens that go in as a prompt does */
    int32_t *pages;   /* [n_pages] */
    size_t cap_pages;
    int64_t n_pages, kept; /* kept: pages that were offered to others */
    int64_t reused;
    int32_t state;   /* of the grammar, where there is one */
    bool shares;     /* its pages with others */
    bool is_writing; /* else it waits, and: */
    ts_scheduled *next;
};

struct ts_scheduler {
    ts_scheduler_options o;
    ts_engine *engine;
    int64_t vocab, alone_above; /* see ts_engine_alone_above */
    ts_pages *pages;            /* NULL: texts have slots, at[i] has slot i */
    int64_t most_pages;
    ts_scheduled **at; /* [o.texts] that are written, [n] of them */
    int64_t n;
    ts_scheduled *first, *last; /* that wait */
    int64_t number;
    int64_t rows;               /* of a pass, at most */
    ts_engine_stretch *stretch; /* [rows] of the pass at hand */
    int32_t *draft;             /* [rows] guesses of the pass at hand */
    ts_chooser chooser;
    ts_scheduled *memory, *last_memory; /* ended texts whose answers are still to go in as prompts do, [n_memory] */
    int64_t n_memory;
    ts_scheduler_figures f;
};

static inline int64_t ts_scheduler_pages_for(int64_t tokens) { return (tokens + TS_ENGINE_PAGE - 1) >> TS_ENGINE_PAGE_BITS; }

/* ---- scheduler_batch.c ---- */

void ts_scheduled_destroy(ts_scheduled *t);
/* The head of the queue joins those that are written. */
ts_scheduled *ts_scheduler_join(ts_scheduler *b);
/* Out of those that are written; the last one takes its place. */
void ts_scheduler_take_out(ts_scheduler *b, ts_scheduled *t);
void ts_scheduler_finish(ts_scheduler *b, ts_scheduled *t, ts_status st, bool is_stopped);
/* What follows a pass: the next token, where the text does not have it from before it made room. Whether the text is
 * still there. */
bool ts_scheduler_go_on(ts_scheduler *b, ts_scheduled *t, const float *logits);
/* Of those that are written, by age: prompts that are not in yet, or texts that want their next token. */
int64_t ts_scheduler_list(const ts_scheduler *b, bool is_prompt, ts_scheduled **list);

/* ---- scheduler_pages.c ---- */

void ts_scheduled_give_back(ts_scheduler *b, ts_scheduled *t);
ts_status ts_scheduler_step_in_pages(ts_scheduler *b) TS_NODISCARD;
/* Takes over a text that is out: what it has written goes in as a prompt when there is nothing else to do, so that a
 * prompt that begins with it finds it. Or it is destroyed, where nobody would find anything. */
void ts_scheduler_remember(ts_scheduler *b, ts_scheduled *t);
/* The one that has waited longest is dropped. */
void ts_scheduler_drop_memory(ts_scheduler *b);
#endif
