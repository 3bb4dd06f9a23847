/* Gemma 4, text: layers with a window and layers that see everything have heads of their own widths and numbers;
 * the last num_kv_shared_layers attend to the keys and values of earlier ones; per-layer embeddings. */
#include "model/families/gemma.h"

/* ---- which layers see everything ---- */

/* As layer_types says, or every sixth; the last one always (transformers' class makes it so). */
static ts_status read_types(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % 6 ? window : 0;
        if (i == a->n_layers - 1)
            a->layer[i].window = 0;
        a->layer[i].rope = a->layer[i].window ? TS_GEMMA_SLIDING : TS_GEMMA_FULL;
    }
    return TS_OK;
}

/* ---- heads ---- */

static ts_status read_both(ts_layer_arch *l, const json_t *o, const char *file)
{
    TS_TRY(ts_config_int(o, file, "head_dim", l->head_dim, l->head_dim, 1, TS_ARCH_MAX_HEAD_DIM, &l->head_dim));
    return ts_config_int(o, file, "num_key_value_heads", l->kv_heads, l->kv_heads, 1, TS_ARCH_MAX_HEADS,
                         &l->kv_heads);
}

/* per_layer_config, or global_head_dim and num_global_key_value_heads for all layers that see everything. */
static ts_status read_heads(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *own = json_object_get(o, r->key);
    bool same = false;
    int64_t dim = 0, kv = 0;
    TS_TRY(ts_json_bool(o, file, "attention_k_eq_v", false, &same));
    TS_TRY(ts_config_int(o, file, "global_head_dim", 512, 512, 1, TS_ARCH_MAX_HEAD_DIM, &dim));
    TS_TRY(ts_config_int(o, file, "num_global_key_value_heads", 0, 0, 1, TS_ARCH_MAX_HEADS, &kv));
    if (own && !json_is_null(own) && !json_is_object(own))
        return ts_error(TS_ERR_USER, "%s: %s must be an object", file, r->key);
    for (int64_t i = 0; i < a->n_layers; i++) {
        char number[24];
        ts_layer_arch *l = &a->layer[i];
        const bool sees_all = !l->window;
        snprintf(number, sizeof number, "%lld", (long long)i);
        if (json_is_object(own))
            TS_TRY(read_both(l, json_object_get(own, number), file));
        else if (sees_all)
            l->head_dim = dim, l->kv_heads = same ? kv : 0;
        l->one_for_both = same && sees_all;
        l->head_dim = l->head_dim == a->head_dim ? 0 : l->head_dim;
        l->kv_heads = l->kv_heads == a->n_kv_heads ? 0 : l->kv_heads;
    }
    return TS_OK;
}

static ts_status write_heads(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const ts_layer_arch *last = &a->layer[a->n_layers - 1];
    bool same = false;
    (void)r;
    for (int64_t i = 0; i < a->n_layers; i++)
        same = same || a->layer[i].one_for_both;
    TS_TRY(ts_config_put(o, "attention_k_eq_v", json_boolean(same)));
    TS_TRY(ts_config_put(o, "global_head_dim", json_integer(ts_layer_head_dim(a, a->n_layers - 1))));
    return ts_config_put(o, "num_global_key_value_heads", last->kv_heads ? json_integer(last->kv_heads) : json_null());
}

/* ---- shared keys and values ---- */

ts_status ts_gemma_read_shared(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t n = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 0, TS_ARCH_MAX_LAYERS, &n));
    if (n >= a->n_layers && n > 0)
        return ts_error(TS_ERR_USER, "%s: %s is %lld of num_hidden_layers = %lld: no layer would make keys and values",
                        file, r->key, (long long)n, (long long)a->n_layers);
    for (int64_t i = a->n_layers - n; i < a->n_layers; i++) {
        int64_t of = a->n_layers - n - 1;
        while (of >= 0 && !a->layer[of].window != !a->layer[i].window)
            of--;
        if (of < 0)
            return ts_error(TS_ERR_USER, "%s: %s is %lld, but before these no layer of the type of layer %lld makes keys "
                            "and values (layer_types)", file, r->key, (long long)n, (long long)i);
        a->layer[i].keys_of = of + 1;
        a->layer[i].one_for_both = 0;
    }
    return TS_OK;
}

ts_status ts_gemma_write_shared(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_layers; i++)
        n += a->layer[i].keys_of > 0;
    return ts_config_put(o, r->key, json_integer(n));
}

/* Layers without keys and values of their own may have MLPs twice as wide. */
static ts_status read_wide(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool wide = false;
    TS_TRY(ts_json_bool(o, file, r->key, false, &wide));
    for (int64_t i = 0; i < a->n_layers && wide; i++)
        a->layer[i].ffn = a->layer[i].keys_of ? 2 * a->ffn : 0;
    return TS_OK;
}

static ts_status write_wide(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    bool wide = false;
    for (int64_t i = 0; i < a->n_layers; i++)
        wide = wide || a->layer[i].ffn;
    return ts_config_put(o, r->key, json_boolean(wide));
}

/* ---- experts beside the MLP of every layer ---- */

static ts_status read_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool has = false;
    TS_TRY(ts_json_bool(o, file, r->key, false, &has));
    if (!has)
        return TS_OK;
    TS_TRY(ts_config_int(o, file, "num_experts", 0, 0, 1, TS_ROUTE_MAX, &a->n_experts));
    TS_TRY(ts_config_int(o, file, "top_k_experts", 0, 0, 1, TS_ROUTE_MAX, &a->experts_per_token));
    TS_TRY(ts_config_int(o, file, "moe_intermediate_size", 0, 0, 1, TS_ARCH_MAX_WIDTH, &a->expert_ffn));
    if (!a->n_experts || !a->experts_per_token || !a->expert_ffn)
        return ts_error(TS_ERR_USER,
                        "%s: %s is true: expected num_experts, top_k_experts and moe_intermediate_size of at least 1", file,
                        r->key);
    a->router_score = TS_ROUTE_CHOSEN; /* a softmax of all, divided by the sum of the chosen: the same */
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].joined = 1;
    return TS_OK;
}

static ts_status write_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const bool has = ts_arch_has_joined(a);
    TS_TRY(ts_config_put(o, r->key, json_boolean(has)));
    TS_TRY(ts_config_put(o, "num_experts", has ? json_integer(a->n_experts) : json_null()));
    TS_TRY(ts_config_put(o, "top_k_experts", has ? json_integer(a->experts_per_token) : json_null()));
    return ts_config_put(o, "moe_intermediate_size", has ? json_integer(a->expert_ffn) : json_null());
}

/* ---- rotary embeddings ---- */

/* An object for each type of layers; proportional ones turn a part of a head. */
static ts_status read_rope(const json_t *both, const char *file, const char *key, const json_t *usual,
                           const ts_arch *a, ts_rope_config *out)
{
    const json_t *o = json_is_object(both) ? json_object_get(both, key) : usual;
    const char *kind = NULL;
    TS_TRY(ts_json_text(o, file, "rope_type", "default", &kind));
    return ts_config_rope_object(NULL, o, file, 10000, !strcmp(kind, "proportional"), a, out);
}

static ts_status read_ropes(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *both = json_object_get(o, r->key);
    ts_arch full = *a;
    json_t *usual = json_pack("{s:s,s:f,s:f}", "rope_type", "proportional", "partial_rotary_factor", 0.25, "rope_theta",
                              1000000.0);
    if (!usual)
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    a->n_ropes = 2;
    for (int64_t i = a->n_layers; i-- > 0;)
        if (!a->layer[i].window)
            full.head_dim = ts_layer_head_dim(a, i);
    ts_status st = read_rope(both, file, "full_attention", usual, &full, &a->rope[TS_GEMMA_FULL]);
    if (st == TS_OK)
        st = read_rope(both, file, "sliding_attention", NULL, a, &a->rope[TS_GEMMA_SLIDING]);
    json_decref(usual);
    return st;
}

static ts_status write_ropes(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_object()));
    json_t *both = json_object_get(o, r->key);
    TS_TRY(ts_config_write_rope_object(&a->rope[TS_GEMMA_FULL], both, "full_attention"));
    return ts_config_write_rope_object(&a->rope[TS_GEMMA_SLIDING], both, "sliding_attention");
}

/* Attention among an image's tokens in both directions says nothing of text. */
static ts_status read_bidirectional(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *which = NULL;
    (void)a;
    TS_TRY(ts_json_text(o, file, r->key, NULL, &which));
    return which && strcmp(which, "vision")
               ? ts_error(TS_ERR_USER, "%s: %s is \"%.40s\": attention must be causal", file, r->key, which)
               : TS_OK;
}

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "layer_scalar", .hf_name = "model.layers.*.layer_scalar" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { .name = "self_attention.linear_q", .hf_name = "model.layers.*.self_attn.q_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_norm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_norm" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "mlp.norm", .hf_name = "model.layers.*.post_feedforward_layernorm_1" },
    { .name = "mlp.experts.norm", .hf_name = "model.layers.*.pre_feedforward_layernorm_2" },
    { .name = "mlp.experts.out_norm", .hf_name = "model.layers.*.post_feedforward_layernorm_2" },
    { .name = "mlp.router.norm.weight", .hf_name = "model.layers.*.router.scale" },
    { .name = "mlp.router", .hf_name = "model.layers.*.router.proj" },
    { "mlp.router.expert_scale", "model.layers.*.router.per_expert_scale", TS_PART_FLAT, false },
    { .name = "mlp.experts.linear_fc1.weight", .hf_name = "model.layers.*.experts.gate_up_proj" },
    { .name = "mlp.experts.linear_fc2.weight", .hf_name = "model.layers.*.experts.down_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_feedforward_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_feedforward_layernorm" },
    { .name = "per_layer_input.linear_gate", .hf_name = "model.layers.*.per_layer_input_gate" },
    { .name = "per_layer_input.linear_proj", .hf_name = "model.layers.*.per_layer_projection" },
    { .name = "post_per_layer_norm", .hf_name = "model.layers.*.post_per_layer_input_norm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "embedding.per_layer_embeddings", .hf_name = "model.embed_tokens_per_layer" },
    { .name = "embedding.per_layer_projection", .hf_name = "model.per_layer_model_projection" },
    { .name = "embedding.per_layer_norm", .hf_name = "model.per_layer_projection_norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* The order is that of the rows of layers: types, heads, which layers share, and what hangs on these. */
static const ts_config_row rows[] = {
    { .kind = TS_CONFIG_OWN, .key = "use_bidirectional_attention", .read = read_bidirectional },
    TS_COPY("vocab_size", vocab, 262144),
    TS_COPY("hidden_size", hidden, 2304),
    TS_COPY("intermediate_size", ffn, 9216),
    TS_COPY("num_hidden_layers", n_layers, 30),
    TS_COPY("num_attention_heads", n_heads, 8),
    TS_KV_HEADS(4),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("hidden_activation", act, TS_ACT_GELU_TANH),
    TS_FIXED(attn_scale, 1),
    TS_FIXED(norm_offset, 0),
    TS_FIXED(post_norm, true),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(value_norm, true),
    TS_FIXED(layer_scalar, true),
    TS_CAP("final_logit_softcapping", logit_softcap, 0),
    TS_COPY("hidden_size_per_layer_input", per_layer_width, 256),
    TS_COPY("vocab_size_per_layer_input", per_layer_vocab, 262144),
    TS_OWN("sliding_window", layer, read_types, ts_config_write_layers, 512),
    { .kind = TS_CONFIG_OWN, .key = "per_layer_config", .late = true, .read = read_heads, .write = write_heads },
    TS_GEMMA_SHARED(0),
    { .kind = TS_CONFIG_OWN, .key = "enable_moe_block", .late = true, .read = read_experts, .write = write_experts },
    { .kind = TS_CONFIG_OWN, .key = "use_double_wide_mlp", .late = true, .read = read_wide, .write = write_wide },
    { .kind = TS_CONFIG_OWN, .key = "rope_theta", .field = { TS_CONFIG_AT(rope) } }, /* an object for each type has it */
    { .kind = TS_CONFIG_OWN, .key = "rope_parameters", .late = true, .read = read_ropes, .write = write_ropes },
    { TS_CONFIG_END },
};

const ts_family ts_family_gemma4 = { .model_type = "gemma4_text", .architecture = "Gemma4ForCausalLM",
                                     .base = &ts_family_gemma, .names = names, .rows = rows };
