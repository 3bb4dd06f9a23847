#include "ops/swap.h"

/* Copies of a pass that failed may be under way; who reads results is told by another sync. */
void ts_swap_deinit(ts_swap *s)
{
    if (s->slots)
        s->dev->sync(s->dev);
    while (s->slots) {
        ts_swap_slot *slot = s->slots;
        s->slots = slot->next;
        if (slot->host)
            s->dev->free_host(s->dev, slot->host, slot->bytes);
        s->dev->event_destroy(s->dev, slot->mark);
        ts_device_book(s->dev, TS_MEM_SWAP, -(int64_t)slot->bytes);
        ts_free(&slot);
    }
    ts_free(&s->kept);
}

/* What a slot has besides its own few bytes. */
static ts_status fill(ts_device *dev, ts_swap_slot *slot)
{
    TS_TRY(dev->event_create(dev, &slot->mark));
    if (!dev->computes)
        return TS_OK;
    const ts_status st = dev->alloc_host(dev, slot->bytes, &slot->host);
    if (st != TS_OK)
        dev->event_destroy(dev, slot->mark);
    return st;
}

static ts_status slot_of(ts_swap *s, size_t bytes, ts_swap_slot **out)
{
    ts_swap_slot *slot = s->slots;
    while (slot && (slot->taken || slot->bytes != bytes))
        slot = slot->next;
    if (!slot) {
        TS_TRY(ts_alloc(&slot, 1, sizeof *slot));
        *slot = (ts_swap_slot){ .bytes = bytes };
        const ts_status st = fill(s->dev, slot);
        if (st != TS_OK) {
            ts_free(&slot);
            return st;
        }
        ts_device_book(s->dev, TS_MEM_SWAP, (int64_t)bytes);
        slot->next = s->slots;
        s->slots = slot;
    }
    slot->taken = true;
    *out = slot;
    return TS_OK;
}

ts_status ts_swap_out(ts_swap *s, const ts_tensor *t, ts_swap_slot **out)
{
    ts_device *dev = s->dev;
    ts_swap_slot *slot;
    TS_TRY(slot_of(s, ts_device_round(ts_tensor_bytes(t)), &slot));
    *out = slot;
    dev->swapped[TS_TO_HOST] += (double)ts_tensor_bytes(t);
    dev->record(dev, TS_QUEUE_MAIN, slot->mark); /* behind the kernels that have written them */
    dev->follow(dev, TS_QUEUE_COPY, slot->mark);
    dev->copy(dev, TS_TO_HOST, slot->host, ts_tensor_data(t), ts_tensor_bytes(t));
    return TS_OK;
}

/* The queue of copies keeps the order: out, in, and out again for the slot's next user. */
static void begin_in(ts_swap *s, const ts_swap_slot *slot, const ts_tensor *t)
{
    ts_device *dev = s->dev;
    dev->swapped[TS_TO_DEVICE] += (double)ts_tensor_bytes(t);
    dev->copy(dev, TS_TO_DEVICE, ts_tensor_data(t), slot->host, ts_tensor_bytes(t));
    dev->record(dev, TS_QUEUE_COPY, slot->mark);
}

static void end_in(ts_swap *s, ts_swap_slot **slot)
{
    s->dev->follow(s->dev, TS_QUEUE_MAIN, (*slot)->mark);
    ts_swap_drop(slot);
}

void ts_swap_in(ts_swap *s, ts_swap_slot **slot, const ts_tensor *t)
{
    begin_in(s, *slot, t);
    end_in(s, slot);
}

void ts_swap_drop(ts_swap_slot **slot)
{
    if (*slot)
        (*slot)->taken = false;
    *slot = NULL;
}

/* ---- what records keep ---- */

ts_status ts_swap_reserve(ts_swap *s, size_t more)
{
    return ts_grow(&s->kept, &s->cap, s->n + more, sizeof *s->kept);
}

void ts_swap_note(ts_swap *s, ts_tensor *t, int64_t layer, bool waits)
{
    for (size_t i = s->n; i-- > s->pending;) {
        if (s->kept[i].t == t) {
            s->kept[i].saves++;
            return;
        }
    }
    if (!waits)
        return;
    TS_ASSERT(s->n < s->cap, "no room for another note");
    s->kept[s->n++] = (ts_swap_kept){ .t = t, .layer = layer, .saves = 1 };
    s->back = s->n;
}

/* Bytes that others share, or that are no activations, stay. */
static bool may_go(const ts_swap_kept *k)
{
    const ts_storage *bytes = k->t->storage;
    return !k->is_out && k->t->pins == k->saves && bytes && bytes->refs == 1 && bytes->kind == TS_MEM_ACT;
}

ts_status ts_swap_send(ts_swap *s)
{
    for (size_t i = s->pending; i < s->n; i++) {
        ts_swap_kept *k = &s->kept[i];
        if (!may_go(k))
            continue;
        TS_TRY(ts_swap_out(s, k->t, &k->t->slot));
        ts_storage_release(&k->t->storage);
        k->is_out = true;
    }
    while (s->pending < s->n && s->kept[s->pending].is_out)
        s->pending++;
    return TS_OK;
}

static ts_status ask_back(ts_swap *s, ts_tensor *t)
{
    if (!t->slot || t->storage)
        return TS_OK;
    TS_TRY(ts_storage_create(s->dev, TS_MEM_ACT, ts_tensor_bytes(t), &t->storage));
    t->offset = 0;
    begin_in(s, t->slot, t);
    return TS_OK;
}

ts_status ts_swap_fetch(ts_swap *s, int64_t layer)
{
    s->pending = s->n;
    for (; s->back > 0 && s->kept[s->back - 1].layer >= layer; s->back--)
        TS_TRY(ask_back(s, s->kept[s->back - 1].t));
    return TS_OK;
}

ts_status ts_swap_need(ts_swap *s, ts_tensor *t)
{
    TS_TRY(ask_back(s, t));
    if (t->slot)
        end_in(s, &t->slot);
    return TS_OK;
}

void ts_swap_forget(ts_swap *s) { s->n = s->pending = s->back = 0; }
