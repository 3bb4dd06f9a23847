#include "train/scaler.h"

void ts_loss_scaler_init(ts_loss_scaler *s, const ts_train_options *o, bool fp16)
{
    *s = (ts_loss_scaler){ .dynamic = fp16 && o->loss_scale <= 0,
                           .scale = 1,
                           .min = o->min_loss_scale,
                           .window = o->loss_scale_window,
                           .hysteresis = o->hysteresis,
                           .tolerance = o->hysteresis };
    if (fp16)
        s->scale = o->loss_scale > 0 ? o->loss_scale : o->initial_loss_scale;
}

void ts_loss_scaler_update(ts_loss_scaler *s, bool overflow)
{
    if (!s->dynamic)
        return;
    s->stuck = overflow && s->scale <= s->min ? s->stuck + 1 : 0;
    if (overflow) {
        s->good = 0;
        if (--s->tolerance <= 0) {
            s->scale = s->scale / 2 > s->min ? s->scale / 2 : s->min;
        }
        return;
    }
    if (++s->good >= s->window) { /* above it: continued with a smaller one */
        s->good = 0;
        s->tolerance = s->hysteresis;
        s->scale *= 2;
    }
}
