/* A decoder's pass with pictures: what its tower makes of them stands where the text has placeholders. */
#include "model/decoder.h"

#include "ops/rows.h"

/* The tower is whole on every process that embeds. */
ts_status ts_decoder_declare_tower(ts_decoder *d, const ts_declarer *all)
{
    ts_declarer here = ts_decoder_where(all, d->embeds);
    d->tower = (ts_tower){ .v = d->arch.vision, .compute = d->compute };
    if (!d->arch.vision)
        return TS_OK;
    if (!d->tower_block)
        TS_TRY(ts_alloc(&d->tower_block, (size_t)d->arch.vision->tower.n_layers, sizeof *d->tower_block));
    d->tower.block = d->tower_block;
    here.group = NULL, here.experts = NULL;
    return ts_tower_declare(&here, &d->tower, d->arch.hidden);
}

/* Which row of the stream, and of what the tower gave behind it, each row becomes; and back. of [T + rows] is room. */
static void count_rows(const ts_pictures *p, const ts_tower_result *r, int64_t T, int32_t *at, int32_t *back)
{
    for (int64_t i = 0; i < T; i++)
        at[i] = (int32_t)i, back[i] = (int32_t)i + 1;
    for (int64_t i = 0; i < r->rows; i++) {
        const int32_t row = p->at[r->order[i]];
        TS_ASSERT(row >= 0 && row < T, "a picture's row %d in a stream of %lld", (int)row, (long long)T);
        at[row] = (int32_t)(T + i), back[row] = 0, back[T + i] = row + 1;
    }
}

static ts_status put(ts_tape *tape, const int32_t *v, int64_t n, const ts_tensor **out)
{
    ts_tensor *t;
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, tape->dev->computes ? v : NULL, n, &t));
    *out = t;
    return ts_tape_hold(tape, t);
}

/* Rows of x that the pictures replace. */
static ts_status replace(ts_tape *tape, const ts_pictures *p, const ts_tower_result *r, ts_tensor **x)
{
    const int64_t T = (*x)->dim[0];
    ts_tensor **both, *joined;
    int64_t *n;
    int32_t *at, *back;
    ts_chosen_rows rows = { .n = T };
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * sizeof(ts_tensor *), &both));
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * sizeof *n, &n));
    n[0] = T, n[1] = r->rows;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(2 * T + r->rows) * sizeof *at, &at));
    back = at + T;
    if (tape->dev->computes)
        count_rows(p, r, T, at, back);
    TS_TRY(put(tape, at, T, &rows.at));
    TS_TRY(put(tape, back, T + r->rows, &rows.back));
    both[0] = *x, both[1] = r->x;
    TS_TRY(ts_op_join_rows(tape, both, n, 2, T + r->rows, &joined));
    return ts_op_pick_rows(tape, joined, &rows, x);
}

/* Taps join behind the first layers, at the same rows. */
static ts_status join_taps(ts_tape *tape, const ts_tower *t, const ts_pictures *p, const ts_tower_result *r, int64_t T, ts_run *run)
{
    const int64_t n = ts_vision_taps(t->v);
    int32_t *at, *back;
    ts_chosen_rows *rows;
    ts_join *joins;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(r->rows + T) * sizeof *at, &at));
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *rows, &rows));
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(run->n_joins + n) * sizeof *joins, &joins));
    back = at + r->rows;
    for (int64_t i = 0; i < T; i++)
        back[i] = 0;
    for (int64_t i = 0; tape->dev->computes && i < r->rows; i++) {
        at[i] = p->at[r->order[i]];
        back[at[i]] = (int32_t)i + 1;
    }
    rows->n = r->rows;
    TS_TRY(put(tape, at, r->rows, &rows->at));
    TS_TRY(put(tape, back, T, &rows->back));
    for (int i = 0; i < run->n_joins; i++)
        joins[i] = run->joins[i];
    for (int64_t i = 0; i < n; i++)
        joins[run->n_joins++] = (ts_join){ .layer = i, .x = r->tap[i], .rows = rows };
    run->joins = joins;
    return TS_OK;
}

/* Rotations by the three parts of positions. */
static ts_status turn(const ts_decoder *d, ts_tape *tape, const ts_pictures *p, ts_run *run)
{
    const int64_t T = run->B * run->S, pairs = d->arch.rope[0].dim / 2;
    int32_t *number;
    float *v;
    ts_tensor *cos, *sin;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)T * sizeof *number, &number));
    for (int64_t i = 0; i < T; i++)
        number[i] = (int32_t)i;
    TS_TRY(put(tape, number, T, &run->pos));
    TS_TRY(ts_alloc(&v, (size_t)(2 * T * pairs), sizeof *v));
    ts_status st = tape->dev->computes ? ts_decoder_turns(&d->arch, p->places, T, d->rope_seq, v, v + T * pairs) : TS_OK;
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_F32, v, T * pairs, &cos);
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_F32, v + T * pairs, T * pairs, &sin);
    ts_free(&v);
    TS_TRY(st);
    run->cos = cos, run->sin = sin;
    TS_TRY(ts_tape_hold(tape, cos));
    return ts_tape_hold(tape, sin);
}

ts_status ts_decoder_see(const ts_decoder *d, ts_tape *tape, bool embeds, ts_tensor **x, const ts_run **run)
{
    const ts_pictures *p = (*run)->pictures;
    ts_tower_result r;
    ts_run *mine;
    if (!p || !d->tower.v)
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *mine, &mine));
    *mine = **run;
    *run = mine;
    if (embeds && p->n) {
        TS_TRY(ts_tower_forward(tape, &d->tower, p, &r));
        TS_TRY(replace(tape, p, &r, x));
        TS_TRY(join_taps(tape, &d->tower, p, &r, (*x)->dim[0], mine));
    }
    return p->places && ts_vision_turns(d->tower.v) ? turn(d, tape, p, mine) : TS_OK;
}
