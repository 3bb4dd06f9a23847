#include "tensor/narrow.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <string.h>

static ts_status make_state(ts_narrow_set *s)
{
    const int64_t n = ts_narrow_set_at(s, s->n) + s->n * TS_OPERANDS;
    const size_t bytes = (size_t)n * sizeof(float);
    TS_TRY(ts_storage_create(s->dev, TS_MEM_OTHER, bytes, &s->state));
    TS_TRY(ts_alloc(&s->host, (size_t)n, sizeof *s->host));
    ts_device_book(s->dev, TS_MEM_OTHER, (int64_t)bytes);
    for (int64_t w = 0; w < s->n; w++) {
        for (int o = 0; o < TS_OPERANDS; o++)
            s->host[ts_narrow_set_at(s, w) + o] = 1;
        s->of[w].scale = (float *)s->state->data + ts_narrow_set_at(s, w);
        s->of[w].amax = (float *)s->state->data + ts_narrow_set_at(s, s->n) + w * TS_OPERANDS;
    }
    ts_narrow_set_upload(s);
    return TS_OK;
}

ts_status ts_narrow_set_create(ts_device *dev, int64_t n, int64_t length, ts_narrow_set **out)
{
    ts_narrow_set *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    *s = (ts_narrow_set){ .dev = dev, .n = n, .length = n ? length : 0 };
    ts_status st = ts_alloc(&s->of, (size_t)n, sizeof *s->of);
    if (st == TS_OK)
        st = ts_alloc(&s->weight, (size_t)n, sizeof *s->weight);
    if (st == TS_OK && s->length)
        st = make_state(s);
    if (st != TS_OK)
        ts_narrow_set_destroy(&s);
    else
        *out = s;
    return st;
}

void ts_narrow_set_destroy(ts_narrow_set **set)
{
    ts_narrow_set *s = *set;
    if (!s)
        return;
    for (int64_t i = 0; s->of && i < s->n; i++)
        for (int c = 0; c < 2; c++) {
            ts_storage_release(&s->of[i].copy[c].codes);
            ts_storage_release(&s->of[i].copy[c].factors);
        }
    if (s->host)
        ts_device_book(s->dev, TS_MEM_OTHER, -(int64_t)s->state->bytes);
    ts_storage_release(&s->state);
    ts_free(&s->host);
    ts_free(&s->weight);
    ts_free(&s->of);
    ts_free(set);
}

void ts_narrow_set_upload(ts_narrow_set *s)
{
    s->dev->to_device(s->dev, s->state->data, s->host, s->state->bytes);
}

void ts_narrow_set_forget(ts_narrow_set *s)
{
    if (s && s->length)
        s->dev->zero(s->dev, s->of[0].amax, (size_t)(s->n * TS_OPERANDS) * sizeof(float));
}

/* As Transformer Engine: largest / amax, a power of two below by the margin; without an amax it stays. */
static void update_scale(const ts_narrow_set *s, int64_t weight, int operand)
{
    float *scale = s->host + ts_narrow_set_at(s, weight) + operand, amax = scale[TS_OPERANDS];
    for (int64_t i = 2; i <= s->length && !s->most_recent; i++)
        amax = fmaxf(amax, scale[i * TS_OPERANDS]);
    if (amax > 0)
        *scale = fminf(ldexpf(s->of[weight].rule[operand].largest / amax, -(int)s->margin), FLT_MAX);
}

void ts_narrow_set_advance(ts_narrow_set *s, const float *amax)
{
    for (int64_t w = 0; w < s->n; w++) {
        float *h = s->host + ts_narrow_set_at(s, w) + TS_OPERANDS;
        memmove(h + TS_OPERANDS, h, (size_t)((s->length - 1) * TS_OPERANDS) * sizeof *h);
        for (int o = 0; o < TS_OPERANDS; o++) {
            const float a = amax[w * TS_OPERANDS + o];
            h[o] = isfinite(a) ? a : 0;
            update_scale(s, w, o);
        }
    }
    memset(s->host + ts_narrow_set_at(s, s->n), 0, (size_t)(s->n * TS_OPERANDS) * sizeof *s->host);
    ts_narrow_set_upload(s);
}
