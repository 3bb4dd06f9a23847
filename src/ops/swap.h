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

typedef struct ts_swap {
    ts_device *dev;
    ts_swap_slot *slots;
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
#endif
