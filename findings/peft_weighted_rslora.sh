#!/bin/bash
# peft 0.21.2 (with transformers 5.24.0, torch 2.15.0): add_weighted_adapter on adapters with use_rslora=True gives an adapter that is
# sqrt(r) too strong. It folds their scaling into the new A and B and sets lora_alpha = r, so that the new scaling would be 1, but keeps
# use_rslora, by which it is lora_alpha / sqrt(r). One adapter with weight 1, by cat, linear or svd, must equal itself; with
# use_rslora=False it does. Pinned: peft==0.21.2 transformers==5.24.0 torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q peft==0.21.2 transformers==5.24.0 torch==2.15.0 numpy
cat >"$dir/try.py" <<'P'
import peft
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SMALL = dict(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, bos_token_id=1, eos_token_id=2)


@torch.no_grad()
def strength(rank, rslora, how):
    """What one adapter, merged alone with weight 1, is of itself: the factor, and the part of the change that no factor explains."""
    torch.manual_seed(1)
    model = get_peft_model(LlamaForCausalLM(LlamaConfig(**SMALL)), LoraConfig(r=rank, lora_alpha=8, target_modules=["q_proj"], use_rslora=rslora))
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    for half in (layer.lora_A, layer.lora_B):
        half["default"].weight.normal_(0, 0.3)
    model.add_weighted_adapter(["default"], [1.0], "merged", combination_type=how)
    merged, alone = (layer.get_delta_weight(name) for name in ("merged", "default"))
    factor = float((merged * alone).sum() / (alone * alone).sum())
    return factor, float((merged - factor * alone).norm() / merged.norm())


as_described = True
for rslora in (False, True):
    for rank in (4, 9):
        for how in ("cat", "linear", "svd"):
            factor, rest = strength(rank, rslora, how)
            as_described &= abs(factor - (rank ** 0.5 if rslora else 1)) < 1e-4 and rest < 1e-4
            print(f"peft {peft.__version__}, use_rslora={rslora}, r={rank}, {how}: merged with weight 1 it is {factor:.5f} of itself")
raise SystemExit(not as_described)
P
"$dir/env/bin/python" "$dir/try.py" 2>"$dir/messages" || { tail -n 5 "$dir/messages"; exit 1; }
