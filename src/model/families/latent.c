#include "model/families/latent.h"

const ts_name_row ts_latent_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.linear_q_proj", .hf_name = "model.layers.*.self_attn.q_proj" },
    { .name = "self_attention.linear_q_down_proj", .hf_name = "model.layers.*.self_attn.q_a_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_a_layernorm" },
    { .name = "self_attention.linear_q_up_proj", .hf_name = "model.layers.*.self_attn.q_b_proj" },
    { .name = "self_attention.linear_kv_down_proj",
      .hf_name = "model.layers.*.self_attn.kv_a_proj_with_mqa" },
    { .name = "self_attention.kv_layernorm", .hf_name = "model.layers.*.self_attn.kv_a_layernorm" },
    { .name = "self_attention.linear_kv_up_proj", .hf_name = "model.layers.*.self_attn.kv_b_proj" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "self_attention.core_attention.indexer.linear_wq_b", .hf_name = "model.layers.*.self_attn.indexer.wq_b" },
    { .name = "self_attention.core_attention.indexer.linear_wk", .hf_name = "model.layers.*.self_attn.indexer.wk" },
    { .name = "self_attention.core_attention.indexer.k_norm", .hf_name = "model.layers.*.self_attn.indexer.k_norm" },
    { .name = "self_attention.core_attention.indexer.linear_weights_proj",
      .hf_name = "model.layers.*.self_attn.indexer.weights_proj" },
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate" },
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.mlp.gate.e_score_correction_bias" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_experts."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    TS_MTP_NAMES,
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

ts_status ts_latent_read_head(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t nope = 0;
    TS_TRY(ts_json_int(o, file, r->key, (int64_t)r->def, 1, TS_ARCH_MAX_HEAD_DIM / 2, &nope));
    TS_TRY(ts_json_int(o, file, "qk_rope_head_dim", r->def > 128 ? 64 : (int64_t)r->def / 2, 2, TS_ARCH_MAX_HEAD_DIM / 2,
                       &a->qk_rope_dim));
    a->head_dim = nope + a->qk_rope_dim;
    return TS_OK;
}

ts_status ts_latent_write_head(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_integer(a->head_dim - a->qk_rope_dim)));
    return ts_config_put(o, "qk_rope_head_dim", json_integer(a->qk_rope_dim));
}

/* The rotated part is a head of its own to the rotary embedding, and stretching counts in the scores. */
ts_status ts_latent_read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    ts_arch part = *a;
    part.head_dim = a->qk_rope_dim;
    TS_TRY(ts_config_read_rope(r, o, file, &part));
    a->position = part.position, a->n_ropes = part.n_ropes, a->rope[0] = part.rope[0];
    a->attn_scale *= ts_rope_score_factor(&a->rope[0]);
    return TS_OK;
}

ts_status ts_latent_read_pairs(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_latent_read_rope(r, o, file, a));
    return ts_json_bool(o, file, "rope_interleave", true, &a->rope[0].interleaved);
}

ts_status ts_latent_write_pairs(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write_ropes(r, a, o));
    return ts_config_put(o, "rope_interleave", json_boolean(a->rope[0].interleaved));
}
