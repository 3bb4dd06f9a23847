/* What a decoder's pass has beside the stream: per-layer embeddings, and what layers lend to later ones. */
#include "model/decoder.h"

#include "model/decoder_blocks.h"

#include <math.h>

float ts_decoder_rounded(const ts_decoder *d, double scale)
{
    return d->compute == TS_DTYPE_BF16 ? ts_bf16_to_f32(ts_f32_to_bf16((float)scale)) : (float)scale;
}

/* The projection is not divided by sqrt(hidden): its norm's epsilon is multiplied instead. */
ts_per_layer_inputs ts_decoder_per_layer(const ts_decoder *d)
{
    const ts_arch *a = &d->arch;
    ts_per_layer_inputs l = { .width = a->per_layer_width, .layers = a->n_layers, .rows = a->per_layer_vocab,
                              .scale = ts_decoder_rounded(d, sqrt((double)a->per_layer_width)), .dtype = d->compute,
                              .freezes = a->pad_frozen && a->pad >= 0, .frozen = (int32_t)a->pad,
                              .projection = { .in = a->hidden, .out = a->n_layers * a->per_layer_width },
                              .norm = ts_decoder_norm(a, a->per_layer_width > 0) };
    l.norm.width = a->per_layer_width;
    l.norm.op.eps *= (float)a->hidden;
    return l;
}

ts_status ts_decoder_ngram(const ts_decoder *d, ts_ngram_layer *out)
{
    const ts_arch *a = &d->arch;
    *out = (ts_ngram_layer){ .order = a->ngram_order, .splits = a->ngram_splits, .hidden = a->hidden, .vocab = a->vocab,
                             .rows = (int64_t)(a->ngram_ratio * (double)a->vocab), .dtype = d->compute,
                             .freezes = a->pad_frozen && a->pad >= 0, .frozen = (int32_t)a->pad };
    return ts_alloc(&out->table, (size_t)ts_ngram_tables(out), sizeof *out->table);
}

/* Layers that use a shared block read the embedding, a copy: so its gradients have a sum of their own, whatever runs again. */
static ts_status share_blocks(ts_decoder *d, ts_tape *tape, ts_tensor *x, ts_run *run)
{
    TS_TRY(ts_op_add(tape, x, 1, NULL, 0, &run->embedding));
    for (int64_t i = 0; i < d->arch.n_layers; i++)
        if (d->block[i].hybrid.present && !d->block[i].hybrid.first)
            TS_TRY(ts_hybrid_expect(tape, &d->block[i]));
    return ts_tape_hold(tape, run->embedding);
}

ts_status ts_decoder_pass(ts_decoder *d, ts_tape *tape, const ts_tensor *ids, ts_tensor *x, const ts_run **run)
{
    ts_run *mine;
    const bool hybrid = ts_arch_has(&d->arch, TS_ATTENTION_HYBRID);
    if (!d->per_layer.width && !ts_arch_borrows(&d->arch) && !ts_arch_shares_choices(&d->arch) &&
        !ts_arch_has_shortcuts(&d->arch) && !hybrid && !ts_arch_hashes(&d->arch))
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *mine, &mine));
    *mine = **run;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)d->arch.n_layers * sizeof *mine->lent, &mine->lent));
    mine->ids = ids;
    *run = mine;
    if (hybrid)
        TS_TRY(share_blocks(d, tape, x, mine));
    if (!d->per_layer.width)
        return TS_OK;
    TS_ASSERT(ids, "per-layer embeddings are of tokens, and there are none");
    TS_TRY(ts_per_layer_inputs_forward(tape, &d->per_layer, ids, x, &mine->per_layer));
    return ts_tape_hold(tape, mine->per_layer);
}

/* Where nothing is computed they are not 1, which trained ones hardly are and which would save a product. */
ts_status ts_decoder_read_scalars(ts_decoder *d)
{
    for (int64_t i = 0; i < d->arch.n_layers; i++) {
        ts_block *b = &d->block[i];
        if (!b->scalar)
            continue;
        b->scale = 0.5f;
        if (!d->dev->computes)
            continue;
        TS_TRY(ts_param_need(b->scalar));
        d->dev->to_host(d->dev, &b->scale, ts_param_vector(b->scalar), sizeof b->scale);
    }
    return TS_OK;
}

int64_t ts_decoder_first_lender(const ts_decoder *d, int64_t begin, int64_t end)
{
    while (begin < end && !d->block[begin].attention.lends && !d->block[begin].latent.indexer.lends &&
           !d->block[begin].shortcut.present)
        begin++;
    return begin;
}
