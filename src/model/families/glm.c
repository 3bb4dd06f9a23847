/* GLM-4-9B and its kin: half of each head is rotated, in neighbouring pairs; gate and up in one
 * tensor. */
#include "model/families/families.h"

/* GLM 4's too. */
static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.gate_up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_self_attn_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_mlp_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

/* Half of each head, whatever `a` says: other readers of this class (vLLM) take that for granted and
 * do not look at partial_rotary_factor. */
static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write_ropes(r, a, o));
    return ts_config_put(o, "partial_rotary_factor", json_real(r->part));
}

static ts_status read_ends(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const int64_t stops[] = { 151329, 151336, 151338 };
    TS_TRY(ts_config_read_ends(r, o, file, a));
    const json_t *eos = json_object_get(o, r->key);
    if (eos && !json_is_null(eos))
        return TS_OK;
    for (a->n_eos = 0; a->n_eos < 3; a->n_eos++)
        a->eos[a->n_eos] = stops[a->n_eos];
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 151552),
    TS_COPY("intermediate_size", ffn, 13696),
    TS_COPY("num_hidden_layers", n_layers, 40),
    TS_KV_HEADS(2),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1.5625e-7),
    TS_ID("bos_token_id", bos, -1),
    TS_ID("pad_token_id", pad, 151329),
    TS_OWN("eos_token_id", eos, read_ends, ts_config_write_ends, -1),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 10000, .part = 0.5, .read = read_rope,
                  .write = write_rope),
    TS_COPY("attention_bias", bias_qkv, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_glm = { .model_type = "glm", .architecture = "GlmForCausalLM",
                                  .base = &ts_family_base, .names = names, .rows = rows };
