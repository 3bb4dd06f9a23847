/* Heads exchanged where keys and values are gathered instead: queries go to who attends with them, keys and
 * values of all rows come to everyone, who takes those that its queries see. Where there are fewer heads of
 * keys than processes no copies of them travel then. What comes out is what exchanging all gives. */
#include "ops/spread_inside.h"

/* As attention knows the rows here, with all heads. */
static ts_attention_op op_of(const ts_spread *s, const ts_head_form *f, int64_t B)
{
    const ts_stretches here = ts_spread_here(s, s->length);
    return (ts_attention_op){ .B = B, .S = ts_stretches_count(&here), .n_q = f->groups * f->queries,
                              .n_kv = f->groups, .head_dim = f->dim };
}

/* Queries alone, a group for each that travels. */
static ts_head_form alone(const ts_head_form *f)
{
    return (ts_head_form){ f->groups * f->copies, f->queries / f->copies, 0, f->dim, 1, false };
}

typedef struct columns {
    const ts_tensor *t;
    int64_t first, row; /* elements: where the first copy begins, from one to the next */
} columns;

static void copy(ts_tape *tape, columns from, columns to, int64_t rows, int64_t cols, bool adds)
{
    const int64_t size = (int64_t)ts_dtype_size(from.t->dtype);
    const ts_copy_cols_args a = { .cols = cols, .x_row = from.row, .y_row = to.row, .dtype = from.t->dtype,
                                  .adds = adds, .x = (char *)ts_tensor_data(from.t) + from.first * size,
                                  .y = (char *)ts_tensor_data(to.t) + to.first * size };
    if (rows)
        ts_launch_copy_cols(tape->dev, &a, rows,
                            (ts_cost){ 0, (adds ? 3.0 : 2.0) * (double)(rows * cols * size), a.dtype });
}

/* Queries of so many groups in rows with keys and values behind, and in rows of their own. */
static void move_queries(ts_tape *tape, const ts_tensor *fused, const ts_tensor *apart, int64_t groups,
                         int64_t queries, int64_t dim, bool back)
{
    const columns a = { fused, 0, (queries + 2) * dim }, b = { apart, 0, queries * dim };
    copy(tape, back ? b : a, back ? a : b, apart->dim[0] * groups, queries * dim, false);
}

/* Those of all rows, [keys, values][B * length, groups * dim], and behind the queries of each group here. Coming
 * back, groups with the same key add up, and what none of these queries sees has no gradient. */
static void move_keys(ts_tape *tape, const ts_spread *s, const ts_head_form *f, const ts_tensor *all,
                      const ts_tensor *fused, bool back)
{
    const int64_t begin = ts_head_form_begin(f, s->heads, s->comm->rank),
                  end = ts_head_form_begin(f, s->heads, s->comm->rank + 1), queries = f->queries / f->copies;
    const int64_t rows = fused->dim[0], width = f->groups * f->dim;
    if (back)
        tape->dev->zero(tape->dev, ts_tensor_data(all), ts_tensor_bytes(all));
    for (int64_t g = begin; g < end; g++)
        for (int i = 0; i < 2; i++) {
            const columns a = { all, i * rows * width + g / f->copies * f->dim, width },
                          b = { fused, ((g - begin) * (queries + 2) + queries + i) * f->dim, fused->dim[1] };
            copy(tape, back ? b : a, back ? a : b, rows, f->dim, back);
        }
}

static int64_t groups_here(const ts_spread *s, const ts_head_form *f)
{
    return ts_head_form_begin(f, s->heads, s->comm->rank + 1) - ts_head_form_begin(f, s->heads, s->comm->rank);
}

ts_status ts_heads_out_gathering(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                                 const ts_tensor *x, ts_tensor **y)
{
    const ts_attention_op o = op_of(s, f, B);
    const ts_head_form q = alone(f);
    const int64_t here = groups_here(s, f);
    ts_tensor *mine, *queries, *keys;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], o.n_q * f->dim, &mine));
    move_queries(tape, x, mine, f->groups, f->queries, f->dim, false);
    TS_TRY(ts_heads_out(tape, s, &q, B, mine, &queries));
    ts_tape_drop(tape, mine);
    TS_TRY(ts_spread_gather_keys(tape, &o, s, x, &keys));
    TS_TRY(ts_tape_new(tape, x->dtype, queries->dim[0], here * (q.queries + 2) * f->dim, y));
    move_queries(tape, *y, queries, here, q.queries, f->dim, true);
    move_keys(tape, s, f, keys, *y, false);
    ts_tape_drop(tape, keys);
    ts_tape_drop(tape, queries);
    return TS_OK;
}

ts_status ts_heads_back_gathering(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                                  const ts_tensor *x, ts_tensor **y)
{
    const ts_attention_op o = op_of(s, f, B);
    const ts_head_form q = alone(f);
    const int64_t here = groups_here(s, f);
    ts_tensor *queries, *mine, *keys;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], here * q.queries * f->dim, &queries));
    move_queries(tape, x, queries, here, q.queries, f->dim, false);
    TS_TRY(ts_heads_back(tape, s, &q, B, queries, &mine));
    ts_tape_drop(tape, queries);
    TS_TRY(ts_tape_new(tape, x->dtype, mine->dim[0], f->groups * (f->queries + 2) * f->dim, y));
    move_queries(tape, *y, mine, f->groups, f->queries, f->dim, true);
    ts_tape_drop(tape, mine);
    TS_TRY(ts_tape_new(tape, x->dtype, 2 * x->dim[0], f->groups * f->dim, &keys));
    move_keys(tape, s, f, keys, x, true);
    TS_TRY(ts_spread_scatter_keys(tape, &o, s, keys, *y));
    ts_tape_drop(tape, keys);
    return TS_OK;
}
