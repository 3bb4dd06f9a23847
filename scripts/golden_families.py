"""Goldens of the model families, made with torch and transformers.

    python scripts/golden_families.py [--only NAME,...] [tests/golden]

families/<case>/   a tiny model with random weights: config.json, model.safetensors (or shards and an index),
                   tokens and results in golden.json (losses, log-probabilities, digests of gradients, five
                   AdamW steps in float64), the logits of the first row in logits.safetensors
model/configs.json what a configuration of a dense model must be read as: sizes and tensors in the order of the state dict
model/ropes.json   rotary tables
"""
import argparse
import copy
import json
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import grok1_reference
import mamba3_reference
import ngram_reference
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.step3p7.modeling_step3p7 import Step3p7PreTrainedModel, Step3p7TextConfig, Step3p7TextModel

SEED = 20240611
ADAMW = dict(lr=3e-3, weight_decay=0.05, beta1=0.9, beta2=0.95, eps=1e-8, clip_grad=1.0, steps=5)
LLAMA = dict(vocab_size=79, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
             pad_token_id=0, rms_norm_eps=1e-5)
WHOLE = {**LLAMA, "num_attention_heads": 3, "num_key_value_heads": 1}  # hidden = heads * head_dim
NEOX = dict(vocab_size=79, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
GPT2 = dict(vocab_size=79, n_embd=24, n_layer=2, n_head=3, n_positions=40, bos_token_id=1, eos_token_id=2,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
STAR = dict(vocab_size=79, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
            num_key_value_heads=1, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
MAMBA = dict(vocab_size=79, hidden_size=24, num_heads=6, head_dim=8, state_size=10, n_groups=2, num_hidden_layers=2, expand=2,
             chunk_size=8, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.02)
DELTA = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=6, linear_conv_kernel_dim=4,
             layer_types=["linear_attention", "linear_attention"], use_cache=False)
MIXED = dict(DELTA, num_hidden_layers=3, layer_types=["linear_attention", "full_attention", "linear_attention"],
             rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5))
KIMI = dict(vocab_size=79, hidden_size=24, intermediate_size=32, moe_intermediate_size=12, num_hidden_layers=3, num_attention_heads=3,
            num_key_value_heads=3, model_max_length=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5, kv_lora_rank=12,
            qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=8, linear_head_dim=6, linear_num_heads=4, linear_conv_kernel_dim=4, num_experts=5,
            num_experts_per_token=2, num_shared_experts=1, layer_types=["linear_attention", "full_attention", "linear_attention"], use_cache=False)
MAMBA3 = dict(vocab_size=79, hidden_size=24, head_dim=8, state_size=12, n_groups=2, num_hidden_layers=2, expand=2, rope_fraction=0.5, A_floor=1e-4, norm_eps=1e-5,
              is_outproj_norm=False, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.02)
LONG = dict(rope_type="longrope", short_factor=[1.0, 1.05, 1.2, 1.5], long_factor=[1.1, 1.7, 2.9, 4.0])


LATENT = dict(vocab_size=79, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3,
              max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5, kv_lora_rank=12,
              qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=8)
DEEPSEEK = dict(LATENT, first_k_dense_replace=2)  # dense layers alone
YARN = dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=0.8)


FALCON = dict(vocab_size=79, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, ffn_hidden_size=40, max_position_embeddings=64, bos_token_id=1,
              eos_token_id=2)
MOE = dict(vocab_size=79, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
           max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GPT_OSS = dict(MOE, sliding_window=5, swiglu_limit=0.8, rope_parameters=dict(
    rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0, truncate=False))
GEMMA4 = dict(LLAMA, num_hidden_layers=5, global_head_dim=12, sliding_window=5, vocab_size_per_layer_input=79, hidden_size_per_layer_input=6,
              layer_types=["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"],
              rope_parameters=dict(full_attention=dict(rope_type="proportional", rope_theta=1000.0, partial_rotary_factor=0.5),
                                   sliding_attention=dict(rope_type="default", rope_theta=100.0)))
# tokens from 60 on have no row in the table of per-layer embeddings
GEMMA3N = dict(LLAMA, num_hidden_layers=5, num_kv_shared_layers=2, sliding_window=5, vocab_size_per_layer_input=60, hidden_size_per_layer_input=6, altup_num_inputs=3,
               laurel_rank=4, activation_sparsity_pattern=[0.8, 0.0, 0.6, 0.9, 0.0], final_logit_softcapping=9.0,
               layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention"])
STEP = dict(MOE, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, num_sliding_attention_heads=6, head_dim=8, sliding_window=5, pad_token_id=0,
            layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"], n_routed_experts=6, num_experts_per_tok=2, moe_intermediate_size=12,
            share_expert_dim=10, moe_router_scaling_factor=2.5, mlp_layer_types=["dense", "sparse", "sparse", "sparse"], swiglu_limits=[0.0, 0.0, 0.4, 0.5],
            swiglu_limits_shared=[0.3, 0.0, 0.7, 0.0], rope_parameters=dict(
                full_attention=dict(rope_type="llama3", rope_theta=5000.0, partial_rotary_factor=0.5, factor=4.0, low_freq_factor=1.0, high_freq_factor=8.0,
                                    original_max_position_embeddings=16), sliding_attention=dict(rope_type="default", rope_theta=100.0)))
GRANITE = dict(embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.4, logits_scaling=3.0, mamba_n_heads=6, mamba_d_head=8,
               mamba_n_groups=2, mamba_d_state=10, mamba_chunk_size=8)
# two blocks in turn, the first used twice
ZAMBA = dict(vocab_size=79, hidden_size=16, intermediate_size=12, num_hidden_layers=3, layers_block_type=["hybrid", "hybrid", "hybrid"],
             num_attention_heads=2, num_mem_blocks=2, adapter_rank=3, n_mamba_heads=4, mamba_ngroups=2, mamba_d_state=5, chunk_size=8, max_position_embeddings=64)
JAMBA = dict(mamba_d_state=5, mamba_d_conv=3, mamba_expand=2, mamba_dt_rank=7, use_mamba_kernels=False)
H1 = dict(vocab_size=79, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=64,
          bos_token_id=1, eos_token_id=2, pad_token_id=0, mamba_d_state=10, mamba_chunk_size=8, embedding_multiplier=2.5, lm_head_multiplier=0.5, key_multiplier=0.7,
          attention_in_multiplier=0.8, attention_out_multiplier=1.3, mlp_multipliers=[0.9, 0.6], ssm_in_multiplier=1.25, ssm_out_multiplier=0.7,
          ssm_multipliers=[0.6, 0.8, 1.2, 1.1, 0.5])
LFM2 = dict(vocab_size=79, hidden_size=24, intermediate_size=32, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=64,
            norm_eps=1e-5, block_multiple_of=8)
# types whose own defaults have layers of experts
EXPERTS = {"deepseek_v2", "deepseek_v3", "deepseek_v32", "mixtral", "qwen2_moe", "qwen3_moe", "glm4_moe", "olmoe", "phimoe", "granitemoe", "ernie4_5_moe",
           "minimax_m2", "gpt_oss", "llama4_text", "hunyuan_v1_moe", "grok-1", "glm4_moe_lite", "dots1", "granitemoehybrid", "lfm2_moe", "qwen3_next", "qwen3_5_moe_text", "kimi_linear",
           "jamba", "hy_v3", "glm_moe_dsa", "longcat_flash", "step3p5", "deepseek_v4"}

# a layer of each kind of attention, two of them sparse; fewer entries are chosen than there are
DEEPSEEK_V4 = dict(vocab_size=79, hidden_size=24, moe_intermediate_size=12, num_hidden_layers=4, num_attention_heads=4, head_dim=12, q_lora_rank=10,
                   max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, n_routed_experts=6, num_experts_per_tok=3, o_groups=2, o_lora_rank=5,
                   index_n_heads=8, index_head_dim=8, index_topk=3, sliding_window=5, hc_mult=3, hc_sinkhorn_iters=4, partial_rotary_factor=1 / 3, swiglu_limit=0.8,
                   layer_types=["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention", "compressed_sparse_attention"],
                   compress_rates=dict(compressed_sparse_attention=2, heavily_compressed_attention=4), mlp_layer_types=["hash_moe", "moe", "hash_moe", "moe"],
                   compress_rope_theta=500.0)

OURS = {"grok-1", "mamba3"}  # classes that are not part of transformers: references of our own
SCANS = ("mamba", "falcon_mamba", "mamba2")  # nothing but scans
ROUTER_BIASES = ("correction_bias", "expert_bias")
ROUTER_BUFFERS = (*ROUTER_BIASES, "ffn.gate.bias", "tid2eid")  # as files call them


def no(d, *keys):
    return {k: v for k, v in d.items() if k not in keys}


# name: (model_type, arguments, form of config.json, how it is stored)
CASES = {
    "llama": ("llama", LLAMA, 4, {}),
    "llama-bias-llama3": ("llama", {**LLAMA, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rope_parameters": dict(
        rope_type="llama3", rope_theta=50000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)}, 5, dict(shards=True)),
    "llama-dynamic": ("llama", {**LLAMA, "max_position_embeddings": 12, "rope_parameters": dict(
        rope_type="dynamic", rope_theta=10000.0, factor=3.0)}, 4, {}),
    "llama-yarn": ("llama", {**no(LLAMA, "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 3, "rope_parameters": dict(
        rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16)}, 5, dict(dtype="bfloat16")),
    "llama-tie-differs": ("llama", LLAMA, 5, dict(seed=102, says_tied=True)),
    "mistral": ("mistral", {**LLAMA, "sliding_window": 5}, 4, dict(dtype="bfloat16")),
    "mistral-linear": ("mistral", {**WHOLE, "sliding_window": None, "rope_parameters": dict(
        rope_type="linear", rope_theta=10000.0, factor=2.5)}, 5, {}),
    "qwen2": ("qwen2", {**no(LLAMA, "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 1, "tie_word_embeddings": True}, 4, {}),
    "qwen2-window": ("qwen2", {**WHOLE, "use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1}, 5, dict(drop=["layer_types"])),
    "qwen3": ("qwen3", {**LLAMA, "tie_word_embeddings": True}, 5, {}),
    # as bitsandbytes quantises: rows that are no whole blocks of 64, and whole ones
    "llama-nf4": ("llama", {**LLAMA, "intermediate_size": 40}, 5, dict(seed=611, dtype="bfloat16", bnb="nf4")),
    "qwen3-fp4": ("qwen3", {**LLAMA, "hidden_size": 64}, 5, dict(seed=612, bnb="fp4")),
    "mistral-int8": ("mistral", {**no(LLAMA, "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 1}, 4, dict(seed=613, bnb="int8")),
    "qwen3-window": ("qwen3", {**LLAMA, "attention_bias": True, "use_sliding_window": True, "sliding_window": 4,
                               "layer_types": ["sliding_attention", "full_attention"]}, 4, dict(shards=True)),
    "phi3": ("phi3", {**no(WHOLE, "head_dim"), "sliding_window": 7}, 4, {}),
    "phi3-longrope": ("phi3", {**no(WHOLE, "head_dim"), "max_position_embeddings": 64, "original_max_position_embeddings": 16,
                               "rope_parameters": dict(LONG, rope_theta=10000.0)}, 4, {}),
    "phi4-mini": ("phi3", {**no(WHOLE, "head_dim"), "tie_word_embeddings": True, "original_max_position_embeddings": 32, "rope_parameters": dict(
        rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, short_factor=[1.0, 1.3], long_factor=[1.0, 3.0])}, 5, {}),
    "gemma": ("gemma", LLAMA, 4, {}),
    "gemma2": ("gemma2", {**LLAMA, "query_pre_attn_scalar": 10, "sliding_window": 5, "attn_logit_softcapping": 8.0, "final_logit_softcapping": 12.0}, 4, {}),
    "gemma3": ("gemma3_text", {**LLAMA, "num_hidden_layers": 3, "sliding_window": 6, "sliding_window_pattern": 3, "query_pre_attn_scalar": 8, "rope_parameters": dict(
        full_attention=dict(rope_type="linear", rope_theta=100000.0, factor=8.0), sliding_attention=dict(rope_type="default", rope_theta=1000.0))}, 5, {}),
    "gemma3-old": ("gemma3_text", {**LLAMA, "num_hidden_layers": 2, "sliding_window": 4, "sliding_window_pattern": 2, "query_pre_attn_scalar": 12, "rope_parameters": dict(
        full_attention=dict(rope_type="default", rope_theta=50000.0), sliding_attention=dict(rope_type="default", rope_theta=900.0))}, 4, dict(dtype="bfloat16")),
    "glm": ("glm", LLAMA, 4, {}),
    "glm4": ("glm4", {**LLAMA, "attention_bias": False}, 5, {}),
    "olmo2": ("olmo2", no(WHOLE, "head_dim"), 4, {}),
    "starcoder2": ("starcoder2", {**STAR, "sliding_window": 6}, 4, {}),
    "starcoder2-nobias": ("starcoder2", {**STAR, "use_bias": False, "num_key_value_heads": 3, "tie_word_embeddings": False}, 5, {}),
    "gpt2": ("gpt2", GPT2, 5, {}),
    "gpt2-old": ("gpt2", {**GPT2, "n_inner": 40, "scale_attn_weights": False, "activation_function": "relu"}, 4, dict(old_gpt2=True)),
    "gpt2-by-layer": ("gpt2", {**GPT2, "n_layer": 3, "scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}, 5, dict(seed=101)),
    "gpt_neox": ("gpt_neox", {**NEOX, "rope_parameters": dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.4)}, 4, {}),
    "gpt_neox-sequential": ("gpt_neox", {**NEOX, "use_parallel_residual": False, "attention_bias": False, "tie_word_embeddings": True, "rope_parameters": dict(
        rope_type="linear", rope_theta=10000.0, factor=2.0, partial_rotary_factor=1.0)}, 5, {}),
    "arcee": ("arcee", {**WHOLE, "attention_bias": True}, 5, dict(seed=106)),
    "nemotron": ("nemotron", {**no(LLAMA, "rms_norm_eps"), "norm_eps": 1e-5}, 4, dict(seed=103)),
    "nemotron-bias": ("nemotron", {**no(LLAMA, "rms_norm_eps", "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 3, "attention_bias": True, "mlp_bias": True,
                                   "tie_word_embeddings": True, "hidden_act": "gelu", "rope_parameters": dict(rope_type="linear", rope_theta=10000.0, factor=2.0, partial_rotary_factor=1.0)}, 5, dict(seed=455, dtype="bfloat16")),
    "stablelm": ("stablelm", {**no(WHOLE, "head_dim", "rms_norm_eps"), "layer_norm_eps": 1e-5, "use_qkv_bias": True}, 4, dict(seed=105)),
    "deepseek_v2": ("deepseek_v2", {**DEEPSEEK, "q_lora_rank": None}, 5, dict(seed=107)),
    "deepseek_v2-yarn": ("deepseek_v2", {**DEEPSEEK, "q_lora_rank": 10, "attention_bias": True, "mlp_bias": True, "rope_parameters": YARN}, 4, dict(seed=108)),
    "deepseek_v3": ("deepseek_v3", {**DEEPSEEK, "q_lora_rank": 10, "v_head_dim": 12, "rope_parameters": YARN}, 4, dict(seed=109)),
    "deepseek_v2-experts": ("deepseek_v2", {**DEEPSEEK, "first_k_dense_replace": 1, "q_lora_rank": None, "n_routed_experts": 8, "num_experts_per_tok": 3,
                                            "moe_intermediate_size": 12, "n_shared_experts": 2, "n_group": 4, "topk_group": 2,
                                            "topk_method": "group_limited_greedy", "routed_scaling_factor": 1.5}, 5, dict(seed=211)),
    "deepseek_v3-experts": ("deepseek_v3", {**DEEPSEEK, "first_k_dense_replace": 1, "q_lora_rank": 10, "rope_parameters": YARN, "n_routed_experts": 8,
                                            "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_shared_experts": 1, "n_group": 4, "topk_group": 2,
                                            "routed_scaling_factor": 2.5}, 4, dict(seed=212)),
    "deepseek_v32": ("deepseek_v32", {**LATENT, "first_k_dense_replace": 1, "q_lora_rank": 10, "rope_parameters": YARN, "n_routed_experts": 8,
                                      "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_shared_experts": 1, "n_group": 4, "topk_group": 2,
                                      "routed_scaling_factor": 2.5, "index_topk": 6, "index_n_heads": 8, "index_head_dim": 6}, 5, dict(seed=213)),
    "deepseek_v3-halves": ("deepseek_v3", {**DEEPSEEK, "q_lora_rank": None, "rope_interleave": False, "attention_bias": True}, 5, dict(seed=110, dtype="bfloat16")),
    "minicpm3": ("minicpm3", {**LATENT, "q_lora_rank": 10, "scale_emb": 3, "scale_depth": 1.4, "dim_model_base": 8, "tie_word_embeddings": True}, 5, dict(seed=111)),
    "smollm3": ("smollm3", {**no(LLAMA, "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 1, "num_hidden_layers": 3, "no_rope_layers": [1, 0, 1],
                            "tie_word_embeddings": True}, 4, dict(seed=112)),
    "smollm3-window": ("smollm3", {**no(LLAMA, "head_dim"), "num_attention_heads": 3, "num_key_value_heads": 1, "no_rope_layer_interval": 2, "use_sliding_window": True,
                                   "sliding_window": 5}, 5, dict(seed=113, drop=["layer_types", "no_rope_layers"])),
    "olmo3": ("olmo3", {**no(WHOLE, "head_dim"), "num_hidden_layers": 3, "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                        "rope_parameters": dict(full_attention=dict(rope_type="yarn", rope_theta=500000.0, factor=4.0, original_max_position_embeddings=16, attention_factor=1.2),
                                                sliding_attention=dict(rope_type="default", rope_theta=500000.0))}, 5, dict(seed=114)),
    "granite": ("granite", {**no(WHOLE, "head_dim"), "embedding_multiplier": 3.0, "attention_multiplier": 0.2, "residual_multiplier": 0.4, "logits_scaling": 3.0,
                            "tie_word_embeddings": True}, 4, dict(seed=115)),
    "cohere": ("cohere", {**no(WHOLE, "head_dim", "rms_norm_eps"), "logit_scale": 0.5}, 4, dict(seed=116)),
    "falcon": ("falcon", FALCON, 4, dict(seed=117)),
    "falcon-two-norms": ("falcon", {**FALCON, "num_attention_heads": 4, "hidden_size": 32, "num_kv_heads": 2, "new_decoder_architecture": True, "bias": True}, 5, dict(seed=118)),
    "bloom": ("bloom", dict(vocab_size=79, hidden_size=24, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=2, pad_token_id=0), 5, dict(seed=119)),
    "mpt": ("mpt", dict(vocab_size=79, d_model=24, n_layers=2, n_heads=3, max_seq_len=64), 5, dict(seed=120)),
    "internlm3": ("internlm3", {**LLAMA, "num_attention_heads": 3, "num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True}, 4, dict(seed=121)),
    "mixtral": ("mixtral", {**MOE, "num_local_experts": 4}, 4, dict(seed=201)),
    "qwen2_moe": ("qwen2_moe", {**MOE, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "shared_expert_intermediate_size": 16,
                                "norm_topk_prob": False, "mlp_only_layers": [0]}, 5, dict(seed=202)),
    "qwen3_moe": ("qwen3_moe", {**MOE, "head_dim": 8, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "norm_topk_prob": True}, 5, dict(seed=203)),
    "qwen3_moe-stacked": ("qwen3_moe", {**MOE, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "decoder_sparse_step": 2,
                                        "norm_topk_prob": False}, 5, dict(seed=204, stacked=True, dtype="bfloat16")),
    "glm4_moe": ("glm4_moe", {**MOE, "head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_group": 4, "topk_group": 2,
                              "routed_scaling_factor": 1.5, "use_qk_norm": True, "attention_bias": True, "rope_parameters": dict(
                                  rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)}, 5, dict(seed=205)),
    "olmoe": ("olmoe", {**no(MOE, "num_key_value_heads"), "num_key_value_heads": 3, "num_experts": 6, "num_experts_per_tok": 3}, 5, dict(seed=206)),
    "phimoe": ("phimoe", {**MOE, "num_local_experts": 4, "attention_bias": True, "lm_head_bias": True}, 5, dict(seed=207)),
    "granitemoe": ("granitemoe", {**MOE, "num_local_experts": 4, "embedding_multiplier": 3.0, "logits_scaling": 2.0, "residual_multiplier": 0.5,
                                  "attention_multiplier": 0.25, "tie_word_embeddings": True}, 5, dict(seed=208)),
    "ernie4_5_moe": ("ernie4_5_moe", {**MOE, "moe_num_experts": 5, "moe_k": 2, "moe_intermediate_size": 12, "moe_num_shared_experts": 2,
                                      "moe_layer_start_index": 1, "moe_layer_end_index": -1}, 5, dict(seed=209)),
    "ernie4_5_moe-bias": ("ernie4_5_moe", {**MOE, "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 12, "moe_num_shared_experts": 1,
                                           "moe_layer_start_index": 1, "moe_layer_end_index": -1, "use_bias": True, "tie_word_embeddings": False}, 4, dict(seed=501)),
    "minimax_m2": ("minimax_m2", {**MOE, "head_dim": 8, "num_local_experts": 5, "num_experts_per_tok": 2, "rope_parameters": dict(
        rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)}, 5, dict(seed=210)),
    "gpt_oss": ("gpt_oss", {**GPT_OSS, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2}, 5, dict(seed=213, stacked=True)),
    "gpt_oss-mxfp4": ("gpt_oss", {**GPT_OSS, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "head_dim": 8, "num_local_experts": 3,
                                  "num_experts_per_tok": 2, "attention_bias": False, "swiglu_limit": 1.5, "rope_parameters": dict(rope_type="linear", rope_theta=1000.0, factor=2.0)},
                      4, dict(seed=214, stacked=True, packed=True, drop=["layer_types", "swiglu_alpha"])),
    "llama4": ("llama4_text", {**MOE, "head_dim": 8, "num_hidden_layers": 3, "num_local_experts": 4, "intermediate_size": 12, "intermediate_size_mlp": 20,
                               "moe_layers": [0, 2], "no_rope_layers": [1, 0, 1], "attention_chunk_size": 6, "floor_scale": 3, "attn_scale": 0.3},
               5, dict(seed=215, stacked=True)),
    "llama4-old": ("llama4_text", {**MOE, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 4, "num_local_experts": 3, "num_experts_per_tok": 2,
                                   "intermediate_size": 12, "intermediate_size_mlp": 20, "no_rope_layer_interval": 2, "attention_chunk_size": 7, "use_qk_norm": False,
                                   "attn_temperature_tuning": False, "attention_bias": True, "rope_parameters": dict(
                                       rope_type="llama3", rope_theta=50000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                       original_max_position_embeddings=32)}, 4, dict(seed=216, stacked=True, dtype="bfloat16",
                                                                                      drop=["layer_types", "no_rope_layers", "moe_layers"])),
    "hunyuan_dense": ("hunyuan_v1_dense", {**LLAMA, "tie_word_embeddings": True}, 5, dict(seed=217)),
    "hunyuan_dense-alpha": ("hunyuan_v1_dense", {**LLAMA, "attention_bias": True, "rope_parameters": dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0)}, 4, dict(seed=218, dtype="bfloat16")),
    "hunyuan_moe": ("hunyuan_v1_moe", {**MOE, "head_dim": 8, "num_experts": 5, "moe_topk": 2, "rope_parameters": dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0)}, 5, dict(seed=219)),
    "grok1": ("grok-1", dict(vocab_size=79, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
                             attn_output_multiplier=0.35, max_attn_value=3.0, max_position_embeddings=64, embedding_multiplier_scale=2.5,
                             output_multiplier_scale=0.6, rms_norm_eps=1e-5, tie_word_embeddings=True, num_experts_per_tok=2, num_experts=4,
                             pad_token_id=0, bos_token_id=1, eos_token_id=2), 4, dict(seed=220, stacked=True)),
    # positions beyond the length before stretching, so that queries are scaled
    "ministral3": ("ministral3", {**LLAMA, "rope_parameters": dict(YARN, original_max_position_embeddings=6, llama_4_scaling_beta=0.4)}, 5, dict(seed=401)),
    "ministral3-window": ("ministral3", {**WHOLE, "sliding_window": 5, "tie_word_embeddings": True, "rope_parameters": dict(
        type="yarn", rope_theta=1000.0, factor=2.0, original_max_position_embeddings=4, llama_4_scaling_beta=0.1)}, 5, dict(seed=402, dtype="bfloat16")),
    "glm4_moe_lite": ("glm4_moe_lite", {**LATENT, "num_hidden_layers": 3, "q_lora_rank": 10, "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12,
                                        "n_group": 4, "topk_group": 2, "mlp_layer_types": ["sparse", "dense", "sparse"], "routed_scaling_factor": 1.8}, 5, dict(seed=403)),
    # heads of two widths, keys and values of the first two layers for the last three, whose MLPs are twice as wide
    "gemma4": ("gemma4_text", {**GEMMA4, "num_kv_shared_layers": 3, "use_double_wide_mlp": True}, 5, dict(seed=425)),
    "gemma4-same": ("gemma4_text", {**GEMMA4, "num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2, "attention_k_eq_v": True, "num_global_key_value_heads": 1,
                                    "hidden_size_per_layer_input": 0, "final_logit_softcapping": 9.0}, 5, dict(seed=405, dtype="bfloat16", global_heads=True)),
    # every layer has experts beside its MLP
    "gemma4-experts": ("gemma4_text", {**GEMMA4, "num_hidden_layers": 3, "layer_types": GEMMA4["layer_types"][2:], "hidden_size_per_layer_input": 0,
                                       "enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 12}, 5, dict(seed=525, stacked=True)),
    "gemma3n": ("gemma3n_text", GEMMA3N, 5, dict(seed=406)),
    "gemma3n-old": ("gemma3n_text", {**GEMMA3N, "num_kv_shared_layers": 0, "num_hidden_layers": 3, "layer_types": GEMMA3N["layer_types"][:3], "intermediate_size": [32, 20, 28],
                                     "activation_sparsity_pattern": [0.0, 0.5, 0.0], "altup_num_inputs": 2, "altup_active_idx": 1}, 4, dict(seed=407, dtype="bfloat16")),
    # layers 1 and 3 have indexers, 2 and 4 go by their choices
    "glm_moe_dsa": ("glm_moe_dsa", {**LATENT, "num_hidden_layers": 4, "q_lora_rank": 10, "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12,
                                    "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1, "indexer_types": ["full", "shared", "full", "shared"], "index_topk": 6,
                                    "index_n_heads": 8, "index_head_dim": 6}, 5, dict(seed=503)),
    "glm_moe_dsa-freq": ("glm_moe_dsa", {**LATENT, "num_hidden_layers": 5, "q_lora_rank": 10, "mlp_layer_types": ["dense"] * 5, "index_topk": 5, "index_n_heads": 12,
                                         "index_head_dim": 8, "index_topk_freq": 2, "index_skip_topk_offset": 2}, 4, dict(seed=504, dtype="bfloat16", drop=["indexer_types"])),
    "deepseek_v4": ("deepseek_v4", DEEPSEEK_V4, 5, dict(seed=601)),
    # names of modules, the published configuration's keys; no entry of 128 tokens is whole
    "deepseek_v4-modules": ("deepseek_v4", {**no(DEEPSEEK_V4, "compress_rates", "layer_types", "mlp_layer_types", "compress_rope_theta"), "num_hidden_layers": 3,
                                            "compress_ratios": [0, 4, 128], "num_hash_layers": 1, "index_topk": 2, "scoring_func": "sigmoid", "rope_parameters": dict(
                                                rope_type="yarn", factor=4.0, original_max_position_embeddings=8, beta_fast=4.0)}, 4,
                            dict(seed=602, stacked=True, dtype="bfloat16")),
    # as it is published: FP8 with scales of 128 x 128 values, of which some matrices have several, and experts in FP4
    "deepseek_v4-fp8": ("deepseek_v4", {**no(DEEPSEEK_V4, "compress_rates", "layer_types", "mlp_layer_types", "compress_rope_theta"), "num_hidden_layers": 2,
                                        "compress_ratios": [4, 0], "num_hash_layers": 1, "index_topk": 2, "hidden_size": 160, "moe_intermediate_size": 64,
                                        "q_lora_rank": 136, "n_routed_experts": 3, "num_experts_per_tok": 2, "hc_mult": 2, "rope_parameters": dict(
                                            rope_type="yarn", factor=4.0, original_max_position_embeddings=8, beta_fast=4.0)}, 4,
                        dict(seed=603, dtype="bfloat16", published=True)),
    "hunyuan_large": ("hunyuan_v1_moe", {**MOE, "head_dim": 8, "num_hidden_layers": 4, "num_experts": 5, "moe_topk": 1, "tie_word_embeddings": True, "rope_parameters": dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0)}, 4, dict(seed=505, renamed="hunyuan_large", shares_keys=2)),
    "longcat_flash": ("longcat_flash", {**no(LATENT, "intermediate_size", "num_hidden_layers"), "head_dim": 4, "num_layers": 2, "ffn_hidden_size": 32, "q_lora_rank": 10, "moe_topk": 4,
                                        "n_routed_experts": 5, "zero_expert_num": 3, "expert_ffn_hidden_size": 12, "routed_scaling_factor": 1.5}, 5, dict(seed=506, real_experts=5)),
    # token 29 ends texts and stands within them
    "longcat_flash_ngram": ("longcat_flash", {**no(LATENT, "intermediate_size", "num_hidden_layers"), "head_dim": 4, "num_layers": 1, "ffn_hidden_size": 32, "q_lora_rank": 10,
                                              "moe_topk": 4, "n_routed_experts": 5, "zero_expert_num": 3, "expert_ffn_hidden_size": 12, "routed_scaling_factor": 1.5, "eos_token_id": 29,
                                              "ngram_vocab_size_ratio": 1.3, "emb_neighbor_num": 4, "emb_split_num": 2}, 4,
                            dict(seed=507, real_experts=5, ngrams=True, renamed="longcat_flash_ngram")),
    "mamba3": ("mamba3", MAMBA3, 5, dict(seed=508)),
    "mamba3-norm": ("mamba3", {**MAMBA3, "n_groups": 1, "rope_fraction": 1.0, "A_floor": 0.6, "is_outproj_norm": True, "tie_word_embeddings": True}, 5,
                    dict(seed=509, dtype="bfloat16")),
    "hy_v3": ("hy_v3", {**MOE, "num_hidden_layers": 3, "head_dim": 8, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 12,
                        "num_shared_experts": 2, "router_scaling_factor": 2.8, "mlp_layer_types": ["sparse", "dense", "sparse"]}, 5, dict(seed=501)),
    "phimoe-longrope": ("phimoe", {**MOE, "num_local_experts": 4, "rope_parameters": dict(LONG, rope_theta=1000.0, original_max_position_embeddings=32, short_mscale=1.2,
                                                                                         long_mscale=1.2)}, 4, dict(seed=502)),
    "seed_oss": ("seed_oss", {**LLAMA, "num_attention_heads": 3, "num_key_value_heads": 1, "attention_out_bias": True, "mlp_bias": True}, 5, dict(seed=408)),
    "ernie4_5": ("ernie4_5", {**LLAMA, "use_bias": True, "tie_word_embeddings": True}, 4, dict(seed=409)),
    "exaone4": ("exaone4", {**no(WHOLE, "head_dim"), "num_hidden_layers": 4, "sliding_window": 5, "sliding_window_pattern": 2}, 4, dict(seed=410, dtype="bfloat16")),
    "exaone4-full": ("exaone4", {**no(WHOLE, "head_dim"), "sliding_window": None, "layer_types": ["full_attention"] * 2, "tie_word_embeddings": True}, 5, dict(seed=411)),
    "dots1": ("dots1", {**MOE, "num_hidden_layers": 3, "head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_shared_experts": 1, "n_group": 2,
                        "topk_group": 1, "first_k_dense_replace": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.4, "sliding_window": 5, "max_window_layers": 2}, 5, dict(seed=412)),
    "youtu": ("youtu", {**LATENT, "q_lora_rank": 10, "pad_token_id": None, "rope_parameters": YARN}, 5, dict(seed=413, dtype="bfloat16")),
    "mamba2": ("mamba2", MAMBA, 5, dict(seed=480)),
    "mamba2-bias": ("mamba2", {**MAMBA, "n_groups": 1, "use_bias": True, "use_conv_bias": False, "conv_kernel": 3, "tie_word_embeddings": True,
                               "time_step_limit": [0.4, 1.1]}, 4, dict(seed=455, dtype="bfloat16")),
    "bamba": ("bamba", {**no(WHOLE, "head_dim"), "num_hidden_layers": 3, "attn_layer_indices": [1], "mamba_n_heads": 6, "mamba_d_head": 8, "mamba_n_groups": 2,
                        "mamba_d_state": 10, "mamba_chunk_size": 8}, 5, dict(seed=456)),
    "mamba": ("mamba", {**no(MAMBA, "num_heads", "head_dim", "n_groups", "chunk_size")}, 5, dict(seed=480)),
    "mamba-bias": ("mamba", {**no(MAMBA, "num_heads", "head_dim", "n_groups", "chunk_size"), "use_bias": True, "use_conv_bias": False, "conv_kernel": 3,
                             "time_step_rank": 5, "tie_word_embeddings": False}, 4, dict(seed=481, dtype="bfloat16")),
    "falcon_mamba": ("falcon_mamba", {**no(MAMBA, "num_heads", "head_dim", "n_groups", "chunk_size"), "expand": 3, "mixer_rms_eps": 1e-4}, 5, dict(seed=482)),
    "jamba": ("jamba", {**no(WHOLE, "head_dim"), **JAMBA, "num_hidden_layers": 4, "attn_layer_period": 3, "attn_layer_offset": 1, "num_experts": 4}, 5, dict(seed=484)),
    "jamba-dense": ("jamba", {**no(WHOLE, "head_dim"), **JAMBA, "num_hidden_layers": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1,
                              "mamba_conv_bias": False, "mamba_proj_bias": True, "mamba_dt_rank": "auto", "tie_word_embeddings": True}, 4,
                    dict(seed=483, dtype="bfloat16")),
    "zamba2": ("zamba2", {**ZAMBA, "use_shared_attention_adapter": True, "use_mem_rope": True}, 5, dict(seed=930, scans=0.1)),
    "zamba2-old": ("zamba2", {**ZAMBA, "num_key_value_heads": 1, "layers_block_type": ["linear_attention", "hybrid", "hybrid"], "num_mem_blocks": 1,
                              "hidden_act": "gelu_pytorch_tanh", "time_step_min": 0.3}, 4, dict(seed=802, scans=0.2, dtype="bfloat16")),
    "nemotron_h": ("nemotron_h", {**no(LLAMA, "rms_norm_eps", "num_hidden_layers"), "layers_block_type": ["linear_attention", "mlp", "full_attention", "linear_attention"],
                                  "mamba_num_heads": 6, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 10, "chunk_size": 8, "initializer_range": 0.02}, 5, dict(seed=467)),
    "qwen3_next": ("qwen3_next", {**LLAMA, **DELTA, "mlp_only_layers": [0, 1]}, 5, dict(seed=458)),
    "qwen3_5": ("qwen3_5_text", {**LLAMA, **DELTA, "linear_num_key_heads": 1, "tie_word_embeddings": True}, 5, dict(seed=468, dtype="bfloat16")),
    "lfm2": ("lfm2", {**LFM2, "layer_types": ["conv", "full_attention", "conv"]}, 5, dict(seed=301)),
    "lfm2-bias": ("lfm2", {**LFM2, "full_attn_idxs": [0], "conv_bias": True, "conv_L_cache": 4, "block_ffn_dim_multiplier": 1.3, "tie_word_embeddings": False}, 4,
                  dict(seed=302, dtype="bfloat16", drop=["layer_types"])),
    "lfm2_moe": ("lfm2_moe", {**no(LFM2, "block_multiple_of"), "layer_types": ["conv", "full_attention", "conv"], "num_dense_layers": 1, "num_experts": 5,
                              "num_experts_per_tok": 2, "moe_intermediate_size": 12, "routed_scaling_factor": 1.5}, 5, dict(seed=303)),
    "granitemoehybrid": ("granitemoehybrid", {**MOE, **GRANITE, "num_hidden_layers": 3, "layer_types": ["mamba", "attention", "mamba"], "num_local_experts": 4,
                                              "shared_intermediate_size": 16, "tie_word_embeddings": True}, 4, dict(seed=304)),
    "granitemoehybrid-dense": ("granitemoehybrid", {**MOE, **GRANITE, "layer_types": ["attention", "mamba"], "num_local_experts": 0, "shared_intermediate_size": 20,
                                                    "position_embedding_type": "rope", "mamba_proj_bias": True, "attention_bias": True}, 5, dict(seed=305)),
    "falcon_h1": ("falcon_h1", {**H1, "mamba_d_ssm": 40, "mamba_n_heads": 5}, 5, dict(seed=306)),
    "falcon_h1-norm": ("falcon_h1", {**H1, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_n_groups": 2, "mamba_rms_norm": True, "mamba_norm_before_gate": False,
                                     "attention_bias": True, "mlp_bias": True, "mamba_proj_bias": True, "projectors_bias": True, "mamba_conv_bias": False,
                                     "tie_word_embeddings": True}, 4, dict(seed=307)),
    "olmo": ("olmo", {**no(WHOLE, "head_dim", "rms_norm_eps"), "clip_qkv": 0.8}, 4, dict(seed=308)),
    "olmoe-clip": ("olmoe", {**no(MOE, "num_key_value_heads"), "num_key_value_heads": 3, "num_experts": 4, "num_experts_per_tok": 2, "clip_qkv": 0.9}, 5, dict(seed=309)),
    "mpt-clip": ("mpt", dict(vocab_size=79, d_model=24, n_layers=2, n_heads=3, max_seq_len=64, attn_config=dict(clip_qkv=0.7)), 5, dict(seed=310)),
    "cohere-norms": ("cohere", {**no(WHOLE, "head_dim", "rms_norm_eps"), "use_qk_norm": True}, 5, dict(seed=311)),
    "cohere2": ("cohere2", {**no(WHOLE, "head_dim", "rms_norm_eps"), "num_hidden_layers": 4, "sliding_window": 6}, 4, dict(seed=312, drop=["layer_types"])),
    "stablelm-parallel": ("stablelm", {**no(WHOLE, "head_dim", "rms_norm_eps"), "qk_layernorm": True, "use_parallel_residual": True}, 5, dict(seed=313)),
    "baichuan2": ("llama", {**no(WHOLE, "head_dim"), "num_key_value_heads": 3}, 4, dict(seed=314, renamed="baichuan2", unit_head=True)),
    "plm": ("deepseek_v3", {**DEEPSEEK, "q_lora_rank": None, "tie_word_embeddings": True}, 4, dict(seed=315, renamed="plm", plain_mlp=True)),
    "step3p5": ("step3p5", STEP, 5, dict(seed=601, stacked=True, renamed="step3p5_published")),
    "step3p5-new": ("step3p5", {**STEP, "swiglu_limits": None, "swiglu_limits_shared": [0.0, 0.5, 0.0, 0.0], "tie_word_embeddings": False}, 5,
                    dict(seed=602, stacked=True, renamed="step3p5")),
    "bailing_moe_v2": ("glm4_moe", {**MOE, "head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_group": 4, "topk_group": 2,
                                    "routed_scaling_factor": 2.5, "use_qk_norm": True, "first_k_dense_replace": 1, "rope_parameters": dict(
                                        rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)}, 4, dict(seed=316, renamed="bailing_moe_v2")),
    "minicpm-moe": ("mixtral", {**MOE, "num_local_experts": 4, "tie_word_embeddings": True}, 4, dict(seed=317, renamed="minicpm_moe", scales=(3.0, 1.4 / 2 ** 0.5, 8 / 24))),
    "qwen3_next-experts": ("qwen3_next", {**LLAMA, **MIXED, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 12,
                                          "shared_expert_intermediate_size": 16, "norm_topk_prob": True, "mlp_only_layers": [0]}, 5, dict(seed=460)),
    "qwen3_next-bias": ("qwen3_next", {**LLAMA, **MIXED, "mlp_only_layers": [0, 1, 2], "attention_bias": True}, 4, dict(seed=128)),
    "qwen3_5-full": ("qwen3_5_text", {**LLAMA, **MIXED, "tie_word_embeddings": True}, 4, dict(seed=455, full_attention_interval=2)),
    "qwen3_5_moe": ("qwen3_5_moe_text", {**no(LLAMA, "intermediate_size"), **MIXED, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 12,
                                         "shared_expert_intermediate_size": 16}, 5, dict(seed=130)),
    "kimi_linear": ("kimi_linear", KIMI, 5, dict(seed=469)),
    "kimi_linear-ranks": ("kimi_linear", {**KIMI, "q_lora_rank": 10, "num_expert_group": 4, "topk_group": 2, "num_experts": 8, "moe_renormalize": False,
                                          "attention_bias": True, "layer_types": None, "linear_attn_config": dict(
                                              full_attn_layers=[3], kda_layers=[1, 2], head_dim=8, num_heads=3, short_conv_kernel_size=3)}, 4,
                          dict(seed=451, dense=True, drop=["layer_types", "mlp_layer_types", "linear_head_dim", "linear_num_heads", "linear_conv_kernel_dim"])),
    "internlm2": ("llama", {**no(WHOLE, "head_dim"), "attention_bias": True, "rope_parameters": dict(
        rope_type="dynamic", rope_theta=10000.0, factor=2.0), "max_position_embeddings": 16}, 4, dict(renamed="internlm2")),
    "baichuan": ("llama", {**no(WHOLE, "head_dim"), "num_key_value_heads": 3}, 4, dict(seed=122, renamed="baichuan")),
    "internlm": ("llama", {**no(WHOLE, "head_dim"), "num_key_value_heads": 3, "attention_bias": True}, 4, dict(seed=123, renamed="internlm")),
    "minicpm": ("llama", {**no(WHOLE, "head_dim"), "tie_word_embeddings": True}, 4, dict(seed=124, renamed="minicpm", scales=(3.0, 1.4 / 2 ** 0.5, 8 / 24))),
    "qwen": ("qwen2", {**no(WHOLE, "head_dim"), "num_key_value_heads": 3, "pad_token_id": None}, 4, dict(seed=125, renamed="qwen")),
    "chatglm": ("glm", {**LLAMA, "attention_bias": True, "rope_parameters": dict(rope_type="default", rope_theta=25000.0, partial_rotary_factor=0.5)}, 4, dict(seed=126, renamed="chatglm")),
}


def old_form(model_type, c):
    """The configuration as transformers 4 wrote it."""
    rope = c.pop("rope_parameters", None) or {}
    if model_type == "deepseek_v4":
        ratios = dict(sliding_attention=0, compressed_sparse_attention=4, heavily_compressed_attention=128)
        c["compress_ratios"] = [ratios[t] for t in c.pop("layer_types")] + [0]  # and of a layer that predicts a further token
        c["num_hash_layers"] = c.pop("mlp_layer_types").count("hash_moe")
        c["rope_scaling"] = {k if k != "rope_type" else "type": v for k, v in no(rope["compress"], "rope_theta", "partial_rotary_factor", "attention_factor").items()}
        return no(c, "compress_rates", "partial_rotary_factor")
    c["torch_dtype"], c["transformers_version"] = c.pop("dtype", "float32"), "4.45.2"
    c.pop("layer_types", None) if model_type in ("gemma", "gemma2", "gemma3_text") else None
    if model_type == "gemma3n_text":
        c["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    if model_type == "zamba2":
        c["layers_block_type"] = [dict(linear_attention="mamba").get(t, t) for t in c["layers_block_type"]]
    if model_type == "granitemoehybrid":
        c["layer_types"] = [dict(linear_attention="mamba", full_attention="attention")[t] for t in c["layer_types"]]
    if model_type == "gemma3_text":
        c["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        c["sliding_window_pattern"] = c.pop("_sliding_window_pattern")
        rope = rope["full_attention"]
    part, theta = rope.pop("partial_rotary_factor", None), rope.pop("rope_theta", None)
    if model_type == "gpt_neox":
        c["rotary_pct"], c["rotary_emb_base"] = part, theta
    elif theta is not None:
        c["rope_theta"] = theta
        if part is not None:
            c["partial_rotary_factor"] = part
    if theta is not None:
        kind = rope.pop("rope_type", "default")
        c["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    return c


INTERN = [("self_attn.o_proj", "attention.wo"), ("mlp.gate_proj", "feed_forward.w1"), ("mlp.up_proj", "feed_forward.w3"),
          ("mlp.down_proj", "feed_forward.w2"), ("input_layernorm", "attention_norm"), ("post_attention_layernorm", "ffn_norm"),
          ("embed_tokens", "tok_embeddings"), ("lm_head", "output")]


def internlm2(config, tensors):
    """A Llama with biases under InternLM 2's names: its own class is not part of transformers."""
    c = {k: v for k, v in config.items() if k not in ("attention_bias", "mlp_bias", "head_dim", "pretraining_tp")}
    c.update(model_type="internlm2", architectures=["InternLM2ForCausalLM"], bias=True)
    heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
    out = {}
    for name, t in tensors.items():
        if ".q_proj." in name:
            q, k, v = (tensors[name.replace(".q_proj.", f".{x}_proj.")] for x in "qkv")
            q, k, v = (x.reshape(groups, -1, *x.shape[1:]) for x in (q, k, v))
            name, t = name.replace("self_attn.q_proj", "attention.wqkv"), torch.cat([q, k, v], 1).flatten(0, 1).contiguous()
        elif ".k_proj." in name or ".v_proj." in name:
            continue
        for a, b in INTERN:
            name = name.replace(a, b)
        out[name] = t
    return c, out


def renamed(c, model_type, architecture, drop=(), **more):
    c = {k: v for k, v in c.items() if k not in ("attention_bias", "mlp_bias", "head_dim", "pretraining_tp", *drop)}
    return {**c, "model_type": model_type, "architectures": [architecture], **more}


def fused(tensors, parts, whole, names):
    """Queries, keys and values one behind the other, and other names."""
    out = {}
    for name, t in tensors.items():
        if f".{parts[0]}." in name:
            t = torch.cat([tensors[name.replace(parts[0], p)] for p in parts], 0).contiguous()
            name = name.replace(parts[0], whole)
        elif any(f".{p}." in name for p in parts):
            continue
        for a, b in names:
            name = name.replace(a, b)
        out[name] = t
    return out


QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


def baichuan(c, tensors):
    return renamed(c, "baichuan", "BaiChuanForCausalLM", ["num_key_value_heads"]), fused(tensors, QKV, "self_attn.W_pack", [])


def baichuan2(c, tensors):
    config, tensors = baichuan(c, tensors)
    return {**config, "norm_head": True}, tensors  # which published configurations do not say


def plm(c, tensors):
    experts = [k for k in c if "expert" in k or "topk" in k or "n_group" == k or k.startswith(("moe_", "routed_", "router_", "first_k"))]
    return renamed(c, "plm", "PLMForCausalLM", experts, hidden_act="relu2"), tensors


def internlm(c, tensors):
    return renamed(c, "internlm", "InternLMForCausalLM", ["num_key_value_heads"], bias=True), tensors


def minicpm(c, tensors):
    return renamed(c, "minicpm", "MiniCPMForCausalLM", scale_emb=3.0, scale_depth=1.4, dim_model_base=8), tensors


def bailing_moe_v2(c, tensors):
    config = renamed(c, "bailing_moe_v2", "BailingMoeV2ForCausalLM", ["n_routed_experts", "n_shared_experts", "num_local_experts"], head_dim=c["head_dim"],
                     num_experts=8, num_shared_experts=c["n_shared_experts"])
    return config, fused(tensors, QKV, "attention.query_key_value", [
        ("embed_tokens", "word_embeddings"), ("self_attn.o_proj", "attention.dense"), ("self_attn.q_norm", "attention.query_layernorm"), ("self_attn.k_norm", "attention.key_layernorm"),
        ("e_score_correction_bias", "expert_bias"), ("self_attn.", "")])


def minicpm_moe(c, tensors):
    config = renamed(c, "minicpm", "MiniCPMForCausalLM", ["num_local_experts"], scale_emb=3.0, scale_depth=1.4, dim_model_base=8, num_experts=4)
    return config, {n.replace("block_sparse_moe", "mlp"): t for n, t in tensors.items()}


def hunyuan_large(c, tensors):
    return renamed(c, "hunyuan", "HunYuanForCausalLM", use_cla=True, cla_share_factor=2, num_shared_expert=1, use_mixed_mlp_moe=True, use_qk_norm=True), tensors


def longcat_flash_ngram(c, tensors):
    config = {**c, "model_type": "longcat_flash_ngram", "architectures": ["LongcatFlashNgramForCausalLM"]}
    return config, {re.sub(r"embed_tokens\.(embedders|post_projs)", r"ngram_embeddings.\1", n): t for n, t in tensors.items()}


def qwen(c, tensors):
    config = renamed(c, "qwen", "QWenLMHeadModel", ["num_key_value_heads", "rms_norm_eps", "rope_theta", "rope_scaling"],
                     layer_norm_epsilon=c["rms_norm_eps"], rotary_emb_base=c["rope_theta"], intermediate_size=2 * c["intermediate_size"])
    return config, fused(tensors, QKV, "attn.c_attn", [
        ("model.embed_tokens", "transformer.wte"), ("model.layers", "transformer.h"), ("model.norm", "transformer.ln_f"), ("input_layernorm", "ln_1"),
        ("post_attention_layernorm", "ln_2"), ("self_attn.o_proj", "attn.c_proj"), ("mlp.gate_proj", "mlp.w2"), ("mlp.up_proj", "mlp.w1"), ("mlp.down_proj", "mlp.c_proj")])


def chatglm(c, tensors):
    config = renamed(c, "chatglm", "ChatGLMModel", ["num_key_value_heads", "rms_norm_eps", "rope_theta", "rope_scaling", "intermediate_size", "num_hidden_layers",
                                                    "vocab_size", "max_position_embeddings", "partial_rotary_factor"],
                     layernorm_epsilon=c["rms_norm_eps"], ffn_hidden_size=c["intermediate_size"], num_layers=c["num_hidden_layers"], padded_vocab_size=c["vocab_size"],
                     seq_length=c["max_position_embeddings"], kv_channels=c["head_dim"], multi_query_attention=True, multi_query_group_num=c["num_key_value_heads"],
                     add_qkv_bias=c["attention_bias"], rope_ratio=c["rope_theta"] / 10000)
    return config, fused(tensors, QKV, "self_attention.query_key_value", [
        ("model.embed_tokens", "transformer.embedding.word_embeddings"), ("model.layers", "transformer.encoder.layers"), ("model.norm", "transformer.encoder.final_layernorm"),
        ("self_attn.o_proj", "self_attention.dense"), ("mlp.gate_up_proj", "mlp.dense_h_to_4h"), ("mlp.down_proj", "mlp.dense_4h_to_h"), ("lm_head", "transformer.output_layer")])


# classes that are not part of transformers: one of its own under their names
def step3p5(c, tensors):
    """The names of the published files, whose experts are stacked, gate and up apart."""
    names, out = [("mlp.gate.e_score_correction_bias", "moe.router_bias"), ("mlp.gate.", "moe.gate."), ("mlp.shared_experts.", "share_expert."),
                  ("mlp.experts.down_proj", "moe.down_proj.weight")], {}
    for name, t in tensors.items():
        for a, b in names:
            name = name.replace(a, b)
        if "experts.gate_up_proj" in name:
            for part, half in zip(("gate", "up"), t.chunk(2, 1)):
                out[name.replace("mlp.experts.gate_up_proj", f"moe.{part}_proj.weight")] = half.contiguous()
        else:
            out[name] = t
    return {**c, "architectures": ["Step3p5ForCausalLM"]}, out


def step3p5_published(c, tensors):
    """And their keys: rotary embeddings in lists, which count layers that predict further tokens too."""
    c, tensors = step3p5(c, tensors)
    if "rope_parameters" not in c:  # of gradients nobody asks for a configuration
        return c, tensors
    types, rope, experts = c["layer_types"], c["rope_parameters"], [i for i, t in enumerate(c["mlp_layer_types"]) if t == "sparse"]
    full = dict(rope["full_attention"])
    further = lambda values, v: [*values, v]
    of = lambda key, default: further([rope[t].get(key, default) for t in types], default)
    new = dict(layer_types=further(types, "sliding_attention"), rope_theta=of("rope_theta", 10000.0), partial_rotary_factors=of("partial_rotary_factor", 1.0), yarn_only_types=["full_attention"],
               rope_scaling={k: v for k, v in full.items() if k not in ("rope_theta", "partial_rotary_factor")}, use_rope_layers=[], moe_layers_enum=",".join(map(str, experts)),
               attention_other_setting=dict(attention_type="sliding_attention", num_attention_heads=c["num_sliding_attention_heads"], num_attention_groups=c["num_key_value_heads"],
                                            head_dim=c["head_dim"]),
               moe_num_experts=c["n_routed_experts"], moe_top_k=c["num_experts_per_tok"], num_attention_groups=c["num_key_value_heads"], num_nextn_predict_layers=1, use_moe_router_bias=True,
               use_head_wise_attn_gate=True, moe_router_activation="sigmoid", swiglu_limits=further(c["swiglu_limits"], 0.0), swiglu_limits_shared=further(c["swiglu_limits_shared"], 0.0))
    drop = ("rope_parameters", "mlp_layer_types", "num_sliding_attention_heads", "per_layer_config", "n_routed_experts", "num_experts_per_tok", "num_key_value_heads", "query_pre_attn_scalar")
    return {**{k: v for k, v in c.items() if k not in drop}, **new}, tensors


RENAMED = {"step3p5": step3p5, "step3p5_published": step3p5_published, "internlm2": internlm2, "baichuan": baichuan, "baichuan2": baichuan2, "plm": plm, "bailing_moe_v2": bailing_moe_v2, "internlm": internlm, "minicpm": minicpm, "minicpm_moe": minicpm_moe, "hunyuan_large": hunyuan_large, "longcat_flash_ngram": longcat_flash_ngram, "qwen": qwen, "chatglm": chatglm}


def scale(model, embedding, sublayer, logits):
    """MiniCPM's factors, which Llama's class lacks."""
    times = lambda y, by: (y[0] * by, *y[1:]) if isinstance(y, tuple) else y * by
    model.model.embedding_multiplier = embedding
    model.model.embed_tokens.register_forward_hook(lambda m, x, y: y * embedding)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            part.register_forward_hook(lambda m, x, y: times(y, sublayer))
    model.lm_head.register_forward_pre_hook(lambda m, x: (x[0] * logits,))


LAST = {}  # what modules have given last


class Lent(torch.nn.Module):
    """What another module made of its own input."""

    def __init__(self, of):
        super().__init__()
        self.of = [of]  # not a part of this one

    def forward(self, x):
        return LAST[self.of[0]]


class ShareOfAll:
    """Hunyuan-Large's gate: one expert, which counts by its share of all."""

    def forward(self, x):
        logits = self.wg(x.reshape(-1, x.shape[-1]))
        best, index = logits.softmax(-1).topk(self.top_k, dim=-1)
        return logits, best, index


def share_keys(model, n):
    """Of n layers the first one's keys and values, before their norm and rotation, for all."""
    for i, layer in enumerate(model.model.layers):
        gate = layer.mlp.gate
        gate.__class__ = type("Gate", (ShareOfAll, type(gate)), {})
        first = model.model.layers[i - i % n].self_attn
        for name in ("k_proj", "v_proj"):
            if i % n:
                setattr(layer.self_attn, name, Lent(getattr(first, name)))
            else:
                getattr(first, name).register_forward_hook(lambda m, x, y: LAST.__setitem__(m, y))


class PlainMlp(torch.nn.Module):
    """PLM's: squared ReLU, no gate."""

    def __init__(self, mlp):
        super().__init__()
        self.up_proj, self.down_proj = mlp.up_proj, mlp.down_proj

    def forward(self, x):
        return self.down_proj(torch.relu(self.up_proj(x)).square())


class UnitHead(torch.nn.Linear):
    """Baichuan 2's NormHead: rows of length one."""

    def forward(self, x):
        return torch.nn.functional.linear(x, torch.nn.functional.normalize(self.weight))


class Step3p5(Step3p7PreTrainedModel):
    """The text model of transformers' step3p7 with an output layer, as the published class of step3p5 has it."""
    config_class, base_model_prefix = Step3p7TextConfig, "model"

    def __init__(self, config):
        super().__init__(config)
        config._attn_implementation = config._experts_implementation = "eager"
        self.model = Step3p7TextModel(config)
        self.lm_head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, tokens):
        return SimpleNamespace(logits=self.lm_head(self.model(tokens).last_hidden_state))


def build(name):
    model_type, arguments, form, how = CASES[name]
    torch.manual_seed(SEED)
    if model_type == "grok-1":
        return filled(name, grok1_reference.make(**arguments).eval())
    if model_type == "mamba3":
        return filled(name, mamba3_reference.make(**arguments).eval())
    config = AutoConfig.for_model(model_type, **copy.deepcopy(arguments))
    if model_type == "step3p5":
        return filled(name, Step3p5(config).eval())
    how_experts = dict(experts_implementation="eager") if model_type in EXPERTS or arguments.get("enable_moe_block") else {}
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", **how_experts).eval()
    return filled(name, model)


def filled(name, model):
    """With its random values."""
    model_type, _, _, how = CASES[name]
    for layer in model.model.layers if how.get("plain_mlp") else []:
        layer.mlp = PlainMlp(layer.mlp)
    if how.get("shares_keys"):
        share_keys(model, how["shares_keys"])
    if how.get("ngrams"):
        model.model.embed_tokens = ngram_reference.NgramEmbedding(model.model.embed_tokens, model.config)
    # a seed of its own leaves the values of all other cases as they are
    order = sorted(n for n in CASES if "seed" not in CASES[n][3])
    generator = torch.Generator().manual_seed(SEED + (how["seed"] if "seed" in how else order.index(name)))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.dim() == 1:
                centre = 1.0 if "norm" in n or "ln_" in n or "router" in n and n.endswith("scale") else 0.0
                centre = 0.0 if model_type in ("gemma", "gemma2", "gemma3_text", "step3p5") or model_type.startswith(("qwen3_next", "qwen3_5")) and "linear_attn.norm" not in n else centre if not n.endswith("bias") else 0.0
                p.copy_(centre + 0.2 * torch.randn(p.shape, generator=generator))
            else:
                std = 0.7 if "embed" in n or "wte" in n or "wpe" in n else p.shape[-1 if p.dim() > 2 else 1] ** -0.5
                std *= how.get("scans", 1) if "mamba.out_proj" in n else 1  # what scans add to the stream
                p.copy_(std * torch.randn(p.shape, generator=generator))
            if how.get("dtype"):
                p.copy_(p.to(getattr(torch, how["dtype"])).float())
        for n, b in model.named_buffers():
            if n.endswith(ROUTER_BIASES):
                b.copy_(0.1 * torch.randn(b.shape, generator=generator))
            if n.endswith("tid2eid"):
                b.copy_(torch.stack([torch.randperm(model.config.n_routed_experts, generator=generator)[:b.shape[1]] for _ in b]))
            if n.endswith("layer_scalar"):
                b.copy_(0.8 + 0.1 * torch.randn(b.shape, generator=generator))
                if how.get("dtype"):
                    b.copy_(b.to(getattr(torch, how["dtype"])).float())
    if how.get("packed"):
        pack(model, generator)
    if how.get("published"):
        narrow(model)
    if how.get("bnb"):
        with torch.no_grad():
            quantise(model, how)
    if how.get("scales"):
        scale(model, *how["scales"])
    if how.get("unit_head"):
        model.lm_head.__class__ = UnitHead
    return model


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def pack(model, generator):
    """Experts of values that MXFP4 has, made from its bytes, which are kept beside them: [experts, out, in / 32, 16] and a scale for each 32."""
    for n, p in model.named_parameters():
        if not n.endswith(("experts.gate_up_proj", "experts.down_proj")):
            continue
        experts, wide, out = p.shape
        blocks = torch.randint(0, 256, (experts, out, wide // 32, 16), generator=generator, dtype=torch.uint8)
        scales = torch.randint(122, 126, (experts, out, wide // 32), generator=generator, dtype=torch.uint8)
        values = torch.stack([E2M1[(blocks & 15).long()], E2M1[(blocks >> 4).long()]], -1).flatten(-2)
        values = values * torch.exp2(scales.float() - 127)[..., None]
        p.data.copy_(values.flatten(-2).transpose(1, 2))
        p.packed = dict(blocks=blocks, scales=scales)


IN_FP8 = re.compile(r"(wq_a|wq_b|attn\.wkv|wo_a|wo_b|shared_experts\.w[123])\.weight$")  # by the names of files
MODULES_IN_FP8 = re.compile(r"(q_a_proj|q_b_proj|self_attn\.kv_proj|o_a_proj|o_b_proj|shared_experts\.\w+_proj)\.weight$")
IN_FP4 = re.compile(r"experts\.(\d+\.w[123]\.weight|gate_up_proj|down_proj)$")


def in_blocks(w, high, wide, largest):
    """w as [blocks, high, blocks, wide], and each block's power of two, as scales are stored."""
    rows, cols = w.shape
    padded = torch.zeros(-(-rows // high) * high, -(-cols // wide) * wide)
    padded[:rows, :cols] = w
    b = padded.reshape(padded.shape[0] // high, high, padded.shape[1] // wide, wide)
    return b, torch.exp2(torch.ceil(torch.log2(b.abs().amax((1, 3), keepdim=True).clamp(min=1e-30) / largest)))


def coded(w, four):
    """Bytes and scales of a matrix, and the values that these are."""
    b, scale = in_blocks(w, 1, 32, 6.0) if four else in_blocks(w, 128, 128, 448.0)
    whole = lambda t: t.flatten(2, 3).flatten(0, 1)[:w.shape[0], :w.shape[1]].contiguous()
    scales = scale[:, 0, :, 0].to(torch.float8_e8m0fnu)
    if not four:
        codes = (b / scale).to(torch.float8_e4m3fn)
        return whole(codes), scales, whole(codes.float() * scale)
    codes = (whole(b / scale)[..., None] - E2M1).abs().argmin(-1).to(torch.uint8)
    values = whole(in_blocks(E2M1[codes.long()], 1, 32, 6.0)[0] * scale)
    return (codes[:, ::2] | codes[:, 1::2] << 4).view(torch.int8), scales, values


@torch.no_grad()
def narrow(model):
    """Matrices of values that FP8 and FP4 have; blocks differ in their scales."""
    for n, p in model.named_parameters():
        if MODULES_IN_FP8.search(n):
            p[:, 128:] *= 5
            p[128:] *= 0.3
            p.copy_(coded(p, False)[2])
        elif IN_FP4.search(n):
            p *= torch.exp2(torch.arange(p.shape[-1]) // 32 % 3)
            for w in p:
                w.copy_(coded(w, True)[2])


def published(config, tensors):
    """The folder as DeepSeek has it."""
    out = {}
    for n, t in tensors.items():
        for a, b in (("model.hc_head.hc_", "hc_head_"), ("model.embed_tokens", "embed"), (".attn.norm.", ".attn.kv_norm."), ("model.", "")):
            n = n.replace(a, b)
        if IN_FP8.search(n) or IN_FP4.search(n):
            codes, scales, values = coded(t.float(), not IN_FP8.search(n))
            assert torch.equal(values, t.float()), n
            out[n], out[n.replace(".weight", ".scale")] = codes, scales
        else:
            out[n] = t
    quantised = dict(activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", scale_fmt="ue8m0", weight_block_size=[128, 128])
    return {**config, "expert_dtype": "fp4", "quantization_config": quantised}, out


QUANTISED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def quantise(model, how):
    """Weights of linear layers become what bitsandbytes makes of them; model.parts: what files have instead."""
    import bitsandbytes.functional as bnb
    kind = getattr(torch, how.get("dtype", "float32"))
    model.parts = {}
    for n, p in model.named_parameters():
        if n.split(".")[-2] not in QUANTISED:
            continue
        if how["bnb"] == "int8":
            codes, most, _ = bnb.int8_vectorwise_quant(p.detach().half())
            model.parts[n] = {n: codes, n.replace("weight", "SCB"): most, n + "_format": torch.tensor(0, dtype=torch.uint8)}
            p.copy_(bnb.int8_vectorwise_dequant(codes, most))
            continue
        codes, state = bnb.quantize_4bit(p.detach().to(kind), compress_statistics=True, quant_type=how["bnb"])
        model.parts[n] = {n: codes, **{f"{n}.{k}": x for k, x in state.as_dict(packed=True).items()}}
        p.copy_(bnb.dequantize_4bit(codes, state).float())


def with_parts(config, tensors, model, how):
    out = {}
    for n, t in tensors.items():
        out.update({k: x.contiguous() for k, x in model.parts[n].items()} if n in model.parts else {n: t})
    eight = how["bnb"] == "int8"
    kind = dict(bnb_4bit_quant_type=how["bnb"], bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="float32") if not eight else {}
    return {**config, "quantization_config": dict(quant_method="bitsandbytes", load_in_4bit=not eight, load_in_8bit=eight, **kind)}, out


def mixes(model):
    return any(".experts." in n for n in model.state_dict())


# what save_pretrained calls otherwise than the modules are
FILE_NAMES = {"gpt_neox": ("lm_head.", "embed_out."), "nemotron_h": ("model.", "backbone.")}


def file_name(model, name):
    a, b = FILE_NAMES.get(model.config.model_type, (name, name))
    return b + name.removeprefix(a) if name.startswith(a) else name


def split_experts(model, how, of):
    """Values by the names of files: what save_pretrained makes of the experts, which modules have in one tensor. of: by the modules' names."""
    from safetensors.torch import load_file
    if how.get("stacked"):
        return of
    twin = copy.deepcopy(model)
    for n, p in list(twin.named_parameters()) + list(twin.named_buffers()):
        if n in of:
            p.data = of[n].detach().clone()
    with tempfile.TemporaryDirectory() as folder:
        twin.save_pretrained(folder)
        out = load_file(Path(folder) / "model.safetensors")
    if how.get("dense"):  # as the published files call the MLPs of dense layers
        out = {re.sub(r"block_sparse_moe\.(gate|up|down)_proj", r"mlp.\1_proj", n): t for n, t in out.items()}
    if how.get("real_experts"):  # transformers keeps weights of experts that compute nothing, which nobody uses
        out = {n: t for n, t in out.items() if not (m := re.search(r"experts\.(\d+)\.", n)) or int(m[1]) < how["real_experts"]}
    return {n: t for n, t in out.items() if len(of) == len(model.state_dict()) or not n.endswith(ROUTER_BUFFERS)}


def shares(model):
    """Blocks that several layers use, whose tensors files have once."""
    return model.config.model_type == "zamba2"


def file_tensors(model, how):
    """What save_pretrained would write, in the order of the state dict."""
    tied = model.config.tie_word_embeddings
    out = {}
    state = model.state_dict()
    if shares(model):
        state = {n: state[n] for n, _ in model.named_parameters()}
    if mixes(model):
        state = split_experts(model, how, state)
    for n, t in state.items():
        if n == "lm_head.weight" and tied:
            continue
        dtype = getattr(torch, how.get("dtype", "float32")) if t.is_floating_point() else t.dtype
        out[file_name(model, n)] = t.detach().to(dtype).clone().contiguous()
    for n, p in model.named_parameters():
        if hasattr(p, "packed"):
            del out[n]
            out.update({f"{n}_{k}": v for k, v in p.packed.items()})
    return out


def write_model(folder, name, model):
    model_type, arguments, form, how = CASES[name]
    config = model.config.to_dict()
    config = {k: v for k, v in config.items() if k not in ("_name_or_path", "return_dict", "chunk_size_feed_forward") and v is not None or "token_id" in k or k in ("head_dim", "q_lora_rank", "sliding_window", "num_key_value_heads", "attn_logit_softcapping", "final_logit_softcapping")}
    config["architectures"], config["model_type"] = [type(model).__name__], model_type
    config["dtype"] = how.get("dtype", "float32")
    if form == 4:
        config = old_form(model_type, config)
    if how.get("global_heads"):  # as files of before per_layer_config have it
        config.update(global_head_dim=arguments["global_head_dim"], num_global_key_value_heads=arguments.get("num_global_key_value_heads"))
        config.pop("per_layer_config")
    config = {k: v for k, v in config.items() if k not in how.get("drop", [])}
    if how.get("packed"):
        config["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router",
                                                                                          "model.embed_tokens", "lm_head"])
    if how.get("full_attention_interval"):  # in the place of the list
        config.pop("layer_types")
        config["full_attention_interval"] = how["full_attention_interval"]
    if how.get("says_tied"):  # beside an output layer of its own, which counts
        config["tie_word_embeddings"] = True
    tensors = file_tensors(model, how)
    if how.get("renamed"):
        config, tensors = RENAMED[how["renamed"]](config, tensors)
    order = {k: list(t.shape) for k, t in tensors.items()}
    if how.get("published"):
        config, tensors = published(config, tensors)
    if how.get("bnb"):
        config, tensors = with_parts(config, tensors, model, how)
    if how.get("old_gpt2"):  # as OpenAI's first files: no prefix, buffers of masks, the output layer beside its twin
        tensors = {k.removeprefix("transformer."): t for k, t in tensors.items()}
        for i in range(model.config.n_layer):
            tensors[f"h.{i}.attn.bias"] = torch.ones(1, 1, 4, 4).tril()
            tensors[f"h.{i}.attn.masked_bias"] = torch.tensor(-10000.0)
        tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    if not how.get("shards"):
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return config, order
    names, parts = list(tensors), 3
    cut = [names[len(names) * i // parts:len(names) * (i + 1) // parts] for i in range(parts)]
    index = {}
    for i, part in enumerate(cut):
        file = f"model-{i + 1:05}-of-{parts:05}.safetensors"
        save_file({n: tensors[n] for n in part}, folder / file, metadata={"format": "pt"})
        index.update({n: file for n in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=1) + "\n")
    return config, order


def mean_loss(logits, tokens):
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def digest(t):
    """Sum, sum of sizes, and values at places spread over the tensor."""
    flat = t.flatten().double()
    where = sorted({(i * 7919 + 13) % flat.numel() for i in range(16)})
    return dict(shape=list(t.shape), sum=flat.sum().item(), abs=flat.abs().sum().item(), at=where, values=[flat[i].item() for i in where])


def untrained(model):
    """What no gradient comes to (indexers) has one of zeros, so that weights decay."""
    for p in model.parameters():
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad


def adamw(model, tokens):
    """Megatron's groups: no decay for what has one dimension, nor for biases of experts. The loss before each step, the norm before clipping."""
    named = list(model.named_parameters())
    decays = lambda n, p: p.dim() > 1 and not n.endswith("_bias") and "norm" not in n and not n.endswith("A_log")  # Cohere's norms of heads have a row a head; Kimi's A_log is [1, 1, heads, 1]
    groups = [dict(params=[p for n, p in named if decays(n, p)], weight_decay=ADAMW["weight_decay"]),
              dict(params=[p for n, p in named if not decays(n, p)], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=ADAMW["lr"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    losses, norms = [], []
    for _ in range(ADAMW["steps"]):
        optimizer.zero_grad()
        loss = mean_loss(model(tokens).logits, tokens)
        loss.backward()
        untrained(model)
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip_grad"]).item())
        losses.append(loss.item())
        optimizer.step()
    return losses, norms


def check_steps(name, twin, tokens, norms):
    """Steps make rounding errors grow. Where weights that are moved by a rounding of fp32 move the norms by half of what tests allow
    (tests/golden/test_families.c), the case says little of an implementation, and another seed is better."""
    for seed in range(3):
        moved = copy.deepcopy(twin)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in moved.parameters():
                p.mul_(1 + 2.0**-23 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        for step, (want, got) in enumerate(zip(norms, adamw(moved, tokens)[1])):
            part = abs(got - want) / ((1e-5 + 2e-5 * step) * want)
            assert part < 0.5, f"{name}: roundings move the norm of step {step} by {part:.2f} of the tolerance: take another seed"


def results(name, model):
    vocab = model.config.vocab_size
    generator = torch.Generator().manual_seed(SEED - 1)
    tokens = torch.randint(3, vocab, (2, 20), generator=generator)
    logits = model(tokens).logits
    loss = mean_loss(logits, tokens)
    loss.backward()
    untrained(model)
    grads = {file_name(model, n): p.grad for n, p in model.named_parameters() if p.requires_grad}
    if mixes(model):
        grads = split_experts(model, CASES[name][3], grads)
    if CASES[name][3].get("renamed"):
        c = old_form(CASES[name][0], model.config.to_dict())
        grads = RENAMED[CASES[name][3]["renamed"]](c, grads)[1]
    grads = {n: digest(g) for n, g in grads.items()}
    logp = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    twin = copy.deepcopy(model).double()
    for m in twin.modules():  # GPT-2's way in fp32, which refuses doubles
        m.reorder_and_upcast_attn = False
    own = (twin(tokens).logits - logits).abs().max().item()
    losses, norms = adamw(copy.deepcopy(twin), tokens)
    check_steps(name, twin, tokens, norms)
    return dict(tokens=tokens.tolist(), loss=loss.item(), logprobs=logp.tolist(), own_error=own, logit_scale=logits.abs().max().item(),
                grads=grads, adamw=dict(**ADAMW, losses=losses, norms=norms)), logits[0].detach().contiguous()


def expected(model, how):
    c = model.config
    c.allow_global_per_layer_attribute_access = True  # sizes of most layers, where some have others
    get = lambda *keys: next((getattr(c, k) for k in keys if getattr(c, k, None) is not None), None)
    hidden = c.hidden_size
    ffn = get("intermediate_size", "n_inner", "ffn_hidden_size") or 4 * hidden  # a list: of each layer
    scans = c.model_type in SCANS  # heads and widths of attention and MLP are those of none
    heads = 1 if scans else c.num_attention_heads
    head = 1 if scans else get("qk_head_dim", "head_dim") or hidden // heads
    return dict(hidden=hidden, n_layers=c.num_hidden_layers, n_heads=heads, n_kv_heads=getattr(attention_of(model), "num_kv_heads", None) or get("num_key_value_heads") or heads, head_dim=head,
                ffn=1 if scans else model.model.layers[0].feed_forward.w1.out_features if c.model_type == "lfm2" else ffn[0] if isinstance(ffn, list) else ffn, vocab=c.vocab_size,
                max_positions=get("max_position_embeddings", "max_seq_len") or (1 << 30 if scans else 2048),
                eps=get("rms_norm_eps", "norm_epsilon", "norm_eps", "layer_norm_eps", "layer_norm_epsilon") or 1e-5, tied=bool(c.tie_word_embeddings),
                parameters=sum(p.numel() for p in model.parameters()) + sum(b.numel() for n, b in model.named_buffers() if n.endswith("layer_scalar")),
                pad_frozen=model.get_input_embeddings().padding_idx is not None,
                **features(model), windows=[layer_window(model, i) for i in range(c.num_hidden_layers)])


def attention_of(model):
    """Of the first layer that has one; else None."""
    base = model.base_model
    layers = next(getattr(base, n) for n in ("h", "blocks", "layers") if hasattr(base, n))
    names = ("self_attn", "self_attention", "attention", "attn", "mixer")  # a mixer may be another thing
    return next((getattr(layer, n) for layer in layers for n in names
                 if getattr(layer, n, None) is not None and (n != "mixer" or hasattr(layer.mixer, "scaling"))), None)


def features(model):
    """What the modules, not the configuration, say."""
    base = model.base_model
    rotary = getattr(base, "rotary_emb", None)
    inv_freq = getattr(rotary, "inv_freq", getattr(rotary, "full_attention_inv_freq", None))
    attention = attention_of(model)
    scale = next((getattr(attention, n) for n in ("scaling", "inv_norm_factor", "softmax_scale") if hasattr(attention, n)),
                 1.0 if model.config.model_type in SCANS else (getattr(model.config, "head_dim", None) or model.config.hidden_size // model.config.num_attention_heads) ** -0.5)
    scale *= getattr(attention, "key_multiplier", 1.0)
    embedding = model.get_input_embeddings()
    return dict(rotary=0 if inv_freq is None else 2 * len(inv_freq), attn_scale=float(scale),
                embed_scale=float(getattr(embedding, "scalar_embed_scale", getattr(base, "embedding_multiplier", 1.0))))


def layer_window(model, i):
    """The window that layer i really has, from its own module or from the masks that all layers share."""
    c = model.config
    if c.model_type in ("mistral", "ministral3", "phi3", "starcoder2"):
        return c.sliding_window or 0
    attention = getattr(model.model.layers[i], "self_attn", None) if hasattr(model, "model") else None
    return getattr(attention, "sliding_window", None) or 0 if getattr(attention, "is_sliding", True) else 0


def rope_tables():
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
    from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding
    from transformers import LlamaConfig, Phi3Config
    base = dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=4, num_hidden_layers=1, intermediate_size=8, vocab_size=8)
    llama3 = dict(rope_type="llama3", rope_theta=500000.0, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=128)
    yarn = dict(rope_type="yarn", rope_theta=10000.0, factor=16.0, original_max_position_embeddings=64)
    factors = dict(short_factor=[1.0 + 0.1 * i for i in range(8)], long_factor=[1.0 + i * i for i in range(8)])
    trials = [
        ("default", 4096, dict(rope_type="default", rope_theta=10000.0), 64),
        ("default-far", 131072, dict(rope_type="default", rope_theta=1000000.0), 131072),
        ("linear", 512, dict(rope_type="linear", rope_theta=10000.0, factor=4.0), 64),
        ("dynamic-short", 128, dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0), 128),
        ("dynamic-long", 128, dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0), 300),
        ("llama3", 4096, llama3, 600),
        ("yarn", 1024, yarn, 700),
        ("yarn-implicit", 1024, {**yarn, "factor": None}, 700),
        ("yarn-options", 1024, {**yarn, "beta_fast": 20, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 1.3, "truncate": False}, 700),
        ("yarn-factor", 1024, {**yarn, "attention_factor": 1.25}, 700),
        ("yarn-narrow", 1024, {**yarn, "beta_fast": 4, "beta_slow": 4, "truncate": False}, 90),
        ("longrope-short", 512, dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=64, **factors), 64),
        ("longrope-long", 512, dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=64, **factors), 65),
        ("longrope-factor", 512, dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=64, factor=3.0, **factors), 100),
        ("partial", 512, dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5), 64),
        ("phi-partial-longrope", 512, dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75, original_max_position_embeddings=64,
                                           short_factor=factors["short_factor"][:6], long_factor=factors["long_factor"][:6]), 300),
        ("phi-partial-default-length-short", 8192, dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, short_factor=factors["short_factor"][:4],
                                                        long_factor=factors["long_factor"][:4]), 4096),
        ("phi-partial-default-length-long", 8192, dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, short_factor=factors["short_factor"][:4],
                                                       long_factor=factors["long_factor"][:4]), 4097),
    ]
    out = []
    for name, longest, rope, seq_len in trials:
        phi = "partial" in name
        extra = {"original_max_position_embeddings": rope["original_max_position_embeddings"]} if name == "phi-partial-longrope" else {}
        config = (Phi3Config if phi else LlamaConfig)(**base, **extra, max_position_embeddings=longest, rope_parameters=copy.deepcopy(rope))
        rotary = (Phi3RotaryEmbedding if phi else LlamaRotaryEmbedding)(config)
        cos, sin = rotary(torch.zeros(1), torch.arange(seq_len)[None])
        half = cos.shape[-1] // 2
        places = sorted({0, 1, 2, 7, seq_len // 3, seq_len // 2, seq_len - 1})
        out.append(dict(name=name, seq_len=seq_len, positions=places, half=half,
                        config=dict(model_type="phi3" if phi else "llama", **base, **extra, max_position_embeddings=longest, rope_parameters=rope),
                        cos=[cos[0, p, :half].tolist() for p in places], sin=[sin[0, p, :half].tolist() for p in places]))
    return out


def check_folder(folder, name, logits, model):
    """The folder is what transformers takes it for."""
    if CASES[name][3].get("renamed") or CASES[name][0] in OURS or CASES[name][3].get("real_experts"):
        return  # transformers 5.24 asks for weights of experts that compute nothing
    if CASES[name][3].get("packed"):
        return check_packed(folder, model)
    if CASES[name][3].get("published"):
        return check_published(folder, file_tensors(model, CASES[name][3]))
    if CASES[name][3].get("bnb"):
        back, seen = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").dequantize(), 0
        for n, p in model.named_parameters():
            if n in model.parts:
                assert torch.equal(back.get_parameter(n).float(), p), n
                seen += 1
        assert seen == len(model.parts)
        return
    back = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    off = (back(torch.tensor(json.loads((folder / "golden.json").read_text())["tokens"])).logits[0] - logits).abs().max().item()
    assert off < 1e-5, f"{name}: transformers reads another model from {folder}, off by {off}"


def check_packed(folder, model):
    """transformers unpacks the bytes to the values that the model has."""
    from safetensors.torch import load_file
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors
    files = load_file(folder / "model.safetensors")
    for n, p in model.named_parameters():
        t = convert_moe_packed_tensors(files[n + "_blocks"], files[n + "_scales"], dtype=torch.float32) if n + "_blocks" in files else files[n]
        assert torch.equal(t, p), n


def check_published(folder, tensors):
    """transformers makes of codes and scales the values that the model has."""
    from safetensors.torch import load_file
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize
    files, n = load_file(folder / "model.safetensors"), 0

    def dequantised(codes, scales):  # it asks for grids that divide a matrix evenly: codes are filled up with zeros
        side = (1, 32) if codes.dtype == torch.int8 else (128, 128)
        rows, cols = codes.shape[0], codes.shape[1] * (2 if codes.dtype == torch.int8 else 1)
        full = torch.zeros(scales.shape[0] * side[0], scales.shape[1] * side[1] * codes.shape[1] // cols, dtype=torch.uint8)
        full[:codes.shape[0], :codes.shape[1]] = codes.view(torch.uint8)
        return Fp8Dequantize(None)._dequantize_one(full.view(codes.dtype), scales, output_dtype=torch.float32)[:rows, :cols]

    _, again = published({}, tensors)
    for k, t in zip([k for k in again if not k.endswith(".scale")], tensors.values()):
        scales = files.get(k.replace(".weight", ".scale")) if k.endswith(".weight") else None
        if scales is None:
            assert torch.equal(files[k], t), k
            continue
        assert torch.equal(dequantised(files[k], scales), t.float()), k
        n += 1
    assert n > 10


def rounded(v):
    """Nine digits give a float32 back."""
    if isinstance(v, float):
        return float(f"{v:.9g}")
    if isinstance(v, dict):
        return {k: rounded(x) for k, x in v.items()}
    return [rounded(x) for x in v] if isinstance(v, list) else v


def defaults():
    """What an empty config.json of each type is: the classes' own defaults."""
    out = []
    for model_type in sorted({t for t, *_ in CASES.values()} - EXPERTS - OURS - {"hunyuan_v1_dense"}):  # whose own default is no model
        # transformers' class of Nemotron cannot be made from its own default, which is no number
        if model_type in ("nemotron_h", "zamba2"):  # whose own default has layers that are refused
            continue
        c = AutoConfig.for_model(model_type, **(dict(num_key_value_heads=48) if model_type == "nemotron" else {}))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(c)
        out.append(dict(name=f"defaults of {model_type}", config=dict(model_type=model_type), expect=expected(model, {}),
                        tensors={k: list(t.shape) for k, t in file_tensors(model, {}).items() if ".layers." not in k and ".h." not in k}))
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", default="tests/golden", type=Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    torch.set_num_threads(1)
    configs = []
    for name in CASES:
        folder = args.out / "families" / name
        model = build(name)
        if args.only and name not in args.only.split(","):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config, order = write_model(folder, name, model)
        golden, logits = results(name, model)
        (folder / "golden.json").write_text(json.dumps(rounded(golden)) + "\n")
        save_file({"logits": logits}, folder / "logits.safetensors")
        check_folder(folder, name, logits, model)
        if CASES[name][0] not in OURS and not mixes(model) and not shares(model) and not CASES[name][3].get("says_tied"):  # whose tensors in files are others than in the state dict, or than its configuration says
            configs.append(dict(name=name, config=config, expect=expected(model, CASES[name][3]), tensors=order))
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name}: {size // 1024} KB, loss {golden['loss']:.4f}, largest logit {golden['logit_scale']:.1f}, own error {golden['own_error']:.1e}")
    (args.out / "model").mkdir(exist_ok=True)
    file = args.out / "model" / "configs.json"
    made = {c["name"]: rounded(c) for c in configs + defaults()}
    if args.only:  # what is there stays, but for the cases that were made
        old = {c["name"]: c for c in json.loads(file.read_text())}
        made = old | {n: c for n, c in made.items() if n not in old} | {c["name"]: rounded(c) for c in configs}
    lines = ",\n".join(map(json.dumps, made.values()))
    file.write_text(f"[\n{lines}\n]\n")
    if args.only:
        return
    lines = ",\n".join(json.dumps(rounded(c)) for c in rope_tables())
    (args.out / "model" / "ropes.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
