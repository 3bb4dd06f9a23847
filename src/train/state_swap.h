/* The optimizer's step over state that waits in the host's memory (--swap-optimizer). Arrays of the own
 * shares (tensor/shards.h) are cut into slices of the same elements. A slice comes to the device, is
 * stepped there and goes back, while the next one comes: two rooms are enough, and outside of the step
 * there is none. What is copied in a step is each array once in each way. */
#ifndef TS_TRAIN_STATE_SWAP_H
#define TS_TRAIN_STATE_SWAP_H
#include "tensor/tensor.h"

/* The two moments, and masters where they are kept apart. */
enum { TS_STATE_ARRAYS = 3 };

typedef struct ts_state_room {
    ts_storage *bytes;
    ts_event *came, *done; /* behind the copies to it, and behind the kernels that use it */
    char *array[TS_STATE_ARRAYS];
} ts_state_room;

typedef struct ts_state_swap {
    ts_device *dev; /* NULL: nothing is away */
    int64_t own, slice, n_slices; /* elements of an array, of a slice, and slices */
    const ts_storage *away[TS_STATE_ARRAYS]; /* NULL: there is none */
    size_t size[TS_STATE_ARRAYS];            /* bytes of their elements */
    ts_state_room room[2];
} ts_state_swap;

/* own: elements of each array. times: slices; 0: one. */
ts_status ts_state_swap_init(ts_state_swap *s, ts_device *dev, int64_t own, int64_t times) TS_NODISCARD;
void ts_state_swap_deinit(ts_state_swap *s);
/* Before anything comes: array i, borrowed, with elements of that many bytes. */
static inline void ts_state_swap_add(ts_state_swap *s, int i, const ts_storage *away, size_t size)
{
    s->away[i] = away;
    s->size[i] = size;
}
/* Makes the rooms. TS_ERR_NOMEM leaves none. */
ts_status ts_state_swap_open(ts_state_swap *s) TS_NODISCARD;
void ts_state_swap_close(ts_state_swap *s);
/* Elements of slice k: [*from, result). */
static inline int64_t ts_state_swap_slice(const ts_state_swap *s, int64_t k, int64_t *from)
{
    *from = k * s->slice;
    return *from + s->slice < s->own ? *from + s->slice : s->own;
}
/* Slice k is sent for, in the order of slices; the main queue waits for it and it is there; it goes back
 * behind what the main queue has to do with it. At most two slices are between the first and the last. */
void ts_state_swap_bring(ts_state_swap *s, int64_t k);
void ts_state_swap_await(ts_state_swap *s, int64_t k);
void ts_state_swap_return(ts_state_swap *s, int64_t k);
/* Where element `own` of array i is in slice k's room. */
static inline void *ts_state_swap_at(const ts_state_swap *s, int64_t k, int i, int64_t own)
{
    return s->room[k % 2].array[i] + (size_t)(own - k * s->slice) * s->size[i];
}
#endif
