/* A decoder with the keys and values of several sequences at once: the inside of generation.
 *
 * Sequences live in slots 0, 1, ...; whoever schedules keeps the active ones together at the front
 * (copy and move). What a slot computes depends on its own tokens alone, to the bit, never on the
 * other slots.
 *
 * Where the decoder is that of several processes (infer/model_group.h) whoever leads them calls, and the others follow: logits
 * are then at the leader alone. */
#ifndef TS_INFER_ENGINE_H
#define TS_INFER_ENGINE_H
#include "infer/stretch.h"
#include "model/decoder.h"

typedef struct ts_engine ts_engine;

enum { TS_ENGINE_MOST_SLOTS = 256 };

/* The decoder is borrowed. slots: 1 to TS_ENGINE_MOST_SLOTS. */
ts_status ts_engine_create(ts_decoder *d, int64_t slots, ts_engine **out) TS_NODISCARD;
void ts_engine_destroy(ts_engine **e);

/* Room for so many tokens in every slot; what is there stays. Slots grow by themselves too: this
 * spares the copies where the need is known. */
ts_status ts_engine_reserve(ts_engine *e, int64_t tokens) TS_NODISCARD;

/* Logits on the host after the last token of each sequence, fp32 [n, ld]; valid until the next
 * call. */
typedef struct ts_logits {
    const float *v;
    int64_t ld;
} ts_logits;

/* Whole prompts into slots first..first+n-1, replacing what was there. */
ts_status ts_engine_prefill(ts_engine *e, int64_t first, int64_t n, const ts_prompt *prompts,
                            ts_logits *out) TS_NODISCARD;
/* How many of these prompts are best put in together (at least 1): rows of padding cost as much as
 * tokens. */
int64_t ts_engine_prefill_group(const ts_prompt *prompts, int64_t n);
/* One more token for each of slots 0..n-1. */
ts_status ts_engine_decode(ts_engine *e, int64_t n, const int32_t *ids,
                           ts_logits *out) TS_NODISCARD;
/* Further tokens behind what slots first..first+n-1 hold; more [n]. logprobs [n_asks], on the host. */
ts_status ts_engine_extend(ts_engine *e, int64_t first, int64_t n, const ts_prompt *more, const ts_ask *asks,
                           int64_t n_asks, float *logprobs) TS_NODISCARD;
/* Slot `to` becomes a copy of slot `from`. */
void ts_engine_copy(ts_engine *e, int64_t to, int64_t from);
/* A slot becomes empty. */
void ts_engine_clear(ts_engine *e, int64_t slot);
/* Slot i becomes a copy of what from[i] was, for i < n. */
ts_status ts_engine_reorder(ts_engine *e, const int64_t *from, int64_t n) TS_NODISCARD;
int64_t ts_engine_length(const ts_engine *e, int64_t slot); /* tokens in it */
int64_t ts_engine_slots(const ts_engine *e);

/* ---- keys and values in pages ----
 *
 * Where all that layers keep are keys and values, sequences need no slots: they lie in pages of TS_ENGINE_PAGE tokens,
 * in any order, and sequences that begin alike may have pages in common. Who has which page the caller decides
 * (infer/pages.h). What a token's keys and values are depends on the tokens up to it alone, to the bit, in however many
 * passes a prompt was put in; whether as part of a prompt or as a new token is another matter. */
enum { TS_ENGINE_PAGE_BITS = 4, TS_ENGINE_PAGE = 1 << TS_ENGINE_PAGE_BITS };

bool ts_engine_has_pages(const ts_decoder *d);
/* The decoder is borrowed. sequences: in one pass at most, 1 to TS_ENGINE_MOST_SLOTS. */
ts_status ts_engine_create_paged(ts_decoder *d, int64_t sequences, ts_engine **out) TS_NODISCARD;
/* Pages 0 to pages - 1 exist; what is in them stays. */
ts_status ts_engine_reserve_pages(ts_engine *e, int64_t pages) TS_NODISCARD;

/* Tokens of n sequences, of prompts or one new token each. out: logits after the last of each; NULL: not wanted. */
ts_status ts_engine_run(ts_engine *e, const ts_engine_stretch *s, int64_t n, bool is_prompt,
                        ts_logits *out) TS_NODISCARD;

/* Rotary angles of two scalings depend on the sequence's length once it is above this many tokens
 * (INT64_MAX: never). Such a sequence cannot share a pass with others. */
int64_t ts_engine_alone_above(const ts_engine *e);
/* Whether the cache of a sequence must be made anew when it grows to n tokens: longrope changes all
 * angles there, and so does transformers. */
bool ts_engine_must_refill(const ts_engine *e, int64_t n);
#endif
