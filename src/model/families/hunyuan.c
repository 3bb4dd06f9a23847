/* Hunyuan 1, dense and with experts: queries and keys are normed behind their rotation; every layer with experts has a
 * shared one of the same width. Hunyuan-Large, which transformers has no class for: groups of layers have the keys and
 * values of their first one (CLA: Brandon et al., arXiv 2405.12981), as its published code has them. */
#include "model/families/families.h"

#include <math.h>
#include <string.h>

static const ts_name_row dense_names[] = {
    TS_NAMES_FIRST,
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.query_layernorm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.key_layernorm" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

static const ts_name_row moe_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.linear_q", .hf_name = "model.layers.*.self_attn.q_proj" },
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.query_layernorm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.key_layernorm" },
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate.wg" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_mlp."),
    TS_NAMES_LAST,
    { 0 },
};

/* "dynamic" with a number alpha does not depend on the length: the base is stretched once and for all. */
static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL;
    const char *kind = NULL;
    double alpha = 0, theta = r->def;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    if (rope) {
        TS_TRY(ts_json_text(rope, file, "type", "default", &kind));
        TS_TRY(ts_json_text(rope, file, "rope_type", kind, &kind));
        TS_TRY(ts_config_real(rope, file, "alpha", 0, 0, &alpha));
    }
    if (alpha == 0 || strcmp(kind, "dynamic"))
        return ts_config_read_rope(r, o, file, a);
    if (alpha < 0 || a->head_dim < 4)
        return ts_error(TS_ERR_USER, "%s: rope scaling: alpha is %g of heads %lld wide, expected a number above 0 and "
                        "4 or more", file, alpha, (long long)a->head_dim);
    TS_TRY(ts_config_real(o, file, r->key, theta, theta, &theta));
    TS_TRY(ts_config_real(rope, file, r->key, theta, theta, &theta));
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    const double dim = (double)a->head_dim;
    return ts_config_rope_object(o, NULL, file, theta * pow(alpha, dim / (dim - 2)), 0, a, &a->rope[0]);
}

/* A number, or a list with one for each layer, which must be equal. */
static ts_status read_alike(const json_t *o, const char *file, const char *key, int64_t missing, int64_t hi, int64_t *out)
{
    const json_t *list = json_object_get(o, key);
    if (!json_is_array(list))
        return ts_config_int(o, file, key, missing, missing, 1, hi, out);
    *out = json_integer_value(json_array_get(list, 0));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) != *out || *out < 1 || *out > hi)
            return ts_error(TS_ERR_USER, "%s: entry %zu of %s: expected the same number, from 1 to %lld, for all layers",
                            file, i, key, (long long)hi);
    }
    return json_array_size(list) ? TS_OK : ts_error(TS_ERR_USER, "%s: %s is an empty list", file, key);
}

static ts_status read_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    return read_alike(o, file, r->key, (int64_t)r->def, TS_ROUTE_MAX, &a->n_experts);
}

static ts_status read_topk(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    return read_alike(o, file, r->key, (int64_t)r->def, TS_ROUTE_MAX, &a->experts_per_token);
}

static ts_status write_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_experts));
}

static ts_status write_topk(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->experts_per_token));
}

static const ts_config_row dense_rows[] = {
    TS_COPY("vocab_size", vocab, 290943),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("pad_token_id", pad, 0),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 10000, .read = read_rope, .write = ts_config_write_ropes),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(qk_norm_last, true),
    { TS_CONFIG_END },
};

static const ts_config_row moe_rows[] = {
    { .kind = TS_CONFIG_COPY, .key = "intermediate_size", .def = 11008,
      .field = { TS_CONFIG_AT(ffn), TS_CONFIG_AT(expert_ffn), TS_CONFIG_AT(shared_ffn) } },
    TS_OWN("num_experts", n_experts, read_experts, write_experts, 1),
    TS_OWN("moe_topk", experts_per_token, read_topk, write_topk, 1),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

/* One expert a token counts by its share of all, several by theirs of the chosen. */
static ts_status read_score(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->router_score = a->experts_per_token > 1 ? TS_ROUTE_CHOSEN : TS_ROUTE_SOFTMAX;
    return TS_OK;
}

static ts_status read_norms(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = false;
    TS_TRY(ts_json_bool(o, file, r->key, false, &norms));
    a->qk_norm = norms ? TS_QK_NORM_HEAD : TS_QK_NORM_NONE;
    return TS_OK;
}

static ts_status write_norms(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->qk_norm == TS_QK_NORM_HEAD));
}

static ts_status read_shared(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool mixes = false;
    int64_t n;
    TS_TRY(ts_json_bool(o, file, "use_mixed_mlp_moe", false, &mixes));
    TS_TRY(ts_config_int(o, file, r->key, 1, 1, 0, 1 << 16, &n));
    a->shared_ffn = mixes ? n * a->expert_ffn : 0;
    return TS_OK;
}

static ts_status write_shared(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "use_mixed_mlp_moe", json_boolean(a->shared_ffn > 0)));
    return ts_config_put(o, r->key, json_integer(a->shared_ffn ? a->shared_ffn / a->expert_ffn : 1));
}

static ts_status read_sharing(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool shares = false;
    int64_t of;
    TS_TRY(ts_json_bool(o, file, "use_cla", false, &shares));
    TS_TRY(ts_config_int(o, file, r->key, 1, 1, 1, TS_ARCH_MAX_LAYERS, &of));
    a->keys_raw = shares && of > 1 && a->n_layers > 1;
    for (int64_t i = 0; i < a->n_layers && a->keys_raw; i++)
        a->layer[i].keys_of = i % of ? i - i % of + 1 : 0;
    return TS_OK;
}

/* The layers behind the first one that makes keys and values, up to the next that does. */
static ts_status write_sharing(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t of = 1;
    while (a->keys_raw && of < a->n_layers && a->layer[of].keys_of)
        of++;
    TS_TRY(ts_config_put(o, "use_cla", json_boolean(a->keys_raw)));
    return ts_config_put(o, r->key, json_integer(of));
}

static const ts_config_row large_rows[] = {
    TS_COPY("vocab_size", vocab, 129024),
    TS_OWN("use_qk_norm", qk_norm, read_norms, write_norms, 0),
    TS_OWN(NULL, router_score, read_score, NULL, 0),
    { .kind = TS_CONFIG_OWN, .key = "num_shared_expert", .late = true, .read = read_shared, .write = write_shared },
    { .kind = TS_CONFIG_OWN, .key = "cla_share_factor", .late = true, .read = read_sharing, .write = write_sharing },
    { TS_CONFIG_END },
};

const ts_family ts_family_hunyuan_dense = { .model_type = "hunyuan_v1_dense", .architecture = "HunYuanDenseV1ForCausalLM",
                                            .base = &ts_family_base, .names = dense_names, .rows = dense_rows };
const ts_family ts_family_hunyuan_moe = { .model_type = "hunyuan_v1_moe", .architecture = "HunYuanMoEV1ForCausalLM",
                                          .base = &ts_family_hunyuan_dense, .names = moe_names, .rows = moe_rows };
const ts_family ts_family_hunyuan_large = { .model_type = "hunyuan", .architecture = "HunYuanForCausalLM",
                                            .base = &ts_family_hunyuan_moe, .rows = large_rows };
