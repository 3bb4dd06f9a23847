#include "train/state_swap.h"

ts_status ts_state_swap_init(ts_state_swap *s, ts_device *dev, int64_t own, int64_t times)
{
    const int64_t blocks = (own + 63) / 64, n = times > 0 ? times : 1, slice = (blocks + n - 1) / n * 64;
    *s = (ts_state_swap){ .dev = dev, .own = own, .slice = slice > 0 ? slice : 64 };
    s->n_slices = (own + s->slice - 1) / s->slice;
    for (int r = 0; r < 2; r++) {
        TS_TRY(dev->event_create(dev, &s->room[r].came));
        TS_TRY(dev->event_create(dev, &s->room[r].done));
    }
    return TS_OK;
}

void ts_state_swap_deinit(ts_state_swap *s)
{
    if (!s->dev)
        return;
    ts_state_swap_close(s);
    for (int r = 0; r < 2; r++) {
        s->dev->event_destroy(s->dev, s->room[r].came);
        s->dev->event_destroy(s->dev, s->room[r].done);
    }
    *s = (ts_state_swap){ 0 };
}

static size_t array_bytes(const ts_state_swap *s, int i)
{
    return s->away[i] ? (size_t)s->slice * s->size[i] : 0;
}

ts_status ts_state_swap_open(ts_state_swap *s)
{
    size_t bytes = 0;
    for (int i = 0; i < TS_STATE_ARRAYS; i++)
        bytes += array_bytes(s, i);
    for (int r = 0; r < 2 && r < s->n_slices; r++) {
        ts_state_room *room = &s->room[r];
        const ts_status st = ts_storage_create(s->dev, TS_MEM_OPTIM, bytes, &room->bytes);
        if (st != TS_OK) {
            ts_state_swap_close(s);
            return st;
        }
        char *at = room->bytes->data;
        for (int i = 0; i < TS_STATE_ARRAYS; at += array_bytes(s, i), i++)
            room->array[i] = at;
    }
    return TS_OK;
}

/* Copies may be under way; who reads results is told by another sync of what they could not do. */
void ts_state_swap_close(ts_state_swap *s)
{
    if (s->room[0].bytes)
        s->dev->sync(s->dev);
    for (int r = 0; r < 2; r++)
        ts_storage_release(&s->room[r].bytes);
}

/* Where nothing is computed copies are counted alone. */
static void copy(ts_state_swap *s, ts_way way, int64_t k)
{
    int64_t from, to = ts_state_swap_slice(s, k, &from);
    for (int i = 0; i < TS_STATE_ARRAYS; i++) {
        const size_t n = (size_t)(to - from) * s->size[i];
        if (!s->away[i])
            continue;
        char *there = (char *)s->away[i]->data + (size_t)from * s->size[i], *here = s->room[k % 2].array[i];
        s->dev->swapped[way] += (double)n;
        if (!s->dev->computes)
            s->dev->copied[way] += (double)n;
        else if (way == TS_TO_DEVICE)
            s->dev->copy(s->dev, way, here, there, n);
        else
            s->dev->copy(s->dev, way, there, here, n);
    }
}

/* The queue of copies keeps the order: what was in the room has gone before. */
void ts_state_swap_bring(ts_state_swap *s, int64_t k)
{
    ts_state_room *room = &s->room[k % 2];
    if (k < 2) { /* the room's bytes may have been another's until now */
        s->dev->record(s->dev, TS_QUEUE_MAIN, room->done);
        s->dev->follow(s->dev, TS_QUEUE_COPY, room->done);
    }
    copy(s, TS_TO_DEVICE, k);
    s->dev->record(s->dev, TS_QUEUE_COPY, room->came);
}

void ts_state_swap_await(ts_state_swap *s, int64_t k)
{
    s->dev->follow(s->dev, TS_QUEUE_MAIN, s->room[k % 2].came);
}

void ts_state_swap_return(ts_state_swap *s, int64_t k)
{
    ts_state_room *room = &s->room[k % 2];
    s->dev->record(s->dev, TS_QUEUE_MAIN, room->done);
    s->dev->follow(s->dev, TS_QUEUE_COPY, room->done);
    copy(s, TS_TO_HOST, k);
}
