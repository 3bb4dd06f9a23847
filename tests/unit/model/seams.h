/* Small decoders on one tape: what the tests of seams share. Include first. */
#ifndef TS_TESTS_SEAMS_H
#define TS_TESTS_SEAMS_H
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "model/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 2, S = 5, T = B * S, HIDDEN = 16, VOCAB = 24, LAYERS = 2 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_decoder *d[2];
} rig;

static inline void open_rig(rig *r)
{
    *r = (rig){ 0 };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ .replay = true }, &r->tape));
}

static inline void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    for (int i = 0; i < 2; i++)
        ts_decoder_destroy(&r->d[i]);
    ts_device_close(&r->dev);
}

static inline void describe(ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = LAYERS, a->hidden = HIDDEN, a->n_heads = 4, a->n_kv_heads = 2, a->head_dim = 4;
    a->ffn = 20, a->vocab = VOCAB, a->max_positions = S, a->n_ropes = 1;
    a->rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    OK(ts_arch_layers(a, 0));
    OK(ts_arch_check(a, "test"));
}

static inline ts_decoder *make_decoder(ts_device *dev, uint64_t seed, bool trains)
{
    ts_arch a;
    ts_decoder *d;
    describe(&a);
    OK(ts_decoder_create(dev, &a, TS_DTYPE_F32, VOCAB, NULL, &d));
    ts_arch_deinit(&a);
    for (size_t i = 0; !trains && i < d->params.n; i++)
        ts_param_hold(d->params.p[i], TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
    OK(ts_decoder_allocate(d, TS_DTYPE_F32, trains));
    OK(ts_decoder_init(d, seed, 0.5));
    OK(ts_decoder_prepare(d, S, S));
    return d;
}

static inline ts_tensor *upload_some(ts_tape *tape, ts_dtype t, int64_t n, const void *host)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, t, n, 0, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

static inline ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host)
{
    return upload_some(tape, t, T, host);
}

/* The losses of some tokens; the batch is the tape's. */
static inline ts_tensor *losses(const rig *r, ts_decoder *d, bool late)
{
    int32_t ids[T], pos[T], labels[T];
    ts_tensor *hidden, *loss;
    for (int i = 0; i < T; i++)
        ids[i] = (i * 7 + 3) % VOCAB, pos[i] = i % S, labels[i] = (i * 5 + 1) % VOCAB;
    ts_run *run;
    OK(ts_arena_alloc(&r->tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = B, .S = S, .pos = upload(r->tape, TS_DTYPE_I32, pos) };
    OK(ts_decoder_forward(d, r->tape, run, NULL, upload(r->tape, TS_DTYPE_I32, ids), &hidden));
    ts_xent_op o = ts_decoder_head(d);
    o.labels = upload(r->tape, TS_DTYPE_I32, labels);
    o.late = late;
    OK(ts_op_linear_xent(r->tape, &o, hidden, &loss, NULL));
    return loss;
}

/* Backward from these losses, each with gradient 1; their sum. */
static inline double backward(const rig *r, ts_tensor *loss)
{
    float one[T];
    double sum = 0;
    for (int i = 0; i < T; i++)
        one[i] = 1;
    OK(ts_tape_accumulate(r->tape, loss, upload(r->tape, TS_DTYPE_F32, one)));
    OK(ts_tape_backward(r->tape));
    for (int i = 0; i < T; i++)
        sum += (double)((const float *)ts_tensor_data(loss))[i];
    return sum;
}

static inline double step(const rig *r, ts_decoder *d)
{
    ts_tape_reset(r->tape);
    ts_param_set_clear_grads(&d->params);
    return backward(r, losses(r, d, true));
}
#endif
