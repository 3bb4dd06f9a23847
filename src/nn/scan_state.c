/* What layers keep that carry a state: the last rows of a convolution and a state of fixed size. */
#include "nn/state.h"

typedef struct scan_state {
    ts_layer_state base;
    ts_scan_kept kept;
    size_t rows, states; /* bytes of a slot */
} scan_state;

static scan_state *of(ts_layer_state *s) { return (scan_state *)(void *)s; }

/* Longer sequences take no more room. */
static ts_status reserve(ts_layer_state *base, int64_t tokens, const int32_t *length)
{
    scan_state *s = of(base);
    (void)tokens, (void)length;
    if (!s->kept.rows)
        TS_TRY(ts_storage_create(base->dev, TS_MEM_OTHER, (size_t)base->slots * s->rows, &s->kept.rows));
    if (!s->kept.states && s->states)
        TS_TRY(ts_storage_create(base->dev, TS_MEM_OTHER, (size_t)base->slots * s->states, &s->kept.states));
    return TS_OK;
}

static char *rows_at(const scan_state *s, int64_t slot) { return (char *)s->kept.rows->data + (size_t)slot * s->rows; }
static char *states_at(const scan_state *s, int64_t slot)
{
    return s->states ? (char *)s->kept.states->data + (size_t)slot * s->states : NULL;
}

static void move(const ts_layer_state *s, void *to, const void *from, size_t bytes)
{
    if (bytes)
        s->dev->move(s->dev, to, from, bytes);
}

static void copy(ts_layer_state *base, int64_t to, int64_t from, int64_t length)
{
    const scan_state *s = of(base);
    (void)length;
    move(base, rows_at(s, to), rows_at(s, from), s->rows);
    move(base, states_at(s, to), states_at(s, from), s->states);
}

static size_t slot_bytes(const ts_layer_state *base)
{
    const scan_state *s = (const scan_state *)(const void *)base;
    return s->rows + s->states;
}

static void put_aside(ts_layer_state *base, int64_t slot, int64_t length, void *to)
{
    const scan_state *s = of(base);
    (void)length;
    move(base, to, states_at(s, slot), s->states);
    move(base, (char *)to + s->states, rows_at(s, slot), s->rows);
}

static void put_back(ts_layer_state *base, int64_t slot, int64_t length, const void *from)
{
    const scan_state *s = of(base);
    (void)length;
    move(base, states_at(s, slot), from, s->states);
    move(base, rows_at(s, slot), (const char *)from + s->states, s->rows);
}

static void destroy(ts_layer_state *base)
{
    scan_state *s = of(base);
    ts_storage_release(&s->kept.rows);
    ts_storage_release(&s->kept.states);
    ts_free(&s);
}

static const ts_layer_state_kind kind = { reserve, copy, slot_bytes, put_aside, put_back, destroy };

ts_status ts_scan_state_create(ts_device *dev, ts_dtype dtype, int64_t slots, int64_t rows, int64_t cols,
                               int64_t floats, ts_layer_state **out)
{
    scan_state *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->base = (ts_layer_state){ .kind = &kind, .dev = dev, .slots = slots };
    s->rows = (size_t)(rows * cols) * ts_dtype_size(dtype);
    s->states = (size_t)floats * sizeof(float);
    *out = &s->base;
    return TS_OK;
}

ts_scan_kept ts_scan_state_kept(ts_layer_state *s, int64_t slot0, const int32_t *start, const int32_t *length)
{
    ts_scan_kept kept = { 0 };
    if (!s)
        return kept;
    kept = of(ts_layer_state_of(s, &kind))->kept;
    kept.slot0 = slot0, kept.start = start, kept.length = length;
    return kept;
}
