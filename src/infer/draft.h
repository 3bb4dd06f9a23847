/* Guesses of a smaller model (speculative decoding, Leviathan et al. 2023): what it would write greedily. */
#ifndef TS_INFER_DRAFT_H
#define TS_INFER_DRAFT_H
#include "infer/engine.h"

typedef struct ts_draft ts_draft;
/* The decoder is borrowed; what it keeps must be keys and values alone (TS_ERR_USER). */
ts_status ts_draft_create(ts_decoder *d, ts_draft **out) TS_NODISCARD;
void ts_draft_destroy(ts_draft **d);
/* A ts_drafter_fn of a ts_draft. What of a text was there at the last call is not computed again. */
int64_t ts_draft_guess(void *draft, const int32_t *ids, int64_t n, int64_t most, int32_t *out);
#endif
