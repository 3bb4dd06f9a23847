/* What the leader of a model group (infer/model_group.h) tells those who follow: which function of the engine or of scoring is next,
 * with what, so that they call the same. Where nobody follows, and on those who do, telling is nothing. */
#ifndef TS_INFER_TELL_H
#define TS_INFER_TELL_H
#include "base/status.h"
#include "infer/stretch.h"

struct ts_model_group;

typedef enum ts_told_what {
    TS_TOLD_END,
    TS_TOLD_CREATE,        /* an engine: a slots, b whether in pages */
    TS_TOLD_DESTROY,
    TS_TOLD_RESERVE,       /* a tokens */
    TS_TOLD_RESERVE_PAGES, /* a pages */
    TS_TOLD_CLEAR,         /* a slot */
    TS_TOLD_COPY,          /* a to, b from */
    TS_TOLD_REORDER,       /* int64 from [b] */
    TS_TOLD_PREFILL,       /* a first slot; prompts [b] */
    TS_TOLD_DECODE,        /* int32 ids [b] */
    TS_TOLD_EXTEND,        /* a first slot; prompts [b]; asks [c] */
    TS_TOLD_RUN,           /* a whether of prompts, c whether logits are wanted; stretches [b] */
    TS_TOLD_SCORE,         /* int32 ids [b], as all that follow */
    TS_TOLD_CHOICES,       /* a how many */
    TS_TOLD_LOGITS,
    TS_TOLD_NUMBERS,
    TS_TOLD_NEXT,
    TS_TOLD_VECTOR,        /* a pooling, c whether of length one */
} ts_told_what;

typedef struct ts_told {
    int64_t what, engine, a, b, c; /* engine: its number */
    int64_t bytes;                 /* behind it */
} ts_told;

/* The bytes [t->bytes] behind it may be NULL where there are none. */
ts_status ts_tell(struct ts_model_group *c, const ts_told *t, const void *behind) TS_NODISCARD;
/* The bytes are lengths int64 [b] and all ids int32, then asks [c]. */
ts_status ts_tell_prompts(struct ts_model_group *c, const ts_told *t, const ts_prompt *prompts, const ts_ask *asks) TS_NODISCARD;
/* The bytes are of each stretch begin, n, n_pages int64, then of each its n ids and n_pages pages int32. */
ts_status ts_tell_stretches(struct ts_model_group *c, const ts_told *t, const ts_engine_stretch *s) TS_NODISCARD;
/* What all have done each for itself went well, or on none: the worst of all. */
ts_status ts_tell_agree(struct ts_model_group *c, ts_status st) TS_NODISCARD;
/* A pass that failed leaves others waiting: nothing more can be told. Returns st. */
ts_status ts_tell_failed(struct ts_model_group *c, ts_status st) TS_NODISCARD;
/* The end, with how it came; returns st. */
ts_status ts_tell_end(struct ts_model_group *c, ts_status st) TS_NODISCARD;
/* For those who follow: what is next; *behind [t->bytes] grows as needed, of cap bytes. */
ts_status ts_tell_hear(struct ts_model_group *c, ts_told *t, char **behind, size_t *cap) TS_NODISCARD;
#endif
