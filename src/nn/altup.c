#include "nn/altup.h"

#include "ops/altup.h"
#include "ops/columns.h"
#include "ops/experts.h"

#include <stdio.h>

ts_status ts_altup_declare(const ts_declarer *d, ts_altup_layer *l)
{
    const ts_declarer in = ts_declare_in(d, "altup"), laurel = ts_declare_in(d, "laurel");
    const ts_param_parts of_rows = { .slots = ts_shares_rows(d->group) };
    const int64_t n = l->inputs;
    const ts_param_spec router = { .place = ts_place_whole(n, l->width), .is_router = true, .parts = of_rows },
                        prediction = { .place = ts_place_whole(n * n, n), .is_router = true, .parts = of_rows },
                        correction = { .place = ts_place_whole(n, n), .is_router = true, .parts = of_rows },
                        scale = { .place = ts_place_whole(l->width, 0), .start = TS_START_CONSTANT, .parts = of_rows };
    l->laurel_left.parts = l->laurel_right.parts = of_rows;
    TS_TRY(ts_norm_declare(&in, "router_norm", &l->router_norm));
    TS_TRY(ts_declare(&in, "router.weight", &router, &l->router));
    TS_TRY(ts_declare(&in, "prediction.weight", &prediction, &l->prediction));
    TS_TRY(ts_declare(&in, "correction.weight", &correction, &l->correction));
    TS_TRY(ts_declare(&in, "output_scale", &scale, &l->scale));
    TS_TRY(ts_linear_declare(&laurel, "linear_left", &l->laurel_left));
    TS_TRY(ts_linear_declare(&laurel, "linear_right", &l->laurel_right));
    return ts_norm_declare(&laurel, "norm", &l->laurel_norm);
}

/* W r(x), fp32. */
static ts_status coefficients(ts_tape *tape, const ts_altup_layer *l, ts_tensor *x, ts_param *w, ts_tensor **y)
{
    TS_TRY(ts_op_norm(tape, &l->router_norm.op, x, NULL, NULL, y));
    TS_TRY(ts_op_router(tape, *y, l->router, NULL, y));
    TS_TRY(ts_op_add(tape, *y, 1 / (float)l->width, NULL, 0, y));
    TS_TRY(ts_op_act(tape, TS_ACT_TANH, false, *y, y));
    return ts_op_router(tape, *y, w, NULL, y);
}

ts_status ts_altup_active(ts_tape *tape, const ts_altup_layer *l, ts_tensor *s, ts_tensor **x)
{
    return ts_op_take_cols(tape, s, 1, l->active * l->width, l->width, x);
}

static ts_status predict(ts_tape *tape, const ts_altup_layer *l, ts_tensor *s, ts_tensor **p)
{
    ts_tensor *active, *c;
    TS_TRY(ts_altup_active(tape, l, s, &active));
    TS_TRY(coefficients(tape, l, active, l->prediction, &c));
    return ts_op_mix(tape, s, s, c, l->inputs, l->inputs, 0, p);
}

static ts_status correct(ts_tape *tape, const ts_altup_layer *l, ts_tensor *p, ts_tensor *y, ts_tensor **s)
{
    ts_tensor *k, *news;
    TS_TRY(coefficients(tape, l, y, l->correction, &k));
    TS_TRY(ts_altup_active(tape, l, p, &news));
    TS_TRY(ts_op_add(tape, y, 1, news, -1, &news));
    return ts_op_mix(tape, news, p, k, 1, l->inputs, 1, s);
}

static ts_status laurel(ts_tape *tape, const ts_altup_layer *l, ts_tensor *h, ts_tensor **y)
{
    TS_TRY(ts_linear_forward(tape, &l->laurel_left, h, y));
    TS_TRY(ts_linear_forward(tape, &l->laurel_right, *y, y));
    TS_TRY(ts_op_norm(tape, &l->laurel_norm.op, *y, NULL, NULL, y));
    return ts_op_add(tape, h, 1, *y, 1, y);
}

ts_status ts_altup_predict(ts_tape *tape, const ts_altup_layer *l, ts_tensor *s, ts_tensor **p)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = predict(tape, l, s, p);
    ts_tape_pop(tape, st == TS_OK ? *p : NULL);
    return st;
}

ts_status ts_altup_correct(ts_tape *tape, const ts_altup_layer *l, ts_tensor *p, ts_tensor *y, ts_tensor **s)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = correct(tape, l, p, y, s);
    ts_tape_pop(tape, st == TS_OK ? *s : NULL);
    return st;
}

ts_status ts_altup_laurel(ts_tape *tape, const ts_altup_layer *l, ts_tensor *h, ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = laurel(tape, l, h, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

/* ---- both ends of the model ---- */

static ts_status declare_ends(const ts_declarer *d, const char *name, const ts_altup_ends *l, ts_linear *to)
{
    for (int64_t i = 0; i < l->inputs - 1; i++) {
        char one[40];
        snprintf(one, sizeof one, "%s.%d", name, (int)i);
        to[i] = (ts_linear){ .in = l->width, .out = l->width, .parts = { .slots = ts_shares_rows(d->group) } };
        TS_TRY(ts_linear_declare(d, one, &to[i]));
    }
    return TS_OK;
}

ts_status ts_altup_declare_in(const ts_declarer *d, ts_altup_ends *l)
{
    return declare_ends(d, "altup_projections", l, l->in);
}

ts_status ts_altup_declare_out(const ts_declarer *d, ts_altup_ends *l)
{
    return declare_ends(d, "altup_unembed_projections", l, l->out);
}

static const float least = 1e-5f; /* of a mean of squares */

static ts_status widen(ts_tape *tape, const ts_altup_ends *l, ts_tensor *x, ts_tensor **s)
{
    ts_tensor *more;
    *s = x;
    for (int64_t i = 0; i < l->inputs - 1; i++) {
        TS_TRY(ts_linear_forward(tape, &l->in[i], x, &more));
        TS_TRY(ts_op_magnitude(tape, x, more, least, &more));
        TS_TRY(ts_op_join_cols(tape, *s, more, s));
    }
    return TS_OK;
}

static ts_status narrow(ts_tape *tape, const ts_altup_ends *l, ts_tensor *s, ts_tensor **x)
{
    const float part = 1 / (float)l->inputs;
    ts_tensor *first, *more;
    TS_TRY(ts_op_take_cols(tape, s, 1, 0, l->width, &first));
    *x = first;
    for (int64_t i = 1; i < l->inputs; i++) {
        TS_TRY(ts_op_take_cols(tape, s, 1, i * l->width, l->width, &more));
        TS_TRY(ts_linear_forward(tape, &l->out[i - 1], more, &more));
        TS_TRY(ts_op_magnitude(tape, first, more, least, &more));
        TS_TRY(ts_op_add(tape, *x, i == 1 ? part : 1, more, part, x));
    }
    return TS_OK;
}

ts_status ts_altup_widen(ts_tape *tape, const ts_altup_ends *l, ts_tensor *x, ts_tensor **s)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = widen(tape, l, x, s);
    ts_tape_pop(tape, st == TS_OK ? *s : NULL);
    return st;
}

ts_status ts_altup_narrow(ts_tape *tape, const ts_altup_ends *l, ts_tensor *s, ts_tensor **x)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = narrow(tape, l, s, x);
    ts_tape_pop(tape, st == TS_OK ? *x : NULL);
    return st;
}
