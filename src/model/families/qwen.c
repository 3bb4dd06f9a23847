/* Qwen 1: Llama under GPT-2's names, with biases of queries, keys and values in one tensor. What its own code
 * does with sequences longer than seq_length (log n, dynamic NTK) is left out. transformers runs it from code
 * beside the weights. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "transformer.wte" },
    { "self_attention.linear_qkv", "transformer.h.*.attn.c_attn", TS_PART_QKV, false },
    { .name = "self_attention.linear_proj", .hf_name = "transformer.h.*.attn.c_proj" },
    { "mlp.linear_fc1", "transformer.h.*.mlp.w2", TS_PART_GATE, false },
    { "mlp.linear_fc1", "transformer.h.*.mlp.w1", TS_PART_UP, false },
    { .name = "mlp.linear_fc2", .hf_name = "transformer.h.*.mlp.c_proj" },
    { .name = "input_layernorm", .hf_name = "transformer.h.*.ln_1" },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.h.*.ln_2" },
    { .name = "decoder.final_layernorm", .hf_name = "transformer.ln_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Gate and up together. */
static ts_status read_width(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t both = 0;
    TS_TRY(ts_config_int(o, file, r->key, 22016, 22016, 2, 2 * TS_ARCH_MAX_WIDTH, &both));
    a->ffn = both / 2;
    return TS_OK;
}

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double theta = 0;
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &theta));
    return ts_config_rope_object(o, NULL, file, theta, 0, a, &a->rope[0]);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 151936),
    TS_CONFIG_ROW(COPY, "intermediate_size", ffn, 0, .read = read_width),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_COPY("max_position_embeddings", max_positions, 8192),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-6),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(151643),
    TS_CONFIG_ROW(OWN, "rotary_emb_base", rope, 10000, .read = read_rope),
    TS_FIXED(bias_qkv, true),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen = { .model_type = "qwen", .architecture = "QWenLMHeadModel",
                                 .base = &ts_family_base, .prefix = "transformer.", .names = names,
                                 .read_only = true, .rows = rows };
