"""Golden of manifold-constrained hyper-connections (arXiv 2512.24880), made with torch and transformers.

    python scripts/golden_hyper.py [tests/golden/hyper]

Layers are those that transformers makes of a Qwen3 model; what reads, writes and mixes their streams are its classes of DeepSeek-V4.
Everything is in float64.

config.json, model.safetensors  the model without hyper-connections
hyper.safetensors               what they add, under names of this program
golden.json                     their sizes; tokens and results as in families/<case> (scripts/golden_families.py), with digests of the
                                gradients of model.safetensors' tensors (grads) and of hyper.safetensors' (hyper.grads)
logits.safetensors              of the first row
"""
import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4HyperConnection, DeepseekV4HyperHead

from golden_families import ADAMW, CASES, adamw, check_steps, digest, mean_loss

SEED, STREAMS, TURNS = 20260101, 3, 5


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = AutoConfig.for_model(CASES["qwen3"][0], **CASES["qwen3"][1])
        self.whole = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        sizes = SimpleNamespace(hc_mult=STREAMS, hc_sinkhorn_iters=TURNS, hc_eps=1e-6, rms_norm_eps=config.rms_norm_eps,
                                hidden_size=config.hidden_size)
        connections = lambda: torch.nn.ModuleList([DeepseekV4HyperConnection(sizes) for _ in range(config.num_hidden_layers)])
        self.attention, self.mlp, self.head = connections(), connections(), DeepseekV4HyperHead(sizes)

    def forward(self, tokens):
        m, n = self.whole.model, tokens.shape[1]
        at = torch.arange(n)[None]
        angles = m.rotary_emb(m.embed_tokens(tokens), at)
        mask = torch.full((n, n), float("-inf")).triu(1)[None, None]
        s = m.embed_tokens(tokens).unsqueeze(2).expand(-1, -1, STREAMS, -1).contiguous()
        for layer, attention, mlp in zip(m.layers, self.attention, self.mlp):
            attend = lambda x: layer.self_attn(x, attention_mask=mask, position_embeddings=angles)[0]
            for connection, norm, part in ((attention, layer.input_layernorm, attend),
                                           (mlp, layer.post_attention_layernorm, layer.mlp)):
                write, across, x = connection(s)
                s = write.unsqueeze(-1) * part(norm(x)).unsqueeze(-2) + across.transpose(-1, -2) @ s
        return SimpleNamespace(logits=self.whole.lm_head(m.norm(self.head(s))))


def ours(name):
    """In this program's words; None: a tensor of the Qwen3 model."""
    words = {"fn": "weight", "hc_fn": "weight", "scale": "scale", "hc_scale": "scale", "base": "base", "hc_base": "base"}
    first, *rest = name.split(".")
    if first == "whole":
        return None
    return f"decoder.hyper_head.{words[rest[-1]]}" if first == "head" else f"decoder.layers.{rest[0]}.{first}_hyper.{words[rest[1]]}"


def build():
    torch.manual_seed(SEED)
    model = Model()
    with torch.no_grad():
        for n, p in model.named_parameters():
            std = 0.7 if "embed" in n else 0.3 if p.dim() == 1 else p.shape[-1] ** -0.5
            p.copy_(float("norm" in n or "scale" in n) + std * torch.randn(p.shape) if p.dim() == 1 else std * torch.randn(p.shape))
    return model.to(torch.float32).to(torch.float64)  # values that files hold exactly


def apart(values):
    """Tensors of the Qwen3 model, and what is beside them."""
    own, more = {}, {}
    for n, t in values:
        (own if ours(n) is None else more)[ours(n) or n[6:]] = t.detach().clone().contiguous()
    return own, more


def main(folder):
    torch.set_default_dtype(torch.float64)
    model = build()
    tokens = torch.randint(3, 79, (2, 20))
    wide = torch.Tensor.float  # the classes compute coefficients in float32
    single = copy.deepcopy(model).to(torch.float32)
    with torch.no_grad():
        torch.set_default_dtype(torch.float32)
        rough = single(tokens).logits.double()
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
        logits = model(tokens).logits
        told = torch.log_softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:, None])[..., 0]
    losses, norms = adamw(copy.deepcopy(model), tokens)
    check_steps("hyper", model, tokens, norms)
    loss = mean_loss(model(tokens).logits, tokens)
    loss.backward()
    torch.Tensor.float = wide
    folder.mkdir(parents=True, exist_ok=True)
    values, more = apart(model.named_parameters())
    grads, of_more = apart((n, p.grad) for n, p in model.named_parameters())
    save_file({n: t.float() for n, t in values.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({n: t.float() for n, t in more.items()}, folder / "hyper.safetensors", metadata={"format": "pt"})
    save_file({"logits": logits[0].float()}, folder / "logits.safetensors")
    config = {k: v for k, v in model.whole.config.to_dict().items() if v is not None}
    config.update(architectures=[type(model.whole).__name__], dtype="float32")
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    own = {"tokens": tokens.tolist(), "own_error": (logits - rough).abs().max().item(), "logit_scale": logits.abs().max().item(),
           "loss": loss.item(), "logprobs": told.tolist(), "grads": {n: digest(g) for n, g in grads.items()},
           "hyper": {"streams": STREAMS, "turns": TURNS, "grads": {n: digest(g) for n, g in of_more.items()}},
           "adamw": {**ADAMW, "losses": losses, "norms": norms}}
    (folder / "golden.json").write_text(json.dumps(own, separators=(",", ":")) + "\n")
    print(own["own_error"], own["logit_scale"], losses, norms)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/hyper"))
