#include "nn/sublayer.h"

typedef struct mixer_pass {
    ts_mixer m;
    const ts_run *run;
    int64_t layer;
} mixer_pass;

static ts_status in_frame(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    const mixer_pass *p = ctx;
    ts_device_part(tape->dev, p->m.part, p->layer);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = p->m.run(tape, p->m.module, p->run, p->layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_status ts_mixer_forward(ts_tape *tape, const ts_mixer *m, const ts_run *run, int64_t layer, ts_tensor *x,
                           ts_tensor **y)
{
    mixer_pass p = { *m, run, layer };
    return ts_run_again(run, layer, TS_PART_ATTENTION)
               ? ts_run_segment(tape, in_frame, &p, sizeof p, m->trains, x, y)
               : in_frame(tape, &p, x, y);
}
