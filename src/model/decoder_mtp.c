#include "model/decoder.h"
#include "model/decoder_blocks.h"
#include "nn/show.h"
#include "ops/altup.h"
#include "ops/columns.h"

#include <stdio.h>

/* ---- parameters ---- */

static ts_status declare_one(ts_decoder *d, const ts_declarer *in, int64_t depth)
{
    const ts_arch *a = &d->arch;
    ts_mtp_layer *m = &d->mtp[depth];
    ts_block *b = &d->block[a->n_layers + depth];
    const ts_declarer layer = ts_declare_in(in, "transformer_layer");
    const ts_linear proj = { .in = a->hidden, .out = a->hidden, .parts = { .slots = ts_shares_rows(in->group) } };
    m->enorm = m->hnorm = m->final_norm = ts_decoder_norm(a, true);
    m->final_norm.op.is_kept = true; /* the next depth's norm reads it */
    m->eh_proj = m->e_proj = m->h_proj = proj;
    m->eh_proj.in *= 2;
    m->hyper = ts_decoder_hyper(a, false);
    *b = ts_decoder_block(a, a->n_layers + depth);
    TS_TRY(ts_norm_declare(in, "enorm", &m->enorm));
    TS_TRY(ts_norm_declare(in, "hnorm", &m->hnorm));
    if (m->hyper.op.streams) {
        TS_TRY(ts_linear_declare(in, "e_proj", &m->e_proj));
        TS_TRY(ts_linear_declare(in, "h_proj", &m->h_proj));
    } else {
        TS_TRY(ts_linear_declare(in, "eh_proj", &m->eh_proj));
    }
    TS_TRY(ts_block_declare(&layer, b));
    TS_TRY(ts_hyper_declare(in, "hyper_head", &m->hyper));
    return ts_norm_declare(in, "final_layernorm", &m->final_norm);
}

ts_status ts_mtp_declare(ts_decoder *d, const ts_declarer *in)
{
    for (int64_t k = 0; k < d->arch.mtp_layers; k++) {
        char name[32];
        snprintf(name, sizeof name, "mtp.layers.%d", (int)k);
        const ts_declarer one = ts_declare_in(in, name);
        ts_declare_unit(in);
        TS_TRY(declare_one(d, &one, k));
    }
    return TS_OK;
}

/* ---- forward ---- */

/* The same of several streams: e [T, hidden], normed, and each of h [T, streams hidden]. */
static ts_status enter_streams(ts_tape *tape, const ts_mtp_layer *m, ts_tensor *e, ts_tensor *h, ts_tensor **x)
{
    const int64_t width = m->hyper.width;
    TS_TRY(ts_linear_forward(tape, &m->e_proj, e, &e));
    TS_TRY(ts_op_reshape(tape, h, width, &h));
    TS_TRY(ts_op_norm(tape, &m->hnorm.op, h, NULL, NULL, &h));
    TS_TRY(ts_linear_forward(tape, &m->h_proj, h, &h));
    TS_TRY(ts_op_reshape(tape, h, m->hyper.op.streams * width, &h));
    return ts_op_add_streams(tape, h, e, 0, x);
}

/* What the layer reads, of rows that are here. */
static ts_status enter(ts_decoder *d, ts_tape *tape, const ts_run *run, int64_t depth, const ts_tensor *ids,
                       ts_tensor *h, ts_tensor **x)
{
    const ts_mtp_layer *m = &d->mtp[depth];
    const int64_t blocks = ts_arch_blocks(&d->arch);
    ts_tensor *e, *both;
    ts_device_part(d->dev, "mtp", d->arch.n_layers + depth);
    /* dropout's streams 0 to 2 blocks are the embedding's and the layers' */
    TS_TRY(ts_decoder_embed(d, tape, run, ids, 2 * blocks + 1 + depth, &e));
    TS_TRY(ts_op_norm(tape, &m->enorm.op, e, NULL, NULL, &e));
    if (m->hyper.op.streams)
        return enter_streams(tape, m, e, h, x);
    TS_TRY(ts_op_norm(tape, &m->hnorm.op, h, NULL, NULL, &h));
    TS_TRY(ts_op_join_cols(tape, e, h, &both));
    ts_tape_drop(tape, e);
    ts_tape_drop(tape, h);
    return ts_linear_forward(tape, &m->eh_proj, both, x);
}

static ts_status enter_in_frame(ts_decoder *d, ts_tape *tape, const ts_run *run, int64_t depth, const ts_tensor *ids,
                                ts_tensor *h, ts_tensor **x)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = enter(d, tape, run, depth, ids, h, x);
    ts_tape_pop(tape, st == TS_OK ? *x : NULL);
    return st;
}

static ts_status predict(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_recompute_plan *recompute,
                         int64_t depth, const ts_tensor *ids, ts_tensor *h, ts_tensor **next, ts_tensor **out)
{
    const int64_t layer = d->arch.n_layers + depth;
    const ts_decoder_span span = { .first = layer, .last = layer + 1 };
    const ts_shown_columns columns = ts_columns_whole(d->arch.hidden);
    const ts_mtp_layer *m = &d->mtp[depth];
    const bool several = m->hyper.op.streams > 0;
    ts_tensor *x, *res;
    TS_TRY(enter_in_frame(d, tape, run, depth, ids, h, &x));
    if (!several)
        TS_TRY(ts_show(tape, run, layer, "mtp", "eh_proj", &columns, x));
    TS_TRY(ts_decoder_layers(d, tape, run, recompute, &span, &x, &res));
    ts_device_part(d->dev, "mtp", layer);
    *next = x;
    if (several)
        TS_TRY(ts_hyper_read(tape, &m->hyper, x, &x, NULL));
    TS_TRY(ts_op_norm(tape, &m->final_norm.op, x, res, NULL, out));
    TS_TRY(ts_show(tape, run, layer, "mtp", "final_layernorm", &columns, *out));
    if (!several)
        *next = *out;
    return d->group.sequence ? ts_op_group_gather(tape, d->group.comm, *out, out) : TS_OK;
}

ts_status ts_decoder_predict(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_recompute_plan *recompute,
                             int64_t depth, const ts_tensor *ids, ts_tensor *h, ts_tensor **next, ts_tensor **out)
{
    TS_ASSERT(depth < d->arch.mtp_layers && d->ends, "depth %lld of %lld", (long long)depth,
              (long long)d->arch.mtp_layers);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = predict(d, tape, run, recompute, depth, ids, h, next, out);
    ts_tape_pop2(tape, st == TS_OK ? *next : NULL, st == TS_OK ? *out : NULL);
    return st == TS_OK ? ts_tape_send_away(tape) : st;
}
