/* Llama 4, its text model: layers with a rotary embedding see their own chunk of keys alone, others see all and have no
 * positions but a temperature that grows with them; the weight of an expert is multiplied into what it is given. */
#include "model/families/families.h"

#include <string.h>

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { "mlp.experts.linear_fc1.weight", "model.layers.*.feed_forward.experts.gate_up_proj", TS_PART_ALL, true },
    { "mlp.experts.linear_fc2.weight", "model.layers.*.feed_forward.experts.down_proj", TS_PART_ALL, true },
    { .name = "mlp.router", .hf_name = "model.layers.*.feed_forward.router" },
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.feed_forward.shared_expert."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.feed_forward."),
    TS_NAMES_LAST,
    { 0 },
};

/* Experts and the shared one are equally wide; layers without experts have a width of their own. */
static ts_status read_widths(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, TS_ARCH_MAX_WIDTH, &a->expert_ffn));
    a->shared_ffn = a->expert_ffn;
    return ts_config_int(o, file, "intermediate_size_mlp", 16384, 16384, 1, TS_ARCH_MAX_WIDTH, &a->ffn);
}

static ts_status write_widths(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "intermediate_size_mlp", json_integer(a->ffn)));
    return ts_config_put(o, r->key, json_integer(a->expert_ffn));
}

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

static ts_status read_qk_norm(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = r->def != 0;
    TS_TRY(ts_json_bool(o, file, r->key, norms, &norms));
    a->qk_norm = norms ? TS_QK_NORM_UNIT : TS_QK_NORM_NONE;
    a->qk_norm_last = norms;
    return TS_OK;
}

static ts_status write_qk_norm(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->qk_norm == TS_QK_NORM_UNIT));
}

/* The first files have a number where there is a truth now. */
static ts_status read_temperature(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char key[] = "attn_temperature_tuning";
    const json_t *v = json_object_get(o, key);
    bool tunes = true;
    if (json_is_integer(v))
        tunes = json_integer_value(v) != 0;
    else
        TS_TRY(ts_json_bool(o, file, key, true, &tunes));
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &a->temper_by));
    a->temper_by = tunes ? a->temper_by : 0;
    return ts_config_int(o, file, "floor_scale", 8192, 8192, 0, TS_ARCH_MAX_POSITIONS, &a->temper_every);
}

static ts_status write_temperature(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "attn_temperature_tuning", json_boolean(a->temper_by != 0)));
    TS_TRY(ts_config_put(o, "floor_scale", json_integer(a->temper_every)));
    return ts_config_put(o, r->key, json_real(a->temper_by));
}

/* ---- layers ---- */

static ts_status list_of(const json_t *o, const char *file, const char *key, size_t least, const json_t **out)
{
    const json_t *list = json_object_get(o, key);
    *out = list && !json_is_null(list) ? list : NULL;
    if (!*out || (json_is_array(list) && json_array_size(list) >= least))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s must be a list of at least %zu entries", file, key, least);
}

/* no_rope_layers has a 1 for a layer with a rotary embedding; missing or empty, every so many lacks it. */
static ts_status read_positions(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list;
    int64_t interval;
    const bool is_empty = json_is_array(json_object_get(o, "no_rope_layers")) &&
                          json_array_size(json_object_get(o, "no_rope_layers")) == 0;
    TS_TRY(list_of(o, file, "no_rope_layers", is_empty ? 0 : (size_t)a->n_layers, &list));
    TS_TRY(ts_config_int(o, file, "no_rope_layer_interval", 4, 4, 1, INT32_MAX, &interval));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const json_t *v = is_empty ? NULL : json_array_get(list, (size_t)i);
        const bool rotates = v ? json_integer_value(v) != 0 || json_is_true(v) : (i + 1) % interval != 0;
        a->layer[i].position = rotates ? TS_POSITION_ROPE : TS_POSITION_NONE;
    }
    return TS_OK;
}

static ts_status read_chunks(const json_t *o, const char *file, int64_t chunk, ts_arch *a)
{
    const json_t *types;
    TS_TRY(list_of(o, file, "layer_types", (size_t)a->n_layers, &types));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        const bool chunked = type ? !strcmp(type, "chunked_attention") : a->layer[i].position == TS_POSITION_ROPE;
        if (types && (!type || (!chunked && strcmp(type, "full_attention"))))
            return ts_error(TS_ERR_USER, "%s: entry %lld of layer_types is \"%.60s\", expected full_attention or "
                            "chunked_attention", file, (long long)i, type ? type : "not a string");
        if (types && chunked && !chunk)
            return ts_error(TS_ERR_USER, "%s: layer_types has chunked_attention but attention_chunk_size is not set",
                            file);
        a->layer[i].chunk = chunked ? chunk : 0;
    }
    return TS_OK;
}

static ts_status read_experts(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list;
    int64_t step;
    TS_TRY(list_of(o, file, "moe_layers", 0, &list));
    TS_TRY(ts_config_int(o, file, "interleave_moe_layer_step", 1, 1, 1, INT32_MAX, &step));
    for (int64_t i = step - 1; i < a->n_layers && !list; i += step)
        a->layer[i].mlp = TS_MLP_EXPERTS;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *v = json_array_get(list, k);
        const json_int_t layer = json_integer_value(v);
        if (!json_is_integer(v) || layer < 0 || layer >= a->n_layers)
            return ts_error(TS_ERR_USER, "%s: entry %zu of moe_layers is no layer of the %lld", file, k,
                            (long long)a->n_layers);
        a->layer[layer].mlp = TS_MLP_EXPERTS;
    }
    return TS_OK;
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t chunk;
    TS_TRY(read_positions(o, file, a));
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &chunk));
    TS_TRY(read_chunks(o, file, chunk, a));
    return read_experts(o, file, a);
}

static ts_status append(json_t *o, const char *key, json_t *v)
{
    return v && !json_array_append_new(json_object_get(o, key), v)
               ? TS_OK
               : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t chunk = 0;
    TS_TRY(ts_config_put(o, "no_rope_layers", json_array()));
    TS_TRY(ts_config_put(o, "layer_types", json_array()));
    TS_TRY(ts_config_put(o, "moe_layers", json_array()));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *l = &a->layer[i];
        TS_TRY(append(o, "no_rope_layers", json_integer(l->position == TS_POSITION_ROPE)));
        TS_TRY(append(o, "layer_types", json_string(l->chunk ? "chunked_attention" : "full_attention")));
        if (l->mlp == TS_MLP_EXPERTS)
            TS_TRY(append(o, "moe_layers", json_integer(i)));
        chunk = l->chunk ? l->chunk : chunk;
    }
    return ts_config_put(o, r->key, chunk ? json_integer(chunk) : json_null());
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 202048),
    TS_COPY("hidden_size", hidden, 5120),
    TS_OWN("intermediate_size", ffn, read_widths, write_widths, 8192),
    TS_COPY("num_hidden_layers", n_layers, 48),
    TS_COPY("num_attention_heads", n_heads, 40),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 4096 * 32),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_OWN("rope_theta", rope, read_rope, ts_config_write_ropes, 500000),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_OWN("use_qk_norm", qk_norm, read_qk_norm, write_qk_norm, true),
    TS_OWN("attn_scale", temper_by, read_temperature, write_temperature, 0.1),
    TS_CONFIG_ROW(COPY, "num_local_experts", n_experts, 16, .before = "num_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 1),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_FIXED(probs_on_input, true),
    TS_OWN("attention_chunk_size", layer, read_layers, write_layers, 8192),
    { TS_CONFIG_END },
};

const ts_family ts_family_llama4 = { .model_type = "llama4_text", .architecture = "Llama4ForCausalLM",
                                     .base = &ts_family_base, .names = names, .rows = rows };
