/* What the checks of the tape share: a block of a norm and an MLP, and a device with its parameters and a
 * tape. */
#ifndef TS_TESTS_TAPE_RIG_H
#define TS_TESTS_TAPE_RIG_H
#include "grad.h"

#include <stdio.h>
#include <stdlib.h>

enum { T = 4, W = 6, F = 8 };

/* Variables of all cases: x, the norm's weight, the two layers of an MLP. */
enum { X, NORM_W, UP, UP_B, DOWN, VARS };

typedef struct block_ctx {
    ts_param *norm, *up, *up_b, *down;
} block_ctx;

static inline ts_status block_run(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    const block_ctx *c = ctx;
    const ts_norm_op norm = { .eps = 1e-3f, .w = c->norm };
    ts_tensor *h, *u, *a, *d;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_op_norm(tape, &norm, x, NULL, NULL, &h));
    TS_TRY(ts_op_linear(tape, h, c->up, c->up_b, &u));
    TS_TRY(ts_op_act(tape, TS_ACT_SILU, true, u, &a));
    TS_TRY(ts_op_linear(tape, a, c->down, NULL, &d));
    TS_TRY(ts_op_add(tape, x, 1, d, 1, y));
    ts_tape_pop(tape, *y);
    return TS_OK;
}

static inline block_ctx ctx_of(const grad_env *e)
{
    return (block_ctx){ e->param[NORM_W], e->param[UP], e->param[UP_B], e->param[DOWN] };
}

typedef struct job {
    ts_device *dev;
    ts_param_set params;
    grad_env e;
} job;

static inline void need(ts_status st)
{
    if (st != TS_OK) {
        fprintf(stderr, "grad tape: %s\n", ts_error_message());
        exit(1);
    }
}

static inline void open_job(job *j, const ts_tape_options *o)
{
    static const struct {
        const char *name;
        int64_t d0, d1;
    } p[VARS] = { { NULL, 0, 0 },
                  { "norm", W, 0 },
                  { "up", 2 * F, W },
                  { "up_bias", 2 * F, 0 },
                  { "down", W, F } };
    const ts_rng r = ts_rng_stream(3, TS_RNG_TEST, 0, 0);
    *j = (job){ 0 };
    need(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = 0xFFFF }, &j->dev));
    need(ts_param_set_init(&j->params, j->dev));
    for (int v = NORM_W; v < VARS; v++)
        need(ts_param_add(&j->params, p[v].name, p[v].d0, p[v].d1, true, &j->e.param[v]));
    need(ts_param_set_allocate(&j->params, TS_DTYPE_F32));
    need(ts_param_set_allocate_grads(&j->params));
    ts_rng_normal(&r, 0, j->params.total, 0.5f, j->params.values->data);
    j->e.dev = j->dev;
    need(ts_tape_create(j->dev, o, &j->e.tape));
    need(ts_tape_new(j->e.tape, TS_DTYPE_F32, T, W, &j->e.leaf[X]));
    j->e.leaf[X]->wants_grad = true;
    ts_rng_normal(&r, 5000, T * W, 1, ts_tensor_data(j->e.leaf[X]));
}

static inline void seed(job *j)
{
    ts_tensor *c;
    const ts_rng r = ts_rng_stream(3, TS_RNG_TEST, 0, 1);
    need(ts_tape_new(j->e.tape, TS_DTYPE_F32, T, W, &c));
    ts_rng_normal(&r, 0, T * W, 1, ts_tensor_data(c));
    need(ts_tape_accumulate(j->e.tape, j->e.out[0], c));
}

static inline void close_job(job *j)
{
    ts_tape_destroy(&j->e.tape);
    ts_param_set_deinit(&j->params);
    ts_device_close(&j->dev);
}

static inline bool expect(bool cond, const char *what)
{
    if (!cond)
        fprintf(stderr, "grad tape: %s\n", what);
    return cond;
}
#endif
