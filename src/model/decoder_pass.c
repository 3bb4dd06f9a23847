/* What a decoder's pass has beside the stream: per-layer embeddings, what layers lend to later ones, noise. */
#include "model/decoder.h"

#include "model/decoder_blocks.h"
#include "ops/columns.h"

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

/* Shared blocks that layers of the pass use. */
static ts_status expect_blocks(ts_decoder *d, ts_tape *tape, const ts_decoder_span *span)
{
    for (int64_t i = span->first; i < span->last; i++) {
        const int64_t first = d->arch.layer[i].shared ? ts_arch_first_use(&d->arch, i) : i;
        bool is_new = d->arch.layer[i].shared > 0;
        for (int64_t k = span->first; k < i && is_new; k++)
            is_new = d->arch.layer[k].shared != d->arch.layer[i].shared;
        if (is_new)
            TS_TRY(ts_hybrid_expect(tape, &d->block[first]));
    }
    return TS_OK;
}

/* Layers that use a shared block read the embedding, a copy: so its gradients have a sum of their own, whatever runs again. */
static ts_status copy_embedding(ts_tape *tape, ts_tensor *x, ts_run *run)
{
    TS_TRY(ts_op_add(tape, x, 1, NULL, 0, &run->embedding));
    return ts_tape_hold(tape, run->embedding);
}

/* ---- what goes from layers to later ones beside the stream ---- */

typedef enum beside_kind { EMBEDDING, PER_LAYER, KEYS, CHOICES, EXPERTS } beside_kind;
typedef struct beside {
    beside_kind kind;
    int64_t layer; /* that lends it */
    ts_passed_shape shape;
} beside;

/* What layers from `at` on read of those before them, [n]; of passes of B sequences of S rows. */
static int list_beside(const ts_decoder *d, int64_t at, int64_t B, int64_t S, beside *out)
{
    const ts_arch *a = &d->arch;
    const int64_t rows = B * S, own = d->group.sequence ? rows / d->group.comm->size : rows, left = a->n_layers - at;
    bool hybrid = false;
    int n = 0;
    for (int64_t i = at; i < a->n_layers; i++)
        hybrid = hybrid || d->block[i].hybrid.present;
    if (hybrid)
        out[n++] = (beside){ EMBEDDING, 0, { d->compute, { own, a->hidden }, true } };
    if (a->per_layer_width && left)
        out[n++] = (beside){ PER_LAYER, 0, { d->compute, { own, left * a->per_layer_width }, true } };
    for (int64_t i = 0; i < at && left; i++) {
        const ts_attention_layer *l = &d->block[i].attention;
        const int64_t most = a->index_topk < S ? a->index_topk : S;
        TS_ASSERT(n + 3 <= TS_BESIDE, "layer %lld reads more of others than can be passed", (long long)at);
        if (ts_arch_lends(a, i, at) & TS_LENDS_KEYS)
            out[n++] = (beside){ KEYS, i, { d->compute, { rows, 2 * l->n_kv * l->head_dim }, true } };
        if (ts_arch_lends(a, i, at) & TS_LENDS_CHOICES)
            out[n++] = (beside){ CHOICES, i, { TS_DTYPE_I32, { rows, most }, false } };
        if (a->layer[i].shortcut && i + 1 == at)
            out[n++] = (beside){ EXPERTS, i, { d->compute, { own, a->hidden }, true } };
    }
    return n;
}

void ts_decoder_beside(const ts_decoder *d, int64_t layer, int64_t B, int64_t S, ts_passed_shapes *out)
{
    beside v[TS_BESIDE];
    const int n = list_beside(d, layer, B, S, v);
    for (int i = 0; i < n; i++)
        out->v[out->n++] = v[i].shape;
}

static ts_tensor **place_of(ts_run *run, const beside *b)
{
    return b->kind == EMBEDDING ? &run->embedding : b->kind == PER_LAYER ? &run->per_layer : &run->lent[b->layer];
}

static void take_beside(const ts_decoder *d, const ts_decoder_span *span, ts_run *run)
{
    beside v[TS_BESIDE];
    const int n = list_beside(d, span->first, run->B, run->S, v);
    TS_ASSERT(n == span->beside->n, "layer %lld reads %d tensors of others, and there are %d", (long long)span->first, n,
              span->beside->n);
    for (int i = 0; i < n; i++)
        *place_of(run, &v[i]) = span->beside->tensor[i];
    run->per_layer_from = span->first;
}

/* Whoever takes a tensor drops it: what may be read again here, when a layer runs again, is held for that. */
ts_status ts_decoder_hand_on(const ts_decoder *d, ts_tape *tape, const ts_decoder_span *span, const ts_run *run)
{
    beside v[TS_BESIDE];
    ts_run from = *run;
    const int n = list_beside(d, span->last, run->B, run->S, v);
    for (int i = 0; i < n; i++) {
        ts_tensor *t = *place_of(&from, &v[i]);
        if (v[i].kind == PER_LAYER)
            TS_TRY(ts_op_take_cols(tape, t, 1, (span->last - run->per_layer_from) * d->arch.per_layer_width,
                                   v[i].shape.dim[1], &t));
        if (v[i].kind != EXPERTS)
            TS_TRY(ts_tape_hold(tape, t));
        ts_pass(span->hands_on, t);
    }
    return TS_OK;
}

/* ---- a pass ---- */

/* As much as transformers adds (neftune_noise_alpha): by the length that the sequences of the pass are filled up to. */
ts_status ts_decoder_add_noise(ts_tape *tape, const ts_run *run, int64_t stream, ts_tensor **x)
{
    const ts_rng rng = ts_run_rng(run, TS_RNG_EMBEDDING, stream);
    const ts_row_places rows = ts_run_numbers(run, run->row0);
    const int64_t length = run->spread ? run->spread->length : run->S;
    return ts_op_noise(tape, *x, run->embedding_noise / sqrtf((float)(length * (*x)->dim[1])), &rng, &rows, x);
}

/* Before the first layer, of tokens and their embedding. */
static ts_status make_beside(ts_decoder *d, ts_tape *tape, const ts_decoder_span *span, ts_tensor *x, ts_run *run)
{
    if (ts_arch_has(&d->arch, TS_ATTENTION_HYBRID))
        TS_TRY(copy_embedding(tape, x, run));
    if (!d->per_layer.width)
        return TS_OK;
    TS_ASSERT(span->ids, "per-layer embeddings are of tokens, and there are none");
    TS_TRY(ts_per_layer_inputs_forward(tape, &d->per_layer, span->ids, x, &run->per_layer));
    return ts_tape_hold(tape, run->per_layer);
}

ts_status ts_decoder_pass(ts_decoder *d, ts_tape *tape, const ts_decoder_span *span, ts_tensor *x, const ts_run **run)
{
    const ts_arch *a = &d->arch;
    ts_run *mine;
    if (!d->per_layer.width && !ts_arch_borrows(a) && !ts_arch_shares_choices(a) && !ts_arch_has_shortcuts(a) &&
        !ts_arch_has(a, TS_ATTENTION_HYBRID) && !ts_arch_hashes(a))
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *mine, &mine));
    *mine = **run;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)a->n_layers * sizeof *mine->lent, &mine->lent));
    mine->ids = span->ids;
    *run = mine;
    TS_TRY(expect_blocks(d, tape, span));
    if (!span->beside)
        return make_beside(d, tape, span, x, mine);
    take_beside(d, span, mine);
    return TS_OK;
}

/* Where nothing is computed they are 1 at the beginning, when there is no product with them, and else another number. */
ts_status ts_decoder_read_scalars(ts_decoder *d)
{
    for (int64_t i = 0; i < d->arch.n_layers; i++) {
        ts_block *b = &d->block[i];
        if (!b->scalar)
            continue;
        b->scale = d->begins ? 1 : 0.5f;
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
