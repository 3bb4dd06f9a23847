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
    if (!dev->computes)
        return TS_OK;
    dev->record(dev, TS_QUEUE_MAIN, slot->mark); /* behind the kernels that have written them */
    dev->follow(dev, TS_QUEUE_COPY, slot->mark);
    dev->copy(dev, TS_TO_HOST, slot->host, ts_tensor_data(t), ts_tensor_bytes(t));
    return TS_OK;
}

/* The queue of copies keeps the order: out, in, and out again for the slot's next user. */
void ts_swap_in(ts_swap *s, ts_swap_slot **slot, const ts_tensor *t)
{
    ts_device *dev = s->dev;
    if (dev->computes) {
        dev->copy(dev, TS_TO_DEVICE, ts_tensor_data(t), (*slot)->host, ts_tensor_bytes(t));
        dev->record(dev, TS_QUEUE_COPY, (*slot)->mark);
        dev->follow(dev, TS_QUEUE_MAIN, (*slot)->mark);
    }
    ts_swap_drop(slot);
}

void ts_swap_drop(ts_swap_slot **slot)
{
    if (*slot)
        (*slot)->taken = false;
    *slot = NULL;
}
