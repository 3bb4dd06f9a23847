#!/bin/bash
# transformers 5.24.0 (with torch 2.15.0): two keys of published configurations change nothing in the classes that have them.
#   mpt          attn_config.alibi_bias_max: slopes are always those of 8
#   deepseek_v2  norm_topk_prob: the chosen experts' weights are never divided by their sum
# A model that was trained with another value of the first, or with the second, is computed as if it had not been, and nobody is
# told. Pinned: transformers==5.24.0 torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q transformers==5.24.0 torch==2.15.0 numpy
cat >"$dir/try.py" <<'P'
import torch
import transformers
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, MptConfig, MptForCausalLM


def logits(kind, config):
    torch.manual_seed(1)
    model = kind(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.normal_(0, 0.3)
        return model(torch.arange(1, 13)[None]).logits


def mpt(most):
    config = MptConfig(vocab_size=32, d_model=24, n_layers=2, n_heads=3, max_seq_len=32, attn_config=dict(alibi_bias_max=most))
    return logits(MptForCausalLM, config)


def deepseek(norm):
    config = DeepseekV2Config(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3,
                              q_lora_rank=None, kv_lora_rank=8, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, first_k_dense_replace=0,
                              n_routed_experts=6, num_experts_per_tok=2, moe_intermediate_size=12, n_shared_experts=1, norm_topk_prob=norm)
    return logits(DeepseekV2ForCausalLM, config)


same = [bool((f(a) == f(b)).all()) for f, a, b in ((mpt, 8, 2), (deepseek, False, True))]
print(f"transformers {transformers.__version__}: the same logits with alibi_bias_max 8 and 2: {same[0]}; with norm_topk_prob false and true: {same[1]}")
raise SystemExit(not all(same))
P
"$dir/env/bin/python" "$dir/try.py"
