/* Masters in halves: see param.h. */
#include "base/halves.h"
#include "tensor/param.h"

#include <math.h>

enum { SOME = 256 };

static ts_status put_stretch(const ts_shard_piece *x, int64_t own, int64_t n, const float *v)
{
    ts_param_set *s = x->p->set;
    uint16_t low[SOME];
    for (int64_t i = 0; i < n; i++) {
        low[i] = ts_f32_low(v[i]);
        if (!ts_f32_ties_up(v[i]))
            continue;
        TS_TRY(ts_grow(&s->tie, &s->cap_ties, s->n_ties + 1, sizeof *s->tie));
        s->tie[s->n_ties++] = own + i;
    }
    s->dev->to_device(s->dev, (uint16_t *)s->low->data + own, low, (size_t)n * sizeof *low);
    return TS_OK;
}

ts_status ts_param_put_low(const ts_param *p, int64_t at, int64_t n, const float *v)
{
    int64_t i, end = ts_param_pieces(p, &i);
    for (; i < end; i++) {
        const ts_shard_piece *x = &p->set->shards.piece[i];
        const int64_t from = at > x->at ? at : x->at, to = at + n < x->at + x->n ? at + n : x->at + x->n;
        for (int64_t k = from; k < to; k += SOME)
            TS_TRY(put_stretch(x, x->own + k - x->at, to - k < SOME ? to - k : SOME, v + (k - at)));
    }
    return TS_OK;
}

ts_status ts_param_set_mark_ties(ts_param_set *s)
{
    for (size_t i = 0; i < s->n_ties; i++) {
        float *v = (float *)s->ties->data + s->tie[i], x;
        TS_TRY(ts_device_read(s->dev, &x, v, sizeof x));
        x = -fabsf(x);
        s->dev->to_device(s->dev, v, &x, sizeof x);
    }
    return TS_OK;
}

ts_status ts_shard_piece_join(const ts_shard_piece *x, int64_t from, int64_t n, float *to)
{
    const ts_param_set *s = x->p->set;
    uint16_t high[SOME], low[SOME];
    float tie[SOME];
    for (int64_t k = from; k < from + n; k += SOME) {
        const int64_t some = from + n - k < SOME ? from + n - k : SOME;
        TS_TRY(ts_device_read(s->dev, high, (uint16_t *)x->p->value + x->at + k, (size_t)some * sizeof *high));
        TS_TRY(ts_device_read(s->dev, low, (uint16_t *)s->low->data + x->own + k, (size_t)some * sizeof *low));
        TS_TRY(ts_device_read(s->dev, tie, (float *)s->ties->data + x->own + k, (size_t)some * sizeof *tie));
        for (int64_t i = 0; i < some; i++)
            to[k - from + i] = ts_f32_join(high[i], low[i], signbit(tie[i]));
    }
    return TS_OK;
}
