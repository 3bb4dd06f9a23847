/* What of a decoder is on a stage of a pipeline. */
#include "model/decoder.h"

static ts_status skip(void *set, const char *name, const ts_param_spec *spec)
{
    (void)name, (void)spec;
    ts_param_skip(set, 1);
    return TS_OK;
}

ts_declarer ts_decoder_where(const ts_declarer *all, bool is_here)
{
    ts_declarer d = *all;
    if (!is_here && d.set)
        d.list = skip, d.ctx = d.set, d.set = NULL;
    return d;
}

/* Layers of another part of the model than these, which uses the same shared block. */
static bool is_new_chunk(const ts_decoder *d, int64_t layer)
{
    for (int64_t i = 0; i < layer; i++)
        if (d->arch.layer[i].shared == d->arch.layer[layer].shared && d->chunk[i] == d->chunk[layer])
            return false;
    return d->chunk[layer] > 0;
}

ts_declarer ts_decoder_where_block(const ts_decoder *d, const ts_declarer *all, const char *name, int64_t first)
{
    const int block = (int)d->arch.layer[first].shared;
    int chunks = 0;
    bool everywhere = true;
    for (int64_t i = first; block && d->here && i < d->arch.n_layers; i++) {
        if (d->arch.layer[i].shared != block)
            continue;
        chunks += is_new_chunk(d, i);
        everywhere = everywhere && d->here[i];
    }
    const ts_declarer here = ts_decoder_where(all, chunks > 0);
    ts_declarer in = ts_declare_in(&here, name);
    in.chunks = chunks, in.block = everywhere ? 0 : block, in.is_elsewhere = d->here && !d->here[first];
    return in;
}

ts_status ts_decoder_note_stage(const ts_decoder_stage *stage, ts_decoder *d)
{
    const bool whole = !stage || !stage->layers;
    if (stage)
        d->experts = stage->experts;
    d->embeds = whole || stage->embeds;
    d->ends = whole || stage->ends;
    TS_TRY(ts_alloc(&d->here, (size_t)ts_arch_blocks(&d->arch), sizeof *d->here));
    TS_TRY(ts_alloc(&d->chunk, (size_t)d->arch.n_layers, sizeof *d->chunk));
    for (int64_t l = d->arch.n_layers; l < ts_arch_blocks(&d->arch); l++)
        d->here[l] = d->ends;
    for (int64_t l = 0; l < d->arch.n_layers; l++) {
        d->chunk[l] = whole;
        for (int64_t i = 0; !whole && i < stage->n; i++)
            d->chunk[l] = l >= stage->layers[i].first && l < stage->layers[i].last ? i + 1 : d->chunk[l];
        d->here[l] = d->chunk[l] > 0;
    }
    return TS_OK;
}
