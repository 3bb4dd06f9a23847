/* Falcon 7B, 40B, 180B, 11B: attention and MLP side by side behind one layer norm or two; one head of keys and
 * values, or groups. A group's queries, key and value stand side by side as ours do. */
#include "model/families/families.h"

#define BEFORE                                                                   \
    { .name = "embedding.word_embeddings", .hf_name = "transformer.word_embeddings" },             \
        { .name = "self_attention.linear_qkv",                                                     \
          .hf_name = "transformer.h.*.self_attention.query_key_value" },                           \
        { .name = "self_attention.linear_proj", .hf_name = "transformer.h.*.self_attention.dense" }, \
        { .name = "mlp.linear_fc1", .hf_name = "transformer.h.*.mlp.dense_h_to_4h" },              \
        { .name = "mlp.linear_fc2", .hf_name = "transformer.h.*.mlp.dense_4h_to_h" }
#define BEHIND                                                                                     \
    { .name = "decoder.final_layernorm", .hf_name = "transformer.ln_f" },                          \
        { .name = "output_layer", .hf_name = "lm_head" }, { 0 }

static const ts_name_row names[] = {
    BEFORE,
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.h.*.post_attention_layernorm" },
    { .name = "input_layernorm", .hf_name = "transformer.h.*.input_layernorm" },
    BEHIND,
};
static const ts_name_row two_norms[] = {
    BEFORE,
    { .name = "input_layernorm", .hf_name = "transformer.h.*.ln_attn" },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.h.*.ln_mlp" },
    BEHIND,
};

static bool has_two_norms(const ts_arch *a) { return a->parallel_residual && !a->shared_norm; }

static const ts_name_row *names_of(const ts_arch *a) { return has_two_norms(a) ? two_norms : names; }

/* The new form says how many heads of keys and values there are, the old one whether it is one or all. */
static ts_status read_heads(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool is_new = false, one = true, parallel = true;
    int64_t norms = 0;
    TS_TRY(ts_json_bool(o, file, "new_decoder_architecture", false, &is_new));
    TS_TRY(ts_json_bool(o, file, "multi_query", true, &one));
    TS_TRY(ts_json_bool(o, file, "parallel_attn", true, &parallel));
    TS_TRY(ts_config_int(o, file, "num_ln_in_parallel_attn", is_new ? 2 : 1, is_new ? 2 : 1, 1, 2, &norms));
    a->n_kv_heads = one ? 1 : a->n_heads;
    if (is_new)
        TS_TRY(ts_config_int(o, file, r->key, a->n_heads, a->n_heads, 1, TS_ARCH_MAX_HEADS, &a->n_kv_heads));
    a->parallel_residual = is_new || parallel;
    a->shared_norm = a->parallel_residual && !(is_new && norms == 2);
    return TS_OK;
}

static ts_status write_heads(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const bool one = a->n_kv_heads == 1, is_new = has_two_norms(a) || (!one && a->n_kv_heads != a->n_heads);
    TS_TRY(ts_config_put(o, "new_decoder_architecture", json_boolean(is_new)));
    TS_TRY(ts_config_put(o, "multi_query", json_boolean(one)));
    TS_TRY(ts_config_put(o, "parallel_attn", json_boolean(a->parallel_residual)));
    TS_TRY(ts_config_put(o, "num_ln_in_parallel_attn", json_integer(has_two_norms(a) ? 2 : 1)));
    return ts_config_put(o, r->key, json_integer(a->n_kv_heads));
}

static ts_status read_width(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    return ts_config_int(o, file, r->key, 4 * a->hidden, 4 * a->hidden, 1, TS_ARCH_MAX_WIDTH, &a->ffn);
}

static const ts_config_row rows[] = {
    TS_REFUSE("alibi", "ALiBi of models of this type is rounded and scaled otherwise"),
    TS_COPY("vocab_size", vocab, 65024),
    TS_CONFIG_ROW(COPY, "hidden_size", hidden, 4544, .most = TS_ARCH_MAX_WIDTH / 4),
    TS_CONFIG_ROW(COPY, "ffn_hidden_size", ffn, 0, .read = read_width),
    TS_COPY("num_attention_heads", n_heads, 71),
    TS_OWN("num_kv_heads", n_kv_heads, read_heads, write_heads, 0),
    TS_NO_HEAD_DIM,
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_COPY("activation", act, TS_ACT_GELU),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 11),
    TS_ENDS(11),
    { .kind = TS_CONFIG_COPY, .key = "bias", .def = false,
      .field = { TS_CONFIG_AT(bias_qkv), TS_CONFIG_AT(bias_proj), TS_CONFIG_AT(bias_fc1),
                 TS_CONFIG_AT(bias_fc2) } },
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(gated, false),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_falcon = { .model_type = "falcon", .architecture = "FalconForCausalLM",
                                 .base = &ts_family_base, .prefix = "transformer.", .names = names,
                                 .names_of = names_of, .rows = rows };
