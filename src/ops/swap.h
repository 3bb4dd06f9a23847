/* A second memory for what a tape keeps: bytes wait on the host while the device's are free for
 * others. It is an arena of slots, each as large as what lay in it first; a slot that is given back is
 * taken again by the next of its size, so that a step allocates nothing after the first. All slots are
 * booked as TS_MEM_SWAP until the arena goes. */
#ifndef TS_OPS_SWAP_H
#define TS_OPS_SWAP_H
#include "tensor/tensor.h"

typedef struct ts_swap_slot {
    struct ts_swap_slot *next;
    void *host;     /* of alloc_host; NULL where nothing is computed */
    size_t bytes;
    ts_event *mark; /* behind the last copy */
    bool taken;
} ts_swap_slot;

/* A tensor that records of a layer keep and that is to wait here when nobody else holds it. */
typedef struct ts_swap_kept {
    ts_tensor *t;
    int64_t layer;
    int saves;   /* pins of records, and of others that read nothing any more */
    bool is_out; /* it went, once */
} ts_swap_kept;

typedef struct ts_swap {
    ts_device *dev;
    ts_swap_slot *slots;
    ts_swap_kept *kept; /* in the order of the forward pass */
    size_t n, cap;
    size_t pending; /* before it all went out */
    size_t back;    /* from it on all were asked back; n while the forward pass runs */
} ts_swap;

/* Frees all slots, the taken ones too. */
void ts_swap_deinit(ts_swap *s);
/* t's bytes go to a slot, behind what the main queue has to do so far. t may be unpinned when this
 * returns. TS_ERR_NOMEM leaves nothing behind. */
ts_status ts_swap_out(ts_swap *s, const ts_tensor *t, ts_swap_slot **out) TS_NODISCARD;
/* They come to t, a tensor of the same size, before the main queue goes on; the slot is free. */
void ts_swap_in(ts_swap *s, ts_swap_slot **slot, const ts_tensor *t);
/* Nobody wants them any more. Fine with a pointer to NULL. */
void ts_swap_drop(ts_swap_slot **slot);

/* ---- what records keep: out behind its layer, back one layer ahead ---- */

/* Room for `more` notes, so that ts_swap_note cannot fail. */
ts_status ts_swap_reserve(ts_swap *s, size_t more) TS_NODISCARD;
/* A record of the layer has pinned t. waits: t is to wait here; else the pin alone is counted, if t is to
 * wait for another record's sake. */
void ts_swap_note(ts_swap *s, ts_tensor *t, int64_t layer, bool waits);
/* Of what was noted all goes that records alone hold: its bytes are given back. */
ts_status ts_swap_send(ts_swap *s) TS_NODISCARD;
/* Nothing goes out any more; what was noted for this layer and those behind it begins to come back. */
ts_status ts_swap_fetch(ts_swap *s, int64_t layer) TS_NODISCARD;
/* t's bytes are there before the main queue goes on; fine where they never went. */
ts_status ts_swap_need(ts_swap *s, ts_tensor *t) TS_NODISCARD;
/* Notes are void; their tensors have been unpinned. */
void ts_swap_forget(ts_swap *s);
#endif
