/* Which parameters are trained, and what a step then takes. */
#include "model/decoder.h"

#include "base/pattern.h"
#include "device/kernels/delta.h"
#include "device/kernels/ssd.h"
#include "model/family.h"

#include <stdlib.h>
#include <string.h>

/* The layer that a parameter is of, those that predict further tokens behind the model's; or -1. */
static int64_t layer_of(const ts_arch *a, const char *name)
{
    static const char layers[] = "decoder.layers.", further[] = "mtp.layers.";
    if (!strncmp(name, further, sizeof further - 1))
        return a->n_layers + strtol(name + sizeof further - 1, NULL, 10);
    return strncmp(name, layers, sizeof layers - 1) ? -1 : strtol(name + sizeof layers - 1, NULL, 10);
}

bool ts_decoder_is_linear(const char *name, const ts_param_spec *spec)
{
    static const char layers[] = "decoder.layers.", further[] = "mtp.layers.";
    return spec->is_linear && spec->place.rank == 2 &&
           (!strncmp(name, layers, sizeof layers - 1) || !strncmp(name, further, sizeof further - 1));
}

static ts_status hold_linear(void *params, const char *name, const ts_param_spec *spec)
{
    ts_param *p = ts_decoder_is_linear(name, spec) ? ts_param_find(params, name) : NULL;
    if (p && !ts_param_is_trained(p))
        ts_param_hold(p, TS_HELD_NF4, TS_DTYPE_BF16, TS_QUANT_NONE);
    return TS_OK;
}

ts_status ts_decoder_hold_nf4(ts_decoder *d) { return ts_decoder_list(&d->arch, hold_linear, &d->params); }

typedef struct modules {
    const ts_arch *a;
    ts_str text;
} modules;

/* The modules of a layer of each kind and those outside, for a message. */
static ts_status add_module(void *ctx, const char *name, const ts_param_spec *spec)
{
    modules *m = ctx;
    const char *dot = strrchr(name, '.');
    const int64_t layer = layer_of(m->a, name);
    (void)spec;
    return layer > 0 && layer != m->a->n_layers
               ? TS_OK
               : ts_str_printf(&m->text, "%s%.*s", m->text.len ? ", " : "", (int)(dot - name), name);
}

static ts_status fits_nothing(const ts_decoder *d, const char *pattern)
{
    modules m = { .a = &d->arch };
    ts_status st = ts_decoder_list(&d->arch, add_module, &m);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--freeze %s: no parameter has that in its name; modules are %s",
                      pattern, m.text.s);
    ts_str_deinit(&m.text);
    return st;
}

/* One pattern at the weights of the whole model. */
typedef struct freezing {
    ts_decoder *d;
    const char *pattern;
    size_t at; /* the weight that is listed next */
    bool found;
    ts_name_map map;
} freezing;

/* Of models that see pictures names in files count too. */
static bool is_called(const freezing *f, const char *name)
{
    for (size_t i = 0; i < f->map.n_pieces; i++)
        if (!strcmp(f->map.piece[i].name, name) && ts_name_has(f->map.piece[i].hf_name, f->pattern))
            return true;
    return false;
}

static ts_status freeze_one(void *ctx, const char *name, const ts_param_spec *spec)
{
    freezing *f = ctx;
    ts_decoder_weight *w = &f->d->weights[f->at++];
    (void)spec;
    if (!ts_name_has(name, f->pattern) && !is_called(f, name))
        return TS_OK;
    f->found = true;
    w->trained = false;
    ts_param *p = ts_param_find(&f->d->params, name);
    if (p)
        ts_param_freeze(p);
    return TS_OK;
}

ts_status ts_decoder_freeze(ts_decoder *d, const char *const *patterns, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        freezing f = { .d = d, .pattern = patterns[k] };
        const ts_family *family = d->arch.vision ? ts_family_named(d->arch.family) : NULL;
        ts_status st = family ? ts_family_names(family, &d->arch, &f.map) : TS_OK;
        if (st == TS_OK)
            st = ts_decoder_list(&d->arch, freeze_one, &f);
        ts_name_map_deinit(&f.map);
        TS_TRY(st);
        if (!f.found)
            return fits_nothing(d, patterns[k]);
    }
    if (ts_decoder_trained(d) == 0)
        return ts_error(TS_ERR_USER, "--freeze leaves nothing to train");
    ts_decoder_note_trained(d);
    return TS_OK;
}

void ts_decoder_note_trained(ts_decoder *d)
{
    d->first_trained = ts_arch_blocks(&d->arch);
    for (size_t i = 0; i < d->n_weights; i++)
        if (d->weights[i].trained && d->weights[i].layer >= 0 && d->weights[i].layer < d->first_trained)
            d->first_trained = d->weights[i].layer;
}

/* ---- counting ---- */

typedef struct listing {
    ts_decoder *d;
    size_t cap;
} listing;

/* How often a pass multiplies with it: a shared block is used by several layers. */
static int64_t uses_of(const ts_arch *a, const char *name)
{
    const int64_t layer = layer_of(a, name);
    const bool own = !strstr(name, ".self_attention.linear_") && !strstr(name, ".mlp.linear_");
    return layer < 0 || layer >= a->n_layers || !a->layer[layer].shared || own ? 1 : ts_arch_uses(a, layer);
}

static ts_status list_weight(void *ctx, const char *name, const ts_param_spec *spec)
{
    listing *l = ctx;
    ts_decoder *d = l->d;
    const bool is_table = !strcmp(name, "embedding.word_embeddings.weight");
    const bool is_head = d->arch.tied ? is_table : !strcmp(name, "output_layer.weight");
    TS_TRY(ts_grow(&d->weights, &l->cap, d->n_weights + 1, sizeof *d->weights));
    d->weights[d->n_weights++] = (ts_decoder_weight){
        .layer = layer_of(&d->arch, name), .count = spec->is_fixed ? 0 : ts_place_whole_count(&spec->place), .is_table = is_table,
        .is_qkv = strstr(name, "linear_qkv.weight") || strstr(name, "self_attention.linear_q.weight") ||
                  strstr(name, "linear_kv_up_proj.weight") || strstr(name, "self_attention.linear_kv_proj.weight"),
        .is_scan = strstr(name, ".conv1d.weight") || strstr(name, ".mixer.B_bias"),
        .multiplies = spec->place.rank > 1 && !spec->is_filter && !spec->is_vectors && (!spec->is_table || (is_table && d->arch.tied)),
        .trained = !spec->is_fixed,
        .times = is_head ? (double)(1 + d->arch.mtp_layers) : (double)uses_of(&d->arch, name),
        .share = spec->is_table && strstr(name, ".ngram.") ? 1 / (double)spec->place.dim[0].whole
                 : (spec->place.rank > 2 && spec->is_expert) || (spec->is_vectors && spec->is_expert)
                     ? (double)d->arch.experts_per_token / (double)(d->arch.n_experts + d->arch.zero_experts)
                 : ts_tower_has(name) ? 0 /* patches go through it, whose number no token tells */
                     : 1 }; /* of a table of n-grams one row */
    return TS_OK;
}

ts_status ts_decoder_list_weights(ts_decoder *d)
{
    return ts_decoder_list(&d->arch, list_weight, &(listing){ .d = d });
}

static double products(const ts_decoder_weight *w)
{
    return w->multiplies ? 2 * (double)w->count * w->share * w->times : 0;
}

double ts_decoder_active(const ts_decoder *d)
{
    double n = 0;
    for (size_t i = 0; i < d->n_weights; i++)
        n += (double)d->weights[i].count * d->weights[i].share;
    return n;
}

double ts_decoder_flops_per_token(const ts_decoder *d)
{
    double n = 0;
    for (size_t i = 0; i < d->n_weights; i++)
        n += products(&d->weights[i]);
    return n;
}

/* Of a token and a layer that carries a state: states are written and read, chunks mixed by halves. */
static double scan_flops(const ts_decoder *d, int64_t layer)
{
    const ts_mamba_arch *m = &d->arch.mamba;
    const ts_delta_arch *n = &d->arch.delta;
    const ts_attention_kind kind = ts_arch_block(&d->arch, layer)->attention;
    if (kind == TS_ATTENTION_CONV)
        return 2 * (double)(d->arch.short_conv.width * d->arch.hidden);
    if (kind == TS_ATTENTION_SELECTIVE)
        return 6 * (double)(d->arch.selective.channels * d->arch.selective.state);
    if (kind == TS_ATTENTION_MAMBA3) {
        const ts_mamba3_arch *s = &d->arch.mamba3;
        return 2 * (double)s->heads * (2.0 * (double)(s->state * s->head_dim) +
                                       TS_SSD_CHUNK / 2.0 * (double)(s->state + s->head_dim));
    }
    if (ts_is_delta(kind))
        return 2 * (double)n->heads * (3.0 * (double)(n->key_dim * n->value_dim) +
                                       TS_DELTA_CHUNK * (double)(n->key_dim + n->value_dim));
    const double state = 2.0 * (double)(m->state * m->head_dim), half = TS_SSD_CHUNK / 2.0;
    return 2 * ((double)m->heads * (state + half * (double)m->head_dim) + (double)m->groups * half * (double)m->state);
}

/* Of a token and a layer of compressed attention: keys of the window and entries, of which an indexer chooses some. */
static double compressed_flops(const ts_arch *a, const ts_layer_arch *l, double seq_length)
{
    const double heads = 2 * (double)(a->n_heads * a->head_dim), n = seq_length;
    const double window = (double)ts_dsa_pairs((int64_t)n, l->window) / n, seen = l->compress ? n / (2 * (double)l->compress) : 0;
    const double most = l->sparse && (double)a->index_topk < seen ? (double)a->index_topk : seen;
    return 2 * (heads * (window + most) + (l->sparse ? (double)(a->index_heads * a->index_dim) * seen : 0));
}

/* Of a token and a layer: the causal half, or of these the keys that an indexer chooses by products with all of the
 * half. */
static double attention_flops(const ts_arch *a, int64_t layer, double seq_length)
{
    if (ts_arch_block(a, layer)->attention == TS_ATTENTION_COMPRESSED)
        return compressed_flops(a, ts_arch_block(a, layer), seq_length);
    const int64_t keys = ts_layer_heads(a, layer) * ts_layer_head_dim(a, layer), n = (int64_t)seq_length;
    const double part = a->index_heads ? ts_dsa_pairs(n, a->index_topk) / ts_dsa_pairs(n, n) : 1;
    return (double)(keys + (a->kv_lora_rank ? a->n_heads * a->v_head_dim : keys)) * seq_length * part +
           (ts_arch_block(a, layer)->choices_of ? 0 : (double)(a->index_heads * a->index_dim) * seq_length);
}

/* Parameters stand in the order in which they are used, but for an embedding that is the output layer
 * too. */
double ts_decoder_training_flops(const ts_decoder *d, double seq_length)
{
    const ts_arch *a = &d->arch;
    double forward = 0, backward = 0, head = 0;
    bool below = false; /* something is trained there */
    for (size_t i = 0; i < d->n_weights; i++) {
        const ts_decoder_weight *w = &d->weights[i];
        const bool is_head = a->tied && w->is_table;
        head = is_head ? products(w) : head;
        backward += w->trained ? products(w) : 0;
        backward += below && !is_head ? products(w) : 0;
        below = below || w->trained;
        const double mixed = w->is_qkv    ? w->times * attention_flops(a, w->layer, seq_length)
                             : w->is_scan ? scan_flops(d, w->layer)
                                          : 0;
        forward += mixed;
        if (below)
            backward += 2 * mixed;
    }
    if (below)
        backward += head;
    return ts_decoder_flops_per_token(d) + forward + backward;
}

int64_t ts_decoder_trained(const ts_decoder *d)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->n_weights; i++)
        n += d->weights[i].trained ? d->weights[i].count : 0;
    return n;
}

int64_t ts_decoder_parameters(const ts_decoder *d)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->n_weights; i++)
        n += d->weights[i].count;
    return n;
}
