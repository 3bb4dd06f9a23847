/* What two parts of a layer keep, side by side: everything is done to the one and to the other. */
#include "nn/state.h"

static ts_status reserve(ts_layer_state *s, int64_t tokens, const int32_t *length)
{
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++)
        TS_TRY(s->part[i]->kind->reserve(s->part[i], tokens, length));
    return TS_OK;
}

static void copy(ts_layer_state *s, int64_t to, int64_t from, int64_t length)
{
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++)
        s->part[i]->kind->copy(s->part[i], to, from, length);
}

static size_t slot_bytes(const ts_layer_state *s)
{
    size_t bytes = 0;
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++)
        bytes += s->part[i]->kind->slot_bytes(s->part[i]);
    return bytes;
}

static void put_aside(ts_layer_state *s, int64_t slot, int64_t length, void *to)
{
    char *at = to;
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++) {
        s->part[i]->kind->put_aside(s->part[i], slot, length, at);
        at += s->part[i]->kind->slot_bytes(s->part[i]);
    }
}

static void put_back(ts_layer_state *s, int64_t slot, int64_t length, const void *from)
{
    const char *at = from;
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++) {
        s->part[i]->kind->put_back(s->part[i], slot, length, at);
        at += s->part[i]->kind->slot_bytes(s->part[i]);
    }
}

static void destroy(ts_layer_state *s)
{
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++)
        ts_layer_state_destroy(&s->part[i]);
    ts_free(&s);
}

ts_status ts_pair_state_create(ts_layer_state *first, ts_layer_state *second, ts_layer_state **out)
{
    static const ts_layer_state_kind kind = { reserve, copy, slot_bytes, put_aside, put_back, destroy };
    ts_layer_state *s;
    const ts_status st = ts_alloc(&s, 1, sizeof *s);
    if (st != TS_OK) {
        ts_layer_state_destroy(&first);
        ts_layer_state_destroy(&second);
        return st;
    }
    *s = (ts_layer_state){ .kind = &kind, .dev = first->dev, .slots = first->slots, .part = { first, second } };
    *out = s;
    return TS_OK;
}

ts_layer_state *ts_layer_state_of(ts_layer_state *s, const ts_layer_state_kind *kind)
{
    if (s->kind == kind)
        return s;
    for (int i = 0; i < TS_LAYER_STATE_PARTS; i++)
        if (s->part[i] && s->part[i]->kind == kind)
            return s->part[i];
    return NULL;
}
