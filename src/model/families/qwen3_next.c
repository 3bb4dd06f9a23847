/* Qwen3-Next and Qwen 3.5 (text): gated delta nets, and between them full attention whose output has a gate; MLPs,
 * mixtures of experts with a gated shared one, or both. Behind the last layer, if that has full attention, files may have
 * one that predicts a further token (mtp.*). */
#include "model/families/families.h"

/* Behind the convolution the norm and the output in Qwen3-Next's order of modules. */
#define BEFORE                                                                                     \
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },                      \
    { .name = "self_attention.dt_bias", .hf_name = "model.layers.*.linear_attn.dt_bias" },         \
    { .name = "self_attention.A_log", .hf_name = "model.layers.*.linear_attn.A_log" },             \
    { .name = "self_attention.conv1d", .hf_name = "model.layers.*.linear_attn.conv1d", .part = TS_PART_FILTER }
#define OUTPUT                                                                                     \
    { .name = "self_attention.norm", .hf_name = "model.layers.*.linear_attn.norm" },               \
    { .name = "self_attention.out_proj", .hf_name = "model.layers.*.linear_attn.out_proj" }
#define ATTENTION(in_)                                                                             \
    TS_NAMES_QKV(in_ "self_attn."), { .name = "self_attention.linear_proj", .hf_name = in_ "self_attn.o_proj" }, \
    { .name = "self_attention.q_layernorm", .hf_name = in_ "self_attn.q_norm" },                   \
    { .name = "self_attention.k_layernorm", .hf_name = in_ "self_attn.k_norm" },                   \
    TS_QWEN2_MOE_NAMES_IN(in_ "mlp."), { .name = "input_layernorm", .hf_name = in_ "input_layernorm" }, \
    { .name = "pre_mlp_layernorm", .hf_name = in_ "post_attention_layernorm" }
#define BEHIND                                                                                     \
    ATTENTION("model.layers.*."), { .name = "decoder.final_layernorm", .hf_name = "model.norm" },  \
    { .name = "output_layer", .hf_name = "lm_head" },                                              \
    { .name = "mtp.layers.0.enorm", .hf_name = "mtp.pre_fc_norm_embedding" },                      \
    { .name = "mtp.layers.0.hnorm", .hf_name = "mtp.pre_fc_norm_hidden" },                         \
    { .name = "mtp.layers.0.eh_proj", .hf_name = "mtp.fc" },                                       \
    ATTENTION("mtp.layers.*."), { .name = "mtp.layers.0.final_layernorm", .hf_name = "mtp.norm" }

static const ts_name_row next_names[] = {
    BEFORE,
    { "self_attention.in_proj_qkv", "model.layers.*.linear_attn.in_proj_qkvz", TS_PART_DELTA_QKV, false },
    { "self_attention.in_proj_z", "model.layers.*.linear_attn.in_proj_qkvz", TS_PART_DELTA_Z, false },
    { "self_attention.in_proj_b", "model.layers.*.linear_attn.in_proj_ba", TS_PART_DELTA_B, false },
    { "self_attention.in_proj_a", "model.layers.*.linear_attn.in_proj_ba", TS_PART_DELTA_A, false },
    OUTPUT,
    BEHIND,
    { 0 },
};

static const ts_name_row names[] = {
    BEFORE,
    OUTPUT,
    { .name = "self_attention.in_proj_qkv", .hf_name = "model.layers.*.linear_attn.in_proj_qkv" },
    { .name = "self_attention.in_proj_z", .hf_name = "model.layers.*.linear_attn.in_proj_z" },
    { .name = "self_attention.in_proj_b", .hf_name = "model.layers.*.linear_attn.in_proj_b" },
    { .name = "self_attention.in_proj_a", .hf_name = "model.layers.*.linear_attn.in_proj_a" },
    BEHIND,
    { 0 },
};

/* layer_types, or every full_attention_interval-th layer: where attention is full. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char *const words[] = { "linear_attention", "full_attention", NULL };
    const json_t *types;
    int64_t interval = 4;
    TS_TRY(ts_config_int(o, file, "full_attention_interval", 4, 4, 1, TS_ARCH_MAX_LAYERS, &interval));
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &types));
    for (int64_t i = 0; i < a->n_layers; i++) {
        int full = (i + 1) % interval == 0;
        if (types)
            TS_TRY(ts_config_layer_word(types, file, r->key, i, words, &full));
        a->layer[i].attention = full ? TS_ATTENTION_SOFTMAX : TS_ATTENTION_DELTA;
    }
    return TS_OK;
}

static const char *type_of(const ts_layer_arch *l)
{
    return l->attention == TS_ATTENTION_DELTA ? "linear_attention" : "full_attention";
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, type_of);
}

/* Files know names of one, behind full attention. */
static ts_status read_further(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t n = 0;
    TS_TRY(ts_config_int(o, file, r->key, 0, 0, 0, TS_ARCH_MAX_LAYERS, &n));
    a->mtp_layers = n == 1 && a->layer[a->n_layers - 1].attention == TS_ATTENTION_SOFTMAX;
    return TS_OK;
}

static ts_status write_further(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return a->mtp_layers ? ts_config_put(o, r->key, json_integer(a->mtp_layers)) : TS_OK;
}

/* Where every layer has experts no MLP has a width. */
static ts_status no_ffn(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->ffn = a->expert_ffn;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 248320),
    TS_COPY("intermediate_size", ffn, 12288),
    TS_KV_HEADS(4),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_HEAD_DIM(256),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(norm_offset, 1),
    TS_FIXED(attn_gate, true),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_ROPE(10000, 0.25),
    TS_COPY("linear_num_key_heads", delta.key_heads, 16),
    TS_COPY("linear_num_value_heads", delta.heads, 32),
    TS_COPY("linear_key_head_dim", delta.key_dim, 128),
    TS_COPY("linear_value_head_dim", delta.value_dim, 128),
    TS_COPY("linear_conv_kernel_dim", delta.conv, 4),
    TS_OWN("layer_types", layer, read_layers, write_layers, 0),
    TS_STATE_ACT,
    TS_CONFIG_ROW(OWN, "mtp_num_hidden_layers", mtp_layers, 0, .late = true, .read = read_further, .write = write_further),
    { TS_CONFIG_END },
};

static const ts_config_row next_rows[] = {
    TS_COPY("vocab_size", vocab, 151936),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 5632),
    TS_COPY("num_hidden_layers", n_layers, 48),
    TS_KV_HEADS(2),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 512, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 10),
    TS_COPY("moe_intermediate_size", expert_ffn, 512),
    TS_COPY("shared_expert_intermediate_size", shared_ffn, 512),
    TS_FIXED(shared_gate, true),
    TS_TOPK_NORM(true),
    TS_QWEN_EXPERTS,
    { TS_CONFIG_END },
};

static const ts_config_row moe_rows[] = {
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("num_hidden_layers", n_layers, 40),
    TS_KV_HEADS(2),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 256, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_COPY("moe_intermediate_size", expert_ffn, 512),
    TS_CONFIG_ROW(OWN, NULL, ffn, 0, .late = true, .read = no_ffn),
    TS_COPY("shared_expert_intermediate_size", shared_ffn, 512),
    TS_FIXED(shared_gate, true),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

/* Files of the models with pictures, whose text is this. */
static const ts_name_other others[] = { { "model.", "model.language_model.", false }, { 0 } };

const ts_family ts_family_qwen3_5 = { .model_type = "qwen3_5_text", .architecture = "Qwen3_5ForCausalLM",
                                      .base = &ts_family_base, .names = names, .rows = rows, .others = others,
                                      .has_further = true };
const ts_family ts_family_qwen3_5_moe = { .model_type = "qwen3_5_moe_text", .architecture = "Qwen3_5MoeForCausalLM",
                                          .base = &ts_family_qwen3_5, .rows = moe_rows };
const ts_family ts_family_qwen3_next = { .model_type = "qwen3_next", .architecture = "Qwen3NextForCausalLM",
                                         .base = &ts_family_qwen3_5, .names = next_names, .rows = next_rows };
