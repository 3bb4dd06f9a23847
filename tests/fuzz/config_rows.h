/* Grammar of the families' config.json, for the targets that read one (json_mutate.h). */
#ifndef TS_TESTS_FUZZ_CONFIG_ROWS_H
#define TS_TESTS_FUZZ_CONFIG_ROWS_H

#define ROPES                                                                                      \
    "null, {}, {\"rope_type\": \"linear\", \"factor\": 2.0},"                                      \
    "{\"type\": \"dynamic\", \"factor\": 2.0}, {\"rope_type\": \"yarn\", \"factor\": 4.0,"         \
    "\"original_max_position_embeddings\": 16, \"mscale\": 0.7, \"mscale_all_dim\": 0.7},"         \
    "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0,"                       \
    "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 16},"                        \
    "{\"type\": \"longrope\", \"short_factor\": [1.0, 1.5, 2.0], \"long_factor\": [1.0, 2, 4],"    \
    "\"original_max_position_embeddings\": 16}, {\"rope_type\": \"default\", \"rope_theta\":"      \
    "10000.0, \"partial_rotary_factor\": 0.5}, {\"full_attention\": {\"rope_type\":"               \
    "\"default\", \"rope_theta\": 1e6}, \"sliding_attention\": {\"rope_type\": \"linear\","        \
    "\"factor\": 2.0}}"

#define SIZES "[1, 2, 4, 6, 8, 24, 32, 64]"
#define ACTS                                                                                       \
    "[\"silu\", \"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\", \"quick_gelu\", \"relu\", \"relu2\"]"
#define FLAGS "[true, false]"
#define IDS "[0, 1, null, [0, 1], [], -1, 50256]"
#define LAYERS                                                                                     \
    "[null, [\"full_attention\", \"sliding_attention\"], [\"full_attention\", \"full_attention\"]]"

#define CONFIG_ROWS                                                                                \
    { "model_type", "[\"llama\", \"qwen2\", \"qwen3\", \"mistral\", \"gpt2\", \"gpt_neox\","       \
                    "\"starcoder2\", \"olmo2\", \"phi3\", \"gemma\", \"gemma2\", \"gemma3_text\"," \
                    "\"gemma3\", \"glm\", \"glm4\", \"internlm2\", \"nemotron\", \"stablelm\","    \
                    "\"arcee\", \"mamba2\", \"bamba\", \"nemotron_h\", \"qwen3_next\", \"lfm2\","     \
                    "\"lfm2_moe\", \"falcon_h1\", \"granitemoehybrid\", \"olmo\", \"cohere2\", \"kimi_linear\"," \
                    "\"mamba\", \"falcon_mamba\", \"jamba\", \"zamba2\", \"mamba3\", \"longcat_flash_ngram\"]", NULL }, \
    { "rope_fraction", "[null, 0.5, 1, 0.3]", NULL }, { "is_outproj_norm", FLAGS, NULL }, { "state_size", SIZES, NULL }, \
    { "emb_neighbor_num", "[null, 0, 2, 3]", NULL }, { "emb_split_num", "[null, 1, 2, 40]", NULL }, \
    { "ngram_vocab_size_ratio", "[null, 0, 1.7, 1e8]", NULL },                                     \
    { "time_step_rank", "[null, \"auto\", \"x\", 3, 0]", NULL }, { "attn_layer_period", "[null, 1, 2, 0]", NULL }, \
    { "attn_layer_offset", "[null, 0, 1, 9]", NULL }, { "mamba_expand", "[null, 1, 3, 0]", NULL },  \
    { "full_attn_idxs", "[null, [], [0], [7], [\"x\"]]", NULL },                                   \
    { "block_ffn_dim_multiplier", "[null, 1.3, 0, 1e9]", NULL }, { "conv_L_cache", "[3, 1, 0]", NULL }, \
    { "mlp_multipliers", "[null, [0.5, 2], [1], [0, 1]]", NULL }, { "key_multiplier", "[0.5, 0]", NULL }, \
    { "ssm_multipliers", "[null, [1, 1, 1, 1, 0.5], []]", NULL },                                  \
    { "layers_block_type", "[null, [\"hybrid\", \"mamba\"], [\"hybrid\", \"hybrid\"], [\"x\"]]", NULL },  \
    { "num_mem_blocks", "[1, 2, 0]", NULL }, { "n_mamba_heads", "[4, 5, 0]", NULL },               \
    { "use_shared_attention_adapter", FLAGS, NULL }, { "use_mem_rope", FLAGS, NULL }, { "adapter_rank", "[3, 0]", NULL }, \
    { "mamba_d_ssm", "[null, 16, 64]", NULL }, { "mamba_n_heads", "[1, 4, 0]", NULL },              \
    { "mamba_rms_norm", FLAGS, NULL }, { "num_local_experts", "[0, 2]", NULL },                    \
    { "position_embedding_type", "[null, \"rope\", \"nope\", \"x\"]", NULL },                      \
    { "clip_qkv", "[null, 0.5, -1]", NULL }, { "use_qk_norm", FLAGS, NULL },                       \
    { "rope_scaling", "[" ROPES "]", NULL }, { "rope_parameters", "[" ROPES "]", NULL },           \
    { "rope_theta", "[10000.0, 500000, 1e-3, 1e30]", NULL },                                       \
    { "partial_rotary_factor", "[0.5, 1.0, 0.25, 0.3]", NULL },                                    \
    { "vocab_size", SIZES, NULL }, { "hidden_size", SIZES, NULL },                                 \
    { "intermediate_size", SIZES, NULL }, { "num_hidden_layers", "[1, 2, 3]", NULL },              \
    { "num_attention_heads", "[1, 2, 4, 8]", NULL },                                               \
    { "num_key_value_heads", "[1, 2, 4, null]", NULL }, { "head_dim", SIZES, NULL },               \
    { "max_position_embeddings", "[16, 64, 1]", NULL }, { "n_embd", SIZES, NULL },                 \
    { "n_layer", "[1, 2]", NULL }, { "n_head", "[1, 2, 4]", NULL },                                \
    { "n_inner", "[null, 32]", NULL }, { "n_positions", "[16, 64]", NULL },                        \
    { "hidden_act", ACTS, NULL }, { "activation_function", ACTS, NULL },                           \
    { "hidden_activation", ACTS, NULL }, { "rms_norm_eps", "[1e-5, 0.0, 1e-30]", NULL },           \
    { "layer_norm_eps", "[1e-5, 0.0]", NULL }, { "layer_norm_epsilon", "[1e-5]", NULL },           \
    { "norm_epsilon", "[1e-5]", NULL }, { "initializer_range", "[0.02, 0.0]", NULL },              \
    { "tie_word_embeddings", FLAGS, NULL }, { "attention_bias", FLAGS, NULL },                     \
    { "mlp_bias", FLAGS, NULL }, { "use_qkv_bias", FLAGS, NULL },                                  \
    { "qk_layernorm", FLAGS, NULL }, { "norm_eps", "[1e-5]", NULL },                               \
    { "bias", FLAGS, NULL }, { "use_bias", FLAGS, NULL },                                          \
    { "use_sliding_window", FLAGS, NULL }, { "use_parallel_residual", FLAGS, NULL },               \
    { "scale_attn_weights", FLAGS, NULL }, { "add_cross_attention", FLAGS, NULL },                 \
    { "scale_attn_by_inverse_layer_idx", FLAGS, NULL },                                            \
    { "use_bidirectional_attention", FLAGS, NULL },                                                \
    { "sliding_window", "[null, 4, 1]", NULL }, { "max_window_layers", "[0, 1, 28]", NULL },       \
    { "sliding_window_pattern", "[1, 2, 6]", NULL }, { "layer_types", LAYERS, NULL },              \
    { "query_pre_attn_scalar", "[8, 256, 1e-3]", NULL },                                           \
    { "attn_logit_softcapping", "[null, 50.0]", NULL },                                            \
    { "final_logit_softcapping", "[null, 30.0]", NULL },                                           \
    { "rotary_pct", "[0.25, 1.0]", NULL }, { "rotary_emb_base", "[10000]", NULL },                 \
    { "rope_local_base_freq", "[10000.0, 1e5]", NULL },                                            \
    { "bos_token_id", IDS, NULL }, { "eos_token_id", IDS, NULL }, { "pad_token_id", IDS, NULL },   \
    { "architectures", "[[\"LlamaForCausalLM\"], [], [null], null]", NULL },                       \
    { "quantization_config", "[{}, null]", NULL }
#endif
