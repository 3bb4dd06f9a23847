#include "model/decoder.h"

#include "model/decoder_blocks.h"
#include "nn/adapter.h"
#include "nn/show.h"

#include <math.h>
#include <stdio.h>

static ts_status declare_layers(ts_decoder *d, const ts_declarer *all)
{
    for (int64_t i = 0; i < d->arch.n_layers; i++) {
        char name[32];
        const ts_declarer layer = ts_decoder_where(all, d->here && d->here[i]);
        snprintf(name, sizeof name, "decoder.layers.%d", (int)i);
        ts_declare_unit(all);
        const ts_declarer in = ts_declare_in(&layer, name);
        d->block[i] = ts_decoder_block(&d->arch, i);
        if (d->arch.layer[i].shared && ts_arch_first_use(&d->arch, i) < i)
            d->block[i].hybrid.first = &d->block[ts_arch_first_use(&d->arch, i)];
        const ts_declarer of_block = ts_decoder_where_block(d, all, name, i);
        TS_TRY(d->block[i].hybrid.present ? ts_hybrid_declare(&in, &of_block, &d->block[i])
                                          : ts_block_declare(&in, &d->block[i]));
    }
    return TS_OK;
}

/* A stage that ends a model has a copy of the embedding where that is the output layer, or layers behind it
 * read embeddings too. */
static ts_status declare_embedding(ts_decoder *d, const ts_declarer *all, int64_t rows)
{
    const ts_arch *a = &d->arch;
    const bool at_end = a->tied || a->mtp_layers;
    const ts_declarer tables = ts_decoder_where(all, d->embeds || (d->ends && at_end)),
                      others = ts_decoder_where(all, d->embeds);
    ts_param_spec table = { .place = ts_place_whole(rows, a->hidden), .decoupled = true, .is_table = true,
                            .is_copy = !d->embeds, .at_both_ends = at_end && d->embeds != d->ends };
    const ts_param_spec positions = { .place = ts_place_whole(a->max_positions, a->hidden), .is_table = true };
    if (all->group)
        ts_place_cut_even(&table.place, 0, TS_AXIS_TENSOR, all->group->comm->size,
                          all->group->comm->rank, 1, 1);
    TS_TRY(ts_declare(&tables, "embedding.word_embeddings.weight", &table, &d->embedding));
    if (a->position == TS_POSITION_LEARNED)
        TS_TRY(ts_declare(&others, "embedding.position_embeddings.weight", &positions, &d->positions));
    d->table = (ts_linear){ .in = a->hidden, .out = rows, .is_table = true, .w = d->embedding };
    ts_declarer by_rows = others;
    by_rows.group = others.group ? &d->vocabulary : NULL;
    ts_linear_share(&by_rows, &d->table, TS_CUT_COLUMN, 1, 1);
    d->table.group = d->table.cut ? by_rows.group : NULL;
    const ts_declarer words = ts_declare_in(&by_rows, "embedding.word_embeddings");
    if (all->adapting)
        TS_TRY(all->adapting->meet(all->adapting, &words, &d->table));
    d->embed_norm = ts_decoder_norm(a, a->embed_norm);
    d->embed_norm.op.is_kept = true;
    TS_TRY(ts_norm_declare(&others, "embedding.norm", &d->embed_norm));
    d->per_layer = ts_decoder_per_layer(d);
    const ts_declarer in = ts_declare_in(&others, "embedding");
    if (d->per_layer.width)
        TS_TRY(ts_per_layer_inputs_declare(&in, &d->per_layer));
    TS_TRY(ts_ngram_declare(&in, &d->ngram));
    d->altup = (ts_altup_ends){ .inputs = a->altup_inputs, .width = a->hidden };
    return ts_altup_declare_in(&in, &d->altup);
}

/* All parameters, in the order in which they are used. */
static ts_status declare_words(ts_decoder *d, const ts_declarer *all, int64_t rows)
{
    const ts_arch *a = &d->arch;
    const ts_declarer last = ts_decoder_where(all, d->ends);
    TS_TRY(declare_embedding(d, all, rows));
    TS_TRY(declare_layers(d, all));
    ts_declare_unit(all);
    const ts_declarer behind = ts_declare_in(&last, "decoder");
    TS_TRY(ts_altup_declare_out(&behind, &d->altup));
    d->hyper = ts_decoder_hyper(a, false);
    TS_TRY(ts_hyper_declare(&behind, "hyper_head", &d->hyper));
    d->final_norm = ts_decoder_norm(a, a->final_norm);
    d->final_norm.op.is_kept = a->mtp_layers > 0; /* norms behind it read it */
    TS_TRY(ts_norm_declare(&last, "decoder.final_layernorm", &d->final_norm));
    if (a->reward || a->labels)
        return ts_decoder_declare_numbers(d, &last);
    d->head = (ts_linear){ .in = a->hidden, .out = rows, .has_bias = a->bias_head, .tied = a->tied,
                           .decoupled = true, .w = a->tied ? d->embedding : NULL };
    ts_declarer by_rows = last;
    by_rows.group = last.group ? &d->vocabulary : NULL;
    ts_linear_share(&by_rows, &d->head, TS_CUT_COLUMN, 1, 1);
    TS_TRY(ts_linear_declare(&by_rows, "output_layer", &d->head));
    return ts_mtp_declare(d, &last);
}

static ts_status declare(ts_decoder *d, const ts_declarer *all, int64_t rows)
{
    TS_TRY(declare_words(d, all, rows));
    return ts_decoder_declare_tower(d, all);
}

/* Of heads that are a power of two: 2^(-8 (i + 1) / heads). Others take those of the next lower power, and
 * then every second one of twice as many (Press et al.'s code). */
static float slope_of(const ts_arch *a, int64_t head)
{
    int64_t power = 1;
    while (2 * power <= a->n_heads)
        power *= 2;
    const double of = head < power ? (double)(head + 1) : (double)(2 * (head - power) + 1) / 2;
    return (float)exp2(-8 * of / (double)power);
}

/* Slopes of the heads here, which are the same in all layers. */
static ts_status make_slopes(ts_decoder *d)
{
    const ts_attention_layer *any = &d->block[0].attention;
    const size_t bytes = (size_t)any->n_q * sizeof(float);
    float *host;
    bool wanted = false;
    for (int64_t l = 0; l < d->arch.n_layers; l++)
        wanted = wanted || d->arch.layer[l].position == TS_POSITION_ALIBI;
    if (!wanted)
        return TS_OK;
    TS_TRY(ts_storage_create(d->dev, TS_MEM_OTHER, bytes, &d->slopes));
    TS_TRY(ts_alloc(&host, (size_t)any->n_q, sizeof *host));
    for (int64_t i = 0; i < any->n_q; i++)
        host[i] = slope_of(&d->arch, any->head0 + i);
    if (d->dev->computes)
        d->dev->to_device(d->dev, d->slopes->data, host, bytes);
    ts_free(&host);
    for (int64_t l = 0; l < ts_arch_blocks(&d->arch); l++)
        if (ts_arch_block(&d->arch, l)->position == TS_POSITION_ALIBI)
            d->block[l].attention.slopes = d->slopes;
    return TS_OK;
}

static ts_status list_with(const ts_arch *a, const ts_declarer *all)
{
    ts_decoder d = { 0 };
    TS_TRY(ts_arch_copy_ahead(a, &d.arch));
    ts_status st = ts_alloc(&d.block, (size_t)ts_arch_blocks(a), sizeof *d.block);
    if (st == TS_OK)
        st = ts_alloc(&d.mtp, (size_t)a->mtp_layers, sizeof *d.mtp);
    if (st == TS_OK)
        st = ts_decoder_ngram(&d, &d.ngram);
    if (st == TS_OK)
        st = declare(&d, all, a->vocab);
    ts_free(&d.ngram.table);
    ts_free(&d.mtp);
    ts_free(&d.tower_block);
    ts_free(&d.block);
    ts_arch_deinit(&d.arch);
    return st;
}

ts_status ts_decoder_list(const ts_arch *a, ts_list_fn *list, void *ctx)
{
    return list_with(a, &(ts_declarer){ .list = list, .ctx = ctx });
}

static ts_status pass_over(void *ctx, const char *name, const ts_param_spec *spec) { return (void)ctx, (void)name, (void)spec, TS_OK; }

ts_status ts_decoder_meet_linears(const ts_arch *a, ts_adapting *adapting)
{
    return list_with(a, &(ts_declarer){ .list = pass_over, .adapting = adapting });
}

/* parallel/rules.c has told a user of what cannot be. */
static void check_group(const ts_arch *a, const ts_tensor_group *g)
{
    const long long size = g->comm->size, kv = a->n_kv_heads;
    const bool copies = size > kv;
    if ((!ts_arch_has(a, TS_ATTENTION_SOFTMAX) && !ts_arch_has(a, TS_ATTENTION_BESIDE)) || !ts_arch_has_mlp(a))
        return;
    TS_ASSERT(size <= a->ffn && size <= a->vocab && (a->qk_norm != TS_QK_NORM_OWN || (!copies && !g->x)) &&
                  (copies ? size % kv == 0 && a->n_heads % size == 0
                          : g->unaligned || (kv % size == 0 && a->ffn % size == 0)) &&
                  (!g->x || (!copies && !g->unaligned && g->sequence && a->hidden % g->y->size == 0)),
              "%lld processes cannot share out this model", size);
}

ts_status ts_decoder_create_stage(ts_device *dev, const ts_arch *arch, ts_dtype compute,
                                  int64_t vocab_rows, const ts_tensor_group *group,
                                  const ts_decoder_stage *stage, ts_decoder **out)
{
    const bool alone = !group || !group->comm || group->comm->size == 1;
    ts_decoder *d;
    if (!alone)
        check_group(arch, group);
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    d->dev = dev;
    d->compute = compute;
    d->group = d->vocabulary = alone ? (ts_tensor_group){ 0 } : *group;
    d->vocabulary.x = d->vocabulary.y = NULL;
    ts_status st = ts_param_set_init(&d->params, dev);
    if (st == TS_OK)
        st = ts_arch_copy_ahead(arch, &d->arch);
    if (st == TS_OK)
        st = ts_alloc(&d->block, (size_t)ts_arch_blocks(arch), sizeof *d->block);
    if (st == TS_OK)
        st = ts_alloc(&d->mtp, (size_t)arch->mtp_layers, sizeof *d->mtp);
    if (st == TS_OK)
        st = ts_decoder_ngram(d, &d->ngram);
    if (st == TS_OK)
        st = ts_decoder_note_stage(stage, d);
    if (st == TS_OK)
        st = ts_decoder_list_weights(d);
    if (st == TS_OK)
        st = declare(d, &(ts_declarer){ .set = &d->params, .group = alone ? NULL : &d->group,
                                     .experts = d->experts.comm ? &d->experts : NULL,
                                     .adapting = stage ? stage->adapting : NULL },
                     vocab_rows > arch->vocab ? vocab_rows : arch->vocab);
    if (st == TS_OK && stage)
        ts_param_skip(&d->params, stage->n_adapting);
    if (st == TS_OK)
        st = make_slopes(d);
    if (st != TS_OK)
        ts_decoder_destroy(&d);
    else
        *out = d;
    return st;
}

ts_status ts_decoder_create(ts_device *dev, const ts_arch *arch, ts_dtype compute,
                            int64_t vocab_rows, const ts_tensor_group *group, ts_decoder **out)
{
    return ts_decoder_create_stage(dev, arch, compute, vocab_rows, group, NULL, out);
}

/* ---- experts ---- */

ts_status ts_decoder_train_experts(ts_decoder *d, const ts_expert_rules *rules)
{
    int64_t n = 0, all = 0, at = 0;
    d->rules = *rules;
    for (int64_t i = 0; i < ts_arch_blocks(&d->arch); i++) {
        all += d->block[i].experts.experts > 0;
        n += d->here[i] && d->block[i].experts.experts;
    }
    if (!all)
        return TS_OK;
    TS_TRY(ts_expert_load_init(&d->load, d->dev, ts_arch_blocks(&d->arch), n,
                               d->arch.n_experts + d->arch.zero_experts));
    for (int64_t i = 0; i < ts_arch_blocks(&d->arch); i++) {
        ts_experts_layer *l = &d->block[i].experts;
        if (!d->here[i] || !l->experts)
            continue;
        l->rules = &d->rules;
        l->sums = (float *)d->load.sums->data + at * ts_expert_load_width(&d->load);
        l->busiest = &d->load.busiest[at];
        d->load.bias[at] = l->bias;
        d->load.module[at] = l;
        d->load.layer[at++] = i;
    }
    return TS_OK;
}

static void drop_tables(ts_decoder *d, int i)
{
    ts_storage_release(&d->cos[i]);
    ts_storage_release(&d->sin[i]);
    ts_storage_release(&d->q_cos[i]);
    ts_storage_release(&d->q_sin[i]);
}

ts_status ts_decoder_train_indexers(ts_decoder *d, const ts_index_rules *rules)
{
    d->index.rules = *rules;
    if (!d->arch.index_heads)
        return TS_OK;
    TS_TRY(ts_storage_create(d->dev, TS_MEM_OTHER, sizeof(float), &d->index.loss));
    d->index.rules.loss = d->index.loss->data;
    for (int64_t i = 0; i < ts_arch_blocks(&d->arch); i++) {
        ts_indexer *x = &d->block[i].latent.indexer;
        d->index.layers += x->heads > 0;
        x->rules = &d->index.rules;
    }
    return TS_OK;
}

void ts_decoder_destroy(ts_decoder **decoder)
{
    ts_decoder *d = *decoder;
    if (!d)
        return;
    ts_param_set_deinit(&d->params);
    ts_storage_release(&d->slopes);
    for (int i = 0; i < TS_ARCH_MAX_ROPES; i++)
        drop_tables(d, i);
    ts_expert_load_deinit(&d->load);
    ts_storage_release(&d->index.loss);
    ts_free(&d->here);
    ts_free(&d->chunk);
    ts_free(&d->weights);
    ts_free(&d->ngram.table);
    ts_free(&d->mtp);
    ts_free(&d->tower_block);
    ts_free(&d->block);
    ts_arch_deinit(&d->arch);
    ts_free(decoder);
}

/* Weights that no product of the compute type reads are not rounded to it. */
static bool is_exact(const ts_param *p) { return p->rank == 1 || p->is_router || p->is_filter; }

ts_status ts_decoder_allocate(ts_decoder *d, ts_dtype value, bool training)
{
    for (size_t i = 0; i < d->params.n && !training; i++)
        if (is_exact(d->params.p[i]))
            ts_param_hold(d->params.p[i], TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
    TS_TRY(ts_param_set_allocate(&d->params, value));
    return training ? ts_param_set_allocate_grads(&d->params) : TS_OK;
}

void ts_decoder_use_int8(ts_decoder *d, bool head)
{
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        const bool outside = p->is_table || p == d->head.w;
        p->int8 = p->rank > 1 && p->place.rank < 3 && !p->is_router && !p->is_filter &&
                  (!outside || (head && p == d->head.w));
    }
}

ts_status ts_decoder_allocate_one(ts_decoder *d, ts_quant quant)
{
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        const bool is_table = p->is_table && p != d->head.w;
        /* few bits of a row of the vocabulary are seen at once in all its logits */
        const ts_quant bits = quant && p == d->head.w ? TS_QUANT_INT8 : quant;
        if (p->has_type) /* said already */
            continue;
        if (is_exact(p))
            ts_param_hold(p, TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
        else if (p->place.rank > 2)
            ts_param_hold(p, TS_HELD_ONE, d->compute, TS_QUANT_NONE);
        else if (is_table || (d->arch.unit_head && p == d->head.w))
            ts_param_hold(p, TS_HELD_FROZEN, d->compute, TS_QUANT_NONE);
        else
            ts_param_hold(p, TS_HELD_ONE, d->compute, bits);
    }
    return ts_param_set_allocate(&d->params, d->compute);
}

/* ---- random values ---- */

ts_status ts_decoder_init(ts_decoder *d, uint64_t seed, double std)
{
    const double narrow = std / sqrt(2.0 * (double)d->arch.n_layers);
    d->begins = true;
    if (!d->dev->computes)
        return TS_OK;
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        TS_TRY(ts_param_begin(p, seed, (float)(p->start == TS_START_OUT ? narrow : std)));
    }
    ts_param_set_changed(&d->params);
    return TS_OK;
}

/* ---- rotary tables ---- */

/* Cosines and sines; host NULL: nothing is computed. */
static ts_status put_tables(ts_device *dev, const float *host, size_t n, ts_storage **cosines, ts_storage **sines)
{
    const size_t bytes = n * sizeof *host;
    TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, bytes, cosines));
    TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, bytes, sines));
    if (!host)
        return TS_OK;
    dev->to_device(dev, (*cosines)->data, host, bytes);
    dev->to_device(dev, (*sines)->data, host + n, bytes);
    return TS_OK;
}

static ts_status fill_table(ts_decoder *d, int i, int64_t positions, int64_t seq_len)
{
    const ts_rope_config *r = &d->arch.rope[i];
    const size_t n = (size_t)(positions * (r->dim / 2));
    float *host = NULL;
    drop_tables(d, i);
    if (d->dev->computes) {
        TS_TRY(ts_alloc(&host, 2 * n, sizeof *host));
        ts_rope_table(r, positions, seq_len, host, host + n);
    }
    ts_status st = put_tables(d->dev, host, n, &d->cos[i], &d->sin[i]);
    if (host && r->query_beta > 0)
        ts_rope_scale_queries(r, positions, host, host + n);
    if (st == TS_OK && r->query_beta > 0)
        st = put_tables(d->dev, host, n, &d->q_cos[i], &d->q_sin[i]);
    ts_free(&host);
    return st;
}

static bool depends_on_length(const ts_decoder *d)
{
    for (int i = 0; i < d->arch.n_ropes; i++)
        if (ts_rope_varies(&d->arch.rope[i]))
            return true;
    return false;
}

ts_status ts_decoder_prepare(ts_decoder *d, int64_t positions, int64_t seq_len)
{
    TS_TRY(ts_decoder_read_scalars(d));
    if (!ts_arch_rotates(&d->arch))
        return TS_OK;
    if (positions <= d->rope_positions && (seq_len == d->rope_seq || !depends_on_length(d)))
        return TS_OK;
    for (int i = 0; i < d->arch.n_ropes; i++)
        TS_TRY(fill_table(d, i, positions, seq_len));
    d->rope_positions = positions;
    d->rope_seq = seq_len;
    for (int64_t l = 0; l < ts_arch_blocks(&d->arch); l++) {
        ts_rope_op *o = &d->block[l].attention.rope;
        ts_latent_layer *latent = &d->block[l].latent;
        const ts_layer_arch *is = ts_arch_block(&d->arch, l);
        const int which = is->rope;
        if (is->position != TS_POSITION_ROPE || !ts_attends(is->attention))
            continue;
        o->rot_dim = d->arch.rope[which].dim;
        o->interleaved = d->arch.rope[which].interleaved;
        o->cos = d->cos[which];
        o->sin = d->sin[which];
        o->q_cos = d->q_cos[which], o->q_sin = d->q_sin[which];
        ts_compressed_layer *compressed = &d->block[l].compressed;
        compressed->rope = o->rot_dim, compressed->interleaved = o->interleaved;
        compressed->cos = o->cos, compressed->sin = o->sin;
        latent->interleaved = o->interleaved, latent->cos = o->cos, latent->sin = o->sin;
        latent->indexer.rope = (ts_rope_op){ .rot_dim = o->rot_dim, .interleaved = d->arch.index_interleaved,
                                             .cos = o->cos, .sin = o->sin };
    }
    return TS_OK;
}

/* ---- forward ---- */

ts_status ts_decoder_embed(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids, int64_t stream,
                           ts_tensor **x)
{
    const ts_embed_op o = { .table = d->embedding, .group = d->group.comm,
                            .first = ts_decoder_first_token(d, d->embedding), .positions = d->positions, .ids = ids,
                            .pos = run->pos, .scale = ts_decoder_rounded(d, d->arch.embed_scale), .dtype = d->compute,
                            .freezes = d->arch.pad_frozen && d->arch.pad >= 0,
                            .frozen = (int32_t)d->arch.pad };
    TS_TRY(ts_op_embed(tape, &o, x));
    TS_TRY(ts_adapter_embed(tape, &d->table, &o, x));
    if (d->ngram.order)
        TS_TRY(ts_ngram_forward(tape, &d->ngram, run, run->state ? run->state[d->arch.n_layers] : NULL, ids, d->arch.eos,
                                d->arch.n_eos, x));
    if (d->group.sequence)
        TS_TRY(ts_op_group_keep(tape, d->group.comm, *x, x));
    if (run->embedding_noise > 0)
        TS_TRY(ts_decoder_add_noise(tape, run, stream, x));
    if (d->embed_norm.present)
        TS_TRY(ts_op_norm(tape, &d->embed_norm.op, *x, NULL, NULL, x));
    if (run->hidden_dropout > 0) {
        const ts_rng rng = ts_run_rng(run, TS_RNG_HIDDEN_DROPOUT, stream);
        const ts_row_places rows = ts_run_numbers(run, run->row0);
        return ts_op_dropout(tape, *x, run->hidden_dropout, &rng, &rows, x);
    }
    return TS_OK;
}

typedef struct layers_ctx {
    const ts_decoder *d;
    const ts_run *run;
    int64_t begin, end;
} layers_ctx;

static ts_status run_layers(ts_tape *tape, const layers_ctx *c, ts_tensor **x, ts_tensor **res)
{
    for (int64_t i = c->begin; i < c->end; i++) {
        ts_tensor *x0 = *x, *res0 = *res;
        TS_TRY(ts_block_forward(tape, &c->d->block[i], c->run, x0, res0, x, res));
        if (x0 != *x)
            ts_tape_drop(tape, x0);
        ts_tape_drop(tape, res0);
    }
    return TS_OK;
}

static ts_status segment(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    ts_tensor *x = in, *res = NULL;
    TS_TRY(run_layers(tape, ctx, &x, &res));
    return ts_op_add(tape, x, 1, res, 1, out);
}

/* Layers [begin, end) keep the stream alone, which comes in two parts where others ran before them. */
static ts_status run_again(ts_tape *tape, const layers_ctx *c, ts_tensor **x, ts_tensor **res)
{
    const bool recording = tape->recording;
    ts_tensor *in = *x;
    if (*res) {
        TS_TRY(ts_op_add(tape, *x, 1, *res, 1, &in));
        ts_tape_drop(tape, *x);
        ts_tape_drop(tape, *res);
        *res = NULL;
    }
    tape->recording = recording && (in->wants_grad || c->end > c->d->first_trained ||
                                    ts_run_trains_beside(c->run, c->begin, c->end));
    tape->waits = tape->recording && c->run->memory && c->run->memory[c->begin].swap;
    const ts_status st = ts_tape_segment(tape, segment, c, sizeof *c, in, x);
    tape->recording = recording;
    tape->waits = false;
    if (st == TS_OK)
        ts_tape_drop(tape, in);
    return st;
}

/* Whether layer i of the span is recomputed as a whole: as `plan` counts them from the first, or as it was
 * chosen for each. */
static bool is_whole(const ts_run *run, const ts_recompute_plan *plan, const ts_decoder_span *span, int64_t i)
{
    if (run->memory && run->memory[i].whole)
        return true;
    return plan && (plan->method == TS_RECOMPUTE_UNIFORM ||
                    (plan->method == TS_RECOMPUTE_BLOCK && i < span->first + plan->layers));
}

ts_status ts_decoder_layers(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_recompute_plan *plan,
                            const ts_decoder_span *span, ts_tensor **x, ts_tensor **res)
{
    const int64_t group = plan && plan->method == TS_RECOMPUTE_UNIFORM ? plan->layers : 1;
    layers_ctx c = { .d = d, .run = run };
    *res = NULL;
    for (int64_t i = span->first; i < span->last; i = c.end) {
        c.begin = i;
        c.end = ts_decoder_first_lender(d, i, i + group < span->last ? i + group : span->last);
        const bool again = c.end > i && is_whole(run, plan, span, i);
        c.end = c.end > i ? c.end : i + 1;
        TS_TRY((again ? run_again : run_layers)(tape, &c, x, res));
        TS_TRY(ts_tape_send_away(tape));
    }
    return TS_OK;
}

static ts_status forward(ts_decoder *d, ts_tape *tape, const ts_run *run,
                         const ts_recompute_plan *plan, const ts_decoder_span *span,
                         ts_tensor **out)
{
    const bool ends = span->last == d->arch.n_layers && !span->goes_on;
    const ts_shown_columns columns = ts_columns_whole(d->arch.hidden);
    ts_tensor *x = span->stream, *res;
    if (!x) {
        ts_device_part(d->dev, "embedding", -1);
        TS_TRY(ts_decoder_embed(d, tape, run, span->ids, 0, &x));
        TS_TRY(ts_show(tape, run, TS_SHOWN_BEFORE, "embedding", "word_embeddings", &columns, x));
    }
    TS_TRY(ts_decoder_see(d, tape, !span->stream, &x, &run));
    TS_TRY(ts_decoder_pass(d, tape, span, x, &run));
    if (d->altup.inputs && x->dim[1] == d->altup.width) /* from another stage they come as they are */
        TS_TRY(ts_altup_widen(tape, &d->altup, x, &x));
    if (d->hyper.op.streams && x->dim[1] == d->hyper.width) /* from another stage they come as they are */
        TS_TRY(ts_hyper_widen(tape, &d->hyper, x, &x));
    TS_TRY(ts_decoder_layers(d, tape, run, plan, span, &x, &res));
    ts_device_part(d->dev, "final norm", -1);
    if (ends && d->altup.inputs)
        TS_TRY(ts_altup_narrow(tape, &d->altup, x, &x));
    ts_tensor *const streams = x;
    if (ends && d->hyper.op.streams)
        TS_TRY(ts_hyper_read(tape, &d->hyper, x, &x, NULL));
    if (ends && d->final_norm.present) {
        TS_TRY(ts_op_norm(tape, &d->final_norm.op, x, res, NULL, &x));
        TS_TRY(ts_show(tape, run, TS_SHOWN_BEHIND, "decoder", "final_layernorm", &columns, x));
    } else if (res) {
        TS_TRY(ts_op_add(tape, x, 1, res, 1, &x));
    }
    *out = x;
    if (span->hands_on && !ends)
        TS_TRY(ts_decoder_hand_on(d, tape, span, run));
    if (span->behind)
        *span->behind = d->hyper.op.streams ? streams : x;
    return ends && d->group.sequence ? ts_op_group_gather(tape, d->group.comm, x, out) : TS_OK;
}

ts_status ts_decoder_run(ts_decoder *d, ts_tape *tape, const ts_run *run,
                         const ts_recompute_plan *recompute, const ts_decoder_span *span,
                         ts_tensor **out)
{
    TS_ASSERT(!d->group.sequence || !run->n_joins, "what joins the stream has all rows");
    TS_ASSERT(0 <= span->first && span->first <= span->last && span->last <= d->arch.n_layers &&
                  (span->stream || (span->ids && span->first == 0)),
              "layers %lld to %lld of %lld", (long long)span->first, (long long)span->last,
              (long long)d->arch.n_layers);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = forward(d, tape, run, recompute, span, out);
    ts_tape_pop2(tape, st == TS_OK ? *out : NULL, st == TS_OK && span->behind ? *span->behind : NULL);
    return st == TS_OK ? ts_tape_send_away(tape) : st;
}

ts_status ts_decoder_forward(ts_decoder *d, ts_tape *tape, const ts_run *run,
                             const ts_recompute_plan *recompute, const ts_tensor *ids,
                             ts_tensor **hidden)
{
    const ts_decoder_span all = { .ids = ids, .last = d->arch.n_layers };
    return ts_decoder_run(d, tape, run, recompute, &all, hidden);
}
