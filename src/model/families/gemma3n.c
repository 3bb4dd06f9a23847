/* Gemma 3n, text: alternating updates of several streams, a learned residual beside attention, per-layer embeddings,
 * sparse gates in the first layers; the last num_kv_shared_layers attend to the keys and values of earlier ones. */
#include "model/families/gemma.h"

/* A window in four layers of five, unless layer_types says otherwise. */
static ts_status read_types(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % 5 ? window : 0;
        a->layer[i].rope = a->layer[i].window ? TS_GEMMA_SLIDING : TS_GEMMA_FULL;
    }
    return TS_OK;
}

/* A list of num_hidden_layers numbers in this key. */
static ts_status is_list(const json_t *list, const char *file, const char *key, const ts_arch *a)
{
    if (json_is_array(list) && json_array_size(list) == (size_t)a->n_layers)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s must be a list of num_hidden_layers = %lld numbers", file, key,
                    (long long)a->n_layers);
}

/* One width for all, or one for each layer. */
static ts_status read_widths(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    if (!json_is_array(list))
        return ts_config_copy_in(r, o, file, a);
    a->ffn = json_integer_value(json_array_get(list, 0));
    return TS_OK;
}

static ts_status write_widths(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key), json_integer(ts_layer_ffn(a, i))))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static ts_status read_layer_widths(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char key[] = "intermediate_size";
    const json_t *list = json_object_get(o, key);
    (void)r;
    if (!json_is_array(list))
        return TS_OK;
    TS_TRY(is_list(list, file, key, a));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        const json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 1 || n > TS_ARCH_MAX_WIDTH)
            return ts_error(TS_ERR_USER, "%s: entry %lld of %s is no width from 1 to %d", file, (long long)i, key,
                            TS_ARCH_MAX_WIDTH);
        a->layer[i].ffn = n == a->ffn ? 0 : n;
    }
    return TS_OK;
}

/* Without a list the first ten layers of more than ten. */
static ts_status read_sparsity(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    const bool given = list && !json_is_null(list);
    if (given && !json_is_number(list))
        TS_TRY(is_list(list, file, r->key, a));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const json_t *v = json_is_array(list) ? json_array_get(list, (size_t)i) : list;
        if (given && !json_is_number(v))
            return ts_error(TS_ERR_USER, "%s: entry %lld of %s is not a number", file, (long long)i, r->key);
        a->layer[i].sparsity = given ? json_number_value(v) : i < 10 && a->n_layers > 10 ? 0.95 : 0;
    }
    return TS_OK;
}

static ts_status write_sparsity(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key), json_real(a->layer[i].sparsity)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

/* Published models are; the tensor is there in any case. */
static ts_status read_scaled(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool scales = true;
    (void)a;
    TS_TRY(ts_json_bool(o, file, r->key, true, &scales));
    return scales ? TS_OK : ts_error(TS_ERR_USER, "%s: %s is false: expected true", file, r->key);
}

#define ALTUP_END(i_)                                                                                           \
    { .name = "embedding.altup_projections." #i_, .hf_name = "model.altup_projections." #i_ }
#define ALTUP_BACK(i_)                                                                                          \
    { .name = "decoder.altup_unembed_projections." #i_, .hf_name = "model.altup_unembed_projections." #i_ }
static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { .name = "self_attention.linear_q", .hf_name = "model.layers.*.self_attn.q_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_norm" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_norm" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_feedforward_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_feedforward_layernorm" },
    { .name = "altup.output_scale", .hf_name = "model.layers.*.altup.correct_output_scale" },
    { .name = "altup.correction", .hf_name = "model.layers.*.altup.correction_coefs" },
    { .name = "altup.prediction", .hf_name = "model.layers.*.altup.prediction_coefs" },
    { .name = "altup.router", .hf_name = "model.layers.*.altup.modality_router" },
    { .name = "altup.router_norm", .hf_name = "model.layers.*.altup.router_norm" },
    { .name = "laurel.linear_left", .hf_name = "model.layers.*.laurel.linear_left" },
    { .name = "laurel.linear_right", .hf_name = "model.layers.*.laurel.linear_right" },
    { .name = "laurel.norm", .hf_name = "model.layers.*.laurel.post_laurel_norm" },
    { .name = "per_layer_input.linear_gate", .hf_name = "model.layers.*.per_layer_input_gate" },
    { .name = "per_layer_input.linear_proj", .hf_name = "model.layers.*.per_layer_projection" },
    { .name = "post_per_layer_norm", .hf_name = "model.layers.*.post_per_layer_input_norm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "embedding.per_layer_embeddings", .hf_name = "model.embed_tokens_per_layer" },
    { .name = "embedding.per_layer_projection", .hf_name = "model.per_layer_model_projection" },
    { .name = "embedding.per_layer_norm", .hf_name = "model.per_layer_projection_norm" },
    ALTUP_END(0), ALTUP_END(1), ALTUP_END(2), ALTUP_END(3), ALTUP_END(4), ALTUP_END(5), ALTUP_END(6),
    ALTUP_BACK(0), ALTUP_BACK(1), ALTUP_BACK(2), ALTUP_BACK(3), ALTUP_BACK(4), ALTUP_BACK(5), ALTUP_BACK(6),
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 262400),
    TS_COPY("hidden_size", hidden, 2048),
    TS_CONFIG_ROW(COPY, "intermediate_size", ffn, 16384, .read = read_widths, .write = write_widths),
    TS_COPY("num_hidden_layers", n_layers, 35),
    TS_COPY("num_attention_heads", n_heads, 8),
    TS_KV_HEADS(2),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY("hidden_activation", act, TS_ACT_GELU_TANH),
    TS_FIXED(attn_scale, 1),
    TS_FIXED(norm_offset, 0),
    TS_FIXED(post_norm, true),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(value_norm, true),
    TS_CHECK(ts_config_whole_heads),
    TS_CAP("final_logit_softcapping", logit_softcap, 30),
    TS_COPY("hidden_size_per_layer_input", per_layer_width, 256),
    TS_COPY("vocab_size_per_layer_input", per_layer_vocab, 262144),
    TS_COPY("altup_num_inputs", altup_inputs, 4),
    TS_COPY("altup_active_idx", altup_active, 0),
    { .kind = TS_CONFIG_OWN, .key = "altup_correct_scale", .read = read_scaled },
    TS_CAP("altup_coef_clip", altup_clip, 120),
    TS_COPY("laurel_rank", laurel_rank, 64),
    TS_OWN("rope_theta", rope, ts_gemma_read_ropes, ts_gemma_write_ropes, 1000000),
    TS_OWN("sliding_window", layer, read_types, ts_config_write_layers, 512),
    TS_GEMMA_SHARED(15),
    { .kind = TS_CONFIG_OWN, .late = true, .read = read_layer_widths },
    { .kind = TS_CONFIG_OWN, .key = "activation_sparsity_pattern", .late = true, .read = read_sparsity,
      .write = write_sparsity },
    { TS_CONFIG_END },
};

const ts_family ts_family_gemma3n = { .model_type = "gemma3n_text", .architecture = "Gemma3nForCausalLM",
                                      .base = &ts_family_gemma, .names = names, .rows = rows };
