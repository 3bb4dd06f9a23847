/* The decoder as a network, and the fields of a batch by name. */
#include "model/decoder.h"

#include <string.h>

void ts_fields_put(ts_fields *f, const char *name, const ts_tensor *t)
{
    TS_ASSERT(f->n < TS_NETWORK_FIELDS, "field %s: a batch has %d already", name, f->n);
    f->name[f->n] = name;
    f->tensor[f->n++] = t;
}

const ts_tensor *ts_fields_get(const ts_fields *f, const char *name)
{
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->name[i], name))
            return f->tensor[i];
    return NULL;
}

static ts_status prepare(void *self, int64_t seq_length)
{
    ts_decoder *d = self;
    const ts_arch *a = &d->arch;
    if (a->position == TS_POSITION_LEARNED && seq_length > a->max_positions)
        return ts_error(TS_ERR_USER,
                        "--seq-length %lld is longer than the model's %lld positions "
                        "(--max-position-embeddings)",
                        (long long)seq_length, (long long)a->max_positions);
    return ts_decoder_prepare(d, seq_length, seq_length);
}

/* Of so many rows, those that lie on processes before this one. */
static int64_t rows_before(const ts_decoder *d, int64_t rows)
{
    return d->group.sequence ? rows / d->group.comm->size * d->group.comm->rank : 0;
}

/* Layers that predict further tokens are recomputed as a whole where any of the others are. */
static ts_layer_memory memory_of(const ts_network_call *c, int64_t layers, int64_t layer)
{
    const ts_recompute_plan *p = &c->recompute;
    if (layer >= layers)
        return p->chosen ? (ts_layer_memory){ 0 } : p->others;
    if (p->chosen)
        return p->chosen[layer];
    return layer < c->first + p->n_first ? p->first : p->others;
}

/* Recomputation runs layers again during the backward pass: what they read must outlive this call. */
static ts_status make_run(ts_decoder *d, ts_tape *tape, const ts_network_call *c, int64_t first, int64_t last,
                          ts_run **out)
{
    ts_layer_memory *memory;
    ts_run *run;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(last > 0 ? last : 1) * sizeof *memory, &memory));
    for (int64_t i = first; i < last; i++)
        memory[i] = memory_of(c, d->arch.n_layers, i);
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = c->B,
                     .S = c->S,
                     .spread = c->spread,
                     .row0 = rows_before(d, c->B * c->S),
                     .pos = ts_fields_get(c->fields, "position_ids"),
                     .pos_whole = ts_fields_get(c->fields, "position_ids_whole"),
                     .first_key = ts_fields_get(c->fields, "first_key"),
                     .last_key = ts_fields_get(c->fields, "last_key"),
                     .first_whole = ts_fields_get(c->fields, "first_whole"),
                     .ids_whole = ts_fields_get(c->fields, "tokens_whole"),
                     .pictures = c->pictures,
                     .context = c->context,
                     .joins = c->joins,
                     .n_joins = c->n_joins,
                     .memory = memory,
                     .hidden_dropout = c->hidden_dropout,
                     .attention_dropout = c->attention_dropout,
                     .adapter_dropout = c->adapter_dropout,
                     .embedding_noise = c->embedding_noise,
                     .whole = c->whole,
                     .seed = c->seed,
                     .balance = c->balance,
                     .pass = c->pass,
                     .step = c->step,
                     .sample0 = c->sample0 };
    tape->run = run;
    *out = run;
    return TS_OK;
}

static ts_status forward(void *self, ts_tape *tape, const ts_network_call *c, ts_tensor **out)
{
    ts_run *run;
    TS_TRY(make_run(self, tape, c, c->first, c->last, &run));
    const ts_decoder_span span = { .ids = ts_fields_get(c->fields, "tokens"),
                                   .stream = c->stream,
                                   .first = c->first,
                                   .last = c->last,
                                   .goes_on = c->goes_on,
                                   .beside = c->beside,
                                   .hands_on = c->hands_on,
                                   .behind = c->behind };
    return ts_decoder_run(self, tape, run, &c->recompute, &span, out);
}

static ts_status predict(void *self, ts_tape *tape, const ts_network_call *c, int64_t depth, const ts_tensor *ids,
                         ts_tensor *h, ts_tensor **next, ts_tensor **out)
{
    ts_decoder *d = self;
    ts_run *run;
    const int64_t layer = d->arch.n_layers + depth;
    TS_TRY(make_run(d, tape, c, layer, layer + 1, &run));
    return ts_decoder_predict(d, tape, run, &c->recompute, depth, ids, h, next, out);
}

static void beside(const void *self, int64_t layer, int64_t B, int64_t S, ts_passed_shapes *out)
{
    ts_decoder_beside(self, layer, B, S, out);
}

static ts_xent_op head(const void *self) { return ts_decoder_head(self); }

static ts_status numbers(const void *self, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    return ts_decoder_numbers(self, tape, x, y);
}

static double training_flops(const void *self, double seq_length)
{
    return ts_decoder_training_flops(self, seq_length);
}

ts_network ts_decoder_network(ts_decoder *d)
{
    static const ts_network_kind kind = { .name = "decoder",
                                          .prepare = prepare,
                                          .forward = forward,
                                          .predict = predict,
                                          .beside = beside,
                                          .head = head,
                                          .numbers = numbers,
                                          .training_flops = training_flops };
    return (ts_network){ .kind = &kind,
                         .self = d,
                         .dev = d->dev,
                         .params = &d->params,
                         .compute = d->compute,
                         .load = &d->load,
                         .rules = &d->rules,
                         .index = &d->index,
                         .layers = d->arch.n_layers,
                         .width = d->arch.hidden,
                         .streams = d->arch.hyper_streams ? d->arch.hyper_streams : d->arch.altup_inputs,
                         .reads_tokens = ts_arch_hashes(&d->arch),
                         .predicts = d->arch.mtp_layers,
                         .reads_whole = ts_arch_carries(&d->arch) || d->arch.ngram_order > 0 ||
                                        ts_arch_has(&d->arch, TS_ATTENTION_COMPRESSED),
                         .reads_places = ts_arch_has(&d->arch, TS_ATTENTION_COMPRESSED),
                         .looks_back = d->arch.ngram_order > 0 };
}
