/* What layers keep whose attention is to single rows and to rows that stand for several tokens: the last rows of some
 * tensors, and all of the others. */
#include "nn/state.h"

typedef struct rows_state {
    ts_layer_state base;
    size_t element;
    int n;
    ts_kept_rows kept[TS_KEPT_ROWS];
} rows_state;

static rows_state *of(ts_layer_state *s) { return (rows_state *)(void *)s; }

static size_t row_bytes(const rows_state *s, const ts_kept_rows *k) { return (size_t)k->cols * s->element; }
static size_t slot_size(const rows_state *s, const ts_kept_rows *k) { return (size_t)k->rows * row_bytes(s, k); }
static char *slot_at(const rows_state *s, const ts_kept_rows *k, int64_t slot)
{
    return (char *)k->storage->data + (size_t)slot * slot_size(s, k);
}
/* Of a slot that holds so many tokens. */
static size_t used(const rows_state *s, const ts_kept_rows *k, int64_t length)
{
    return k->rate ? (size_t)(length / k->rate) * row_bytes(s, k) : slot_size(s, k);
}

/* Room for other rows; what is there of those of before stays. */
static ts_status make_room(rows_state *s, ts_kept_rows *k, int64_t rows, const int32_t *length)
{
    ts_device *dev = s->base.dev;
    const ts_kept_rows old = *k;
    ts_kept_rows new = old;
    size_t bytes;
    new.rows = rows;
    if (!ts_mul_size((size_t)s->base.slots, slot_size(s, &new), &bytes))
        return ts_error(TS_ERR_NOMEM, "a cache for %lld sequences of %lld rows is too large", (long long)s->base.slots,
                        (long long)rows);
    TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, bytes, &new.storage));
    for (int64_t i = 0; old.storage && i < s->base.slots; i++)
        if (used(s, &old, length[i]))
            dev->move(dev, slot_at(s, &new, i), slot_at(s, &old, i), used(s, &old, length[i]));
    ts_storage_release(&k->storage);
    *k = new;
    return TS_OK;
}

static ts_status reserve(ts_layer_state *base, int64_t tokens, const int32_t *length)
{
    rows_state *s = of(base);
    for (int i = 0; i < s->n; i++) {
        ts_kept_rows *k = &s->kept[i];
        const int64_t rows = k->rate ? tokens / k->rate + 1 : k->rows;
        if (k->cols && rows && (!k->storage || rows != k->rows))
            TS_TRY(make_room(s, k, rows, length));
    }
    return TS_OK;
}

static void copy(ts_layer_state *base, int64_t to, int64_t from, int64_t length)
{
    const rows_state *s = of(base);
    for (int i = 0; i < s->n; i++)
        if (used(s, &s->kept[i], length))
            base->dev->move(base->dev, slot_at(s, &s->kept[i], to), slot_at(s, &s->kept[i], from),
                            used(s, &s->kept[i], length));
}

static size_t slot_bytes(const ts_layer_state *base)
{
    const rows_state *s = (const rows_state *)(const void *)base;
    size_t bytes = 0;
    for (int i = 0; i < s->n; i++)
        bytes += slot_size(s, &s->kept[i]);
    return bytes;
}

static void put_aside(ts_layer_state *base, int64_t slot, int64_t length, void *to)
{
    const rows_state *s = of(base);
    char *at = to;
    for (int i = 0; i < s->n; at += slot_size(s, &s->kept[i++]))
        if (used(s, &s->kept[i], length))
            base->dev->move(base->dev, at, slot_at(s, &s->kept[i], slot), used(s, &s->kept[i], length));
}

static void put_back(ts_layer_state *base, int64_t slot, int64_t length, const void *from)
{
    const rows_state *s = of(base);
    const char *at = from;
    for (int i = 0; i < s->n; at += slot_size(s, &s->kept[i++]))
        if (used(s, &s->kept[i], length))
            base->dev->move(base->dev, slot_at(s, &s->kept[i], slot), at, used(s, &s->kept[i], length));
}

static void destroy(ts_layer_state *base)
{
    rows_state *s = of(base);
    for (int i = 0; i < s->n; i++)
        ts_storage_release(&s->kept[i].storage);
    ts_free(&s);
}

static const ts_layer_state_kind kind = { reserve, copy, slot_bytes, put_aside, put_back, destroy };

ts_status ts_rows_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, const ts_kept_rows *kept, int n,
                               ts_layer_state **out)
{
    rows_state *s;
    TS_ASSERT(n <= TS_KEPT_ROWS, "a state of %d kinds of rows", n);
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->base = (ts_layer_state){ .kind = &kind, .dev = dev, .slots = slots };
    s->element = ts_dtype_size(dtype);
    s->n = n;
    for (int i = 0; i < n; i++)
        s->kept[i] = kept[i];
    *out = &s->base;
    return TS_OK;
}

const ts_kept_rows *ts_rows_state_kept(ts_layer_state *s, int i) { return &of(ts_layer_state_of(s, &kind))->kept[i]; }
