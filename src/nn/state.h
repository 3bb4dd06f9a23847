/* What a layer keeps of earlier tokens while sequences are continued: keys and values, or whatever
 * its kind of mixing needs, behind one table, so that generation knows none of them. Sequences live in
 * slots 0, 1, ...; what a slot holds depends on its own tokens alone. */
#ifndef TS_NN_STATE_H
#define TS_NN_STATE_H
#include "ops/scan.h"

typedef struct ts_layer_state ts_layer_state;

typedef struct ts_layer_state_kind {
    /* Room for so many tokens in every slot; the length[slot] that are there stay. A failure changes
     * nothing. */
    ts_status (*reserve)(ts_layer_state *s, int64_t tokens, const int32_t *length);
    /* Slot `to` becomes a copy of another, which holds `length` tokens. */
    void (*copy)(ts_layer_state *s, int64_t to, int64_t from, int64_t length);
    /* What a slot holds to memory of the device, slot_bytes at most, and back. */
    size_t (*slot_bytes)(const ts_layer_state *s);
    void (*put_aside)(ts_layer_state *s, int64_t slot, int64_t length, void *to);
    void (*put_back)(ts_layer_state *s, int64_t slot, int64_t length, const void *from);
    void (*destroy)(ts_layer_state *s);
} ts_layer_state_kind;

enum { TS_LAYER_STATE_PARTS = 2 };

/* Whoever implements one puts this first into a struct of his own. */
struct ts_layer_state {
    const ts_layer_state_kind *kind;
    ts_device *dev;
    int64_t slots;
    ts_layer_state *part[TS_LAYER_STATE_PARTS]; /* of a pair; else NULL */
};

static inline void ts_layer_state_destroy(ts_layer_state **s)
{
    if (*s)
        (*s)->kind->destroy(*s);
    *s = NULL;
}

/* What two parts of a layer keep, of kinds that differ; it owns both. On failure they are destroyed. */
ts_status ts_pair_state_create(ts_layer_state *first, ts_layer_state *second, ts_layer_state **out) TS_NODISCARD;
/* s itself if it is of this kind, or its part that is; else NULL. */
ts_layer_state *ts_layer_state_of(ts_layer_state *s, const ts_layer_state_kind *kind);

/* Keys and values, so many vectors of `width` values a token: see ts_kv_cache. */
ts_status ts_kv_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, int64_t vectors, int64_t width,
                             ts_layer_state **out) TS_NODISCARD;
/* They are to be held as codes; before anything is. Nothing where s, and any part of it, is of another kind. */
void ts_kv_state_use_code(ts_layer_state *s, ts_kv_code code);
/* What attention reads and writes, with room for every slot; NULL: s is NULL. */
ts_kv_cache *ts_kv_state_cache(ts_layer_state *s);

/* What a layer makes of a weight's values for all slots, and of which of the weight's versions. */
typedef struct ts_made {
    ts_storage *storage; /* NULL: nothing yet */
    unsigned version;
} ts_made;
/* Of a state of keys and values, with which it goes. */
ts_made *ts_kv_state_made(ts_layer_state *s);

/* Rows of cols of every slot: the last `rows` of them, or (rate above 0) one for each rate tokens, with room for `rows`. */
typedef struct ts_kept_rows {
    ts_storage *storage; /* [slots, rows, cols]; NULL: there is no room yet */
    int64_t rows, cols, rate;
} ts_kept_rows;
enum { TS_KEPT_ROWS = 7 };
/* What several tensors leave, kept[i] without storage. */
ts_status ts_rows_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, const ts_kept_rows *kept, int n,
                               ts_layer_state **out) TS_NODISCARD;
const ts_kept_rows *ts_rows_state_kept(ts_layer_state *s, int i);

/* Of each slot the last `rows` rows of cols that a convolution has seen, and a state of so many floats
 * (0: none): see ts_scan_kept. */
ts_status ts_scan_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, int64_t rows, int64_t cols,
                               int64_t floats, ts_layer_state **out) TS_NODISCARD;
/* For a pass over slots from slot0 on; s NULL: nothing is kept. */
ts_scan_kept ts_scan_state_kept(ts_layer_state *s, int64_t slot0, const int32_t *start, const int32_t *length);
#endif
