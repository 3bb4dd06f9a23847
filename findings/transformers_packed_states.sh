#!/bin/bash
# transformers 5.24.0 (with torch 2.15.0), on a CPU: two documents packed into one row by its own DataCollatorWithFlattening.
# With what that returns unless it is asked for more (position_ids), Llama gives the second document the logits that it has alone, and
# nine classes with another kind of layer do not: what the first document left in short convolutions, states and (DeepSeek-V4) compressed
# keys changes the second one's logits by 2 to 5, of logits up to 5, without a word. With seq_idx and cu_seq_lens too
# (return_seq_idx, return_flash_attn_kwargs) seven of them raise an error that asks for causal_conv1d; jamba and deepseek_v4 go on as
# before. Pinned: transformers==5.24.0 torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q transformers==5.24.0 torch==2.15.0 numpy
cat >"$dir/try.py" <<'P'
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, DataCollatorWithFlattening

SMALL = dict(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=12,
             max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SCAN = dict(mamba_n_heads=4, mamba_d_head=12, mamba_d_state=8, mamba_n_groups=1, mamba_chunk_size=8)
KINDS = {
    "llama": {},
    "qwen3_next": dict(layer_types=["linear_attention"] * 2, linear_num_key_heads=2, linear_num_value_heads=2, linear_key_head_dim=8,
                       linear_value_head_dim=8, num_experts=0, mlp_only_layers=[0, 1]),
    "bamba": dict(SCAN, attn_layer_indices=[]),
    "granitemoehybrid": dict(SCAN, layer_types=["mamba"] * 2, num_local_experts=0, shared_intermediate_size=32),
    "falcon_h1": dict(SCAN, mamba_d_ssm=48),
    "nemotron_h": dict(hybrid_override_pattern="M-M-", num_hidden_layers=4, mamba_num_heads=4, mamba_head_dim=12, ssm_state_size=8, n_groups=1,
                       chunk_size=8),
    "zamba2": dict(mamba_d_state=8, mamba_headdim=12, n_mamba_heads=4, chunk_size=8, layers_block_type=["mamba"] * 2, mamba_ngroups=1),
    "jamba": dict(attn_layer_period=8, attn_layer_offset=7, mamba_d_state=4, num_experts=1, expert_layer_period=9, expert_layer_offset=8),
    "lfm2": dict(layer_types=["conv"] * 2),
    "deepseek_v4": dict(moe_intermediate_size=12, num_attention_heads=4, q_lora_rank=10, n_routed_experts=6, num_experts_per_tok=3, o_groups=2,
                        o_lora_rank=5, index_n_heads=8, index_head_dim=8, index_topk=3, sliding_window=5, hc_mult=3, hc_sinkhorn_iters=4,
                        partial_rotary_factor=1 / 3, layer_types=["heavily_compressed_attention"] * 2, mlp_layer_types=["moe"] * 2,
                        compress_rates=dict(compressed_sparse_attention=2, heavily_compressed_attention=4)),
}
tokens = torch.randint(3, 30, (19,), generator=torch.Generator().manual_seed(3)).tolist()
first, second = tokens[:9], tokens[9:]


def apart(kind, told):
    """The largest difference of the second document's logits, in the pack and alone; None: refused. told: all that the collator can tell."""
    collate = DataCollatorWithFlattening(return_flash_attn_kwargs=told, return_seq_idx=told)
    batch = {k: v for k, v in collate([dict(input_ids=first), dict(input_ids=second)]).items() if k != "labels"}
    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, **{**SMALL, **KINDS[kind]})
    config._attn_implementation = "eager" if kind == "deepseek_v4" else "sdpa"
    model = AutoModelForCausalLM.from_config(config).eval().float()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.normal_(0, 0.3)
        try:
            packed = model(**batch, use_cache=False).logits[:, len(first):]
        except ValueError:
            return None
        return float((packed - model(torch.tensor([second]), use_cache=False).logits).abs().max())


def show(told):
    seen = {kind: apart(kind, told) for kind in KINDS}
    print("all that it can tell:" if told else "position_ids alone:  ", {k: "refused" if v is None else float(f"{v:.2g}") for k, v in seen.items()})
    return [k for k, v in seen.items() if v is not None and v > 0.1]


print(f"transformers {transformers.__version__}: the largest difference of a document's logits, in a pack and alone")
raise SystemExit(show(False) != list(KINDS)[1:] or show(True) != ["jamba", "deepseek_v4"])
P
"$dir/env/bin/python" "$dir/try.py" 2>"$dir/messages" || { tail -n 5 "$dir/messages"; exit 1; }
