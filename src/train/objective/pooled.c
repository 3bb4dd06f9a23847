#include "train/objective/pooled.h"

#include <stdio.h>

static const ts_pooled_objective *of(const ts_objective *o) { return (const ts_pooled_objective *)(const void *)o; }

/* ---- one vector of a row ---- */

/* How much each of a row's positions here counts: out [n]. */
static void weigh_row(const ts_pooled_objective *o, const ts_micro_batch *m, int64_t r, const ts_stretches *here, int64_t length,
                      float *out)
{
    const int64_t tokens = ts_batch_ints(m->batch, "length", m->row + r)[0], n = ts_stretches_count(here);
    const int32_t *ids = ts_batch_ints(m->batch, "tokens", m->row + r);
    const int64_t first = o->rules.pads_left ? length - tokens : 0;
    int64_t last = first + tokens - 1;
    while (last > first && ids[last] == o->rules.passed)
        last--;
    for (int64_t i = 0; i < n; i++)
        out[i] = ts_pool_weight(o->rules.pooling, ts_stretches_at(here, i), first, last);
}

/* *y [rows, width]. */
static ts_status pool(const ts_pooled_objective *o, ts_tape *tape, const ts_micro_batch *m, ts_tensor *x, ts_tensor **y)
{
    const int64_t length = m->length ? m->length : o->network->seq_length, n = x->dim[0] / m->rows;
    const ts_stretches some = ts_objective_here(&o->network->base, length), here = some.n ? some : ts_stretches_one(0, length);
    const ts_spread *spread = o->network->base.spread;
    float *weights = NULL;
    ts_tensor *w;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&weights, (size_t)x->dim[0], sizeof *weights));
    for (int64_t r = 0; weights && r < m->rows; r++)
        weigh_row(o, m, r, &here, length, weights + r * n);
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_F32, weights, x->dim[0], &w);
    ts_free(&weights);
    TS_TRY(st);
    return ts_op_pool(tape, x, w, m->rows, spread ? spread->comm : NULL, y);
}

/* ---- what is told ---- */

/* What the batch says of each row; or of samples' rows that the first alone is the right one. */
static void fill_told(const ts_pooled_objective *o, const ts_micro_batch *m, int64_t n, int64_t each, float *out)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < each; i++) {
            const float *said = o->rules.numbers ? ts_batch_floats(m->batch, "numbers", m->row + r) : NULL;
            *out++ = said ? said[i] : !ts_told_chooses(o->rules.form) && i == 0;
        }
}

static ts_status tell_numbers(const ts_pooled_objective *o, ts_tape *tape, const ts_micro_batch *m, ts_tensor *v, ts_tensor **loss,
                              ts_tensor **hit)
{
    const ts_network *net = &o->network->network;
    const int64_t n = m->rows / o->rules.each;
    ts_tensor *z, *t;
    float *told = NULL;
    TS_TRY(net->kind->numbers(net->self, tape, v, &z));
    const int64_t cols = ts_tensor_count(z) / n, each = ts_told_chooses(o->rules.form) ? 1 : cols;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&told, (size_t)(n * each), sizeof *told));
    if (told)
        fill_told(o, m, n, each, told);
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_F32, told, n * each, &t);
    ts_free(&told);
    TS_TRY(st);
    return ts_op_told(tape, &(ts_told_op){ o->rules.form, o->rules.scale, cols, t }, z, loss, hit);
}

/* Rows of v: of each sample the first alone, or the others; *out fp32. */
static ts_status pick(const ts_pooled_objective *o, ts_tape *tape, int64_t rows, bool queries, ts_tensor *v, ts_tensor **out)
{
    const int64_t each = o->rules.each, n = rows / each * (queries ? 1 : each - 1);
    int32_t *at = NULL;
    ts_tensor *to[2];
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&at, (size_t)(n + rows), sizeof *at));
    for (int64_t r = 0, k = 0; at && r < rows; r++) {
        const bool is = (r % each == 0) == queries;
        at[n + r] = is ? (int32_t)(1 + k) : 0;
        if (is)
            at[k++] = (int32_t)r;
    }
    ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, at, n, &to[0]);
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_I32, at ? at + n : NULL, rows, &to[1]);
    ts_free(&at);
    TS_TRY(st);
    const ts_chosen_rows chosen = { .n = n, .at = to[0], .back = to[1] };
    return ts_op_pick_rows(tape, v, &chosen, out);
}

/* Which of all candidates belongs to each query: *t [samples]. */
static ts_status upload_matches(const ts_pooled_objective *o, ts_tape *tape, int64_t samples, ts_tensor **t)
{
    const int64_t others = o->rules.each - 1, before = ts_group_shares(o->rules.peers) ? o->rules.peers->rank * samples * others : 0;
    float *at = NULL;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&at, (size_t)samples, sizeof *at));
    for (int64_t i = 0; at && i < samples; i++)
        at[i] = (float)(before + i * others);
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_F32, at, samples, t);
    ts_free(&at);
    return st;
}

/* The sum over the lengths of vectors; what is hit is told of the whole ones. */
static ts_status tell_matches(const ts_pooled_objective *o, ts_tape *tape, const ts_micro_batch *m, ts_tensor *v, ts_tensor **loss,
                              ts_tensor **hit)
{
    const ts_pooled_rules *rules = &o->rules;
    ts_tensor *queries, *own, *others, *t, *wide;
    TS_TRY(ts_op_cast(tape, v, TS_DTYPE_F32, &wide));
    TS_TRY(pick(o, tape, m->rows, true, wide, &queries));
    TS_TRY(pick(o, tape, m->rows, false, wide, &own));
    TS_TRY(ts_op_group_collect(tape, rules->peers, own, &others));
    TS_TRY(upload_matches(o, tape, m->rows / rules->each, &t));
    for (int64_t i = 0; i < rules->n_dims; i++) {
        ts_tensor *a, *b, *z, *one, *is_hit;
        TS_TRY(ts_op_direct(tape, queries, rules->dims[i], rules->unit, &a));
        TS_TRY(ts_op_direct(tape, others, rules->dims[i], rules->unit, &b));
        TS_TRY(ts_op_dots(tape, a, b, &z));
        TS_TRY(ts_op_told(tape, &(ts_told_op){ rules->form, rules->scale, z->dim[1], t }, z, &one, &is_hit));
        if (i == 0)
            *loss = one, *hit = is_hit;
        else
            TS_TRY(ts_op_add(tape, *loss, 1, one, 1, loss));
    }
    return TS_OK;
}

/* ---- passes ---- */

static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const ts_pooled_objective *o = of(base);
    ts_passed given = { 0 };
    ts_tensor *v, *loss, *hit;
    TS_TRY(ts_lm_objective_run(o->network, tape, m, &given));
    if (!ts_objective_ends(base, m->part)) {
        *out = given;
        return TS_OK;
    }
    ts_device_part(tape->dev, "output layer and loss", -1);
    TS_TRY(pool(o, tape, m, given.tensor[0], &v));
    TS_TRY((o->rules.matches ? tell_matches : tell_numbers)(o, tape, m, v, &loss, &hit));
    ts_pass(out, loss);
    if (base->n_side)
        ts_pass(out, hit);
    return TS_OK;
}

static void passes(const ts_objective *base, int64_t part, int64_t rows, ts_passed_shapes *out)
{
    const ts_pooled_objective *o = of(base);
    o->network->base.passes(&o->network->base, part, rows, out);
}

static ts_status prepare(ts_objective *base)
{
    const ts_pooled_objective *o = of(base);
    return o->network->base.prepare(&o->network->base);
}

static double flops(const ts_objective *base, int64_t samples)
{
    const ts_pooled_objective *o = of(base);
    return o->network->base.flops(&o->network->base, samples * o->rules.each);
}

void ts_pooled_objective_init(ts_pooled_objective *o, const ts_pooled_rules *rules, ts_lm_objective *network)
{
    const ts_objective *of_rows = &network->base;
    *o = (ts_pooled_objective){ .rules = *rules, .network = network };
    network->leaves = true;
    o->base = (ts_objective){ .name = of_rows->name, .params = of_rows->params, .load = of_rows->load, .rules = of_rows->rules,
                              .index = of_rows->index, .parts = of_rows->parts, .varies = of_rows->varies, .prepare = prepare,
                              .forward = forward, .passes = passes, .flops = flops };
    if (rules->form != TS_TOLD_SQUARE)
        snprintf(o->base.side[o->base.n_side++].name, sizeof o->base.side[0].name, "accuracy");
}
