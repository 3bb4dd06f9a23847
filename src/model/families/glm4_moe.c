/* GLM-4.5, GLM-4.6: experts that a sigmoid scores, chosen with a bias, beside a shared one. */
#include "model/families/families.h"

static ts_status read_qk_norm(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = false;
    TS_TRY(ts_json_bool(o, file, r->key, false, &norms));
    a->qk_norm = norms ? TS_QK_NORM_HEAD : TS_QK_NORM_NONE;
    return TS_OK;
}

static ts_status write_qk_norm(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->qk_norm == TS_QK_NORM_HEAD));
}

/* Without one heads are hidden / heads wide, rounded down. */
static ts_status read_head_dim(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const int64_t usual = a->hidden / a->n_heads;
    return ts_config_int(o, file, r->key, usual, usual, 1, TS_ARCH_MAX_HEAD_DIM, &a->head_dim);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 151552),
    TS_COPY("intermediate_size", ffn, 10944),
    TS_COPY("num_hidden_layers", n_layers, 46),
    TS_COPY("num_attention_heads", n_heads, 96),
    TS_KV_HEADS(8),
    TS_OWN("head_dim", head_dim, read_head_dim, ts_config_write_head_dim, 0),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("attention_bias", bias_qkv, false),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_ROPE(10000, 0.5),
    TS_OWN("use_qk_norm", qk_norm, read_qk_norm, write_qk_norm, 0),
    TS_EXPERT_ROWS(128, 8, 1408, 1, 1, 1),
    TS_COPY("routed_scaling_factor", router_scale, 1),
    TS_TOPK_NORM(true),
    TS_FIRST_DENSE(1),
    TS_MTP_LAYERS,
    { TS_CONFIG_END },
};

const ts_family ts_family_glm4_moe = { .model_type = "glm4_moe", .architecture = "Glm4MoeForCausalLM",
                                       .base = &ts_family_base, .names = ts_experts_names, .rows = rows };
