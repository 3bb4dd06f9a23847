"""Mamba 3 for goldens (arXiv 2603.15569; one input and one output a head), which transformers has no class of: written from the
published recurrence, row by row, and the names of flash-linear-attention's class. Any precision.

    z, x, B, C, dt, A, trap, angles = in_proj(u);    B, C: RMS norms of groups
    dt = softplus(dt + dt_bias)    A = -max(softplus(A), A_floor)    l = sigmoid(trap)    a = exp(A dt)
    turned by the sums of pi tanh(angles) dt: B + B_bias, C + C_bias, pairs (2 k, 2 k + 1)
    h_t = a h_(t-1) + a dt (1 - l) B_(t-1) x_(t-1) + dt l B_t x_t;    y = h C + D x;    out_proj(y silu(z)), or of normed heads
"""
import math
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig


class Norm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


def turned(u, angle):
    """The first pairs of a vector's numbers, as many as there are angles."""
    n = 2 * angle.shape[-1]
    a, b = u[..., 0:n:2], u[..., 1:n:2]
    pairs = torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)
    return torch.cat([pairs.flatten(-2), u[..., n:]], -1)


class Mixer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.inner = c, c.expand * c.hidden_size
        self.heads, self.angles = self.inner // c.head_dim, int(c.state_size * c.rope_fraction) // 2
        self.dt_bias, self.D = nn.Parameter(torch.zeros(self.heads)), nn.Parameter(torch.ones(self.heads))
        self.B_bias = nn.Parameter(torch.ones(self.heads, 1, c.state_size))
        self.C_bias = nn.Parameter(torch.ones(self.heads, 1, c.state_size))
        self.parts = [self.inner, self.inner, c.n_groups * c.state_size, c.n_groups * c.state_size, self.heads, self.heads, self.heads, self.angles]
        self.in_proj = nn.Linear(c.hidden_size, sum(self.parts), bias=False)
        self.B_norm, self.C_norm = Norm(c.state_size), Norm(c.state_size)
        if c.is_outproj_norm:
            self.norm = Norm(self.inner)
        self.out_proj = nn.Linear(self.inner, c.hidden_size, bias=False)

    def forward(self, u):
        c, (rows, length, _) = self.c, u.shape
        z, x, B, C, dt, A, trap, angles = self.in_proj(u).split(self.parts, -1)
        x = x.view(rows, length, self.heads, c.head_dim)
        shared = lambda v, norm, bias: norm(v.view(rows, length, c.n_groups, -1)).repeat_interleave(self.heads // c.n_groups, 2) + bias[:, 0]
        B, C = shared(B, self.B_norm, self.B_bias), shared(C, self.C_norm, self.C_bias)
        dt, A, l = F.softplus(dt + self.dt_bias), -F.softplus(A).clamp(min=c.A_floor), trap.sigmoid()
        angle = (math.pi * angles.tanh()[:, :, None] * dt[..., None]).cumsum(1)
        B, C = turned(B, angle), turned(C, angle)
        h, before, ys = 0, 0, []
        for t in range(length):
            now = B[:, t, :, :, None] * x[:, t, :, None]
            a, step, part = (v[:, t, :, None, None] for v in ((A * dt).exp(), dt, l))
            h = a * h + a * step * (1 - part) * before + step * part * now
            before = now
            ys.append((h * C[:, t, :, :, None]).sum(2) + self.D[:, None] * x[:, t])
        y = torch.stack(ys, 1)
        if c.is_outproj_norm:
            y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.norm.eps) * self.norm.weight.view(self.heads, -1)
        return self.out_proj(y.flatten(2) * F.silu(z))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.mixer = Norm(c.hidden_size, c.norm_eps), Mixer(c)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class Backbone(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.num_hidden_layers))
        self.norm_f = Norm(c.hidden_size, c.norm_eps)


class Mamba3ForCausalLM(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.backbone = config, Backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.backbone.embeddings.weight

    def forward(self, tokens):
        x = self.backbone.embeddings(tokens)
        for layer in self.backbone.layers:
            x = layer(x)
        return SimpleNamespace(logits=self.lm_head(self.backbone.norm_f(x)))


def make(**arguments):
    config = PreTrainedConfig(**arguments)
    config.model_type = "mamba3"
    return Mamba3ForCausalLM(config)
