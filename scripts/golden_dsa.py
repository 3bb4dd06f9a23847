"""Goldens of sparse attention whose indexer is trained, made with torch and transformers.

    python scripts/golden_dsa.py [tests/golden/dsa]

The model is transformers' DeepSeek-V3.2, which does not train indexers; what these learn is this file's, written from DeepSeek-V3.2
(arXiv 2512.02556) and Megatron core's terms: the target is the sum of the heads' probabilities divided by its sum, over all keys that a
query may see or (sparse) over the chosen, and the loss the Kullback-Leibler divergence of the indexer's softmax from it, a mean over
queries; the indexer's inputs and the target are detached. Everything is in float64.

config.json, model.safetensors; golden.json: the document that is trained on again and again, and for each kind of loss five AdamW steps:
loss, indexers' loss (mean over layers), norm of the gradient
"""
import copy
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import apply_rotary_pos_emb, apply_rotary_pos_emb_interleave

from golden_families import ADAMW, CASES, split_experts

SEED, LENGTH, COEFF = 20251201, 20, 0.4


def scores(attention, x, q_resid, cos, sin):
    """The indexer's, with gradients."""
    i = attention.indexer
    n = x.shape[1]
    part = [i.qk_rope_head_dim, i.head_dim - i.qk_rope_head_dim]
    q = torch.split(i.wq_b(q_resid).view(1, n, i.n_heads, i.head_dim), part, -1)
    k = torch.split(i.k_norm(i.wk(x))[:, :, None], part, -1)
    rotated = apply_rotary_pos_emb(q[0], k[0], cos, sin, unsqueeze_dim=2)
    q, k = torch.cat([rotated[0], q[1]], -1), torch.cat([rotated[1], k[1]], -1)[:, :, 0]
    products = torch.relu(torch.einsum("bqhd,bkd->bqhk", q, k) * i.head_dim ** -0.5)
    return torch.einsum("bqhk,bqh->bqk", products, i.weights_proj(x) * i.n_heads ** -0.5)[0]


def probabilities(a, x, q_resid, cos, sin, seen):
    """Of all heads, [heads, queries, keys]."""
    n = x.shape[1]
    q = a.q_b_proj(q_resid).view(1, n, -1, a.qk_head_dim).transpose(1, 2)
    latent, k_rot = torch.split(a.kv_a_proj_with_mqa(x), [a.kv_lora_rank, a.qk_rope_head_dim], -1)
    keys = a.kv_b_proj(a.kv_a_layernorm(latent)).view(1, n, -1, a.qk_nope_head_dim + a.v_head_dim).transpose(1, 2)[..., :a.qk_nope_head_dim]
    q_pass, q_rot = torch.split(q, [a.qk_nope_head_dim, a.qk_rope_head_dim], -1)
    q_rot, k_rot = apply_rotary_pos_emb_interleave(q_rot, k_rot[:, None], cos, sin)
    keys = torch.cat([keys, k_rot.expand(*keys.shape[:-1], -1)], -1)
    s = torch.cat([q_pass, q_rot], -1) @ keys.transpose(-1, -2) * a.scaling
    return s[0].masked_fill(~seen, float("-inf")).softmax(-1)


def losses(model, tokens, sparse):
    """Of the next token, and of the indexers."""
    learned = []

    def look(a, args, kwargs):
        x = kwargs["hidden_states"].detach()
        cos, sin = kwargs["position_embeddings"]
        q_resid = a.q_a_layernorm(a.q_a_proj(x)).detach()
        seen = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
        s = scores(a, x, q_resid, cos, sin).masked_fill(~seen, float("-inf"))
        if sparse:
            best = s.detach().topk(a.indexer.index_topk, -1).indices
            seen = seen & torch.zeros_like(seen).scatter(-1, best, True)
            s = s.masked_fill(~seen, float("-inf"))
        with torch.no_grad():
            target = probabilities(a, x, q_resid, cos, sin, seen).sum(0)
            target = target / target.sum(-1, keepdim=True)
        kl = torch.where(seen, torch.xlogy(target, target) - target * s.log_softmax(-1).masked_fill(~seen, 0), 0)
        learned.append(kl.sum(-1).mean())

    hooks = [layer.self_attn.register_forward_pre_hook(look, with_kwargs=True) for layer in model.model.layers]
    logits = model(tokens[None, :-1]).logits[0]
    for h in hooks:
        h.remove()
    return torch.nn.functional.cross_entropy(logits, tokens[1:]), torch.stack(learned)


def steps(model, tokens, sparse):
    named = list(model.named_parameters())
    groups = [dict(params=[p for _, p in named if p.dim() > 1], weight_decay=ADAMW["weight_decay"]),
              dict(params=[p for _, p in named if p.dim() == 1], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=ADAMW["lr"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    rows = []
    for _ in range(ADAMW["steps"]):
        optimizer.zero_grad()
        loss, learned = losses(model, tokens, sparse)
        (loss + COEFF * learned.sum()).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip_grad"])
        rows.append([loss.item(), learned.mean().item(), norm.item()])
        optimizer.step()
    return rows


def main(folder):
    torch.manual_seed(SEED)
    model_type, arguments, _, how = CASES["deepseek_v32"]
    config = AutoConfig.for_model(model_type, **copy.deepcopy(arguments))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager").eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            p.copy_(torch.randn(p.shape) * (0.7 if "embed" in n else 0.2 if p.dim() == 1 else p.shape[-1] ** -0.5) +
                    float(p.dim() == 1 and "norm" in n and n.endswith("weight")))
        for n, b in model.named_buffers():
            if n.endswith("correction_bias"):
                b.copy_(0.1 * torch.randn(b.shape))
    folder.mkdir(parents=True, exist_ok=True)
    files = split_experts(model, how, model.state_dict())
    save_file({n: t.detach().clone().contiguous() for n, t in files.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    values = {k: v for k, v in config.to_dict().items() if v is not None}
    values.update(architectures=[type(model).__name__], dtype="float32")
    (folder / "config.json").write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    document = torch.randint(3, 78, (LENGTH,))
    tokens = torch.cat([document, document[:1]])
    # indexers in fp32 would round what they read
    torch.set_default_dtype(torch.float64)
    own = {"document": document.tolist(), "coeff": COEFF}
    for name, sparse in (("dense", False), ("chosen", True)):
        own[name] = steps(copy.deepcopy(model).double(), tokens, sparse)
        print(name, own[name][0], own[name][-1])
    (folder / "golden.json").write_text(json.dumps(own, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/dsa"))
