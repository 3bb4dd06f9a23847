/* The families, one file each. */
#ifndef TS_MODEL_FAMILIES_FAMILIES_H
#define TS_MODEL_FAMILIES_FAMILIES_H
#include "model/families/config.h"

/* In the order in which they are tried for a model that options described. */
#define TS_FAMILIES(F)                                                                             \
    F(llama)                                                                                       \
    F(qwen2)                                                                                       \
    F(qwen3)                                                                                       \
    F(mistral)                                                                                     \
    F(gpt2)                                                                                        \
    F(gpt_neox)                                                                                    \
    F(starcoder2)                                                                                  \
    F(olmo2)                                                                                       \
    F(phi3)                                                                                        \
    F(gemma)                                                                                       \
    F(gemma2)                                                                                      \
    F(gemma3)                                                                                      \
    F(glm)                                                                                         \
    F(glm4)                                                                                        \
    F(internlm2)                                                                                   \
    F(arcee)                                                                                       \
    F(nemotron)                                                                                    \
    F(stablelm)                                                                                    \
    F(deepseek_v2)                                                                                 \
    F(deepseek_v3)                                                                                 \
    F(deepseek_v32)                                                                                \
    F(deepseek_v4)                                                                                 \
    F(minicpm)                                                                                     \
    F(minicpm3)                                                                                    \
    F(plm)                                                                                         \
    F(smollm3)                                                                                     \
    F(olmo3)                                                                                       \
    F(olmo)                                                                                        \
    F(granite)                                                                                     \
    F(cohere)                                                                                      \
    F(cohere2)                                                                                     \
    F(falcon)                                                                                      \
    F(bloom)                                                                                       \
    F(mpt)                                                                                         \
    F(internlm3)                                                                                   \
    F(internlm)                                                                                    \
    F(baichuan)                                                                                    \
    F(qwen)                                                                                        \
    F(chatglm)                                                                                     \
    F(mixtral)                                                                                     \
    F(qwen2_moe)                                                                                   \
    F(qwen3_moe)                                                                                   \
    F(glm4_moe)                                                                                    \
    F(olmoe)                                                                                       \
    F(phimoe)                                                                                      \
    F(granitemoe)                                                                                  \
    F(ernie4_5_moe)                                                                                \
    F(minimax_m2)                                                                                  \
    F(bailing_moe_v2)                                                                              \
    F(mamba3)                                                                                      \
    F(mamba2)                                                                                      \
    F(mamba)                                                                                       \
    F(falcon_mamba)                                                                                \
    F(bamba)                                                                                       \
    F(granitemoehybrid)                                                                            \
    F(falcon_h1)                                                                                   \
    F(lfm2)                                                                                        \
    F(lfm2_moe)                                                                                    \
    F(nemotron_h)                                                                                  \
    F(jamba)                                                                                       \
    F(zamba2)                                                                                      \
    F(qwen3_5)                                                                                     \
    F(qwen3_5_moe)                                                                                 \
    F(qwen3_next)                                                                                  \
    F(kimi_linear)                                                                                  \
    F(gpt_oss)                                                                                     \
    F(llama4)                                                                                      \
    F(hunyuan_dense)                                                                               \
    F(hunyuan_moe)                                                                                 \
    F(grok1)                                                                                       \
    F(ministral3)                                                                                  \
    F(glm4_moe_lite)                                                                               \
    F(gemma4)                                                                                      \
    F(gemma3n)                                                                                     \
    F(seed_oss)                                                                                    \
    F(ernie4_5)                                                                                    \
    F(exaone4)                                                                                     \
    F(dots1)                                                                                       \
    F(youtu)                                                                                       \
    F(hy_v3)                                                                                       \
    F(glm_moe_dsa)                                                                                 \
    F(hunyuan_large)                                                                               \
    F(longcat_flash)                                                                               \
    F(longcat_flash_ngram)                                                                         \
    F(step3p5)                                                                                     \
    F(qwen2_vl)                                                                                    \
    F(qwen2_5_vl)                                                                                  \
    F(qwen3_vl)                                                                                    \
    F(qwen3_vl_moe)                                                                                \
    F(llava)                                                                                       \
    F(internvl)                                                                                    \
    F(internvl_chat)                                                                               \
    F(glm4v)                                                                                       \
    F(glm4v_moe)
#define TS_FAMILY_DECLARE(name_) extern const ts_family ts_family_##name_;
TS_FAMILIES(TS_FAMILY_DECLARE)

/* What all have in common; no family itself. */
extern const ts_family ts_family_base;

/* Rows of names that most have: queries, keys and values apart, and gated MLPs (also experts'); in_: what stands
 * before q_proj, before gate_proj. */
#define TS_NAMES_QKV(in_)                                                                          \
    { "self_attention.linear_qkv", in_ "q_proj", TS_PART_Q, false },                               \
    { "self_attention.linear_qkv", in_ "k_proj", TS_PART_K, false },                               \
    { "self_attention.linear_qkv", in_ "v_proj", TS_PART_V, false }
#define TS_NAMES_GATED_MLP(name_, in_)                                                             \
    { name_ ".linear_fc1", in_ "gate_proj", TS_PART_GATE, false },                                 \
    { name_ ".linear_fc1", in_ "up_proj", TS_PART_UP, false },                                     \
    { .name = name_ ".linear_fc2", .hf_name = in_ "down_proj" }
/* Rows that most decoders' tables have first, behind these, and last. */
#define TS_NAMES_FIRST                                                                             \
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },                      \
    TS_NAMES_QKV("model.layers.*.self_attn."),                                                     \
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" }
#define TS_NAMES_HEAD_NORMS                                                                        \
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_norm" },        \
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_norm" }
#define TS_NAMES_LAST                                                                              \
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },                    \
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },         \
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },                                \
    { .name = "output_layer", .hf_name = "lm_head" }

/* Experts with tensors of their own, as Mixtral and as Qwen3-MoE call them. */
extern const ts_name_row ts_mixtral_names[], ts_experts_names[];

/* Of layers that predict further tokens, as DeepSeek-V3's and GLM-4.5's files have them: rows among a layer's. */
#define TS_MTP_NAMES                                                                               \
    { .name = "enorm", .hf_name = "model.layers.*.enorm" },                                        \
    { .name = "hnorm", .hf_name = "model.layers.*.hnorm" },                                        \
    { .name = "eh_proj", .hf_name = "model.layers.*.eh_proj" },                                    \
    { .name = "final_layernorm", .hf_name = "model.layers.*.shared_head.norm" },                   \
    { .name = "embedding.word_embeddings", .hf_name = "model.layers.*.embed_tokens", .part = TS_PART_COPY }, \
    { .name = "output_layer", .hf_name = "model.layers.*.shared_head.head", .part = TS_PART_COPY }
#define TS_MTP_LAYERS TS_COPY(TS_MTP_KEY, mtp_layers, 0)
#define TS_MTP_KEY "num_nextn_predict_layers"

/* MLPs and experts as Qwen2-MoE calls them, Qwen3-Next too. */
#define TS_QWEN2_MOE_NAMES TS_QWEN2_MOE_NAMES_IN("model.layers.*.mlp.")
#define TS_QWEN2_MOE_NAMES_IN(in_) \
    { .name = "mlp.router", .hf_name = in_ "gate" }, \
    { .name = "mlp.router.expert_bias", .hf_name = in_ "gate.e_score_correction_bias" }, \
    TS_NAMES_GATED_MLP("mlp.experts", in_ "experts.*."), \
    TS_NAMES_GATED_MLP("mlp.shared_experts", in_ "shared_expert."), \
    { .name = "mlp.shared_experts.gate_weight", .hf_name = in_ "shared_expert_gate.weight" }, \
    TS_NAMES_GATED_MLP("mlp", in_)

/* Norms before a part, after it, or both: OLMo 2 to Gemma 3. */
extern const ts_name_row ts_norms_around_names[];
#endif
