"""Goldens of adapters, made with peft beside the tiny models of scripts/golden_families.py.

    python scripts/golden_adapters.py [--only NAME,...] [tests/golden]

adapters/<case>/   adapter_config.json and adapter_model.safetensors as peft writes them, with values that training might have
                   left; the name of the base model (families/<base>) and results in golden.json, as golden_families.py has
                   them: gradients are of what the adapter's file holds; the logits of the first row in logits.safetensors
adapters_merge/    a, b: two adapters; cat, linear, svd: what add_weighted_adapter makes of them with weights 0.7 and -1.5, as sums of B A
                   times the scale ("delta.safetensors"; of a and b1, which has a's rank, for linear)
adapters_old/      before: a folder of before transformers 5, after: as peft writes it again
"""
import argparse
import copy
import json
import tempfile
from pathlib import Path

import torch
from golden_families import ADAMW, SEED, adamw, check_steps, digest, mean_loss, rounded
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

# name: base, seed, what LoraConfig is told
CASES = {
    "patterns": ("llama", 1, dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"],
                                  rank_pattern={"layers.0": 7, "1.self_attn.q_proj": 2, "v_proj": 3}, alpha_pattern={"down_proj": 5, "q_proj": 9})),
    "all-linear": ("qwen2", 2, dict(r=3, lora_alpha=6, target_modules="all-linear", use_rslora=True)),
    "regex-saved": ("llama", 3, dict(r=2, lora_alpha=3, target_modules=r".*layers\.[01]\.(self_attn\.(k|o)_proj|mlp\.up_proj)",
                                     exclude_modules=["0.self_attn.k_proj"], modules_to_save=["norm", "lm_head"])),
    "layers": ("gemma2", 4, dict(r=3, lora_alpha=5, target_modules=["o_proj", "gate_proj", "model.layers.0.mlp.up_proj"], layers_to_transform=[1],
                                 layers_pattern="layers")),
    "fused": ("phi3", 5, dict(r=3, lora_alpha=4, target_modules=["qkv_proj", "gate_up_proj", "o_proj"])),
    "dora": ("qwen2", 7, dict(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj", "o_proj", "up_proj"], rank_pattern={"up_proj": 5}, use_dora=True)),
    "dora-fused": ("gpt2", 8, dict(r=2, lora_alpha=3, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, use_dora=True)),
    "latent": ("deepseek_v2", 9, dict(r=2, lora_alpha=3, target_modules=["kv_a_proj_with_mqa", "kv_b_proj", "o_proj"])),
    "experts": ("qwen3_moe", 10, dict(r=2, lora_alpha=3, target_modules=["q_proj"], target_parameters=["mlp.experts.down_proj", "mlp.experts.gate_up_proj"])),
    "experts-all": ("mixtral", 11, dict(r=2, lora_alpha=3, target_modules="all-linear", use_rslora=True)),
    "experts-pairs": ("gpt_oss", 12, dict(r=2, lora_alpha=5, target_modules=["o_proj"], target_parameters=["0.mlp.experts.gate_up_proj", "1.mlp.experts.down_proj"])),
    "embedding": ("gemma2", 14, dict(r=3, lora_alpha=4, target_modules=["v_proj", "embed_tokens"])),
    "head": ("llama", 13, dict(r=3, lora_alpha=4, target_modules=["v_proj", "lm_head"])),
    "pissa": ("llama", 15, dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "down_proj", "lm_head"], init_lora_weights="pissa")),
    "pissa-transposed": ("gpt2", 16, dict(r=3, lora_alpha=4, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, init_lora_weights="pissa")),
    "olora": ("qwen2", 17, dict(r=4, lora_alpha=4, target_modules=["k_proj", "o_proj", "up_proj"], use_rslora=True, init_lora_weights="olora")),
    "transposed": ("gpt2", 6, dict(r=3, lora_alpha=4, target_modules=["c_attn", "c_fc", "mlp.c_proj"], fan_in_fan_out=True)),
}


def file_grads(model):
    """Gradients under the names that save_pretrained gives to what they are of."""
    with tempfile.TemporaryDirectory() as folder:
        with torch.no_grad():
            kept = {n: p.clone() for n, p in model.named_parameters() if p.requires_grad}
            for n, p in model.named_parameters():
                if p.requires_grad:
                    p.copy_(p.grad)
            model.save_pretrained(folder)
            for n, p in model.named_parameters():
                if p.requires_grad:
                    p.copy_(kept[n])
        return {n: t for n, t in load_file(Path(folder) / "adapter_model.safetensors").items() if not n.endswith(".base_layer.weight")}


class Trained(torch.nn.Module):
    """What of a model with an adapter is trained: golden_families.adamw goes through all parameters that it is shown."""

    def __init__(self, model):
        super().__init__()
        self.model = [model]

    def named_parameters(self):
        return [(n, p) for n, p in self.model[0].named_parameters() if p.requires_grad]

    def parameters(self):
        return [p for _, p in self.named_parameters()]

    def forward(self, tokens):
        return self.model[0](tokens)

    def __deepcopy__(self, memo):
        return Trained(copy.deepcopy(self.model[0], memo))


def beginnings(model):
    """Lengths of what multiplies each rank in the first A and B, whose signs are anyone's."""
    return {n.replace(".default", ""): (p.norm(dim=1) if "lora_A" in n else p.norm(dim=0)).tolist() for n, p in model.named_parameters() if "lora_" in n}


def make(root, name):
    base, seed, told = CASES[name]
    load = lambda: AutoModelForCausalLM.from_pretrained(root / "families" / base, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
    torch.manual_seed(SEED + seed)
    model = get_peft_model(load(), LoraConfig(task_type="CAUSAL_LM", **told)).eval()
    first = beginnings(model) if isinstance(told.get("init_lora_weights"), str) else None
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_B" in n or "lora_embedding_A" in n:
                p.normal_(0, 0.1)
            elif "magnitude" in n:
                p.mul_(1 + 0.2 * torch.randn_like(p))
            elif p.requires_grad and "lora_" not in n:
                p.mul_(1 + 0.1 * torch.randn_like(p))
    folder = root / "adapters" / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    for key in "target_modules", "target_parameters":
        config[key] = sorted(config[key]) if isinstance(config[key], list) else config[key]
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokens = torch.randint(3, model.config.vocab_size, (2, 20), generator=torch.Generator().manual_seed(SEED - 1))
    logits = model(tokens).logits
    loss = mean_loss(logits, tokens)
    loss.backward()
    grads = {n: digest(g) for n, g in file_grads(model).items()}
    twin = copy.deepcopy(model).double()
    for m in twin.modules():  # GPT-2's way in fp32, which refuses doubles
        m.reorder_and_upcast_attn = False
    own = (twin(tokens).logits - logits).abs().max().item()
    losses, norms = adamw(Trained(copy.deepcopy(twin)), tokens)
    check_steps(name, Trained(twin), tokens, norms)
    logp = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    out = dict(base=base, tokens=tokens.tolist(), loss=loss.item(), logprobs=logp.tolist(), own_error=own, logit_scale=logits.abs().max().item(),
               grads=grads, adamw=dict(**ADAMW, losses=losses, norms=norms))
    if first:
        out["first"] = first
    (folder / "golden.json").write_text(json.dumps(rounded(out)) + "\n")
    save_file({"logits": logits[0].detach().contiguous()}, folder / "logits.safetensors")
    back = PeftModel.from_pretrained(load(), folder).eval()
    assert (back(tokens).logits - logits).abs().max() < 1e-5, name
    print(name, len(grads), "tensors, norms", [round(n, 4) for n in norms])


def make_old(root):
    """A folder of Mixtral from before transformers 5, a module for each expert, and what peft makes of it."""
    base, generator = root / "families" / "mixtral", torch.Generator().manual_seed(SEED + 20)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    c, r = model.config, 2
    sizes = {f"experts.{e}.{w}": size for e in range(c.num_local_experts)
             for w, size in (("w1", (c.intermediate_size, c.hidden_size)), ("w2", (c.hidden_size, c.intermediate_size)), ("w3", (c.intermediate_size, c.hidden_size)))}
    tensors = {}
    for layer in range(c.num_hidden_layers):
        for name, (out, inner) in {**sizes, "gate": (c.num_local_experts, c.hidden_size)}.items():
            at = f"base_model.model.model.layers.{layer}.block_sparse_moe.{name}"
            tensors[at + ".lora_A.weight"] = torch.randn(r, inner, generator=generator)
            tensors[at + ".lora_B.weight"] = torch.randn(out, r, generator=generator)
    before, after = root / "adapters_old" / "before", root / "adapters_old" / "after"
    before.mkdir(parents=True, exist_ok=True)
    save_file(tensors, before / "adapter_model.safetensors", metadata={"format": "pt"})
    told = dict(peft_type="LORA", r=r, lora_alpha=8, target_modules=["gate", "w1", "w2", "w3"])
    (before / "adapter_config.json").write_text(json.dumps(told) + "\n")
    PeftModel.from_pretrained(model, before).save_pretrained(after)
    (after / "README.md").unlink()
    config = json.loads((after / "adapter_config.json").read_text())
    keys = "r", "lora_alpha", "target_modules", "target_parameters", "rank_pattern", "alpha_pattern"
    (after / "adapter_config.json").write_text(json.dumps({k: sorted(config[k]) if isinstance(config[k], list) else config[k] for k in keys}) + "\n")


def make_merge(root):
    """Two adapters of some modules in common, and their sums as peft makes them."""
    folder, base = root / "adapters_merge", root / "families" / "llama"
    told = {"a": dict(r=3, lora_alpha=5, target_modules=["q_proj", "down_proj"], rank_pattern={"down_proj": 2}),
            "b": dict(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj", "embed_tokens"]),
            "b1": dict(r=3, lora_alpha=7, target_modules=["q_proj", "v_proj"])}
    for i, (name, kind) in enumerate(told.items()):
        torch.manual_seed(SEED + 30 + i)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), LoraConfig(task_type="CAUSAL_LM", **kind))
        with torch.no_grad():
            for n, p in model.named_parameters():
                if "lora_" in n:
                    p.normal_(0, 0.3)
        model.save_pretrained(folder / name, save_embedding_layers=False)
        (folder / name / "README.md").unlink()
        config = json.loads((folder / name / "adapter_config.json").read_text())
        config["base_model_name_or_path"], config["target_modules"] = "llama", sorted(config["target_modules"])
        (folder / name / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    for kind, second in (("cat", "b"), ("linear", "b1"), ("svd", "b")):
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder / "a", adapter_name="a")
        model.load_adapter(folder / second, adapter_name="b")
        model.add_weighted_adapter(["a", "b"], [0.7, -1.5], "c", combination_type=kind)
        deltas = {n: m.get_delta_weight("c").detach().contiguous() for n, m in model.base_model.model.named_modules()
                  if hasattr(m, "get_delta_weight") and ("c" in m.lora_A or "c" in m.lora_embedding_A)}
        (folder / kind).mkdir(exist_ok=True)
        save_file(deltas, folder / kind / "delta.safetensors")
        print("merge", kind, len(deltas))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="")
    p.add_argument("root", nargs="?", default="tests/golden", type=Path)
    o = p.parse_args()
    for name in CASES:
        if not o.only or name in o.only.split(","):
            make(o.root, name)
    if not o.only or "old" in o.only.split(","):
        make_old(o.root)
    if not o.only or "merge" in o.only.split(","):
        make_merge(o.root)


main()