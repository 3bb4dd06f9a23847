/* A description, its copies and its layers. */
#include "model/arch_rows.h"
#include "model/vision.h"

#include <string.h>

void ts_arch_init(ts_arch *a)
{
    *a = (ts_arch){ 0 };
    for (size_t i = 0; i < ts_arch_row_count; i++)
        if (ts_field_is_number(&ts_arch_rows[i]))
            ts_field_set(a, &ts_arch_rows[i], ts_arch_rows[i].def);
    for (int i = 0; i < TS_ARCH_MAX_EOS; i++)
        a->eos[i] = -1;
}

void ts_arch_deinit(ts_arch *a)
{
    ts_free(&a->layer);
    ts_vision_destroy(&a->vision);
    a->n_layers = 0;
}

/* With room for more layers behind them. */
static ts_status copy(const ts_arch *a, int64_t more, ts_arch *out)
{
    ts_layer_arch *layer = NULL;
    if (a->layer) {
        TS_TRY(ts_alloc(&layer, (size_t)(a->n_layers + more), sizeof *layer));
        memcpy(layer, a->layer, (size_t)a->n_layers * sizeof *layer);
    }
    ts_vision_arch *vision;
    const ts_status st = ts_vision_copy(a->vision, &vision);
    if (st != TS_OK) {
        ts_free(&layer);
        return st;
    }
    *out = *a;
    out->layer = layer;
    out->vision = vision;
    out->has_ahead = more > 0;
    return TS_OK;
}

ts_status ts_arch_copy(const ts_arch *a, ts_arch *out) { return copy(a, 0, out); }

void ts_arch_take_reward(ts_arch *a, bool with_norm)
{
    a->reward = true;
    a->mtp_layers = 0;
    a->tied = a->bias_head = a->unit_head = false;
    a->final_norm = a->final_norm && with_norm;
}

ts_status ts_arch_copy_ahead(const ts_arch *a, ts_arch *out)
{
    TS_TRY(copy(a, 1, out));
    ts_layer_arch *l = &out->layer[a->n_layers];
    *l = out->layer[a->n_layers - 1];
    l->hashed = 0;
    if (l->attention == TS_ATTENTION_COMPRESSED)
        l->compress = 0, l->sparse = 0, l->rope = 0;
    return TS_OK;
}

ts_status ts_arch_layers(ts_arch *a, int64_t window)
{
    ts_layer_arch *layer = NULL;
    TS_TRY(ts_alloc(&layer, (size_t)a->n_layers, sizeof *layer));
    ts_layer_arch usual = ts_layer_default(a);
    usual.window = window;
    for (int64_t i = 0; i < a->n_layers; i++)
        layer[i] = usual;
    ts_free(&a->layer);
    a->layer = layer;
    return TS_OK;
}

void ts_arch_set_position(ts_arch *a, ts_position_kind position)
{
    a->position = position;
    for (int64_t i = 0; a->layer && i < a->n_layers; i++)
        a->layer[i].position = position;
}

/* name(a): whether `is` holds of any layer l. */
#define ANY_LAYER(name, is)                                                                        \
    bool name(const ts_arch *a)                                                                    \
    {                                                                                              \
        for (const ts_layer_arch *l = a->layer; l < a->layer + a->n_layers; l++)                   \
            if (is)                                                                                \
                return true;                                                                       \
        return false;                                                                              \
    }
ANY_LAYER(ts_arch_rotates, l->position == TS_POSITION_ROPE && ts_attends(l->attention))
ANY_LAYER(ts_arch_borrows, l->keys_of)
ANY_LAYER(ts_arch_has_shortcuts, l->shortcut)
ANY_LAYER(ts_arch_has_joined, l->joined)
ANY_LAYER(ts_arch_hashes, l->hashed)
ANY_LAYER(ts_arch_shares_choices, l->choices_of)

unsigned ts_arch_lends(const ts_arch *a, int64_t layer, int64_t at)
{
    unsigned what = 0;
    for (int64_t i = at; i < a->n_layers; i++)
        what |= (a->layer[i].keys_of == layer + 1 ? TS_LENDS_KEYS : 0u) |
                (a->layer[i].choices_of == layer + 1 ? TS_LENDS_CHOICES : 0u);
    return what;
}
ANY_LAYER(ts_arch_has_mlp, l->mlp != TS_MLP_NONE)

bool ts_arch_has(const ts_arch *a, ts_attention_kind kind)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].attention == kind)
            return true;
    return false;
}

bool ts_arch_carries(const ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (ts_carries(a->layer[i].attention))
            return true;
    return false;
}

int64_t ts_arch_first_use(const ts_arch *a, int64_t layer)
{
    int64_t i = 0;
    while (a->layer[i].shared != a->layer[layer].shared)
        i++;
    return i;
}

int64_t ts_arch_uses(const ts_arch *a, int64_t layer)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_layers; i++)
        n += a->layer[layer].shared && a->layer[i].shared == a->layer[layer].shared;
    return n;
}

int64_t ts_arch_use_number(const ts_arch *a, int64_t layer)
{
    int64_t n = 0;
    for (int64_t i = 0; i < layer; i++)
        n += a->layer[i].shared > 0;
    return n;
}

void ts_arch_share_choices(ts_arch *a, int64_t freq, int64_t offset)
{
    int64_t own = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const bool chooses = ts_arch_chooses(i, freq, offset);
        own = chooses ? i : own;
        a->layer[i].choices_of = chooses ? 0 : own + 1;
    }
}

void ts_arch_take_labels(ts_arch *a, int64_t n, ts_problem problem)
{
    if (!n)
        return;
    a->labels = n;
    a->problem = problem;
    a->tied = a->bias_head = a->unit_head = false;
    a->logit_softcap = 0;
    a->logit_scale = 1;
    a->mtp_layers = 0;
}
