#!/bin/bash
# peft 0.21.2 (with transformers 5.24.0, torch 2.15.0): init_lora_weights="olora" reads a Conv1D's weight (GPT-2; in x out, hence
# fan_in_fan_out=True) as if it were a Linear's (out x in). A and B get each other's shapes, and the first forward raises a shape error.
# Where the weight is square nothing is raised, but the model no longer starts from the base model's answers: the base loses BA, the
# adapter adds its transpose. On a Linear (Llama) olora starts where the base model is.
# Pinned: peft==0.21.2 transformers==5.24.0 torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q peft==0.21.2 transformers==5.24.0 torch==2.15.0 numpy
cat >"$dir/try.py" <<'P'
import peft
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

TOKENS = torch.arange(3, 11)[None]
IDS = dict(bos_token_id=1, eos_token_id=2)


def base(kind):
    torch.manual_seed(1)
    if kind == "gpt2":
        return GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=16, n_embd=24, n_layer=1, n_head=2, **IDS)).eval()
    return LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, **IDS)).eval()


@torch.no_grad()
def start(kind, target, init):
    """The largest change of a logit by a new adapter of that kind, or the error."""
    model = get_peft_model(base(kind), LoraConfig(r=4, target_modules=[target], fan_in_fan_out=kind == "gpt2", init_lora_weights=init)).eval()
    try:
        return float((model(TOKENS).logits - base(kind)(TOKENS).logits).abs().max())
    except RuntimeError as e:
        return str(e)


print(f"peft {peft.__version__}: the largest change of a logit by a new adapter of rank 4")
seen = {}
for kind, target in (("llama", "gate_proj"), ("gpt2", "c_attn"), ("gpt2", "mlp.c_fc"), ("gpt2", "attn.c_proj")):
    for init in (True, "olora"):
        seen[target, init] = start(kind, target, init)
        print(f"{kind} {target}, init_lora_weights={init}: {seen[target, init]}")
raise SystemExit(not (all(v == 0 for (_, init), v in seen.items() if init is True) and seen["gate_proj", "olora"] < 1e-5
                      and all("shapes cannot be multiplied" in str(seen[t, "olora"]) for t in ("c_attn", "mlp.c_fc"))
                      and isinstance(seen["attn.c_proj", "olora"], float) and seen["attn.c_proj", "olora"] > 0.01))
P
"$dir/env/bin/python" "$dir/try.py" 2>"$dir/messages" || { tail -n 5 "$dir/messages"; exit 1; }
