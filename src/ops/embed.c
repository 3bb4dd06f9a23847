#include "ops/ops.h"

static bool is_cut(const ts_embed_op *o) { return ts_group_shares(o->group); }

static ts_embed_args args_of(const ts_embed_op *o, const ts_tensor *t)
{
    return (ts_embed_args){ .rows = t->dim[0], .cols = t->dim[1], .table_dtype = o->table->dtype,
                            .dtype = t->dtype, .table = o->table->value,
                            .first = is_cut(o) ? o->first : 0,
                            .here = is_cut(o) ? o->table->dim[0] : 0,
                            .pos_table = o->positions ? o->positions->value : NULL,
                            .ids = ts_tensor_data(o->ids),
                            .pos = o->pos ? ts_tensor_data(o->pos) : NULL,
                            .known = o->known,
                            .freezes = o->freezes,
                            .frozen = o->frozen,
                            .scale = o->scale };
}

static ts_cost cost_of(const ts_tensor *t, double passes)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ n, passes * n * 4, t->dtype };
}

static ts_status embed_weight(ts_tape *tape, ts_record *r)
{
    const ts_embed_op *o = r->attr;
    ts_embed_args a = args_of(o, r->out[0]);
    ts_param_grad_settle(r->param[0]);
    if (r->param[1])
        ts_param_grad_settle(r->param[1]);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dtable = o->table->grad;
    a.dpos_table = o->positions ? o->positions->grad : NULL;
    ts_launch_embed_bwd(tape->dev, &a, a.cols, cost_of(r->out[0], 3));
    return TS_OK;
}

static const ts_op embed_op = { .name = "embed", .weight = embed_weight };

/* Each value is that of one process, and zeros: exact. */
static ts_status sum_parts(ts_tape *tape, const ts_embed_op *o, ts_tensor *y)
{
    if (!is_cut(o))
        return TS_OK;
    return ts_group_sum(tape, o->group, ts_tensor_data(y), ts_tensor_count(y), o->dtype);
}

/* The table exists in a form for products alone: the rows that are needed are taken out first. */
static ts_status embed_taken_out(ts_tape *tape, const ts_embed_op *o, ts_tensor *y)
{
    ts_tensor *rows;
    ts_embed_args a = args_of(o, y);
    TS_TRY(ts_tape_new(tape, o->table->dtype, y->dim[0], y->dim[1], &rows));
    ts_param_rows(o->table, a.ids, a.first, y->dim[0], rows->dtype, ts_tensor_data(rows));
    a.table = ts_tensor_data(rows);
    a.taken = true;
    a.y = ts_tensor_data(y);
    ts_launch_embed_fwd(tape->dev, &a, a.rows, cost_of(y, 2));
    ts_tape_drop(tape, rows);
    return sum_parts(tape, o, y);
}

ts_status ts_op_embed(ts_tape *tape, const ts_embed_op *o, ts_tensor **y)
{
    TS_ASSERT(o->ids->dtype == TS_DTYPE_I32 && (!o->positions || o->pos),
              "embed: int32 ids and positions");
    TS_ASSERT(!o->positions || o->positions->dtype == o->table->dtype,
              "embed: tables of two types");
    TS_TRY(ts_tape_new(tape, o->dtype, o->ids->dim[0], o->table->dim[1], y));
    if (o->table->sealed)
        return embed_taken_out(tape, o, *y);
    TS_TRY(ts_param_need(o->table));
    TS_TRY(ts_param_need(o->positions));
    ts_embed_args a = args_of(o, *y);
    a.y = ts_tensor_data(*y);
    ts_launch_embed_fwd(tape->dev, &a, a.rows, cost_of(*y, 2));
    TS_TRY(sum_parts(tape, o, *y));
    if (tape->recording && (ts_param_has_grad(o->table) || ts_param_has_grad(o->positions))) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &embed_op, sizeof *o, &r));
        *(ts_embed_op *)r->attr = *o;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        TS_TRY(ts_record_param(tape, r, 0, o->table));
        TS_TRY(ts_record_param(tape, r, 1, o->positions));
    }
    return TS_OK;
}
