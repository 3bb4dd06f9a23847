#include "io/gguf/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYER "model.layers.*."

static const ts_gguf_name common[] = {
    { "token_embd", "model.embed_tokens", TS_GGUF_PART_ALL },
    { "output_norm", "model.norm", TS_GGUF_PART_NORM },
    { "output", "lm_head", TS_GGUF_PART_ALL },
    { "attn_norm", LAYER "input_layernorm", TS_GGUF_PART_NORM },
    { "attn_q", LAYER "self_attn.q_proj", TS_GGUF_PART_Q },
    { "attn_k", LAYER "self_attn.k_proj", TS_GGUF_PART_K },
    { "attn_v", LAYER "self_attn.v_proj", TS_GGUF_PART_ALL },
    { "attn_output", LAYER "self_attn.o_proj", TS_GGUF_PART_ALL },
    { "attn_q_norm", LAYER "self_attn.q_norm", TS_GGUF_PART_NORM },
    { "attn_k_norm", LAYER "self_attn.k_norm", TS_GGUF_PART_NORM },
    { "ffn_norm", LAYER "post_attention_layernorm", TS_GGUF_PART_NORM },
    { "ffn_gate", LAYER "mlp.gate_proj", TS_GGUF_PART_ALL },
    { "ffn_up", LAYER "mlp.up_proj", TS_GGUF_PART_ALL },
    { "ffn_down", LAYER "mlp.down_proj", TS_GGUF_PART_ALL },
    { "rope_freqs", "rope_freqs", TS_GGUF_PART_NONE },
    { "rope_factors_long", "rope_factors_long", TS_GGUF_PART_NONE },
    { "rope_factors_short", "rope_factors_short", TS_GGUF_PART_NONE },
    { "attn_rot_embd", LAYER "rot_embd", TS_GGUF_PART_NONE },
    { 0 },
};

static const ts_gguf_name norms_around[] = {
    { "post_attention_norm", LAYER "post_attention_layernorm", TS_GGUF_PART_NORM },
    { "ffn_norm", LAYER "pre_feedforward_layernorm", TS_GGUF_PART_NORM },
    { "post_ffw_norm", LAYER "post_feedforward_layernorm", TS_GGUF_PART_NORM },
    { 0 },
};

static const ts_gguf_name fused[] = {
    { "attn_qkv", LAYER "self_attn.qkv_proj", TS_GGUF_PART_ALL },
    { "ffn_up", LAYER "mlp.gate_up_proj", TS_GGUF_PART_ALL },
    { 0 },
};

static const ts_gguf_name mixtral[] = {
    { "ffn_gate_inp", LAYER "block_sparse_moe.gate", TS_GGUF_PART_ALL },
    { "ffn_gate_exps", LAYER "block_sparse_moe.experts.#.w1", TS_GGUF_PART_EXPERTS },
    { "ffn_down_exps", LAYER "block_sparse_moe.experts.#.w2", TS_GGUF_PART_EXPERTS },
    { "ffn_up_exps", LAYER "block_sparse_moe.experts.#.w3", TS_GGUF_PART_EXPERTS },
    { 0 },
};

static const ts_gguf_name qwen_experts[] = {
    { "ffn_gate_inp", LAYER "mlp.gate", TS_GGUF_PART_ALL },
    { "ffn_gate_exps", LAYER "mlp.experts.#.gate_proj", TS_GGUF_PART_EXPERTS },
    { "ffn_up_exps", LAYER "mlp.experts.#.up_proj", TS_GGUF_PART_EXPERTS },
    { "ffn_down_exps", LAYER "mlp.experts.#.down_proj", TS_GGUF_PART_EXPERTS },
    { "ffn_gate_inp_shexp", LAYER "mlp.shared_expert_gate", TS_GGUF_PART_LINE },
    { "ffn_gate_shexp", LAYER "mlp.shared_expert.gate_proj", TS_GGUF_PART_ALL },
    { "ffn_up_shexp", LAYER "mlp.shared_expert.up_proj", TS_GGUF_PART_ALL },
    { "ffn_down_shexp", LAYER "mlp.shared_expert.down_proj", TS_GGUF_PART_ALL },
    { 0 },
};

static const ts_gguf_name seed_oss[] = {
    { "post_attention_norm", LAYER "post_attention_layernorm", TS_GGUF_PART_NORM },
    { 0 },
};

static const ts_gguf_name glm4[] = {
    { "post_attention_norm", LAYER "post_self_attn_layernorm", TS_GGUF_PART_NORM },
    { "post_ffw_norm", LAYER "post_mlp_layernorm", TS_GGUF_PART_NORM },
    { "ffn_up", LAYER "mlp.gate_up_proj", TS_GGUF_PART_ALL },
    { 0 },
};

static const ts_gguf_key cohere_keys[] = {
    { "logit_scale", "logit_scale", true, false },
    { 0 },
};

static const ts_gguf_name starcoder2[] = {
    { "ffn_up", LAYER "mlp.c_fc", TS_GGUF_PART_ALL },
    { "ffn_down", LAYER "mlp.c_proj", TS_GGUF_PART_ALL },
    { 0 },
};

#define GPT_NEOX "gpt_neox.layers.*."
static const ts_gguf_name gpt_neox[] = {
    { "token_embd", "gpt_neox.embed_in", TS_GGUF_PART_ALL },
    { "output_norm", "gpt_neox.final_layer_norm", TS_GGUF_PART_NORM },
    { "output", "embed_out", TS_GGUF_PART_ALL },
    { "attn_norm", GPT_NEOX "input_layernorm", TS_GGUF_PART_NORM },
    { "ffn_norm", GPT_NEOX "post_attention_layernorm", TS_GGUF_PART_NORM },
    { "attn_qkv", GPT_NEOX "attention.query_key_value", TS_GGUF_PART_QKV },
    { "attn_output", GPT_NEOX "attention.dense", TS_GGUF_PART_ALL },
    { "ffn_up", GPT_NEOX "mlp.dense_h_to_4h", TS_GGUF_PART_ALL },
    { "ffn_down", GPT_NEOX "mlp.dense_4h_to_h", TS_GGUF_PART_ALL },
    { 0 },
};

#define BLOCK "transformer.h.*."
static const ts_gguf_name bloom[] = {
    { "token_embd_norm", "transformer.word_embeddings_layernorm", TS_GGUF_PART_NORM },
    { "token_embd", "transformer.word_embeddings", TS_GGUF_PART_ALL },
    { "output_norm", "transformer.ln_f", TS_GGUF_PART_NORM },
    { "attn_norm", BLOCK "input_layernorm", TS_GGUF_PART_NORM },
    { "ffn_norm", BLOCK "post_attention_layernorm", TS_GGUF_PART_NORM },
    { "attn_qkv", BLOCK "self_attention.query_key_value", TS_GGUF_PART_QKV },
    { "attn_output", BLOCK "self_attention.dense", TS_GGUF_PART_ALL },
    { "ffn_up", BLOCK "mlp.dense_h_to_4h", TS_GGUF_PART_ALL },
    { "ffn_down", BLOCK "mlp.dense_4h_to_h", TS_GGUF_PART_ALL },
    { 0 },
};

#define FALCON_REST                                                                                                                \
    { "token_embd", "transformer.word_embeddings", TS_GGUF_PART_ALL }, { "output_norm", "transformer.ln_f", TS_GGUF_PART_NORM },   \
        { "attn_norm_2", BLOCK "ln_attn", TS_GGUF_PART_NORM },                                                                     \
        { "attn_qkv", BLOCK "self_attention.query_key_value", TS_GGUF_PART_QKV },                                                  \
        { "attn_output", BLOCK "self_attention.dense", TS_GGUF_PART_ALL },                                                         \
        { "ffn_up", BLOCK "mlp.dense_h_to_4h", TS_GGUF_PART_ALL }, { "ffn_down", BLOCK "mlp.dense_4h_to_h", TS_GGUF_PART_ALL }, { 0 }
/* With a norm for attention and MLP each, and with one for both. */
static const ts_gguf_name falcon_two[] = { { "attn_norm", BLOCK "ln_mlp", TS_GGUF_PART_NORM },
                                           { "attn_norm", BLOCK "input_layernorm", TS_GGUF_PART_NORM }, FALCON_REST };
static const ts_gguf_name falcon_one[] = { { "attn_norm", BLOCK "input_layernorm", TS_GGUF_PART_NORM },
                                           { "attn_norm", BLOCK "ln_mlp", TS_GGUF_PART_NORM }, FALCON_REST };

static const char falcon_no_bias[] = "attn_qkv attn_output ffn_up ffn_down";

static const ts_gguf_name gpt2[] = {
    { "token_embd", "transformer.wte", TS_GGUF_PART_ALL },
    { "position_embd", "transformer.wpe", TS_GGUF_PART_ALL },
    { "output_norm", "transformer.ln_f", TS_GGUF_PART_NORM },
    { "attn_norm", BLOCK "ln_1", TS_GGUF_PART_NORM },
    { "attn_qkv", BLOCK "attn.c_attn", TS_GGUF_PART_TURNED },
    { "attn_output", BLOCK "attn.c_proj", TS_GGUF_PART_TURNED },
    { "ffn_norm", BLOCK "ln_2", TS_GGUF_PART_NORM },
    { "ffn_up", BLOCK "mlp.c_fc", TS_GGUF_PART_TURNED },
    { "ffn_down", BLOCK "mlp.c_proj", TS_GGUF_PART_TURNED },
    { 0 },
};

static const ts_gguf_key cohere2_keys[] = {
    { "logit_scale", "logit_scale", true, false },
    { "attention.sliding_window", "sliding_window", false, false },
    { 0 },
};

static const ts_gguf_key olmo_keys[] = {
    { "attention.clamp_kqv", "clip_qkv", true, true },
    { 0 },
};

static const ts_gguf_key granite_keys[] = {
    { "attention.scale", "attention_multiplier", true, true },
    { "embedding_scale", "embedding_multiplier", true, true },
    { "residual_scale", "residual_multiplier", true, true },
    { "logit_scale", "logits_scaling", true, true },
    { 0 },
};

static const ts_gguf_key olmoe_keys[] = {
    { "expert_count", "num_experts", false, false },
    { "expert_used_count", "num_experts_per_tok", false, false },
    { 0 },
};

static const ts_gguf_key mixtral_keys[] = {
    { "expert_count", "num_local_experts", false, false },
    { "expert_used_count", "num_experts_per_tok", false, false },
    { 0 },
};

static const ts_gguf_key qwen_experts_keys[] = {
    { "expert_count", "num_experts", false, false },
    { "expert_used_count", "num_experts_per_tok", false, false },
    { "expert_feed_forward_length", "moe_intermediate_size", false, false },
    { "expert_shared_feed_forward_length", "shared_expert_intermediate_size", false, true },
    { 0 },
};

static const ts_gguf_key window_keys[] = {
    { "attention.sliding_window", "sliding_window", false, true },
    { 0 },
};

static const ts_gguf_key gemma_keys[] = {
    { "attention.sliding_window", "sliding_window", false, false },
    { "rope.freq_base_swa", "rope_local_base_freq", true, true },
    { "attn_logit_softcapping", "attn_logit_softcapping", true, true },
    { "final_logit_softcapping", "final_logit_softcapping", true, true },
    { 0 },
};

/* Gemma 2 and 3 divide scores by the root of a head's size but for the model of 27B, which files know by its number of
 * layers alone. */
static ts_status gemma_scale(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    const int64_t odd = !strcmp(m->arch, "gemma2") ? 46 : 62;
    const json_int_t layers = json_integer_value(json_object_get(o, "num_hidden_layers")),
                     hidden = json_integer_value(json_object_get(o, "hidden_size")),
                     heads = json_integer_value(json_object_get(o, "num_attention_heads"));
    (void)g;
    return ts_gguf_put(o, "query_pre_attn_scalar",
                       layers == odd ? json_integer(hidden / heads) : json_incref(json_object_get(o, "head_dim")));
}

/* Biases on all four projections, which Llama's class has together; of the MLP likewise. */
static ts_status llama_biases(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    (void)m;
    TS_TRY(ts_gguf_put(o, "attention_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_q.bias"))));
    return ts_gguf_put(o, "mlp_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.ffn_up.bias")));
}

/* Seed-OSS says so of the output projection, too; StarCoder 2 and Ernie of all layers at once. */
static ts_status seed_biases(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    TS_TRY(ts_gguf_put(o, "attention_out_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_output.bias"))));
    return llama_biases(g, m, o);
}

static ts_status use_bias(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    (void)m;
    return ts_gguf_put(o, "use_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_q.bias")));
}

static ts_status cohere_norms(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    (void)m;
    TS_TRY(ts_gguf_put(o, "attention_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_q.bias"))));
    return ts_gguf_put(o, "use_qk_norm", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_q_norm.weight")));
}

static ts_status stablelm_form(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    (void)m;
    TS_TRY(ts_gguf_put(o, "use_qkv_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_q.bias"))));
    return ts_gguf_put(o, "use_parallel_residual", json_boolean(!ts_gguf_tensor_find(g, "blk.0.ffn_norm.weight")));
}

static ts_status neox_form(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    const json_t *share = json_object_get(o, "partial_rotary_factor"), *base = json_object_get(o, "rope_theta");
    const ts_gguf_value *parallel = ts_gguf_find(g, ts_gguf_arch_key(m, "use_parallel_residual", key));
    TS_TRY(ts_gguf_put(o, "rotary_pct", json_real(share ? json_number_value(share) : 1)));
    if (base)
        TS_TRY(ts_gguf_put(o, "rotary_emb_base", json_real(json_number_value(base))));
    TS_TRY(ts_gguf_put(o, "attention_bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_qkv.bias"))));
    return ts_gguf_put(o, "use_parallel_residual", json_boolean(!parallel || ts_gguf_number(parallel, 0) != 0));
}

/* Which of the three kinds the numbers of heads and norms tell. */
static ts_status falcon_form(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    const bool one = json_integer_value(json_object_get(o, "num_key_value_heads")) == 1, two_norms = m->with;
    TS_TRY(ts_gguf_put(o, "bias", json_boolean(ts_gguf_tensor_find(g, "blk.0.attn_qkv.bias"))));
    TS_TRY(ts_gguf_put(o, "num_kv_heads", json_incref(json_object_get(o, "num_key_value_heads"))));
    TS_TRY(ts_gguf_put(o, "new_decoder_architecture", json_boolean(two_norms || !one)));
    TS_TRY(ts_gguf_put(o, "ffn_hidden_size", json_incref(json_object_get(o, "intermediate_size"))));
    return two_norms || one ? TS_OK : ts_gguf_put(o, "num_ln_in_parallel_attn", json_integer(1));
}

/* GPT-2's and Bloom's sizes under their classes' own names. */
static ts_status own_names(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    static const char *const names[][3] = {
        { "gpt2", "hidden_size", "n_embd" }, { "gpt2", "max_position_embeddings", "n_positions" }, { "gpt2", "intermediate_size", "n_inner" },
        { "gpt2", "num_hidden_layers", "n_layer" }, { "gpt2", "num_attention_heads", "n_head" },
        { "bloom", "num_hidden_layers", "n_layer" }, { "bloom", "num_attention_heads", "n_head" },
        { "bloom", "max_position_embeddings", "seq_length" },
    };
    (void)g;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(m->arch, names[i][0])) {
            TS_TRY(ts_gguf_put(o, names[i][2], json_incref(json_object_get(o, names[i][1]))));
            json_object_del(o, names[i][1]);
        }
    json_object_del(o, "num_key_value_heads");
    return TS_OK;
}

static const ts_gguf_model models[] = {
    { .arch = "llama", .model_type = "mixtral", .architecture = "MixtralForCausalLM", .names = mixtral,
      .keys = mixtral_keys, .with_experts = true, .pairs = true, .fixed = "{\"sliding_window\": null}" },
    { .arch = "llama", .model_type = "llama", .architecture = "LlamaForCausalLM", .also = "mistral", .pairs = true, .more = llama_biases },
    { .arch = "qwen2", .model_type = "qwen2", .architecture = "Qwen2ForCausalLM",
      .fixed = "{\"use_sliding_window\": false}" },
    { .arch = "qwen2moe", .model_type = "qwen2_moe", .architecture = "Qwen2MoeForCausalLM", .names = qwen_experts,
      .keys = qwen_experts_keys, .fixed = "{\"use_sliding_window\": false, \"norm_topk_prob\": false}" },
    { .arch = "qwen3", .model_type = "qwen3", .architecture = "Qwen3ForCausalLM", .says_head_dim = true,
      .fixed = "{\"use_sliding_window\": false}" },
    { .arch = "qwen3moe", .model_type = "qwen3_moe", .architecture = "Qwen3MoeForCausalLM", .names = qwen_experts,
      .keys = qwen_experts_keys, .says_head_dim = true,
      .fixed = "{\"use_sliding_window\": false, \"norm_topk_prob\": true}" },
    { .arch = "gemma", .model_type = "gemma", .architecture = "GemmaForCausalLM", .says_head_dim = true,
      .norm_offset = 1 },
    { .arch = "gemma2", .model_type = "gemma2", .architecture = "Gemma2ForCausalLM", .names = norms_around,
      .keys = gemma_keys, .says_head_dim = true, .norm_offset = 1, .more = gemma_scale },
    { .arch = "gemma3", .model_type = "gemma3_text", .architecture = "Gemma3ForCausalLM", .names = norms_around,
      .keys = gemma_keys, .says_head_dim = true, .norm_offset = 1, .more = gemma_scale,
      .fixed = "{\"rope_local_base_freq\": 10000.0, \"sliding_window_pattern\": 6}" },
    { .arch = "phi3", .model_type = "phi3", .architecture = "Phi3ForCausalLM", .names = fused, .keys = window_keys },
    { .arch = "olmo2", .model_type = "olmo2", .architecture = "Olmo2ForCausalLM", .names = norms_around },
    { .arch = "olmoe", .model_type = "olmoe", .architecture = "OlmoeForCausalLM", .names = qwen_experts, .keys = olmoe_keys,
      .fixed = "{\"norm_topk_prob\": false}" },
    { .arch = "granite", .model_type = "granite", .architecture = "GraniteForCausalLM", .keys = granite_keys, .pairs = true,
      .more = llama_biases },
    { .arch = "arcee", .model_type = "arcee", .architecture = "ArceeForCausalLM", .pairs = true, .more = llama_biases,
      .no_bias = "attn_output ffn_up ffn_down",
      .fixed = "{\"hidden_act\": \"relu2\"}" },
    { .arch = "seed_oss", .model_type = "seed_oss", .architecture = "SeedOssForCausalLM", .names = seed_oss, .says_head_dim = true,
      .no_bias = "attn_output ffn_gate ffn_up ffn_down", .more = seed_biases },
    { .arch = "ernie4_5", .model_type = "ernie4_5", .architecture = "Ernie4_5ForCausalLM", .says_head_dim = true,
      .no_bias = "ffn_gate ffn_up ffn_down", .more = use_bias },
    { .arch = "glm4", .model_type = "glm4", .architecture = "Glm4ForCausalLM", .names = glm4, .says_head_dim = true,
      .more = llama_biases },
    { .arch = "command-r", .model_type = "cohere", .architecture = "CohereForCausalLM", .keys = cohere_keys,
      .layer_norm = "layer_norm_eps", .more = cohere_norms },
    { .arch = "starcoder2", .model_type = "starcoder2", .architecture = "Starcoder2ForCausalLM", .names = starcoder2,
      .layer_norm = "norm_epsilon", .more = use_bias,
      .fixed = "{\"hidden_act\": \"gelu_pytorch_tanh\", \"sliding_window\": null}" },
    { .arch = "cohere2", .model_type = "cohere2", .architecture = "Cohere2ForCausalLM", .keys = cohere2_keys, .says_head_dim = true,
      .layer_norm = "layer_norm_eps", .more = cohere_norms, .fixed = "{\"sliding_window_pattern\": 4}" },
    { .arch = "smollm3", .model_type = "smollm3", .architecture = "SmolLM3ForCausalLM", .pairs = true, .more = llama_biases,
      .fixed = "{\"no_rope_layer_interval\": 4, \"use_sliding_window\": false}" },
    { .arch = "olmo", .model_type = "olmo", .architecture = "OlmoForCausalLM", .keys = olmo_keys, .pairs = true,
      .layer_norm = "layer_norm_eps", .more = llama_biases },
    { .arch = "stablelm", .model_type = "stablelm", .architecture = "StableLmForCausalLM", .layer_norm = "layer_norm_eps",
      .more = stablelm_form },
    { .arch = "nemotron", .model_type = "nemotron", .architecture = "NemotronForCausalLM", .layer_norm = "norm_eps", .norm_offset = 1,
      .says_head_dim = true, .more = llama_biases, .fixed = "{\"hidden_act\": \"relu2\"}" },
    { .arch = "exaone4", .model_type = "exaone4", .architecture = "Exaone4ForCausalLM", .names = norms_around, .says_head_dim = true,
      .fixed = "{\"sliding_window\": null}" },
    { .arch = "gptneox", .model_type = "gpt_neox", .architecture = "GPTNeoXForCausalLM", .names = gpt_neox, .layer_norm = "layer_norm_eps",
      .more = neox_form },
    { .arch = "bloom", .model_type = "bloom", .architecture = "BloomForCausalLM", .names = bloom, .layer_norm = "layer_norm_epsilon",
      .more = own_names },
    { .arch = "falcon", .model_type = "falcon", .architecture = "FalconForCausalLM", .names = falcon_two,
      .with = "blk.0.attn_norm_2.weight", .layer_norm = "layer_norm_epsilon", .no_bias = falcon_no_bias, .more = falcon_form,
      .fixed = "{\"parallel_attn\": true, \"alibi\": false, \"multi_query\": true}" },
    { .arch = "falcon", .model_type = "falcon", .architecture = "FalconForCausalLM", .names = falcon_one,
      .layer_norm = "layer_norm_epsilon", .no_bias = falcon_no_bias, .more = falcon_form,
      .fixed = "{\"parallel_attn\": true, \"alibi\": false, \"multi_query\": true}" },
    { .arch = "gpt2", .model_type = "gpt2", .architecture = "GPT2LMHeadModel", .names = gpt2, .layer_norm = "layer_norm_epsilon",
      .more = own_names },
};
enum { N_MODELS = sizeof models / sizeof *models };

static bool has_experts(const ts_gguf *g, const char *arch)
{
    char key[TS_GGUF_KEY_TEXT];
    int64_t n = 0;
    snprintf(key, sizeof key, "%s.expert_count", arch);
    return ts_gguf_int(g, key, 0, 0, INT32_MAX, &n) != TS_OK || n > 0;
}

static ts_status unknown(const ts_gguf *g, const char *arch, size_t n)
{
    ts_str known = { 0 };
    ts_status st = TS_OK;
    for (int i = 0; i < N_MODELS && st == TS_OK; i++)
        if (!i || strcmp(models[i].arch, models[i - 1].arch) != 0)
            st = ts_str_printf(&known, "%s%s", i ? ", " : "", models[i].arch);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: general.architecture is %.*s, which is not read from GGUF files; known are %s",
                      ts_gguf_path(g), n > 60 ? 60 : (int)n, arch ? arch : "missing", ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

ts_status ts_gguf_model_of(const ts_gguf *g, const ts_gguf_model **out)
{
    const char *arch;
    size_t n;
    TS_TRY(ts_gguf_text(g, "general.architecture", &arch, &n));
    for (int i = 0; arch && i < N_MODELS; i++)
        if (strlen(models[i].arch) == n && !memcmp(models[i].arch, arch, n) &&
            (!models[i].with_experts || has_experts(g, models[i].arch)) &&
            (!models[i].with || ts_gguf_tensor_find(g, models[i].with))) {
            *out = &models[i];
            return TS_OK;
        }
    return unknown(g, arch, arch ? n : strlen("missing"));
}

const char *ts_gguf_arch_key(const ts_gguf_model *m, const char *key, char out[TS_GGUF_KEY_TEXT])
{
    snprintf(out, TS_GGUF_KEY_TEXT, "%s.%s", m->arch, key);
    return out;
}

/* A table's row whose name the tensor's is, up to its last part. */
static const ts_gguf_name *in_table(const ts_gguf_name *row, const char *name, bool layered, const char **end)
{
    for (; row && row->gguf; row++) {
        const size_t n = strlen(row->gguf);
        *end = name + n;
        if (!strncmp(row->gguf, name, n) && (bool)strchr(row->hf, '*') == layered &&
            (!strcmp(*end, ".weight") || !strcmp(*end, ".bias")))
            return row;
    }
    return NULL;
}

const ts_gguf_name *ts_gguf_name_of(const ts_gguf_model *m, const char *tensor, int64_t *layer, const char **end)
{
    static const char block[] = "blk.";
    char *after;
    *layer = -1;
    if (!strncmp(tensor, block, sizeof block - 1)) {
        tensor += sizeof block - 1;
        *layer = strtoll(tensor, &after, 10);
        if (*tensor < '0' || *tensor > '9' || *after != '.' || *layer > INT32_MAX)
            return NULL;
        tensor = after + 1;
    }
    const ts_gguf_name *row = in_table(m->names, tensor, *layer >= 0, end);
    return row ? row : in_table(common, tensor, *layer >= 0, end);
}

/* ---- the other way ---- */

static bool has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

bool ts_gguf_has_bias(const ts_gguf_model *m, const ts_gguf_name *row) { return !has_word(m->no_bias, row->gguf); }

bool ts_gguf_says_window(const ts_gguf_model *m)
{
    for (const ts_gguf_key *row = m->keys; row && row->gguf; row++)
        if (!strcmp(row->gguf, "attention.sliding_window"))
            return true;
    return false;
}

const ts_gguf_model *ts_gguf_model_for(const char *model_type)
{
    for (int i = 0; i < N_MODELS; i++)
        if (!strcmp(models[i].model_type, model_type) || has_word(models[i].also, model_type))
            return &models[i];
    return NULL;
}

ts_status ts_gguf_models_written(ts_str *out)
{
    for (int i = 0; i < N_MODELS; i++) {
        if (i && !strcmp(models[i].model_type, models[i - 1].model_type))
            continue;
        TS_TRY(ts_str_printf(out, "%s%s", i ? ", " : "", models[i].model_type));
        for (const char *at = models[i].also; at && *at; at += strcspn(at, " ") + (at[strcspn(at, " ")] == ' '))
            TS_TRY(ts_str_printf(out, ", %.*s", (int)strcspn(at, " "), at));
    }
    return TS_OK;
}

/* Whether a name is the pattern's: '*' and '#' stand for numbers. */
static bool fits(const char *pattern, const char *name, int64_t *layer, int64_t *expert, const char **end)
{
    *layer = *expert = -1;
    for (; *pattern; pattern++) {
        char *after;
        if (*pattern != '*' && *pattern != '#') {
            if (*name++ != *pattern)
                return false;
            continue;
        }
        if (*name < '0' || *name > '9')
            return false;
        *(*pattern == '*' ? layer : expert) = strtoll(name, &after, 10);
        name = after;
    }
    *end = name;
    return *name == '.' || !*name;
}

const ts_gguf_name *ts_gguf_name_for(const ts_gguf_model *m, const char *hf, int64_t *layer, int64_t *expert, const char **end)
{
    const ts_gguf_name *const tables[] = { m->names, common };
    for (int i = 0; i < 2; i++)
        for (const ts_gguf_name *row = tables[i]; row && row->gguf; row++)
            if (fits(row->hf, hf, layer, expert, end) && (!strcmp(*end, ".weight") || !strcmp(*end, ".bias") || !**end))
                return row;
    return NULL;
}
