/* Published models by name: what `--preset NAME` is. A row is the model's config.json in few words, or its description
 * (ts_arch_write) where there is no class for it; one of a model that cannot be made yet says what it lacks. */
#include "model/presets.h"

#include "base/json.h"
#include "model/family.h"

#include <stdio.h>
#include <string.h>

/* Type, layers, hidden size, width of the MLP, heads, heads of keys and values, width of a head, vocabulary,
 * positions, epsilon of norms, theta, whether the output layer is the embedding, and what else there is. */
#define MODEL(type_, layers_, hidden_, ffn_, heads_, kv_, dim_, vocab_, positions_, eps_, theta_, tied_, more_) \
    "{\"model_type\":\"" type_ "\",\"num_hidden_layers\":" #layers_ ",\"hidden_size\":" #hidden_        \
    ",\"intermediate_size\":" #ffn_ ",\"num_attention_heads\":" #heads_ ",\"num_key_value_heads\":" #kv_  \
    ",\"head_dim\":" #dim_ ",\"vocab_size\":" #vocab_ ",\"max_position_embeddings\":" #positions_        \
    ",\"rms_norm_eps\":" #eps_ ",\"rope_theta\":" #theta_ ",\"tie_word_embeddings\":" #tied_ more_ "}"
#define GPT(layers_, hidden_, heads_, positions_)                                                              \
    "{\"model_type\":\"gpt2\",\"n_layer\":" #layers_ ",\"n_embd\":" #hidden_ ",\"n_head\":" #heads_          \
    ",\"n_positions\":" #positions_ ",\"activation_function\":\"gelu\"}"
#define BLOOM(layers_, hidden_, heads_, vocab_)                                                                \
    "{\"model_type\":\"bloom\",\"n_layer\":" #layers_ ",\"hidden_size\":" #hidden_ ",\"n_head\":" #heads_    \
    ",\"vocab_size\":" #vocab_ "}"
#define BAICHUAN(layers_, hidden_, ffn_, heads_, vocab_, eps_)                                                 \
    "{\"model_type\":\"baichuan\",\"num_hidden_layers\":" #layers_ ",\"hidden_size\":" #hidden_             \
    ",\"intermediate_size\":" #ffn_ ",\"num_attention_heads\":" #heads_ ",\"vocab_size\":" #vocab_           \
    ",\"model_max_length\":4096,\"rms_norm_eps\":" #eps_ "}"
#define BIAS(is_) ",\"attention_bias\":" is_
#define SCALES ",\"scale_emb\":12,\"scale_depth\":1.4,\"dim_model_base\":256"
#define LLAMA3(factor_)                                                                                        \
    ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":" factor_                                        \
    ",\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}"
#define DYNAMIC(factor_) ",\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":" factor_ "}"
#define WINDOW(keys_) ",\"sliding_window\":" keys_
#define SCALE(of_) ",\"query_pre_attn_scalar\":" of_
/* Experts, how many of a token, the width of one, and what else there is. */
#define MOE(n_, of_token_, ffn_) "," n_ ",\"num_experts_per_tok\":" #of_token_ ",\"moe_intermediate_size\":" #ffn_
#define EXPERTS_OF(n_) "\"num_experts\":" #n_
#define ROUTED_OF(n_) "\"n_routed_experts\":" #n_
#define LOCAL(n_, of_token_) ",\"num_local_experts\":" #n_ ",\"num_experts_per_tok\":" #of_token_
#define SHARED(n_, first_dense_, scale_)                                                                       \
    ",\"n_shared_experts\":" #n_ ",\"first_k_dense_replace\":" #first_dense_ ",\"routed_scaling_factor\":" scale_
#define GROUPS(n_, of_token_) ",\"n_group\":" #n_ ",\"topk_group\":" #of_token_
#define LIMITED ",\"topk_method\":\"group_limited_greedy\""
/* Latent attention as all of DeepSeek's have it, with queries through a vector of this width. */
#define LATENT(q_)                                                                                             \
    ",\"q_lora_rank\":" q_ ",\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128"
#define YARN(factor_, mscale_)                                                                                 \
    ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":" factor_ ",\"beta_fast\":32,\"beta_slow\":1,\"mscale\":" mscale_ \
    ",\"mscale_all_dim\":" mscale_ ",\"original_max_position_embeddings\":4096}"
/* Factors of longrope, of each pair of a head. */
#define PHI35_SHORT                                                                               \
    "1,1.02,1.03,1.03,1.05,1.05,1.05,1.05,1.05,1.0699999,1.0999999,1.1099999,1.1599998,1.1599998,"\
    "1.1699998,1.2899998,1.3399998,1.6799998,1.7899998,1.8199998,1.8499998,1.8799998,1.9099997,"  \
    "1.9399997,1.9899997,2.0199997,2.0199997,2.0199997,2.0199997,2.0199997,2.0199997,2.0299997,"  \
    "2.0299997,2.0299997,2.0299997,2.0299997,2.0299997,2.0299997,2.0299997,2.0299997,2.0799997,"  \
    "2.0899997,2.1899996,2.2199996,2.5899994,2.7299995,2.7499995,2.8399994"
#define PHI35_LONG                                                                                \
    "1.08,1.11,1.14,1.34,1.5899999,1.6,1.62,2.6200001,3.23,3.23,4.79,7.4,7.7000003,9.09,12.2,"    \
    "17.67,24.460001,28.570002,30.420002,30.840002,32.590004,32.930004,42.320004,44.960003,"      \
    "50.340004,50.450005,57.550003,57.930004,58.210003,60.140003,62.610004,62.620003,62.710003,"  \
    "63.140003,63.140003,63.770004,63.930004,63.960003,63.97,64.03,64.07,64.08,64.12,64.41,64.48,"\
    "64.51,64.53,64.84"
#define PHI35_MOE_SHORT                                                                           \
    "1,1.04,1.04,1.04,1.05,1.05,1.05,1.05,1.05,1.05,1.05,1.05,1.05,1.05,1.06,1.06,1.0699999,"     \
    "1.0699999,1.0699999,1.0699999,1.14,1.16,1.16,1.16,1.16,1.18,1.1999999,1.3199999,1.3399999,"  \
    "1.3499999,1.3999999,1.4799999,1.4999999,1.5899998,1.6499999,1.7199999,1.8999999,1.9099998,"  \
    "1.9099998,1.9899999,1.9999999,1.9999999,2.01,2.01,2.01,2.01,2.01,2.01,2.01,2.01,2.01,2.01,"  \
    "2.01,2.01,2.01,2.01,2.01,2.01,2.01,2.1,2.32,2.4199998,2.59,2.79"
#define PHI35_MOE_LONG                                                                            \
    "1.02,1.03,1.04,1.05,1.05,1.05,1.06,1.06,1.06,1.06,1.06,1.06,1.0999999,1.18,1.18,1.37,"       \
    "1.4899999,2.11,2.8899999,3.9499998,4.2999997,6.43,8.09,10.690001,12.05,18.23,18.84,19.9,"    \
    "21.42,26.2,34.280003,34.590004,38.730003,40.220005,42.540005,44.000004,47.590004,54.750004," \
    "56.190002,57.440002,57.49,61.2,61.54,61.75,61.78,62.07,63.11,63.43,63.56,63.710003,"         \
    "63.920002,63.940002,63.940002,63.960003,63.980003,64.03001,64.03001,64.03001,64.04001,"      \
    "64.100006,64.19,64.21,64.75,64.96"
#define MINICPM3_FACTORS                                                                          \
    "1.0591234,1.1241891,1.2596936,1.538038,2.0939825,3.1446935,4.9379526,7.524542,10.475458,"    \
    "13.062047,14.8553065,15.9060175,16.461962,16.740306,16.87581,16.9408766"
#define LONGROPE(short_, long_, original_, more_)                                                  \
    ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[" short_ "],\"long_factor\":[" long_ "]"      \
    ",\"original_max_position_embeddings\":" original_ more_ "}"
#define MSCALES ",\"short_mscale\":1.243163121016122,\"long_mscale\":1.243163121016122"
#define HALF ",\"partial_rotary_factor\":0.5"
#define MAMBA2(layers_, hidden_, heads_, groups_, vocab_, eps_, tied_)                                          \
    "{\"model_type\":\"mamba2\",\"num_hidden_layers\":" #layers_ ",\"hidden_size\":" #hidden_                 \
    ",\"num_heads\":" #heads_ ",\"head_dim\":64,\"state_size\":128,\"expand\":2,\"n_groups\":" #groups_          \
    ",\"vocab_size\":" #vocab_ ",\"layer_norm_epsilon\":" #eps_ ",\"tie_word_embeddings\":" #tied_ "}"
#define LING(layers_, hidden_, ffn_, heads_, kv_, expert_, dense_)                                             \
    MODEL("bailing_moe_v2", layers_, hidden_, ffn_, heads_, kv_, 128, 157184, 32768, 1e-6, 600000, false,      \
          HALF MOE(EXPERTS_OF(256), 8, expert_) ",\"num_shared_experts\":1,\"first_k_dense_replace\":" #dense_)
/* Ratios of DeepSeek-V4's layers, in turn. */
#define FIVE_PAIRS "4,128,4,128,4,128,4,128,4,128,"
#define DEEPSEEK_V2                                                                                            \
    MODEL("deepseek_v2", 60, 5120, 12288, 128, 128, 192, 102400, 163840, 1e-6, 10000, false,                   \
          LATENT("1536") YARN("40", "0.707") MOE(ROUTED_OF(160), 6, 1536) SHARED(2, 1, "16") GROUPS(8, 3) LIMITED)
#define QWEN3_NEXT                                                                                             \
    MODEL("qwen3_next", 48, 2048, 5120, 16, 2, 256, 151936, 262144, 1e-6, 10000000, false,                     \
          MOE(EXPERTS_OF(512), 10, 512) ",\"shared_expert_intermediate_size\":512,\"norm_topk_prob\":true")
/* Gated delta nets with heads that are together as wide as the stream, full attention in every third layer. */
#define DELTANET(hidden_, ffn_, dim_, heads_)                                                                  \
    MODEL("qwen3_5_text", 24, hidden_, ffn_, 16, 2, dim_, 32000, 4096, 1e-6, 10000, false,                     \
          ",\"full_attention_interval\":3,\"linear_num_key_heads\":" #heads_ ",\"linear_num_value_heads\":" #heads_ \
          ",\"linear_key_head_dim\":256,\"linear_value_head_dim\":256")
/* Everything else is as the class has it. */
#define GLM5(positions_, theta_, freq_)                                                                       \
    "{\"model_type\":\"glm_moe_dsa\",\"max_position_embeddings\":" positions_ ",\"rope_theta\":" theta_            \
    ",\"index_topk_freq\":" freq_ ",\"index_skip_topk_offset\":3}"
#define EXPERTS_5 "\"experts\",\"experts\",\"experts\",\"experts\",\"experts\""
#define STEP_4 "\"full_attention\",\"sliding_attention\",\"sliding_attention\",\"sliding_attention\""
#define ZEROS_43 "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"

const ts_preset ts_presets[] = {
    { "aquila-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 100008, 2048, 1e-6, 10000, false, ""), NULL },
    { "aquila2-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 100008, 4096, 1e-5, 10000, false, ""), NULL },
    { "aquila2-34b",
      MODEL("llama", 60, 6144, 24576, 48, 8, 128, 100008, 4096, 1e-5, 10000, false, ""), NULL },
    { "baichuan-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 64000, 4096, 1e-5, 10000, false, ""), NULL },
    { "baichuan-13b", BAICHUAN(40, 5120, 13696, 40, 64000, 1e-5), NULL },
    { "baichuan2-7b",
      MODEL("baichuan", 32, 4096, 11008, 32, 32, 128, 125696, 4096, 1e-5, 10000, false, ""), NULL },
    { "baichuan2-13b", BAICHUAN(40, 5120, 13696, 40, 125696, 1e-6), NULL },
    { "bloom-3b", BLOOM(30, 2560, 32, 250880), NULL },
    { "bloom-7b1", BLOOM(30, 4096, 32, 250880), NULL },
    { "bloom-176b", BLOOM(70, 14336, 112, 250880), NULL },
    { "chatglm3-6b",
      MODEL("glm", 28, 4096, 13696, 32, 2, 128, 65024, 32768, 1e-5, 10000, false, BIAS("true")), NULL },
    { "glm4-9b",
      MODEL("glm", 40, 4096, 13696, 32, 2, 128, 151552, 131072, 1.5625e-07, 10000, false, BIAS("true")), NULL },
    { "glm4-0414-9b",
      MODEL("glm4", 40, 4096, 13696, 32, 2, 128, 151552, 32768, 1e-05, 10000, false, BIAS("true")), NULL },
    { "glm4-0414-32b",
      MODEL("glm4", 61, 6144, 23040, 48, 2, 128, 151552, 32768, 1e-05, 10000, false, BIAS("false")), NULL },
    { "codellama-34b",
      MODEL("llama", 48, 8192, 22016, 64, 8, 128, 32000, 16384, 1e-5, 1000000, false, ""), NULL },
    { "internlm-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 103168, 2048, 1e-5, 10000, false, BIAS("true")), NULL },
    { "internlm-65b",
      MODEL("llama", 80, 8192, 22016, 64, 64, 128, 103168, 2048, 1e-5, 10000, false, BIAS("true")), NULL },
    { "internlm2-20b",
      MODEL("internlm2", 48, 6144, 16384, 48, 8, 128, 92544, 32768, 1e-5, 1000000, false, ""), NULL },
    { "internlm2.5-1.8b",
      MODEL("internlm2", 24, 2048, 8192, 16, 8, 128, 92544, 32768, 1e-5, 1000000, false, ""), NULL },
    { "internlm2.5-7b",
      MODEL("internlm2", 32, 4096, 14336, 32, 8, 128, 92544, 32768, 1e-5, 50000000, false, ""), NULL },
    { "internlm2.5-20b",
      MODEL("internlm2", 48, 6144, 16384, 48, 8, 128, 92544, 32768, 1e-5, 50000000, false, ""), NULL },
    { "internlm3-8b",
      MODEL("internlm3", 48, 4096, 10240, 32, 2, 128, 128512, 32768, 1e-5, 50000000, false, DYNAMIC("2.5")), NULL },
    { "llama-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 32000, 2048, 1e-5, 10000, false, ""), NULL },
    { "llama-13b",
      MODEL("llama", 40, 5120, 13824, 40, 40, 128, 32000, 2048, 1e-5, 10000, false, ""), NULL },
    { "llama-33b",
      MODEL("llama", 60, 6656, 17920, 52, 52, 128, 32000, 2048, 1e-5, 10000, false, ""), NULL },
    { "llama-65b",
      MODEL("llama", 80, 8192, 22016, 64, 64, 128, 32000, 2048, 1e-5, 10000, false, ""), NULL },
    { "llama2-7b",
      MODEL("llama", 32, 4096, 11008, 32, 32, 128, 32000, 4096, 1e-5, 10000, false, ""), NULL },
    { "llama2-13b",
      MODEL("llama", 40, 5120, 13824, 40, 40, 128, 32000, 4096, 1e-5, 10000, false, ""), NULL },
    { "llama2-34b",
      MODEL("llama", 48, 8192, 22016, 64, 8, 128, 32000, 4096, 1e-5, 1000000, false, ""), NULL },
    { "llama2-70b",
      MODEL("llama", 80, 8192, 28672, 64, 8, 128, 32000, 4096, 1e-5, 10000, false, ""), NULL },
    { "llama3-8b",
      MODEL("llama", 32, 4096, 14336, 32, 8, 128, 128256, 8192, 1e-5, 500000, false, ""), NULL },
    { "llama3-70b",
      MODEL("llama", 80, 8192, 28672, 64, 8, 128, 128256, 8192, 1e-5, 500000, false, ""), NULL },
    { "llama3.1-8b",
      MODEL("llama", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "llama3.1-50b-cut",
      MODEL("llama", 14, 16384, 53248, 128, 16, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "llama3.1-70b",
      MODEL("llama", 80, 8192, 28672, 64, 8, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "llama3.1-200b-cut",
      MODEL("llama", 62, 16384, 53248, 128, 16, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "llama3.1-405b",
      MODEL("llama", 126, 16384, 53248, 128, 16, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "llama3.2-1b",
      MODEL("llama", 16, 2048, 8192, 32, 8, 64, 128256, 131072, 1e-5, 500000, true, LLAMA3("32")), NULL },
    { "llama3.2-3b",
      MODEL("llama", 28, 3072, 8192, 24, 8, 128, 128256, 131072, 1e-5, 500000, true, LLAMA3("32")), NULL },
    { "llama3.3-70b-instruct",
      MODEL("llama", 80, 8192, 28672, 64, 8, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "qwen-7b",
      MODEL("qwen2", 32, 4096, 11008, 32, 32, 128, 151936, 8192, 1e-5, 10000, false, ""), NULL },
    { "qwen-14b",
      MODEL("qwen2", 40, 5120, 13696, 40, 40, 128, 151936, 8192, 1e-5, 10000, false, ""), NULL },
    { "qwen-72b",
      MODEL("qwen2", 80, 8192, 24576, 64, 64, 128, 151936, 8192, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-0.5b",
      MODEL("qwen2", 24, 1024, 2816, 16, 16, 64, 151936, 32768, 1e-5, 1000000, true, ""), NULL },
    { "qwen1.5-1.8b",
      MODEL("qwen2", 24, 2048, 5504, 16, 16, 128, 151936, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-4b",
      MODEL("qwen2", 40, 2560, 6912, 20, 20, 128, 151936, 32768, 1e-5, 10000, false, ""), NULL },
    { "qwen1.5-7b",
      MODEL("qwen2", 32, 4096, 11008, 32, 32, 128, 151936, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-14b",
      MODEL("qwen2", 40, 5120, 13696, 40, 40, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-32b",
      MODEL("qwen2", 64, 5120, 27392, 40, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-72b",
      MODEL("qwen2", 80, 8192, 24576, 64, 64, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen1.5-110b",
      MODEL("qwen2", 80, 8192, 49152, 64, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "codeqwen1.5-7b",
      MODEL("qwen2", 32, 4096, 13440, 32, 4, 128, 92416, 65536, 1e-5, 1000000, false, ""), NULL },
    { "qwen2-0.5b",
      MODEL("qwen2", 24, 896, 4864, 14, 2, 64, 151936, 32768, 1e-06, 1000000, true, ""), NULL },
    { "qwen2-1.5b",
      MODEL("qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 32768, 1e-06, 1000000, true, ""), NULL },
    { "qwen2-7b",
      MODEL("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen2-72b",
      MODEL("qwen2", 80, 8192, 29568, 64, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen2.5-0.5b",
      MODEL("qwen2", 24, 896, 4864, 14, 2, 64, 151936, 32768, 1e-06, 1000000, true, ""), NULL },
    { "qwen2.5-1.5b",
      MODEL("qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 32768, 1e-06, 1000000, true, ""), NULL },
    { "qwen2.5-3b",
      MODEL("qwen2", 36, 2048, 11008, 16, 2, 128, 151936, 32768, 1e-06, 1000000, true, ""), NULL },
    { "qwen2.5-7b",
      MODEL("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 32768, 1e-6, 1000000, false, ""), NULL },
    { "qwen2.5-14b",
      MODEL("qwen2", 48, 5120, 13824, 40, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen2.5-32b",
      MODEL("qwen2", 64, 5120, 27648, 40, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen2.5-72b",
      MODEL("qwen2", 80, 8192, 29568, 64, 8, 128, 152064, 32768, 1e-5, 1000000, false, ""), NULL },
    { "qwen2.5-math-1.5b",
      MODEL("qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 4096, 1e-06, 10000, true, ""), NULL },
    { "qwen2.5-math-7b",
      MODEL("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 4096, 1e-6, 10000, false, ""), NULL },
    { "qwen2.5-math-72b",
      MODEL("qwen2", 80, 8192, 29568, 64, 8, 128, 152064, 4096, 1e-05, 10000, false, ""), NULL },
    { "codeqwen2.5-7b",
      MODEL("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 32768, 1e-6, 1000000, false, ""), NULL },
    { "qwq-32b",
      MODEL("qwen2", 64, 5120, 27648, 40, 8, 128, 152064, 40960, 1e-6, 1000000, false, ""), NULL },
    { "qwen3-0.6b",
      MODEL("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, 40960, 1e-6, 1000000, true, ""), NULL },
    { "qwen3-1.7b",
      MODEL("qwen3", 28, 2048, 6144, 16, 8, 128, 151936, 40960, 1e-6, 1000000, true, ""), NULL },
    { "qwen3-4b",
      MODEL("qwen3", 36, 2560, 9728, 32, 8, 128, 151936, 40960, 1e-6, 1000000, true, ""), NULL },
    { "qwen3-8b",
      MODEL("qwen3", 36, 4096, 12288, 32, 8, 128, 151936, 40960, 1e-6, 1000000, false, ""), NULL },
    { "qwen3-14b",
      MODEL("qwen3", 40, 5120, 17408, 40, 8, 128, 151936, 40960, 1e-6, 1000000, false, ""), NULL },
    { "qwen3-32b",
      MODEL("qwen3", 64, 5120, 25600, 64, 8, 128, 151936, 40960, 1e-6, 1000000, false, ""), NULL },
    { "yi-9b",
      MODEL("llama", 48, 4096, 11008, 32, 4, 128, 64000, 4096, 1e-5, 5000000, false, ""), NULL },
    { "yi-34b",
      MODEL("llama", 60, 7168, 20480, 56, 8, 128, 64000, 4096, 1e-5, 5000000, false, ""), NULL },
    { "yi1.5-6b",
      MODEL("llama", 32, 4096, 11008, 32, 4, 128, 64000, 4096, 1e-5, 5000000, false, ""), NULL },
    { "yi1.5-9b",
      MODEL("llama", 48, 4096, 11008, 32, 4, 128, 64000, 4096, 1e-5, 5000000, false, ""), NULL },
    { "yi1.5-34b",
      MODEL("llama", 60, 7168, 20480, 56, 8, 128, 64000, 4096, 1e-5, 5000000, false, ""), NULL },
    { "mistral-7b",
      MODEL("mistral", 32, 4096, 14336, 32, 8, 128, 32000, 32768, 1e-5, 10000, false, WINDOW("4096")), NULL },
    { "gemma-2b",
      MODEL("gemma", 18, 2048, 16384, 8, 1, 256, 256000, 8192, 1e-06, 10000, true, ""), NULL },
    { "gemma-7b",
      MODEL("gemma", 28, 3072, 24576, 16, 16, 256, 256000, 8192, 1e-06, 10000, true, ""), NULL },
    { "gemma2-9b",
      MODEL("gemma2", 42, 3584, 14336, 16, 8, 256, 256000, 8192, 1e-06, 10000, true, SCALE("256")), NULL },
    { "gemma2-27b",
      MODEL("gemma2", 46, 4608, 36864, 32, 16, 128, 256000, 8192, 1e-06, 10000, true, SCALE("144")), NULL },
    { "gpt3-175b", GPT(96, 12288, 96, 2048), NULL },
    { "gpt3-15b-cut", GPT(8, 12288, 96, 2048), NULL },
    { "minicpm-2b",
      MODEL("minicpm", 40, 2304, 5760, 36, 36, 64, 122753, 4096, 1e-5, 10000, true, SCALES), NULL },
    { "minicpm3-4b",
      MODEL("minicpm3", 62, 2560, 6400, 40, 40, 96, 73448, 32768, 1e-5, 10000, true,
            SCALES ",\"q_lora_rank\":768,\"kv_lora_rank\":256,\"qk_nope_head_dim\":64,\"qk_rope_head_dim\":32"
            LONGROPE(MINICPM3_FACTORS, MINICPM3_FACTORS, "32768", "")), NULL },
    { "phi3.5-mini-instruct-3.8b",
      MODEL("phi3", 32, 3072, 8192, 32, 32, 96, 32064, 131072, 1e-5, 10000, false,
            WINDOW("262144") LONGROPE(PHI35_SHORT, PHI35_LONG, "4096", "")), NULL },
    { "deepseek-math-7b",
      MODEL("llama", 30, 4096, 11008, 32, 32, 128, 102400, 4096, 1e-5, 5000000, false, ""), NULL },
    { "deepseek-r1-distill-qwen-1.5b",
      MODEL("qwen2", 28, 1536, 8960, 12, 2, 128, 151936, 131072, 1e-6, 10000, false, ""), NULL },
    { "deepseek-r1-distill-qwen-7b",
      MODEL("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, 131072, 1e-6, 1000000, false, ""), NULL },
    { "deepseek-r1-distill-qwen-14b",
      MODEL("qwen2", 48, 5120, 13824, 40, 8, 128, 152064, 131072, 1e-6, 1000000, false, ""), NULL },
    { "deepseek-r1-distill-qwen-32b",
      MODEL("qwen2", 64, 5120, 27648, 40, 8, 128, 152064, 131072, 1e-5, 1000000, false, ""), NULL },
    { "deepseek-r1-distill-llama-8b",
      MODEL("llama", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "deepseek-r1-distill-llama-70b",
      MODEL("llama", 80, 8192, 28672, 64, 8, 128, 128256, 131072, 1e-5, 500000, false, LLAMA3("8")), NULL },
    { "seed-oss-36b",
      MODEL("qwen2", 64, 5120, 27648, 80, 8, 128, 155136, 524288, 1e-5, 10000000, false, ""), NULL },
    { "magistral-24b",
      MODEL("mistral", 40, 5120, 32768, 32, 8, 128, 131072, 40960, 1e-5, 1000000000, false, WINDOW("null")), NULL },
    { "plm-1.8b",
      MODEL("plm", 32, 2048, 8192, 16, 16, 64, 151936, 4096, 1e-6, 100000, true, LATENT("null")), NULL },
    { "mixtral-8x7b",
      MODEL("mixtral", 32, 4096, 14336, 32, 8, 128, 32000, 32768, 1e-5, 1000000, false, LOCAL(8, 2) WINDOW("null")), NULL },
    { "mixtral-8x22b",
      MODEL("mixtral", 56, 6144, 16384, 48, 8, 128, 32000, 65536, 1e-5, 1000000, false, LOCAL(8, 2) WINDOW("null")), NULL },
    { "qwen2-57b-a14b",
      MODEL("qwen2_moe", 28, 3584, 18944, 28, 4, 128, 151936, 131072, 1e-5, 1000000, false,
            MOE(EXPERTS_OF(64), 8, 2560) ",\"shared_expert_intermediate_size\":20480,\"norm_topk_prob\":false"), NULL },
    { "qwen3-30b-a3b",
      MODEL("qwen3_moe", 48, 2048, 6144, 32, 4, 128, 151936, 40960, 1e-6, 1000000, false,
            MOE(EXPERTS_OF(128), 8, 768) ",\"norm_topk_prob\":true"), NULL },
    { "qwen3-235b-a22b",
      MODEL("qwen3_moe", 94, 4096, 12288, 64, 4, 128, 151936, 40960, 1e-6, 1000000, false,
            MOE(EXPERTS_OF(128), 8, 1536) ",\"norm_topk_prob\":true"), NULL },
    { "qwen3-coder-480b",
      MODEL("qwen3_moe", 62, 6144, 8192, 96, 8, 128, 151936, 262144, 1e-6, 10000000, false,
            MOE(EXPERTS_OF(160), 8, 2560) ",\"norm_topk_prob\":true"), NULL },
    { "qwen3-next-80b-a3b", QWEN3_NEXT, NULL },
    { "qwen3-coder-next-80b-a3b", QWEN3_NEXT, NULL },
    { "kimi-linear-48b-a3b",
      "{\"model_type\":\"kimi_linear\",\"linear_attn_config\":{\"full_attn_layers\":[4,8,12,16,20,24,27],\"kda_layers\":"
      "[1,2,3,5,6,7,9,10,11,13,14,15,17,18,19,21,22,23,25,26],\"head_dim\":128,\"num_heads\":32,"
      "\"short_conv_kernel_size\":4}}", NULL },
    { "grok-1-40b-12-of-64-layers",
      MODEL("grok-1", 12, 6144, 32768, 48, 8, 128, 131072, 8192, 1e-5, 10000, true, ""), NULL },
    { "deepseek-v2-236b", DEEPSEEK_V2, NULL },
    { "deepseek-v2-coder-236b", DEEPSEEK_V2, NULL },
    { "deepseek-v2-lite-16b",
      MODEL("deepseek_v2", 27, 2048, 10944, 16, 16, 192, 102400, 163840, 1e-6, 10000, false,
            LATENT("null") YARN("40", "0.707") MOE(ROUTED_OF(64), 6, 1408) SHARED(2, 1, "1")), NULL },
    { "deepseek-v2.5-236b", DEEPSEEK_V2, NULL },
    { "deepseek-v3-671b",
      MODEL("deepseek_v3", 61, 7168, 18432, 128, 128, 192, 129280, 163840, 1e-6, 10000, false,
            LATENT("1536") YARN("40", "1") MOE(ROUTED_OF(256), 8, 2048) SHARED(1, 3, "2.5") GROUPS(8, 4)), NULL },
    { "deepseek-v3.2-671b",
      MODEL("deepseek_v32", 61, 7168, 18432, 128, 128, 192, 129280, 163840, 1e-6, 10000, false,
            LATENT("1536") YARN("40", "1") MOE(ROUTED_OF(256), 8, 2048) SHARED(1, 3, "2.5") GROUPS(8, 4)
            ",\"index_n_heads\":64,\"index_head_dim\":128,\"index_topk\":2048"), NULL },
    { "deepseek-v4-flash-284b",
      "{\"model_type\":\"deepseek_v4\",\"compress_ratios\":[0,0," FIVE_PAIRS FIVE_PAIRS FIVE_PAIRS FIVE_PAIRS "4],"
      "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":16,\"original_max_position_embeddings\":65536}}", NULL },
    { "kimi-k2-1t",
      MODEL("deepseek_v3", 61, 7168, 18432, 64, 64, 192, 163840, 131072, 1e-6, 50000, false,
            LATENT("1536") YARN("32", "1") MOE(ROUTED_OF(384), 8, 2048) SHARED(1, 1, "2.827") GROUPS(1, 1)), NULL },
    { "minicpm-8x2b",
      MODEL("minicpm", 40, 2304, 5760, 36, 36, 64, 122753, 4096, 1e-5, 10000, true,
            SCALES ",\"num_experts\":8,\"num_experts_per_tok\":2"), NULL },
    { "ling-mini-2.0-16b", LING(20, 2048, 5120, 16, 4, 512, 1), NULL },
    { "ling-flash-2.0-100b", LING(32, 4096, 9216, 32, 4, 1024, 1), NULL },
    { "ling-1t", LING(80, 8192, 18432, 64, 8, 2048, 4), NULL },
    { "phi3.5-moe-instruct-42b",
      MODEL("phimoe", 32, 4096, 6400, 32, 8, 128, 32064, 131072, 1e-5, 10000, false,
            BIAS("true") LOCAL(16, 2) ",\"lm_head_bias\":true" WINDOW("131072")
            LONGROPE(PHI35_MOE_SHORT, PHI35_MOE_LONG, "4096", MSCALES)), NULL },
    { "hunyuan-large-389b",
      MODEL("hunyuan", 64, 6400, 18304, 80, 8, 80, 129024, 131072, 1e-5, 10000, true,
            ",\"rope_scaling\":{\"type\":\"dynamic\",\"alpha\":1000,\"factor\":1},\"num_experts\":16,\"moe_topk\":1"
            ",\"num_shared_expert\":1,\"use_mixed_mlp_moe\":true,\"use_qk_norm\":true,\"use_cla\":true,\"cla_share_factor\":2"), NULL },
    { "hunyuan-3-299b", /* everything as the class has it */
      "{\"model_type\":\"hy_v3\"}", NULL },
    { "gpt4-moe-175b-drop-dropless", /* as its scripts describe it to Megatron-LM; no class can say it */
      "{\"position\":\"rope\",\"norm\":\"layer\",\"norm_offset\":0,\"gated\":false,\"act\":\"gelu\",\"qk_norm\":\"none\","
      "\"bias_qkv\":false,\"bias_proj\":false,\"bias_fc1\":false,\"bias_fc2\":false,\"bias_head\":false,\"tied\":true,"
      "\"n_layers\":10,\"hidden\":12288,\"ffn\":49152,\"n_heads\":96,\"n_kv_heads\":96,\"head_dim\":128,\"vocab\":50257,"
      "\"max_positions\":131072,\"n_experts\":4,\"experts_per_token\":2,\"expert_ffn\":49152,"
      "\"router_score\":\"softmax_of_chosen\",\"norm_bias\":true,\"pre_norm\":true,\"post_norm\":false,\"final_norm\":true,"
      "\"parallel_residual\":false,\"embed_scale\":1,\"attn_scale\":0.08838834764831845,\"attn_by_layer\":false,"
      "\"attn_softcap\":0,\"logit_softcap\":0,\"residual_scale\":1,\"logit_scale\":1,\"norm_eps\":1e-5,\"init_std\":0.006,"
      "\"ropes\":[{\"theta\":10000,\"dim\":128,\"odd_dim\":0,\"interleaved\":false,\"scaling\":\"default\",\"factor\":1,"
      "\"low_freq_factor\":0,\"high_freq_factor\":0,\"original_max_positions\":0,\"beta_fast\":0,\"beta_slow\":0,\"mscale\":0,"
      "\"mscale_all_dim\":0,\"attention_factor\":0,\"no_truncate\":false,\"max_positions\":131072,\"angles\":0,\"query_beta\":0}],"
      "\"windows\":[0,0,0,0,0,0,0,0,0,0],\"layer_ropes\":[0,0,0,0,0,0,0,0,0,0],"
      "\"layer_mlps\":[" EXPERTS_5 "," EXPERTS_5 "],\"eos\":[50256]}", NULL },
    { "glm4.5-355b",
      MODEL("glm4_moe", 92, 5120, 12288, 96, 8, 128, 151552, 131072, 1e-5, 1000000, false,
            BIAS("true") HALF MOE(ROUTED_OF(160), 8, 1536) SHARED(1, 3, "2.5") ",\"use_qk_norm\":true"), NULL },
    { "glm4.5-air-106b",
      MODEL("glm4_moe", 46, 4096, 10944, 96, 8, 128, 151552, 131072, 1e-5, 1000000, false,
            BIAS("true") HALF MOE(ROUTED_OF(128), 8, 1408) SHARED(1, 1, "1")), NULL },
    { "glm5-744b", GLM5("202752", "1000000", "1"), NULL },
    { "glm5.2-744b", GLM5("1048576", "8000000", "4"), NULL },
    { "longcat-flash-560b", /* everything as the class has it */
      "{\"model_type\":\"longcat_flash\"}", NULL },
    { "minimax-m2.7-229b",
      MODEL("minimax_m2", 62, 3072, 1536, 48, 8, 128, 200064, 196608, 1e-6, 5000000, false, HALF LOCAL(256, 8)), NULL },
    { "gpt-oss-20b",
      MODEL("gpt_oss", 24, 2880, 2880, 64, 8, 64, 201088, 131072, 1e-5, 150000, false, LOCAL(32, 4)), NULL },
    { "step3.5-flash-196b",
      "{\"model_type\":\"step3p5\",\"vocab_size\":128896,\"max_position_embeddings\":262144,\"sliding_window\":512,"
      "\"num_sliding_attention_heads\":96,\"layer_types\":[" STEP_4 "," STEP_4 "," STEP_4 "," STEP_4 "," STEP_4 "," STEP_4 ","
      STEP_4 "," STEP_4 "," STEP_4 "," STEP_4 "," STEP_4 ",\"full_attention\"],\"moe_router_scaling_factor\":3,"
      "\"rope_parameters\":{\"sliding_attention\":{\"rope_theta\":10000},\"full_attention\":{\"rope_theta\":5000000,"
      "\"partial_rotary_factor\":0.5,\"rope_type\":\"llama3\",\"factor\":2,\"original_max_position_embeddings\":131072,"
      "\"low_freq_factor\":1,\"high_freq_factor\":32}},\"swiglu_limits\":[" ZEROS_43 ",7,7],"
      "\"swiglu_limits_shared\":[" ZEROS_43 ",16,16]}", NULL },
    { "longcat-flash-lite-n-gram",
      "{\"model_type\":\"longcat_flash_ngram\",\"hidden_size\":3072,\"ffn_hidden_size\":6144,\"expert_ffn_hidden_size\":1024,"
      "\"num_layers\":14,\"num_attention_heads\":32,\"n_routed_experts\":256,\"zero_expert_num\":128,"
      "\"max_position_embeddings\":327680,\"rope_theta\":5000000,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":10,"
      "\"original_max_position_embeddings\":32768,\"mscale\":1,\"mscale_all_dim\":1}}", NULL },
    { "mamba3-demo-1b", /* everything as the class has it */
      "{\"model_type\":\"mamba3\"}", NULL },
    { "mamba2-2.7b",
      MAMBA2(64, 2560, 80, 1, 50288, 1e-6, true), NULL },
    { "mamba2-8b",
      MAMBA2(56, 4096, 128, 8, 256000, 1e-6, false), NULL },
    { "mamba2hybrid-8b", /* by Megatron-LM's rule with --hybrid-attention-ratio 0.08 --hybrid-mlp-ratio 0.5 */
      "{\"model_type\":\"nemotron_h\",\"hybrid_override_pattern\":\"M-M-M--M-M*-M-M-M-M--M*-M-M-M-M-M*--M-M-M-M-M*-M--M-M-M-\","
      "\"hidden_size\":4096,\"intermediate_size\":16384,\"num_attention_heads\":32,\"num_key_value_heads\":8,"
      "\"vocab_size\":256000,\"mlp_hidden_act\":\"gelu\",\"layer_norm_epsilon\":1e-5,\"time_step_min\":0}", NULL },
    { "gated-deltanet-340m", DELTANET(1024, 2816, 64, 4), NULL },
    { "gated-deltanet-1.3b", DELTANET(2048, 5632, 128, 8), NULL },
};
const size_t ts_preset_count = sizeof ts_presets / sizeof *ts_presets;

static const ts_preset *find(const char *name)
{
    for (size_t i = 0; i < ts_preset_count; i++)
        if (!strcmp(ts_presets[i].name, name))
            return &ts_presets[i];
    return NULL;
}

static ts_status read_config(const char *text, const char *where, ts_arch *a)
{
    json_error_t unused;
    const ts_family *f = NULL;
    json_t *config = json_loads(text, 0, &unused);
    TS_ASSERT(config, "%s is no JSON", where);
    ts_status st = TS_OK;
    if (!json_object_get(config, "model_type"))
        st = ts_arch_read(config, where, a);
    else if ((st = ts_family_of(config, where, &f)) == TS_OK) {
        snprintf(a->family, sizeof a->family, "%s", f->model_type);
        st = ts_family_read(f, config, where, a);
    }
    json_decref(config);
    return st == TS_OK ? ts_arch_check(a, where) : st;
}

ts_status ts_preset_read(const char *name, ts_arch *a)
{
    char where[128];
    const ts_preset *p = find(name);
    if (!p)
        return ts_error(TS_ERR_USER, "--preset %.80s: there is no such preset; `tessera plan --list-presets` "
                                     "lists them", name);
    if (!p->config)
        return ts_error(TS_ERR_USER, "--preset %s: this model needs what this version does not have: %s", name,
                        p->missing);
    snprintf(where, sizeof where, "--preset %s", name);
    return read_config(p->config, where, a);
}

ts_status ts_preset_list(ts_str *out)
{
    for (size_t i = 0; i < ts_preset_count; i++) {
        const ts_preset *p = &ts_presets[i];
        TS_TRY(p->config ? ts_str_printf(out, "%s\n", p->name)
                         : ts_str_printf(out, "%s  (not yet: %s)\n", p->name, p->missing));
    }
    return TS_OK;
}
