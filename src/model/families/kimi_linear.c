/* Kimi-Linear: Kimi delta attention, and between it latent attention without positions; experts as DeepSeek-V3 has them.
 * Layers are counted from 1 in linear_attn_config. */
#include "model/families/latent.h"

#define ATTENTION "model.layers.*.self_attn."
#define EXPERTS "model.layers.*.block_sparse_moe."
static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.linear_q_proj", .hf_name = ATTENTION "q_proj" },
    { .name = "self_attention.linear_q_down_proj", .hf_name = ATTENTION "q_a_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = ATTENTION "q_a_layernorm" },
    { .name = "self_attention.linear_q_up_proj", .hf_name = ATTENTION "q_b_proj" },
    { .name = "self_attention.linear_kv_down_proj", .hf_name = ATTENTION "kv_a_proj_with_mqa" },
    { .name = "self_attention.kv_layernorm", .hf_name = ATTENTION "kv_a_layernorm" },
    { .name = "self_attention.linear_kv_up_proj", .hf_name = ATTENTION "kv_b_proj" },
    { .name = "self_attention.linear_proj", .hf_name = ATTENTION "o_proj" },
    { "self_attention.in_proj_qkv", ATTENTION "q_proj", TS_PART_RULE_Q, false },
    { "self_attention.in_proj_qkv", ATTENTION "k_proj", TS_PART_RULE_K, false },
    { "self_attention.in_proj_qkv", ATTENTION "v_proj", TS_PART_RULE_V, false },
    { "self_attention.conv1d", ATTENTION "q_conv1d", TS_PART_RULE_Q, false },
    { "self_attention.conv1d", ATTENTION "k_conv1d", TS_PART_RULE_K, false },
    { "self_attention.conv1d", ATTENTION "v_conv1d", TS_PART_RULE_V, false },
    { .name = "self_attention.f_proj_down", .hf_name = ATTENTION "f_a_proj" },
    { .name = "self_attention.f_proj_up", .hf_name = ATTENTION "f_b_proj" },
    { .name = "self_attention.dt_bias", .hf_name = ATTENTION "dt_bias" },
    { "self_attention.A_log", ATTENTION "A_log", TS_PART_RATE, false },
    { .name = "self_attention.in_proj_b", .hf_name = ATTENTION "b_proj" },
    { .name = "self_attention.g_proj_down", .hf_name = ATTENTION "g_a_proj" },
    { .name = "self_attention.g_proj_up", .hf_name = ATTENTION "g_b_proj" },
    { .name = "self_attention.norm", .hf_name = ATTENTION "o_norm" },
    { .name = "self_attention.out_proj", .hf_name = ATTENTION "o_proj" },
    { .name = "mlp.router", .hf_name = EXPERTS "gate" },
    { .name = "mlp.router.expert_bias", .hf_name = EXPERTS "gate.e_score_correction_bias" },
    { "mlp.experts.linear_fc1", EXPERTS "experts.*.w1", TS_PART_GATE, false },
    { "mlp.experts.linear_fc1", EXPERTS "experts.*.w3", TS_PART_UP, false },
    { .name = "mlp.experts.linear_fc2", .hf_name = EXPERTS "experts.*.w2" },
    { "mlp.shared_experts.linear_fc1", EXPERTS "shared_experts.gate_proj", TS_PART_GATE, false },
    { "mlp.shared_experts.linear_fc1", EXPERTS "shared_experts.up_proj", TS_PART_UP, false },
    { .name = "mlp.shared_experts.linear_fc2", .hf_name = EXPERTS "shared_experts.down_proj" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

/* transformers 5.24.0 writes dense MLPs so. */
static const ts_name_other others[] = { { ".mlp.", ".block_sparse_moe.", true }, { 0 } };

/* ---- widths of the delta rule: linear_attn_config, else keys of transformers 5 ---- */

static const char config[] = "linear_attn_config";

static const struct {
    const char *key, *plain;
    int64_t missing, least;
} widths[] = { { "head_dim", "linear_head_dim", 128, 1 }, { "num_heads", "linear_num_heads", 32, 1 },
               { "short_conv_kernel_size", "linear_conv_kernel_dim", 4, 2 } };

static ts_status read_widths(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *own = json_object_get(o, config);
    int64_t v[3];
    (void)r;
    if (own && !json_is_null(own) && !json_is_object(own))
        return ts_error(TS_ERR_USER, "%s: %s must be an object", file, config);
    for (int i = 0; i < 3; i++) {
        TS_TRY(ts_config_int(o, file, widths[i].plain, widths[i].missing, widths[i].missing, widths[i].least,
                             TS_ARCH_MAX_HEADS, &v[i]));
        if (json_is_object(own))
            TS_TRY(ts_config_int(own, file, widths[i].key, v[i], v[i], widths[i].least, TS_ARCH_MAX_HEADS, &v[i]));
    }
    a->delta = (ts_delta_arch){ .key_heads = v[1], .heads = v[1], .key_dim = v[0], .value_dim = v[0], .conv = v[2] };
    return TS_OK;
}

/* ---- which layers ---- */

/* The layers of a list, counted from 1, are of this kind. */
static ts_status read_list(const json_t *list, const char *file, const char *key, ts_attention_kind kind, ts_arch *a,
                           int64_t *n)
{
    const json_t *v;
    size_t i;
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: %s of linear_attn_config must be a list of layers", file, key);
    json_array_foreach((json_t *)list, i, v)
    {
        const int64_t layer = json_is_integer(v) ? json_integer_value(v) : 0;
        if (layer < 1 || layer > a->n_layers)
            return ts_error(TS_ERR_USER, "%s: entry %zu of %s is none of the %lld layers, counted from 1", file, i, key,
                            (long long)a->n_layers);
        a->layer[layer - 1].attention = kind;
        ++*n;
    }
    return TS_OK;
}

static ts_status read_types(const json_t *types, const char *file, ts_arch *a)
{
    static const char *const words[] = { "linear_attention", "full_attention", NULL };
    for (int64_t i = 0; i < a->n_layers; i++) {
        int full;
        TS_TRY(ts_config_layer_word(types, file, "layer_types", i, words, &full));
        a->layer[i].attention = full ? TS_ATTENTION_LATENT : TS_ATTENTION_KDA;
    }
    return TS_OK;
}

/* layer_types, the lists of linear_attn_config, or every fourth layer but the first. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *types, *own = json_object_get(o, r->key), *full = json_object_get(own, "full_attn_layers"),
                         *rule = json_object_get(own, "kda_layers");
    int64_t n = 0;
    TS_TRY(ts_config_layer_list(o, file, "layer_types", a, &types));
    if (types)
        return read_types(types, file, a);
    if (full && rule) {
        TS_TRY(read_list(full, file, "full_attn_layers", TS_ATTENTION_LATENT, a, &n));
        TS_TRY(read_list(rule, file, "kda_layers", TS_ATTENTION_KDA, a, &n));
        return n == a->n_layers ? TS_OK
                                : ts_error(TS_ERR_USER,
                                           "%s: full_attn_layers and kda_layers of linear_attn_config have %lld layers, "
                                           "expected each of the %lld once", file, (long long)n, (long long)a->n_layers);
    }
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].attention = i && i % 4 == 0 ? TS_ATTENTION_LATENT : TS_ATTENTION_KDA;
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const int64_t v[] = { a->delta.key_dim, a->delta.heads, a->delta.conv };
    TS_TRY(ts_config_put(o, r->key, json_object()));
    json_t *own = json_object_get(o, r->key);
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_config_put(own, widths[i].key, json_integer(v[i])));
    TS_TRY(ts_config_put(own, "full_attn_layers", json_array()));
    TS_TRY(ts_config_put(own, "kda_layers", json_array()));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const char *key = a->layer[i].attention == TS_ATTENTION_KDA ? "kda_layers" : "full_attn_layers";
        if (json_array_append_new(json_object_get(own, key), json_integer(i + 1)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    }
    return TS_OK;
}

/* mlp_layer_types, or first_k_dense_replace. */
static ts_status read_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *types = json_object_get(o, r->key);
    int64_t every = 1;
    TS_TRY(ts_config_int(o, file, "moe_layer_freq", 1, 1, 1, TS_ARCH_MAX_LAYERS, &every));
    if (every != 1)
        return ts_error(TS_ERR_USER, "%s: moe_layer_freq is %lld, expected 1: every layer from first_k_dense_replace on "
                        "has experts", file, (long long)every);
    if (!types || json_is_null(types)) {
        const ts_config_row first = { .key = "first_k_dense_replace", .def = 1 };
        return ts_config_read_first_dense(&first, o, file, a);
    }
    return ts_config_read_mlp_types(r, o, file, a);
}

static ts_status write_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const ts_config_row first = { .key = "first_k_dense_replace" };
    TS_TRY(ts_config_write_first_dense(&first, a, o));
    return ts_config_write_mlp_types(r, a, o);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 163840),
    TS_COPY("hidden_size", hidden, 2304),
    TS_COPY("intermediate_size", ffn, 9216),
    TS_COPY("num_hidden_layers", n_layers, 27),
    TS_COPY("num_attention_heads", n_heads, 32),
    TS_KV_HEADS(32),
    TS_LATENT_HEAD(128),
    TS_CONFIG_ROW(COPY, "model_max_length", max_positions, 1048576, .before = "max_position_embeddings"),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, 163584),
    TS_ID("pad_token_id", pad, 163839),
    TS_ENDS(163586),
    TS_FIXED(position, TS_POSITION_NONE),
    { .kind = TS_CONFIG_OWN, .key = "rope_theta" },
    TS_LATENT_RANKS(0, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 256, .before = "num_local_experts"),
    TS_CONFIG_ROW(COPY, "num_experts_per_token", experts_per_token, 8, .before = "num_experts_per_tok"),
    TS_COPY("moe_intermediate_size", expert_ffn, 1024),
    TS_OWN("num_shared_experts", shared_ffn, ts_config_read_shared_experts, ts_config_write_shared_experts, 1),
    TS_CONFIG_ROW(COPY, "num_expert_group", router_groups, 1, .before = "n_group"),
    TS_COPY("topk_group", router_group_topk, 1),
    TS_OWN(NULL, router_group_best, ts_config_two_best, NULL, 0),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_ALWAYS("moe_router_activation_func", "sigmoid"),
    TS_FIXED(router_bias, true),
    TS_OWN("moe_renormalize", router_norm, ts_config_read_topk_norm, ts_config_write_topk_norm, true),
    TS_COPY("routed_scaling_factor", router_scale, 2.446),
    TS_OWN(NULL, delta.heads, read_widths, NULL, 0),
    TS_OWN("linear_attn_config", layer, read_layers, write_layers, 0),
    TS_STATE_ACT,
    { .kind = TS_CONFIG_OWN, .key = "mlp_layer_types", .late = true, .read = read_experts, .write = write_experts },
    { TS_CONFIG_END },
};

const ts_family ts_family_kimi_linear = { .model_type = "kimi_linear", .architecture = "KimiLinearForCausalLM",
                                          .base = &ts_family_base, .names = names, .rows = rows,
                                          .others = others };
