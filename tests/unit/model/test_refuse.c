/* Configurations that cannot be: each is refused with the file and the key in the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../temp.h"
#include "golden.h"

typedef struct trial {
    const char *text, *says;
} trial;

static void refuse(const char *text, const char *says)
{
    const ts_family *f = NULL;
    ts_arch a;
    json_t *config = NULL;
    ts_arch_init(&a);
    ts_status st = ts_json_parse(text, strlen(text), "x/config.json", &config);
    if (st == TS_OK)
        st = golden_arch(config, &f, &a);
    if (st != TS_ERR_USER)
        fail_msg("taken for good: %s", text);
    if (!strstr(ts_error_message(), "config.json") || !strstr(ts_error_message(), says))
        fail_msg("the message for %s has no \"%s\": %s", text, says, ts_error_message());
    ts_arch_deinit(&a);
    json_decref(config);
}

static const trial texts[] = {
    { "[]", "object" },
    { "{}", "model_type" },
    { "{\"model_type\":7}", "model_type" },
    { "{\"model_type\":\"frobnicator\"}", "frobnicator" },
    { "{\"architectures\":[\"FrobForCausalLM\"]}", "FrobForCausalLM" },
    { "{\"model_type\":\"llama\",\"vocab_size\":NaN}", "JSON" },
    { "{\"model_type\":\"llama\",\"rms_norm_eps\":1e999}", "JSON" },
    { "{\"model_type\":\"llama\",\"vocab_size\":99999999999999999999}", "JSON" },
    { "{\"model_type\":\"llama\",\"hidden_size\":50,\"num_attention_heads\":6,\"head_dim\":8}",
      "hidden" },
    { "{\"model_type\":\"qwen2\",\"hidden_size\":50,\"num_attention_heads\":6}", "hidden" },
    { "{\"model_type\":\"llama\",\"num_attention_heads\":32,\"num_key_value_heads\":5}",
      "num_key_value_heads" },
    { "{\"model_type\":\"llama\",\"num_attention_heads\":4,\"num_key_value_heads\":8}",
      "num_key_value_heads" },
    { "{\"model_type\":\"llama\",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}", "eos_token_id" },
    { "{\"model_type\":\"llama\",\"eos_token_id\":[1,\"2\"]}", "eos_token_id" },
    { "{\"model_type\":\"llama\",\"eos_token_id\":-7}", "eos_token_id" },
    { "{\"model_type\":\"llama\",\"bos_token_id\":[1]}", "bos_token_id" },
    { "{\"model_type\":\"llama\",\"hidden_act\":\"mish\"}", "mish" },
    { "{\"model_type\":\"llama\",\"hidden_act\":3}", "hidden_act" },
    { "{\"model_type\":\"llama\",\"tie_word_embeddings\":\"yes\"}", "tie_word_embeddings" },
    { "{\"model_type\":\"llama\",\"rms_norm_eps\":-1}", "epsilon" },
    { "{\"model_type\":\"llama\",\"rms_norm_eps\":\"small\"}", "rms_norm_eps" },
    { "{\"model_type\":\"llama\",\"initializer_range\":-0.5}", "initializer_range" },
    { "{\"model_type\":\"llama\",\"head_dim\":7}", "head_dim" },
    { "{\"model_type\":\"bamba\",\"hidden_act\":\"gelu\"}", "expected silu" },
    { "{\"model_type\":\"mamba\",\"hidden_act\":\"gelu\"}", "expected silu" },
    { "{\"model_type\":\"nemotron_h\",\"mamba_hidden_act\":\"relu2\"}", "mamba_hidden_act" },
    { "{\"model_type\":\"mamba\",\"time_step_rank\":0}", "time_step_rank" },
    { "{\"model_type\":\"falcon_mamba\",\"expand\":0}", "expand" },
    { "{\"model_type\":\"jamba\",\"attn_layer_offset\":8}", "attn_layer_offset" },
    { "{\"model_type\":\"jamba\",\"mamba_d_state\":1000}", "mamba_d_state" },
    { "{\"model_type\":\"zamba2\",\"num_hidden_layers\":3}", "layers_block_type" },
    { "{\"model_type\":\"zamba2\",\"rms_norm_eps\":1e-6}", "rms_norm_eps" },
    { "{\"model_type\":\"zamba2\",\"tie_word_embeddings\":false}", "tie_word_embeddings" },
    { "{\"model_type\":\"zamba2\",\"use_conv_bias\":false}", "use_conv_bias" },
    { "{\"model_type\":\"zamba2\",\"add_bias_linear\":true}", "add_bias_linear" },
    { "{\"model_type\":\"zamba2\",\"n_mamba_heads\":7}", "n_mamba_heads" },
    { "{\"model_type\":\"zamba2\",\"n_mamba_heads\":80,\"use_shared_attention_adapter\":true,\"num_key_value_heads\":8}", "num_key_value_heads is 8" },
    { "{\"model_type\":\"deepseek_v32\",\"index_n_heads\":0}", "index_n_heads" },
    { "{\"model_type\":\"deepseek_v32\",\"index_head_dim\":32}", "index_head_dim is 32" },
    { "{\"model_type\":\"deepseek_v32\",\"q_lora_rank\":null}", "q_lora_rank" },
    { "{\"model_type\":\"deepseek_v32\",\"mlp_layer_types\":[\"dense\"]}", "mlp_layer_types" },
    { "{\"model_type\":\"deepseek_v4\",\"o_groups\":7}", "o_groups is 7" },
    { "{\"model_type\":\"deepseek_v4\",\"num_key_value_heads\":2}", "num_key_value_heads 2" },
    { "{\"model_type\":\"deepseek_v4\",\"index_n_heads\":0}", "index_n_heads" },
    { "{\"model_type\":\"deepseek_v4\",\"index_head_dim\":32}", "the 64 rotated values" },
    { "{\"model_type\":\"deepseek_v4\",\"num_hidden_layers\":2,\"layer_types\":[\"sliding_attention\",\"full_attention\"]}",
      "entry 1 of layer_types" },
    { "{\"model_type\":\"deepseek_v4\",\"num_hidden_layers\":2,\"compress_ratios\":[4,8]}", "entry 1 is none of them" },
    { "{\"model_type\":\"deepseek_v4\",\"compress_rates\":4}", "compress_rates must be an object" },
    { "{\"model_type\":\"deepseek_v4\",\"compress_rates\":{\"heavily_compressed_attention\":0}}", "heavily_compressed_attention" },
    { "{\"model_type\":\"deepseek_v4\",\"scoring_func\":\"tanh\"}", "scoring_func" },
    { "{\"model_type\":\"deepseek_v4\",\"n_shared_experts\":2}", "n_shared_experts is 2" },
    { "{\"model_type\":\"deepseek_v4\",\"sliding_window\":0}", "sliding_window" },
    { "{\"model_type\":\"deepseek_v4\",\"quantization_config\":{\"quant_method\":\"awq\"}}", "quant_method is \"awq\", expected fp8" },
    { "{\"model_type\":\"deepseek_v4\",\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e5m2\"}}", "of e5m2, expected" },
    { "{\"model_type\":\"deepseek_v4\",\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[32,32]}}",
      "weight_block_size must be [128, 128]" },
    { "{\"model_type\":\"mamba2\",\"quantization_config\":{\"quant_method\":\"fp8\"}}", "must not be quantised" },
    { "{\"model_type\":\"deepseek_v4\",\"qk_rope_head_dim\":5}", "5 values of a head are rotated in pairs" },
    { "{\"model_type\":\"deepseek_v4\",\"hc_mult\":1}", "1 streams" },
    { "{\"model_type\":\"llama\",\"head_dim\":0}", "head_dim" },
    { "{\"model_type\":\"glm_moe_dsa\",\"num_hidden_layers\":2,\"indexer_types\":[\"full\"]}", "entry 1 of indexer_types" },
    { "{\"model_type\":\"glm_moe_dsa\",\"num_hidden_layers\":2,\"indexer_types\":[\"shared\",\"full\"]}", "the first layer" },
    { "{\"model_type\":\"glm_moe_dsa\",\"num_hidden_layers\":2,\"index_topk_pattern\":\"FX\"}", "index_topk_pattern" },
    { "{\"model_type\":\"longcat_flash\",\"zero_expert_type\":\"copy\"}", "zero_expert_type" },
    { "{\"model_type\":\"longcat_flash\",\"q_lora_rank\":null}", "q_lora_rank" },
    { "{\"model_type\":\"longcat_flash\",\"n_routed_experts\":1000}", "zero_expert_num" },
    { "{\"model_type\":\"step3p5\",\"layer_types\":[\"full_attention\"]}", "layer_types must be a list" },
    { "{\"model_type\":\"step3p5\",\"num_hidden_layers\":1,\"layer_types\":[\"sliding_attention\"]}", "sliding_window is not set" },
    { "{\"model_type\":\"step3p5\",\"use_head_wise_attn_gate\":false}", "use_head_wise_attn_gate is false" },
    { "{\"model_type\":\"step3p5\",\"moe_router_activation\":\"softmax\"}", "moe_router_activation is \"softmax\"" },
    { "{\"model_type\":\"step3p5\",\"attention_other_setting\":{\"head_dim\":64}}", "head_dim in attention_other_setting" },
    { "{\"model_type\":\"step3p5\",\"num_hidden_layers\":3,\"rope_theta\":[10,20,30]}", "third rotary embedding" },
    { "{\"model_type\":\"step3p5\",\"num_hidden_layers\":1,\"swiglu_limits_shared\":[-1]}", "swiglu_limits" },
    { "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"3,x\"}", "entry 1 of moe_layers_enum" },
    { "{\"model_type\":\"step3p5\",\"num_hidden_layers\":1,\"use_rope_layers\":[\"yes\"]}", "use_rope_layers" },
    { "{\"model_type\":\"step3p5\",\"num_hidden_layers\":1,\"layer_types\":[\"sliding_attention\"],\"sliding_window\":4,"
      "\"num_sliding_attention_heads\":12}", "num_attention_heads is 12" },
    { "{\"model_type\":\"mamba3\",\"is_mimo\":true}", "is_mimo" },
    { "{\"model_type\":\"mamba3\",\"rope_fraction\":0.75}", "rope_fraction" },
    { "{\"model_type\":\"mamba3\",\"head_dim\":48}", "no multiple of head_dim 48" },
    { "{\"model_type\":\"mamba3\",\"n_groups\":3}", "groups that divide the heads" },
    { "{\"model_type\":\"longcat_flash_ngram\",\"emb_neighbor_num\":1}", "emb_neighbor_num 1" },
    { "{\"model_type\":\"longcat_flash_ngram\",\"emb_split_num\":32}", "at most 64 tables" },
    { "{\"model_type\":\"longcat_flash_ngram\",\"hidden_size\":3070}", "a multiple of the 12 tables" },
    { "{\"model_type\":\"longcat_flash_ngram\",\"ngram_vocab_size_ratio\":20000}", "ngram_vocab_size_ratio 20000" },
    { "{\"model_type\":\"hunyuan\",\"use_cla\":true,\"cla_share_factor\":0}", "cla_share_factor" },
    { "{\"model_type\":\"phimoe\",\"hidden_size\":8,\"num_attention_heads\":2,\"num_key_value_heads\":2,\"rope_scaling\":{\"type\":"
      "\"longrope\",\"short_factor\":[1,1],\"long_factor\":[1,2],\"short_mscale\":1.1,\"long_mscale\":1.2}}", "short_mscale is 1.1" },
    { "{\"model_type\":\"deepseek_v3\",\"scoring_func\":\"tanh\"}", "scoring_func is \"tanh\", expected sigmoid" },
    { "{\"model_type\":\"deepseek_v3\",\"topk_method\":\"greedy\"}", "topk_method is \"greedy\", expected noaux_tc" },
    { "{\"model_type\":\"deepseek_v2\",\"scoring_func\":\"sigmoid\"}", "scoring_func is \"sigmoid\", expected softmax" },
    { "{\"model_type\":\"glm4_moe\",\"scoring_func\":\"soft\"}", "scoring_func is \"soft\"" },
    { "{\"model_type\":\"minimax_m2\",\"scoring_func\":\"softmax\"}", "scoring_func is \"softmax\"" },
    { "{\"model_type\":\"kimi_linear\",\"moe_router_activation_func\":\"tanh\"}", "moe_router_activation_func is \"tanh\"" },
    { "{\"model_type\":\"bailing_moe_v2\",\"score_function\":\"tanh\"}", "score_function is \"tanh\"" },
    { "{\"model_type\":\"ernie4_5_moe\",\"moe_norm_min\":0.5}", "moe_norm_min is 0.5" },
    { "{\"model_type\":\"qwen3_next\",\"hidden_act\":\"relu\"}", "hidden_act is \"relu\", expected silu" },
    { "{\"model_type\":\"kimi_linear\",\"hidden_act\":\"gelu\"}", "expected silu" },
    { "{\"model_type\":\"bamba\",\"hidden_act\":\"gelu\"}", "expected silu" },
    { "{\"model_type\":\"falcon_h1\",\"hidden_act\":\"gelu\"}", "expected silu" },
    { "{\"model_type\":\"nemotron_h\",\"mamba_hidden_act\":\"relu\"}", "mamba_hidden_act is \"relu\"" },
    { "{\"model_type\":\"llama\",\"quantization_config\":{\"bits\":4}}", "quantization_config" },
    { "{\"model_type\":\"mistral\",\"sliding_window\":0}", "sliding_window" },
    { "{\"model_type\":\"mistral\",\"sliding_window\":-1}", "sliding_window" },
    { "{\"model_type\":\"qwen2\",\"layer_types\":[\"full_attention\"]}", "layer_types" },
    { "{\"model_type\":\"qwen2\",\"num_hidden_layers\":1,\"layer_types\":[\"sliding_"
      "attention\"]}",
      "sliding_window" },
    { "{\"model_type\":\"qwen2\",\"num_hidden_layers\":1,\"layer_types\":[\"chunked_"
      "attention\"]}",
      "chunked_attention" },
    { "{\"model_type\":\"qwen2\",\"num_hidden_layers\":1,\"layer_types\":[null]}", "layer_types" },
    { "{\"model_type\":\"gemma\",\"use_bidirectional_attention\":true}",
      "use_bidirectional_attention" },
    { "{\"model_type\":\"gemma2\",\"query_pre_attn_scalar\":0}", "query_pre_attn_scalar" },
    { "{\"model_type\":\"gemma2\",\"attn_logit_softcapping\":-3}", "attn_logit_softcapping" },
    { "{\"model_type\":\"gemma3_text\",\"sliding_window_pattern\":0}", "sliding_window_pattern" },
    { "{\"model_type\":\"gemma3_text\",\"rope_parameters\":[1]}", "rope_parameters" },
    { "{\"model_type\":\"gemma4_text\",\"num_kv_shared_layers\":30}", "num_kv_shared_layers" },
    { "{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":3,\"num_kv_shared_layers\":2}", "num_kv_shared_layers" },
    { "{\"model_type\":\"gemma4_text\",\"enable_moe_block\":true}", "num_experts" },
    { "{\"model_type\":\"gemma4_text\",\"use_bidirectional_attention\":\"all\"}", "use_bidirectional_attention" },
    { "{\"model_type\":\"gemma4_text\",\"per_layer_config\":{\"5\":{\"head_dim\":0}}}", "head_dim" },
    { "{\"model_type\":\"gemma4_text\",\"attention_k_eq_v\":true,\"num_global_key_value_heads\":3}", "num_attention_heads" },
    { "{\"model_type\":\"gemma3n_text\",\"activation_sparsity_pattern\":[0.5]}", "activation_sparsity_pattern" },
    { "{\"model_type\":\"gemma3n_text\",\"activation_sparsity_pattern\":1}", "activation_sparsity_pattern" },
    { "{\"model_type\":\"gemma3n_text\",\"intermediate_size\":[8,9]}", "intermediate_size" },
    { "{\"model_type\":\"gemma3n_text\",\"altup_active_idx\":4}", "altup_active_idx" },
    { "{\"model_type\":\"gemma3n_text\",\"altup_correct_scale\":false}", "altup_correct_scale" },
    { "{\"model_type\":\"gemma3n_text\",\"altup_num_inputs\":9}", "altup_num_inputs" },
    { "{\"model_type\":\"ministral3\",\"rope_parameters\":{\"rope_type\":\"default\",\"llama_4_scaling_beta\":1}}", "llama_4_scaling_beta" },
    { "{\"model_type\":\"glm4_moe_lite\",\"mlp_layer_types\":[\"dense\"]}", "mlp_layer_types" },
    { "{\"model_type\":\"glm4_moe_lite\",\"num_hidden_layers\":1,\"mlp_layer_types\":[\"thick\"]}", "mlp_layer_types" },
    { "{\"model_type\":\"gpt2\",\"n_embd\":50}", "n_embd" },
    { "{\"model_type\":\"gpt2\",\"hidden_size\":0}", "hidden_size" },
    { "{\"model_type\":\"gpt2\",\"is_causal\":false}", "is_causal" },
    { "{\"model_type\":\"llama\",\"is_causal\":false}", "is_causal" },
    { "{\"model_type\":\"gpt_neox\",\"is_causal\":false}", "is_causal" },
    { "{\"model_type\":\"gpt_neox\",\"head_dim\":64}", "head_dim" },
    { "{\"model_type\":\"stablelm\",\"head_dim\":64}", "head_dim" },
    { "{\"model_type\":\"gpt2\",\"n_layer\":-4}", "n_layer" },
    { "{\"model_type\":\"gpt2\",\"scale_attn_by_inverse_layer_idx\":1}",
      "scale_attn_by_inverse_layer_idx" },
    { "{\"model_type\":\"gpt_neox\",\"rotary_pct\":0}", "rotary_pct" },
    { "{\"model_type\":\"phi3\",\"partial_rotary_factor\":0}", "partial_rotary_factor" },
    { "{\"model_type\":\"glm\",\"partial_rotary_factor\":-0.5}", "partial_rotary_factor" },
    { "{\"model_type\":\"gpt_oss\",\"swiglu_alpha\":2}", "swiglu_alpha is 2, expected 1.702 or 1" },
    { "{\"model_type\":\"gpt_oss\",\"swiglu_limit\":-1}", "swiglu_limit" },
    { "{\"model_type\":\"gpt_oss\",\"quantization_config\":{\"quant_method\":\"fp8\"}}", "\"fp8\", expected mxfp4" },
    { "{\"model_type\":\"gpt_oss\",\"num_hidden_layers\":1,\"layer_types\":[\"chunked_attention\"]}",
      "chunked_attention" },
    { "{\"model_type\":\"gpt_oss\",\"num_local_experts\":2}", "2 experts of width 2880, 4 a token" },
    { "{\"model_type\":\"llama4_text\",\"num_hidden_layers\":4,\"moe_layers\":[1,4]}", "entry 1 of moe_layers" },
    { "{\"model_type\":\"llama4_text\",\"num_hidden_layers\":4,\"no_rope_layers\":[1,0]}", "no_rope_layers" },
    { "{\"model_type\":\"llama4_text\",\"num_hidden_layers\":1,\"layer_types\":[\"sliding_attention\"]}",
      "sliding_attention" },
    { "{\"model_type\":\"llama4_text\",\"num_hidden_layers\":1,\"layer_types\":[\"chunked_attention\"],"
      "\"attention_chunk_size\":null}", "attention_chunk_size is not set" },
    { "{\"model_type\":\"llama4_text\",\"floor_scale\":0}", "floor_scale is 0" },
    { "{\"model_type\":\"hunyuan_v1_moe\",\"num_experts\":8,\"moe_topk\":[2,1]}", "entry 1 of moe_topk" },
    { "{\"model_type\":\"hunyuan_v1_dense\",\"rope_scaling\":{\"type\":\"dynamic\",\"alpha\":-2}}", "alpha is -2" },
    { "{\"model_type\":\"grok-1\",\"num_experts\":1}", "1 experts of width 32768, 2 a token" },
    { "{\"model_type\":\"gpt_neox\",\"hidden_size\":48,\"num_attention_heads\":4,\"rotary_"
      "pct\":0.05}",
      "partial_rotary_factor" },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse(texts[i].text, texts[i].says);
}

static void test_ropes(void **state)
{
    (void)state;
    static const trial trials[] = {
        { "\"rope_theta\":0", "rope_theta" },
        { "\"rope_theta\":-5.0", "rope_theta" },
        { "\"rope_theta\":\"10000\"", "rope_theta" },
        { "\"rope_scaling\":[]", "rope_scaling" },
        { "\"rope_parameters\":\"yarn\"", "rope_parameters" },
        { "\"rope_scaling\":{\"type\":\"mrope\"}", "mrope" },
        { "\"rope_scaling\":{\"rope_type\":5}", "rope_type" },
        { "\"rope_scaling\":{\"type\":\"linear\"}", "factor" },
        { "\"rope_scaling\":{\"type\":\"linear\",\"factor\":-2}", "factor" },
        { "\"rope_scaling\":{\"type\":\"linear\",\"factor\":\"2\"}", "factor" },
        { "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":0.5}", "factor" },
        { "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2},\"head_dim\":2", "dynamic" },
        { "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}", "low_freq_factor" },
        { "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_"
          "freq_factor\":4}",
          "high_freq_factor" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"original_max_position_"
          "embeddings\":0}",
          "original_max_position_embeddings" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"original_max_position_"
          "embeddings\":4.5}",
          "original_max_position_embeddings" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"beta_fast\":-1}", "beta_fast" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"mscale\":1e300,\"mscale_all_dim\":1}",
          "mscale" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2},\"rope_theta\":1", "rope_theta" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"attention_factor\":-1}",
          "attention_factor" },
        { "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2,\"attention_factor\":0}",
          "attention_factor" },
        { "\"rope_scaling\":{\"rope_type\":\"longrope\"}", "short_factor" },
        { "\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[1]}",
          "short_factor" },
        { "\"head_dim\":4,\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1,1],"
          "\"long_factor\":[1,\"2\"]}",
          "long_factor" },
        { "\"head_dim\":4,\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1,1],"
          "\"long_factor\":[1,0]}",
          "long_factor" },
        { "\"head_dim\":512,\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[],"
          "\"long_factor\":[]}",
          "short_factor" },
        { "\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}}", "layer type" },
        { "\"rope_parameters\":{\"partial_rotary_factor\":0.5}", "partial_rotary_factor" },
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"model_type\":\"llama\",%s}", trials[i].text);
        refuse(text, trials[i].says);
    }
}

/* Keys that a class does not look at, or calls otherwise. */
static bool lacks(const char *type, const char *key)
{
    static const char *const rows[][8] = {
        { "gpt_neox", "head_dim", "num_key_value_heads" },
        { "internlm2", "head_dim", "num_key_value_heads" },
        { "deepseek_v2", "head_dim" },
        { "deepseek_v3", "head_dim" },
        { "deepseek_v32", "head_dim" },
        { "glm_moe_dsa", "head_dim" },
        { "longcat_flash", "head_dim", "num_hidden_layers" },
        { "longcat_flash_ngram", "head_dim", "num_hidden_layers" },
        { "minicpm3", "head_dim" },
        { "plm", "head_dim" },
        { "minicpm", "head_dim" },
        { "internlm", "head_dim", "num_key_value_heads" },
        { "baichuan", "head_dim", "num_key_value_heads" },
        { "glm4_moe_lite", "head_dim" },
        { "youtu", "head_dim" },
        { "kimi_linear", "head_dim" }, /* whose two kinds of attention have their own */
        { "qwen3_5_moe_text", "intermediate_size" }, /* every layer has experts */
        { "deepseek_v4", "intermediate_size" },      /* likewise */
        { "qwen", "head_dim", "num_key_value_heads" },
        { "falcon", "head_dim", "num_key_value_heads", "intermediate_size" },
        { "bloom", "head_dim", "num_key_value_heads", "intermediate_size", "max_position_embeddings" },
        { "mpt", "head_dim", "num_key_value_heads", "intermediate_size", "max_position_embeddings" },
        { "chatglm", "head_dim", "num_key_value_heads", "intermediate_size", "max_position_embeddings",
          "vocab_size", "num_hidden_layers" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 1; !strcmp(rows[i][0], type) && k < 8 && rows[i][k]; k++)
            if (!strcmp(rows[i][k], key))
                return true;
    return false;
}

/* Every size of every family: zero, negative, huge, a float, a string. */
static void test_sizes(void **state)
{
    (void)state;
    static const char *const keys[] = { "vocab_size",
                                        "hidden_size",
                                        "intermediate_size",
                                        "num_hidden_layers",
                                        "num_attention_heads",
                                        "num_key_value_heads",
                                        "max_position_embeddings",
                                        "head_dim" };
    static const char *const gpt2_keys[] = { "vocab_size", "n_embd",  "n_layer",
                                             "n_head",     "n_inner", "n_positions" };
    static const char *const values[] = { "0",
                                          "-4",
                                          "4611686018427387904",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "2.5",
                                          "\"8\"",
                                          "[1]",
                                          "{}",
                                          "true" };
    for (size_t f = 0; ts_families[f]; f++) {
        const char *type = ts_families[f]->model_type;
        if (ts_families[f]->vision) /* whose words are of another */
            continue;
        const bool gpt2 = !strcmp(type, "gpt2");
        const size_t n = gpt2 ? sizeof gpt2_keys / sizeof *gpt2_keys : sizeof keys / sizeof *keys;
        for (size_t k = 0; k < n; k++) {
            const char *key = gpt2 ? gpt2_keys[k] : keys[k];
            if (lacks(type, key))
                continue;
            const bool scans = !strcmp(type, "mamba") || !strcmp(type, "falcon_mamba");
            if ((scans || !strcmp(type, "mamba2") || !strcmp(type, "mamba3")) && strcmp(key, "vocab_size") && strcmp(key, "hidden_size") &&
                strcmp(key, "num_hidden_layers") && (scans || strcmp(key, "head_dim")))
                continue; /* there are no such parts */
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                char text[256];
                snprintf(text, sizeof text, "{\"model_type\":\"%s\",\"first_k_dense_replace\":99,\"%s\":%s}",
                         type, key, values[v]);
                refuse(text, key);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_ropes),
                                        cmocka_unit_test(test_sizes) };
    return cmocka_run_group_tests_name("model refuse", tests, NULL, NULL);
}
