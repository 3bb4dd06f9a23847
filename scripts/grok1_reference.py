"""Grok-1 for goldens, which transformers has no class of: written from the description in the released code (xai-org/grok-1, model.py)
and the names of its weights as they were published for PyTorch (hpcai-tech/grok-1). Any precision: model.double() computes in doubles.

    x = embedding * embedding_multiplier_scale
    x = x + norm(attention(norm(x)));  scores = max_attn_value * tanh(attn_output_multiplier * q.k / max_attn_value)
    x = x + norm(experts(norm(x)));    weights: softmax over all experts, of the best num_experts_per_tok
    expert: linear_1(gelu_tanh(linear(x)) * linear_v(x));  logits = output_multiplier_scale * lm_head(norm(x))
"""
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.scale, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return self.scale * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.width = c, c.hidden_size // c.num_attention_heads
        line = lambda heads: nn.Linear(c.hidden_size, heads * self.width, bias=False)
        self.q_proj, self.k_proj, self.v_proj = line(c.num_attention_heads), line(c.num_key_value_heads), line(c.num_key_value_heads)
        self.o_proj = nn.Linear(c.num_attention_heads * self.width, c.hidden_size, bias=False)

    def turned(self, x):
        half = self.width // 2
        frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
        angle = torch.arange(x.shape[2], dtype=torch.float32)[:, None] * frequency
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x):
        c, (rows, length, _) = self.c, x.shape
        heads = lambda y: y.view(rows, length, -1, self.width).transpose(1, 2)
        q, k, v = self.turned(heads(self.q_proj(x))), self.turned(heads(self.k_proj(x))), heads(self.v_proj(x))
        k, v = (t.repeat_interleave(c.num_attention_heads // c.num_key_value_heads, 1) for t in (k, v))
        scores = q @ k.transpose(2, 3) * c.attn_output_multiplier
        scores = c.max_attn_value * torch.tanh(scores / c.max_attn_value)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        y = scores.masked_fill(later, float("-inf")).softmax(-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(rows, length, -1))


class Expert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.linear_v = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.linear_1 = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)
        self.linear = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)

    def forward(self, x):
        return self.linear_1(F.gelu(self.linear(x), approximate="tanh") * self.linear_v(x))


class Experts(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.k = c.num_experts_per_tok
        self.gate = nn.Linear(c.hidden_size, c.num_experts, bias=False)
        self.experts = nn.ModuleList(Expert(c) for _ in range(c.num_experts))

    def forward(self, x):
        shares = self.gate(x).softmax(-1)
        best = shares.topk(self.k, -1).indices
        mine = torch.zeros_like(shares).scatter(-1, best, 1.0) * shares
        return sum(mine[..., e:e + 1] * expert(x) for e, expert in enumerate(self.experts))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attn, self.moe_block = Attention(c), Experts(c)
        norm = lambda: Norm(c.hidden_size, c.rms_norm_eps)
        self.pre_attn_norm, self.post_attn_norm, self.pre_moe_norm, self.post_moe_norm = norm(), norm(), norm(), norm()

    def forward(self, x):
        x = x + self.post_attn_norm(self.attn(self.pre_attn_norm(x)))
        return x + self.post_moe_norm(self.moe_block(self.pre_moe_norm(x)))


class Trunk(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.num_hidden_layers))
        self.norm = Norm(c.hidden_size, c.rms_norm_eps)


class Grok1ModelForCausalLM(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.model = config, Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens):
        x = self.model.embed_tokens(tokens) * self.config.embedding_multiplier_scale
        for layer in self.model.layers:
            x = layer(x)
        return SimpleNamespace(logits=self.lm_head(self.model.norm(x)) * self.config.output_multiplier_scale)


def make(**arguments):
    config = PreTrainedConfig(**arguments)
    config.model_type = "grok-1"
    return Grok1ModelForCausalLM(config)
