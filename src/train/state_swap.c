#include "train/state_swap.h"

/* The piece with own element n, from piece i on; NULL: it is behind all. */
static const ts_shard_piece *piece_with(const ts_shards *h, int64_t n, int64_t *i)
{
    while (*i < h->n_pieces && h->piece[*i].own + h->piece[*i].n <= n)
        ++*i;
    return *i < h->n_pieces && h->piece[*i].own <= n ? &h->piece[*i] : NULL;
}

/* Where slices begin, about `slice` elements apart: behind what is stepped whole, not in it. Only counts them where
 * there is no room. */
static int64_t cut(ts_state_swap *s, const ts_shards *h, int64_t slice)
{
    int64_t k = 0, i = 0, rest = 0;
    for (int64_t at = 0; at < h->most; k++) {
        int64_t end = at + slice < h->most ? at + slice : h->most, r = h->most_rest;
        const ts_shard_piece *x = end < h->most ? piece_with(h, end, &i) : NULL;
        if (x && x->rest < 0 && x->own < end) {
            end = x->own + (x->n + 63) / 64 * 64;
            i++;
        }
        for (int64_t n = i; end < h->most && n <= h->n_pieces; n++) /* the rest's next */
            if (n == h->n_pieces || h->piece[n].rest >= 0) {
                r = n == h->n_pieces ? h->rest : h->piece[n].rest + (h->piece[n].own < end ? end - h->piece[n].own : 0);
                break;
            }
        if (s->own)
            s->own[k] = at, s->rest[k] = rest, s->own[k + 1] = end, s->rest[k + 1] = end < h->most ? r : h->most_rest;
        at = end;
        rest = r;
    }
    return k;
}

ts_status ts_state_swap_init(ts_state_swap *s, const ts_param_set *params, int64_t times)
{
    ts_device *dev = params->dev;
    const ts_shards *h = &params->shards;
    const int64_t blocks = (h->most + 63) / 64, n = times > 0 ? times : 1, even = (blocks + n - 1) / n * 64,
                  slice = even > 0 ? even : 64;
    *s = (ts_state_swap){ .dev = dev };
    s->n_slices = cut(s, h, slice);
    TS_TRY(ts_alloc(&s->own, (size_t)s->n_slices + 1, sizeof *s->own));
    TS_TRY(ts_alloc(&s->rest, (size_t)s->n_slices + 1, sizeof *s->rest));
    cut(s, h, slice);
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
    ts_free(&s->own);
    ts_free(&s->rest);
    *s = (ts_state_swap){ 0 };
}

/* Of array i's elements those of slice k: [*from, result). */
static int64_t range(const ts_state_swap *s, int i, int64_t k, int64_t *from)
{
    const int64_t *bound = s->of_rest[i] ? s->rest : s->own;
    *from = bound[k];
    return bound[k + 1];
}

/* Of the longest slice. */
static size_t array_bytes(const ts_state_swap *s, int i)
{
    int64_t most = 0, from;
    for (int64_t k = 0; k < s->n_slices; k++) {
        const int64_t n = range(s, i, k, &from) - from;
        most = n > most ? n : most;
    }
    return s->away[i] ? (size_t)most * s->size[i] : 0;
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
    for (int i = 0; i < TS_STATE_ARRAYS; i++) {
        int64_t from, to = range(s, i, k, &from);
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
