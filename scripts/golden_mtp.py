"""Goldens of layers that predict further tokens (multi-token prediction), made with torch and transformers.

    python scripts/golden_mtp.py [tests/golden/mtp [CASE ...]]

Written from DeepSeek-V3 (arXiv 2412.19437), section 2.2: depth k reads h' = M [RMSNorm(h); RMSNorm(Emb(t + k))], in files with the
embedding first (eh_proj), runs a layer of the model's kind and tells token t + k + 1 through the model's own output layer. The layers are
those that transformers makes of a model with as many more; depths and losses are this file's. Everything is in float64.

<case>/  config.json, model.safetensors with the layers behind the last one as the published files have them; golden.json: the document
         that is trained on again and again, the losses of each depth, digests of gradients, five AdamW steps; two documents in one
         sample
"""
import json
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4HyperHead

from golden_families import ADAMW, CASES, digest, split_experts

SEED, LAYERS, LENGTH, FACTOR, END = 20241227, 2, 20, 0.3, 78
OF = {"glm4_moe": "glm4_moe", "deepseek_v3": "deepseek_v3-experts", "qwen3_next": "qwen3_next-experts", "deepseek_v4": "deepseek_v4"}
# Qwen3-Next has one of these layers, of full attention, in tensors of its own (mtp.*)
DEPTHS = {"glm4_moe": 2, "deepseek_v3": 2, "qwen3_next": 1, "deepseek_v4": 2}
MORE = {"glm4_moe": {}, "deepseek_v3": {"num_key_value_heads": 3}, "qwen3_next": {"layer_types": ["linear_attention", "full_attention", "full_attention"]},
        # the last of the model's own layers compresses, and chooses experts by tokens; those behind it do not
        "deepseek_v4": {"layer_types": ["compressed_sparse_attention", "heavily_compressed_attention", "sliding_attention", "sliding_attention"],
                        "mlp_layer_types": ["moe", "hash_moe", "moe", "moe"]}}
OWN = [("eh_proj", "mtp.fc"), ("enorm", "mtp.pre_fc_norm_embedding"), ("hnorm", "mtp.pre_fc_norm_hidden"), ("shared_head.norm", "mtp.norm")]


class Norm(torch.nn.Module):
    def __init__(self, width, eps, more):
        super().__init__()
        self.weight, self.eps, self.more = torch.nn.Parameter(torch.ones(width)), eps, more

    def forward(self, x):
        return (self.more + self.weight) * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class Depth(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.enorm, self.hnorm, self.last = (Norm(c.hidden_size, c.rms_norm_eps, int(c.model_type == "qwen3_next")) for _ in range(3))
        self.eh_proj = torch.nn.Linear(2 * c.hidden_size, c.hidden_size, bias=False)


class StreamsDepth(torch.nn.Module):
    """DeepSeek-V4's, whose residual is several streams: published names, inference/model.py of its folder."""

    def __init__(self, c):
        super().__init__()
        self.enorm, self.hnorm, self.last = (Norm(c.hidden_size, c.rms_norm_eps, 0) for _ in range(3))
        self.e_proj, self.h_proj = (torch.nn.Linear(c.hidden_size, c.hidden_size, bias=False) for _ in range(2))
        self.head = DeepseekV4HyperHead(c)


class Model(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        model_type, arguments, _, _ = CASES[OF[name]]
        arguments = {**arguments, **MORE[name], "num_hidden_layers": LAYERS + DEPTHS[name]}
        config = AutoConfig.for_model(model_type, **arguments)
        self.whole = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager").eval()
        self.depth = torch.nn.ModuleList([(StreamsDepth if model_type == "deepseek_v4" else Depth)(config) for _ in range(DEPTHS[name])])

    def told(self, tokens, labels):
        """Losses of all tokens that have such labels (-1: none), of the next token and then of each depth."""
        m, ids, n = self.whole.model, tokens[None], len(tokens)
        at = torch.arange(n)[None]
        angles = m.rotary_emb(m.embed_tokens(ids), at)
        mask = torch.full((n, n), float("-inf")).triu(1)[None, None]
        linear = lambda i: hasattr(m.layers[i], "linear_attn")
        run = lambda i, x: m.layers[i](x, attention_mask=None if linear(i) else mask, position_embeddings=angles, position_ids=at)
        one = lambda h, labels: torch.nn.functional.cross_entropy(self.whole.lm_head(h)[0], labels, ignore_index=-1, reduction="none")[labels >= 0]
        further = lambda x, k, fill: torch.cat([x[k:], torch.full((k,), fill)])
        x = m.embed_tokens(ids)
        for i in range(LAYERS):
            x = run(i, x)
        h = m.norm(x)
        out = [one(h, labels)]
        for k, d in enumerate(self.depth, 1):
            h = d.eh_proj(torch.cat([d.enorm(m.embed_tokens(further(tokens, k, 0)[None])), d.hnorm(h)], -1))
            h = d.last(run(LAYERS + k - 1, h))
            out.append(one(h, further(labels, k, -1)))
        return out

    def streams_told(self, tokens, labels):
        """The same of several streams."""
        m, ids, n, c = self.whole.model, tokens[None], len(tokens), self.whole.config
        at = torch.arange(n)[None]
        angles = {k: m.rotary_emb(m.embed_tokens(ids), position_ids=at, layer_type=k) for k in ("main", "compress")}
        far = torch.ones(n, n, dtype=torch.bool)
        mask = torch.zeros(n, n).masked_fill(far.triu(1) | far.tril(-c.sliding_window), float("-inf"))[None, None]
        run = lambda i, x: m.layers[i](x, attention_mask=mask, position_embeddings=angles, position_ids=at, input_ids=ids, cache=None)
        one = lambda h, labels: torch.nn.functional.cross_entropy(self.whole.lm_head(h)[0], labels, ignore_index=-1, reduction="none")[labels >= 0]
        further = lambda x, k, fill: torch.cat([x[k:], torch.full((k,), fill)])
        s = m.embed_tokens(ids)[:, :, None].repeat(1, 1, c.hc_mult, 1)
        for i in range(LAYERS):
            s = run(i, s)
        out = [one(m.norm(m.hc_head(s)), labels)]
        for k, d in enumerate(self.depth, 1):
            s = d.e_proj(d.enorm(m.embed_tokens(further(tokens, k, 0)[None])))[:, :, None] + d.h_proj(d.hnorm(s))
            s = run(LAYERS + k - 1, s)
            out.append(one(d.last(d.head(s)), further(labels, k, -1)))
        return out

    def losses(self, samples):
        """Means over the tokens of all (tokens, labels)."""
        return [torch.cat(x).mean() for x in zip(*((self.streams_told if self.name == "deepseek_v4" else self.told)(*s) for s in samples))]

    def called_v4(self, n):
        """As DeepSeek's files have it: layers behind the last one are counted from 0."""
        layer = re.match(r"model\.layers\.(\d+)\.(.*)", n)
        if not layer or int(layer[1]) < LAYERS:
            return n
        part = layer[2].replace("attn.norm.", "attn.kv_norm.").replace("head.hc_", "hc_head_")
        return f"mtp.{int(layer[1]) - LAYERS}." + part.replace("shared_head.norm.", "norm.")

    def called(self, n):
        if self.name == "deepseek_v4":
            return self.called_v4(n)
        rest = n.removeprefix(f"model.layers.{LAYERS}.")
        if self.name != "qwen3_next" or rest == n:
            return n
        return next((rest.replace(a, b) for a, b in OWN if rest.startswith(a + ".")), "mtp.layers.0." + rest)

    def in_files(self, values):
        """By the names of files, of values by the names of this module's parameters and buffers."""
        how = CASES[OF[self.name]][3]
        out = split_experts(self.whole, how, {n[6:]: t for n, t in values.items() if n.startswith("whole.")})
        for n, t in values.items():
            if n.startswith("depth."):
                _, k, part = n.split(".", 2)
                out[f"model.layers.{LAYERS + int(k)}.{part.replace('last.', 'shared_head.norm.')}"] = t
        return {self.called(n): t.detach().clone().contiguous() for n, t in out.items()}


def build(name):
    torch.manual_seed(SEED)
    model = Model(name)
    model.name = name
    with torch.no_grad():
        for n, p in model.named_parameters():
            is_norm = "norm" in n or "last" in n
            std = 0.7 if "embed" in n else 0.2 if p.dim() == 1 else p.shape[-1] ** -0.5
            p.copy_(float(is_norm) + std * torch.randn(p.shape) if p.dim() == 1 else std * torch.randn(p.shape))
        for n, b in model.named_buffers():
            if n.endswith("correction_bias"):
                b.copy_(0.1 * torch.randn(b.shape))
            if n.endswith("tid2eid"):
                b.copy_(torch.stack([torch.randperm(model.whole.config.n_routed_experts)[:b.shape[1]] for _ in b]))
    return model


def total(losses):
    return losses[0] + FACTOR / (len(losses) - 1) * sum(losses[1:])


def steps(model, samples):
    named = list(model.named_parameters())
    groups = [dict(params=[p for _, p in named if p.dim() > 1], weight_decay=ADAMW["weight_decay"]),
              dict(params=[p for _, p in named if p.dim() == 1], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=ADAMW["lr"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    rows = []
    for _ in range(ADAMW["steps"]):
        optimizer.zero_grad()
        losses = model.losses(samples)
        total(losses).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip_grad"])
        rows.append([x.item() for x in losses] + [norm.item()])
        optimizer.step()
    return rows


def main(root, only):
    torch.set_default_dtype(torch.float64)
    for name in OF:
        if only and name not in only:
            continue
        model = build(name).to(torch.float32).to(torch.float64)  # values that files hold exactly
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        document = torch.randint(3, END, (LENGTH,))
        whole = [(document, torch.cat([document[1:], document[:1]]))]  # what follows is the document again
        packed = torch.randint(3, END, (2, LENGTH // 2 - 1))
        ended = torch.cat([packed, torch.full((2, 1), END)], 1)  # each is one of its own; what follows its end does not count
        parts = [(d, torch.cat([d[1:], torch.tensor([-1])])) for d in ended]
        files = model.in_files(model.state_dict())
        for k in range(DEPTHS[name] if name not in ("qwen3_next", "deepseek_v4") else 0):
            files[f"model.layers.{LAYERS + k}.embed_tokens.weight"] = files["model.embed_tokens.weight"].clone()
            files[f"model.layers.{LAYERS + k}.shared_head.head.weight"] = files["lm_head.weight"].clone()
        save_file({n: t.float() if t.is_floating_point() else t for n, t in files.items()}, folder / "model.safetensors", metadata={"format": "pt"})
        config = {k: v for k, v in model.whole.config.to_dict().items() if v is not None or k == "head_dim"}
        config.update(architectures=[type(model.whole).__name__], num_hidden_layers=LAYERS, dtype="float32")
        for key in ("layer_types", "mlp_layer_types") if name in ("qwen3_next", "deepseek_v4") else ():
            config[key] = config[key][:LAYERS]
        if name != "qwen3_next":  # whose published configuration does not tell of it
            config["num_nextn_predict_layers"] = DEPTHS[name]
        (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        apart = model.losses(parts)
        total(apart).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        model.zero_grad()
        losses = model.losses(whole)
        total(losses).backward()
        grads = model.in_files({n: p.grad if p.grad is not None else torch.zeros_like(p) for n, p in model.named_parameters()})
        own = {"document": document.tolist(), "factor": FACTOR, "losses": [x.item() for x in losses],
               "packed": {"documents": packed.tolist(), "row": [x.item() for x in apart] + [norm.item()]},
               "grads": {n: digest(g) for n, g in grads.items()}, "adamw": {**ADAMW, "rows": steps(model, whole)}}
        (folder / "golden.json").write_text(json.dumps(own, separators=(",", ":")) + "\n")
        print(name, own["losses"], own["adamw"]["rows"][-1])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/mtp"), sys.argv[2:])
