#!/usr/bin/env python3
"""PyTorch's side of bench/train.py and bench/layouts.py: training steps of one model; prints a JSON line.

usage: PYTHON bench/torch_peer.py '{"layers": ..., "hidden": ..., ...}' --seq N --batch N [...]
       PYTHON -m torch.distributed.run --nproc-per-node N bench/torch_peer.py ... --parallel ddp|fsdp2|tp

What a user would write: scaled_dot_product_attention, torch.compile, fused AdamW, bf16 autocast over fp32 weights, gradient
norm clipped. In several processes, over gloo: DistributedDataParallel; fully_shard of each block with bf16 parameters and
fp32 reduction; or the tensor-parallel plan of torch's own examples (columns, then rows, sequence parallel between, rows of
the embedding and of an output layer of its own, loss_parallel; not compiled). --batch is that of all processes together.
"""
import argparse
import json
import os
import resource
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, hidden, heads, kv, bias):
        super().__init__()
        self.width = hidden // heads
        self.q, self.k, self.v = (nn.Linear(hidden, n * self.width, bias=bias) for n in (heads, kv, kv))
        self.o = nn.Linear(hidden, hidden, bias=bias)

    def forward(self, x, cos, sin):
        batch, seq, _ = x.shape
        q, k, v = (f(x) for f in (self.q, self.k, self.v))
        seq = q.shape[1]  # of all processes where the stream is cut
        q, k, v = (t.view(batch, seq, -1, self.width).transpose(1, 2) for t in (q, k, v))
        if cos is not None:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        return self.o(y.transpose(1, 2).reshape(batch, seq, -1))


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos.to(x.dtype) + torch.cat((-b, a), -1) * sin.to(x.dtype)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        hidden, ffn, gpt2 = shape["hidden"], shape["ffn"], "gpt2" in shape
        norm = (lambda: nn.LayerNorm(hidden)) if gpt2 else (lambda: nn.RMSNorm(hidden, eps=1e-5))
        self.n1, self.n2, self.att = norm(), norm(), Attention(hidden, shape["heads"], shape["kv"], gpt2)
        self.gate = None if gpt2 else nn.Linear(hidden, ffn, bias=False)
        self.up, self.down = nn.Linear(hidden, ffn, bias=gpt2), nn.Linear(ffn, hidden, bias=gpt2)

    def forward(self, x, cos, sin):
        x = x + self.att(self.n1(x), cos, sin)
        h = self.n2(x)
        if self.gate is None:
            return x + self.down(F.gelu(self.up(h), approximate="tanh"))
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, shape, seq, tied):
        super().__init__()
        hidden, gpt2 = shape["hidden"], "gpt2" in shape
        self.emb = nn.Embedding(shape["vocab"], hidden)
        self.pos = nn.Embedding(seq, hidden) if gpt2 else None
        self.enter = nn.Identity()  # where the stream is cut, if it is
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape["layers"]))
        self.norm = nn.LayerNorm(hidden) if gpt2 else nn.RMSNorm(hidden, eps=1e-5)
        self.out = nn.Linear(hidden, shape["vocab"], bias=False)
        if tied:
            self.out.weight = self.emb.weight
        width = hidden // shape["heads"]
        angles = torch.outer(torch.arange(seq), 1 / 10000 ** (torch.arange(0, width, 2) / width)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x, y):
        h = self.emb(x)
        if self.pos is not None:
            h = h + self.pos(torch.arange(x.shape[1]))
        h = self.enter(h)
        for b in self.blocks:
            h = b(h, None if self.pos is not None else self.cos, self.sin)
        return F.cross_entropy(self.out(self.norm(h)).float().flatten(0, 1), y.flatten())


def frozen(model, dtype):
    """All but the norms."""
    model.requires_grad_(False)
    if dtype == "bf16":
        model.bfloat16()
        model.cos, model.sin = model.cos.float(), model.sin.float()
    for m in model.modules():
        if isinstance(m, (nn.LayerNorm, nn.RMSNorm)):
            m.float().requires_grad_(True)


def cut_by_tensors(model, mesh):
    """Rows of the stream between, whole heads and columns of the MLP inside."""
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.parallel import (ColwiseParallel, PrepareModuleInput, RowwiseParallel, SequenceParallel,
                                                   parallelize_module)
    ends = {"emb": RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate()),
            "enter": PrepareModuleInput(input_layouts=Replicate(), desired_input_layouts=Shard(1), use_local_output=True), "norm": SequenceParallel(),
            "out": ColwiseParallel(input_layouts=Shard(1), output_layouts=Shard(-1), use_local_output=False)}
    if model.pos is not None:
        ends["pos"] = ends["emb"]
    parallelize_module(model, mesh, ends)
    for b in model.blocks:
        columns, rows = ColwiseParallel(), RowwiseParallel(output_layouts=Shard(1))
        gather = PrepareModuleInput(input_layouts=(Shard(1), None, None), desired_input_layouts=(Replicate(), None, None))
        plan = {"n1": SequenceParallel(), "n2": SequenceParallel(), "att": gather, "att.q": columns, "att.k": columns,
                "att.v": columns, "att.o": rows, "down": rows, "up": ColwiseParallel(input_layouts=Shard(1))}
        if b.gate is not None:
            plan["gate"] = ColwiseParallel(input_layouts=Shard(1))
        parallelize_module(b, mesh, plan)


def parallel(a, model):
    """The model as it is called, over the processes of this job."""
    if a.parallel == "tp":
        from torch.distributed.device_mesh import init_device_mesh
        cut_by_tensors(model, init_device_mesh("cpu", (a.ranks,)))
        return model
    if a.parallel == "fsdp2":
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if a.dtype == "bf16" else None, reduce_dtype=torch.float32)
        for b in model.blocks:
            if not a.eager:
                b.compile()
            fully_shard(b, mp_policy=policy)
        fully_shard(model, mp_policy=policy)
        return model
    run = model if a.eager else torch.compile(model)
    return nn.parallel.DistributedDataParallel(run) if a.parallel == "ddp" else run


def steps(a, shape, model):
    run = parallel(a, model)
    kind = torch.optim.SGD if a.optimizer == "sgd" else torch.optim.AdamW
    opt = kind([p for p in model.parameters() if p.requires_grad], lr=1e-4, **({} if a.parallel in ("fsdp2", "tp") else {"fused": True}))
    data = torch.randint(0, shape["vocab"], (a.steps + 3, a.batch, a.seq + 1), generator=torch.Generator().manual_seed(5))
    share = slice(None) if a.parallel in ("", "tp") else slice(a.rank * a.batch // a.ranks, (a.rank + 1) * a.batch // a.ranks)
    autocast = a.dtype == "bf16" and a.parallel != "fsdp2"
    times, losses = [], []
    for batch in data[:, share]:
        t = time.perf_counter()
        opt.zero_grad(set_to_none=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = run(batch[:, :-1], batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(float(loss.full_tensor() if hasattr(loss, "full_tensor") else loss))
        times.append(time.perf_counter() - t)
        if a.metrics_jsonl and a.rank == 0:
            with open(a.metrics_jsonl, "a") as f:
                f.write(json.dumps(dict(lm_loss=losses[-1], iteration_seconds=times[-1])) + "\n")
    return times, losses


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("shape", type=json.loads)
    p.add_argument("--seq", type=int, required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--optimizer", default="adam")
    p.add_argument("--eager", action="store_true")
    p.add_argument("--frozen", action="store_true")
    p.add_argument("--metrics-jsonl", help="a line for each step")
    p.add_argument("--parallel", default="", choices=["", "ddp", "fsdp2", "tp"])
    a = p.parse_args()
    a.rank, a.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    if a.parallel:
        torch.distributed.init_process_group("gloo")
    model = Model(a.shape, a.seq, tied=a.parallel != "tp")
    with torch.no_grad():
        for w in model.parameters():
            if w.dim() > 1:
                w.normal_(0, 0.02)
    if a.frozen:
        frozen(model, a.dtype)
    if a.parallel == "tp":
        from torch.distributed.tensor.parallel import loss_parallel
        with loss_parallel():
            times, losses = steps(a, a.shape, model)
    else:
        times, losses = steps(a, a.shape, model)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if a.rank == 0:
        print(json.dumps(dict(times=times[3:], rss=rss, losses=losses, version=torch.__version__)))
    if a.parallel:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
