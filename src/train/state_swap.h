/* The optimizer's step over state that waits in the host's memory (--swap-optimizer). Arrays of the own
 * shares (tensor/shards.h) are cut into slices of the same elements. A slice comes to the device, is
 * stepped there and goes back, while the next one comes: two rooms are enough, and outside of the step
 * there is none. What is copied in a step is each array once in each way. */
#ifndef TS_TRAIN_STATE_SWAP_H
#define TS_TRAIN_STATE_SWAP_H
#include "tensor/param.h"

/* The two moments, and masters where they are kept apart. */
enum { TS_STATE_ARRAYS = 3 };

typedef struct ts_state_room {
    ts_storage *bytes;
    ts_event *came, *done; /* behind the copies to it, and behind the kernels that use it */
    char *array[TS_STATE_ARRAYS];
} ts_state_room;

typedef struct ts_state_swap {
    ts_device *dev; /* NULL: nothing is away */
    int64_t n_slices;
    int64_t *own, *rest; /* [n_slices + 1] where slices begin, and the last ends: in arrays of the own shares, and in
                            those without what is stepped whole */
    bool of_rest[TS_STATE_ARRAYS]; /* it is one of these */
    const ts_storage *away[TS_STATE_ARRAYS]; /* NULL: there is none */
    size_t size[TS_STATE_ARRAYS];            /* bytes of their elements */
    ts_state_room room[2];
} ts_state_swap;

/* Slices of the own shares' elements, times of them; 0: one. What is stepped whole lies in one slice each, so that
 * slices are of different lengths then. */
ts_status ts_state_swap_init(ts_state_swap *s, const ts_param_set *params, int64_t times) TS_NODISCARD;
void ts_state_swap_deinit(ts_state_swap *s);
/* Before anything comes: array i, borrowed, with elements of that many bytes; of_rest: without those that are
 * stepped whole. */
static inline void ts_state_swap_add(ts_state_swap *s, int i, const ts_storage *away, size_t size, bool of_rest)
{
    s->away[i] = away;
    s->of_rest[i] = of_rest;
    s->size[i] = size;
}
/* Makes the rooms. TS_ERR_NOMEM leaves none. */
ts_status ts_state_swap_open(ts_state_swap *s) TS_NODISCARD;
void ts_state_swap_close(ts_state_swap *s);
/* Own elements of slice k: [*from, result). */
static inline int64_t ts_state_swap_slice(const ts_state_swap *s, int64_t k, int64_t *from)
{
    *from = s->own[k];
    return s->own[k + 1];
}
/* Slice k is sent for, in the order of slices; the main queue waits for it and it is there; it goes back
 * behind what the main queue has to do with it. At most two slices are between the first and the last. */
void ts_state_swap_bring(ts_state_swap *s, int64_t k);
void ts_state_swap_await(ts_state_swap *s, int64_t k);
void ts_state_swap_return(ts_state_swap *s, int64_t k);
/* Where element n of array i is in slice k's room. */
static inline void *ts_state_swap_at(const ts_state_swap *s, int64_t k, int i, int64_t n)
{
    return s->room[k % 2].array[i] + (size_t)(n - (s->of_rest[i] ? s->rest : s->own)[k]) * s->size[i];
}
#endif
