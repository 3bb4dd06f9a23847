/* ChatGLM 2, 3 and GLM-4 in their own files: what transformers' class Glm has, under other names and keys.
 * transformers runs them from code beside the weights. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "transformer.embedding.word_embeddings" },
    { "self_attention.linear_qkv", "transformer.encoder.layers.*.self_attention.query_key_value", TS_PART_QKV,
      false },
    { .name = "self_attention.linear_proj", .hf_name = "transformer.encoder.layers.*.self_attention.dense" },
    { .name = "mlp.linear_fc1", .hf_name = "transformer.encoder.layers.*.mlp.dense_h_to_4h" },
    { .name = "mlp.linear_fc2", .hf_name = "transformer.encoder.layers.*.mlp.dense_4h_to_h" },
    { .name = "input_layernorm", .hf_name = "transformer.encoder.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.encoder.layers.*.post_attention_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "transformer.encoder.final_layernorm" },
    { .name = "output_layer", .hf_name = "transformer.output_layer" },
    { 0 },
};

static ts_status read_groups(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool grouped = false;
    TS_TRY(ts_json_bool(o, file, "multi_query_attention", false, &grouped));
    a->n_kv_heads = a->n_heads;
    return grouped ? ts_config_int(o, file, r->key, 1, 1, 1, TS_ARCH_MAX_HEADS, &a->n_kv_heads) : TS_OK;
}

/* Half of each head, in neighbouring pairs; rope_ratio stretches the base. */
static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double ratio = 1;
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    TS_TRY(ts_config_real(o, file, r->key, 1, 1, &ratio));
    TS_TRY(ts_config_rope_object(o, NULL, file, r->def * ratio, 0.5, a, &a->rope[0]));
    a->rope[0].interleaved = true;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("padded_vocab_size", vocab, 65024),
    TS_COPY("ffn_hidden_size", ffn, 13696),
    TS_COPY("num_layers", n_layers, 28),
    TS_OWN("multi_query_group_num", n_kv_heads, read_groups, NULL, 1),
    TS_COPY("kv_channels", head_dim, 128),
    TS_COPY("seq_length", max_positions, 2048),
    TS_COPY("layernorm_epsilon", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, -1),
    TS_CONFIG_ROW(OWN, "rope_ratio", rope, 10000, .read = read_rope),
    { .kind = TS_CONFIG_COPY, .key = "add_qkv_bias", .def = false, .field = { TS_CONFIG_AT(bias_qkv) } },
    { TS_CONFIG_END },
};

const ts_family ts_family_chatglm = { .model_type = "chatglm", .architecture = "ChatGLMModel",
                                 .base = &ts_family_base, .prefix = "transformer.", .names = names,
                                 .read_only = true, .rows = rows };
