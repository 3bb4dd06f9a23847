#include "nn/state.h"

typedef struct kv_state {
    ts_layer_state base;
    ts_kv_cache cache;
    size_t row; /* bytes of one token's keys and values */
    int64_t vectors, width;
    ts_made made;
} kv_state;

static kv_state *kv_of(ts_layer_state *s) { return (kv_state *)(void *)s; }

static char *slot_at(const kv_state *s, int64_t slot)
{
    return (char *)s->cache.kv->data + (size_t)(slot * s->cache.capacity) * s->row;
}

static ts_status reserve(ts_layer_state *base, int64_t tokens, const int32_t *length)
{
    kv_state *s = kv_of(base);
    ts_device *dev = base->dev;
    ts_storage *kv;
    size_t bytes;
    if (tokens == s->cache.capacity)
        return TS_OK;
    if (!ts_mul_size((size_t)(base->slots * tokens), s->row, &bytes))
        return ts_error(TS_ERR_NOMEM, "a cache for %lld sequences of %lld tokens is too large",
                        (long long)base->slots, (long long)tokens);
    TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, bytes, &kv));
    for (int64_t i = 0; s->cache.kv && i < base->slots; i++)
        if (length[i] > 0)
            dev->move(dev, (char *)kv->data + (size_t)(i * tokens) * s->row, slot_at(s, i),
                      (size_t)length[i] * s->row);
    ts_storage_release(&s->cache.kv);
    s->cache.kv = kv, s->cache.capacity = tokens;
    return TS_OK;
}

static void copy(ts_layer_state *base, int64_t to, int64_t from, int64_t length)
{
    const kv_state *s = kv_of(base);
    base->dev->move(base->dev, slot_at(s, to), slot_at(s, from), (size_t)length * s->row);
}

static size_t slot_bytes(const ts_layer_state *base)
{
    const kv_state *s = (const kv_state *)(const void *)base;
    return (size_t)s->cache.capacity * s->row;
}

static void put_aside(ts_layer_state *base, int64_t slot, int64_t length, void *to)
{
    const kv_state *s = kv_of(base);
    base->dev->move(base->dev, to, slot_at(s, slot), (size_t)length * s->row);
}

static void put_back(ts_layer_state *base, int64_t slot, int64_t length, const void *from)
{
    const kv_state *s = kv_of(base);
    base->dev->move(base->dev, slot_at(s, slot), from, (size_t)length * s->row);
}

static void destroy(ts_layer_state *base)
{
    kv_state *s = kv_of(base);
    ts_storage_release(&s->cache.kv);
    ts_storage_release(&s->made.storage);
    ts_free(&s);
}

static const ts_layer_state_kind kind = { reserve, copy, slot_bytes, put_aside, put_back, destroy };

ts_status ts_kv_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, int64_t vectors, int64_t width,
                             ts_layer_state **out)
{
    kv_state *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->base = (ts_layer_state){ .kind = &kind, .dev = dev, .slots = slots };
    s->vectors = vectors, s->width = width;
    s->row = (size_t)(vectors * width) * ts_dtype_size(dtype);
    *out = &s->base;
    return TS_OK;
}

ts_kv_cache *ts_kv_state_cache(ts_layer_state *s) { return s ? &kv_of(ts_layer_state_of(s, &kind))->cache : NULL; }

void ts_kv_state_use_code(ts_layer_state *base, ts_kv_code code)
{
    ts_layer_state *keys = ts_layer_state_of(base, &kind);
    if (!keys || code == TS_KV_PLAIN)
        return;
    kv_state *s = kv_of(keys);
    TS_ASSERT(!s->cache.kv, "codes for keys and values that are numbers");
    s->cache.code = code;
    s->row = (size_t)(s->vectors * ts_kv_bytes(s->width));
}

ts_made *ts_kv_state_made(ts_layer_state *s) { return &kv_of(ts_layer_state_of(s, &kind))->made; }
