#include "train/lr.h"

#include <math.h>

ts_status ts_lr_schedule_init(ts_lr_schedule *s, const ts_train_options *o, int64_t global_batch)
{
    const int64_t run = o->train_samples ? o->train_samples : o->train_iters * global_batch;
    *s = (ts_lr_schedule){ .init = o->lr_warmup_init,
                           .max = o->lr,
                           .min = o->min_lr,
                           .style = (ts_lr_decay)o->lr_decay_style,
                           .wsd_style = (ts_wsd_decay)o->lr_wsd_decay_style,
                           .wsd_decay = o->lr_wsd_decay_samples
                                            ? o->lr_wsd_decay_samples
                                            : o->lr_wsd_decay_iters * global_batch };
    s->decay = o->lr_decay_samples ? o->lr_decay_samples
               : o->lr_decay_iters ? o->lr_decay_iters * global_batch
                                   : run;
    s->warmup = o->lr_warmup_fraction > 0 ? o->lr_warmup_fraction * (double)s->decay
                : o->lr_warmup_samples    ? (double)o->lr_warmup_samples
                                          : (double)(o->lr_warmup_iters * global_batch);
    if (s->wsd_decay > s->decay)
        return ts_error(TS_ERR_USER,
                        "--lr-wsd-decay-iters (or -samples) is longer than the whole decay");
    return TS_OK;
}

void ts_lr_schedule_decoupled(ts_lr_schedule *s, const ts_train_options *o)
{
    s->max = o->decoupled_lr;
    if (o->decoupled_min_lr >= 0)
        s->min = o->decoupled_min_lr;
}

/* The last part of warm-up, stable, decay: 1 before it. */
static double wsd_coefficient(const ts_lr_schedule *s, int64_t t)
{
    const int64_t begin = s->decay - s->wsd_decay;
    if (t <= begin)
        return 1;
    const double r = (double)(t - begin) / (double)s->wsd_decay;
    switch (s->wsd_style) {
    case TS_WSD_LINEAR: return 1 - r;
    case TS_WSD_COSINE: return 0.5 * (cos(M_PI * r) + 1);
    case TS_WSD_EXPONENTIAL: return 2 * pow(0.5, r) - 1;
    case TS_WSD_MINUS_SQRT: return 1 - sqrt(r);
    }
    return 1;
}

double ts_lr_at(const ts_lr_schedule *s, int64_t t)
{
    if (s->warmup > 0 && (double)t <= s->warmup)
        return s->init + (s->max - s->init) * (double)t / s->warmup;
    if (s->style == TS_LR_CONSTANT)
        return s->max;
    if (t > s->decay)
        return s->min;
    if (s->style == TS_LR_INVERSE_SQRT) {
        const double w = s->warmup > 1 ? s->warmup : 1, n = (double)(t > 1 ? t : 1);
        return fmax(s->min, s->max * sqrt(w) / sqrt(n));
    }
    const double r = ((double)t - s->warmup) / ((double)s->decay - s->warmup);
    const double c = s->style == TS_LR_LINEAR ? 1 - r
                     : s->style == TS_LR_COSINE ? 0.5 * (cos(M_PI * r) + 1)
                                                : wsd_coefficient(s, t);
    return s->min + c * (s->max - s->min);
}
