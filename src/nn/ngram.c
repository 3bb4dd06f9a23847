#include "nn/ngram.h"
#include "nn/scan_parts.h"

#include <stdio.h>

ts_status ts_ngram_declare(const ts_declarer *d, ts_ngram_layer *l)
{
    const int64_t n = ts_ngram_tables(l);
    l->group = d->group ? d->group->comm : NULL;
    for (int64_t i = 0; i < n; i++) {
        ts_ngram_table *t = &l->table[i];
        char name[32];
        snprintf(name, sizeof name, "ngram.%d", (int)i);
        const ts_declarer in = ts_declare_in(d, name);
        *t = (ts_ngram_table){ .rows = l->rows + 2 * i + 1, .proj = { .in = l->hidden / n, .out = l->hidden } };
        ts_param_spec table = { .place = ts_place_whole(t->rows, l->hidden / n), .decoupled = true, .is_table = true };
        if (l->group)
            ts_place_cut_even(&table.place, 0, TS_AXIS_TENSOR, l->group->size, l->group->rank, 1, 1);
        TS_TRY(ts_declare(&in, "table.weight", &table, &t->table));
        TS_TRY(ts_linear_declare(&in, "proj", &t->proj));
    }
    return TS_OK;
}

/* Of all rows of the sequences, int32, those that are here. */
static ts_status rows_here(ts_tape *tape, const ts_run *run, ts_tensor *all, ts_tensor **here)
{
    const ts_stretches at = ts_spread_here(run->spread, run->S);
    *here = all;
    if (!run->spread)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, run->B * run->S, 0, here));
    int32_t *from = ts_tensor_data(all), *to = ts_tensor_data(*here);
    for (int64_t b = 0; b < run->B; b++)
        for (int i = 0; i < at.n; i++) {
            const ts_stretch *p = &at.piece[i];
            tape->dev->move(tape->dev, to, from + b * run->spread->length + p->begin, (size_t)p->n * sizeof *to);
            to += p->n;
        }
    ts_tape_drop(tape, all);
    return TS_OK;
}

/* What table i has for the n-grams that end with each token, [T, hidden]. */
static ts_status look_up(ts_tape *tape, const ts_ngram_layer *l, const ts_run *run, const ts_ngram_op *ngram,
                         const ts_ngram_table *t, const ts_tensor *ids, ts_tensor **y)
{
    ts_ngram_op of_table = *ngram;
    ts_tensor *rows, *narrow;
    of_table.rows = t->rows;
    TS_TRY(ts_op_ngram(tape, &of_table, ids, &rows));
    TS_TRY(rows_here(tape, run, rows, &rows));
    if (tape->recording)
        TS_TRY(ts_tape_hold(tape, rows));
    const ts_embed_op o = { .table = t->table, .group = l->group,
                            .first = l->group ? t->table->place.dim[0].span[0].begin : 0, .ids = rows, .scale = 1, .dtype = l->dtype, .freezes = l->freezes,
                            .frozen = l->frozen };
    TS_TRY(ts_op_embed(tape, &o, &narrow));
    TS_TRY(ts_linear_forward(tape, &t->proj, narrow, y));
    ts_tape_drop(tape, narrow);
    return TS_OK;
}

ts_status ts_ngram_forward(ts_tape *tape, const ts_ngram_layer *l, const ts_run *run, ts_layer_state *state,
                           const ts_tensor *ids, const int64_t *ends, int n_ends, ts_tensor **x)
{
    const int64_t n = ts_ngram_tables(l), back = l->order - 1;
    const float part = 1 / (float)(1 + n);
    const ts_scan_kept kept = ts_scan_state_kept(state, run->slot0, run->q_start, run->q_len);
    void *before = ts_scan_rows_before(tape, &kept, run->B, (size_t)back * sizeof(int32_t));
    ts_ngram_op o = { .B = run->B, .vocab = l->vocab, .before = before, .back = back, .first_key = ts_scan_first_key(run),
                      .n_ends = n_ends };
    for (int i = 0; i < n_ends; i++)
        o.ends[i] = (int32_t)ends[i];
    for (int64_t i = 0; i < n; i++) {
        ts_tensor *sum = *x, *more;
        o.n = 2 + i / l->splits;
        TS_TRY(look_up(tape, l, run, &o, &l->table[i], run->spread ? run->ids_whole : ids, &more));
        TS_TRY(ts_op_add(tape, sum, i ? 1 : part, more, part, x));
        ts_tape_drop(tape, more);
        ts_tape_drop(tape, sum);
    }
    ts_scan_keep_rows(tape, &kept, run->B, back, ids, before);
    return TS_OK;
}

ts_status ts_ngram_state(const ts_ngram_layer *l, ts_device *dev, int64_t slots, ts_layer_state **out)
{
    return ts_scan_state_create(dev, TS_DTYPE_I32, slots, l->order - 1, 1, 0, out);
}
