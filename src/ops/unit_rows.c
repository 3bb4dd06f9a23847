#include "ops/unit_rows.h"

static ts_status make_scales(ts_unit_rows *u)
{
    const ts_param *w = u->w;
    const double n = (double)w->dim[0] * (double)w->dim[1];
    TS_TRY(ts_param_need(u->w));
    TS_ASSERT(w->value, "%s: rows of length one need values", w->name);
    TS_TRY(ts_tape_new(u->tape, TS_DTYPE_F32, w->dim[0], 0, &u->scales));
    const ts_unit_args a = { .rows = w->dim[0], .cols = w->dim[1], .w_dtype = w->dtype, .w = w->value,
                             .scale = ts_tensor_data(u->scales) };
    ts_launch_unit_scales(u->tape->dev, &a, a.rows, (ts_cost){ 2 * n, n * (double)ts_dtype_size(a.w_dtype), a.w_dtype });
    return TS_OK;
}

static void launch_across(const ts_unit_rows *u, const ts_tensor *along, const ts_tensor *notes)
{
    const ts_param *w = u->w;
    const double n = (double)w->dim[0] * (double)w->dim[1];
    const ts_unit_args a = { .rows = w->dim[0], .cols = w->dim[1], .w_dtype = w->dtype, .w = w->value,
                             .scale = ts_tensor_data(u->scales), .x = along ? ts_tensor_data(along) : NULL,
                             .y = notes ? ts_tensor_data(notes) : NULL, .g = w->grad };
    const double w_bytes = (double)ts_dtype_size(a.w_dtype);
    ts_launch_unit_across(u->tape->dev, &a, a.rows,
                          (ts_cost){ notes ? 2 * n : 4 * n, n * (notes ? 4 + w_bytes : 12 + 2 * w_bytes), a.w_dtype });
}

ts_status ts_unit_rows_begin(ts_tape *tape, const ts_xent_op *o, bool grads, ts_unit_rows *u)
{
    *u = (ts_unit_rows){ .tape = tape, .w = o->w, .grads = grads && ts_param_has_grad(o->w) };
    if (!o->unit_rows)
        return TS_OK;
    TS_TRY(make_scales(u));
    if (!u->grads)
        return TS_OK;
    TS_TRY(ts_param_need_grad(o->w));
    if (o->w->grad_empty)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->w->dim[0], 0, &u->along));
    launch_across(u, NULL, u->along);
    return TS_OK;
}

void ts_unit_rows_times(const ts_unit_rows *u, ts_dtype dtype, void *x, int64_t n_rows, int64_t ld)
{
    if (!u->scales)
        return;
    const double n = (double)n_rows * (double)u->w->dim[0];
    const ts_unit_args a = { .rows = u->w->dim[0], .cols = u->w->dim[1], .ld = ld, .dtype = dtype,
                             .scale = ts_tensor_data(u->scales), .x = x, .y = x };
    ts_launch_unit_times(u->tape->dev, &a, n_rows, (ts_cost){ n, 2 * n * (double)ts_dtype_size(dtype), dtype });
}

void ts_unit_rows_end(const ts_unit_rows *u)
{
    if (u->scales && u->grads)
        launch_across(u, u->along, NULL);
}
