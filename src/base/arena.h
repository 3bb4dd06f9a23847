/* Memory with the lifetime of a frame: many small pieces, freed together. */
#ifndef TS_BASE_ARENA_H
#define TS_BASE_ARENA_H
#include "base/mem.h"

typedef struct ts_arena_chunk ts_arena_chunk;
typedef struct ts_arena {
    ts_arena_chunk *chunk; /* newest */
    ts_arena_chunk *spare; /* kept by reset */
} ts_arena; /* zero-initialise to begin */

/* Zeroed bytes at a multiple of 16, valid until reset. out: address of a pointer. */
ts_status ts_arena_alloc(ts_arena *a, size_t bytes, void *out) TS_NODISCARD;
/* All pieces are gone; memory is kept for the next ones. Under sanitizers it is poisoned. */
void ts_arena_reset(ts_arena *a);
void ts_arena_deinit(ts_arena *a);
#endif
