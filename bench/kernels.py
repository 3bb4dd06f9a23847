#!/usr/bin/env python3
"""The kernels of a training step beside PyTorch's (oneDNN's products, its attention, loss and optimizer) and OpenBLAS's, in one run.

usage: bench/kernels.py [--check build/tests/check] [--only gemm,attention,loss,optimizer] [--threads N] [--repeat N]
                        [--ggml FOLDER_WHERE_LLAMA_CPP_WAS_BUILT]

Ours are the figures of `check --bench --json --isa all`; the peer's are medians. Needs a Python with torch and numpy (whose wheel
brings OpenBLAS). Products: both read activations and weights from memory; our weights are packed, as they are in training.
With --ggml, ggml's mul_mat stands beside the forward products of 1024 tokens.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--check", default="build/tests/check")
p.add_argument("--only", default="gemm,attention,loss,optimizer")
p.add_argument("--threads", type=int, default=os.cpu_count())
p.add_argument("--repeat", type=int, default=5)
p.add_argument("--ggml", help="a folder in which llama.cpp was built")
a = p.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(a.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
import ggml  # noqa: E402
import train  # noqa: E402

torch.set_num_threads(a.threads)


def ours(subject):
    """What was measured, an object each."""
    words = [a.check, "--bench", "--json", "--only", subject, "--isa", "all", "--threads", str(a.threads)]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def seconds(work, least=0.2):
    """Median time of one call, each timing long enough for the clock."""
    work()
    start = time.perf_counter()
    work()
    calls = max(1, int(least / a.repeat / max(time.perf_counter() - start, 1e-6)))
    times = []
    for _ in range(a.repeat):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def peer_products(which, m, n, k, dtype, blas):
    """Y = X W^T, dX = dY W, dW = dY^T X with X [m, k], W [n, k], dY [m, n] (`which` as the checker names them)."""
    shapes = {"forward": ((m, k), (n, k), lambda x, w: x @ w.T), "input gradient": ((m, n), (n, k), lambda x, w: x @ w),
              "weight gradient": ((m, n), (m, k), lambda x, w: x.T @ w)}
    left, right, product = shapes[which]
    if blas:
        x, w = (np.random.default_rng(1).standard_normal(s, dtype=np.float32) for s in (left, right))
    else:
        x, w = torch.randn(left).to(dtype), torch.randn(right).to(dtype)
    return seconds(lambda: product(x, w))


def gemm():
    if a.ggml:
        with tempfile.TemporaryDirectory() as folder:
            return gemm_beside(ggml.build(a.ggml, folder))
    print("\nwithout ggml: --ggml names no folder in which llama.cpp was built")
    gemm_beside(None)


def gemm_beside(ggml_program):
    measured = ours("gemm")
    for roof in (r for r in measured if r["what"] == "roof"):
        fp32, ratios, beside_ggml = roof["dtype"] == "fp32", [], []
        print(f"\ngemm {roof['dtype']}, {roof['variant']}: roof {roof['one_thread_gflop_per_s']:.1f} GFLOP/s on one thread, "
              f"{roof['gflop_per_s']:.1f} on {roof['threads']}; load {roof['load']:.1f}\n{'':16} {'tokens x out x in':22} {'ours':>8} {'share':>6}" + (f" {'MKL':>8} {'OpenBLAS':>16}" if fp32 else f" {'oneDNN':>8}")
              + (f" {'ggml':>14}" if ggml_program else ""))
        rows = [r for r in measured if r["dtype"] == roof["dtype"] and "share_of_roof" in r]
        packs = any(r["packed"] for r in rows)
        for r in rows:
            which, m, n, k, speed = r["what"], r["tokens"], r["out"], r["in"], r["gflop_per_s"]
            if r["packed"] != (packs and which != "weight gradient"):
                continue
            work = 2e-9 * m * n * k
            peers = [work / peer_products(which, m, n, k, torch.float32 if fp32 else torch.bfloat16, blas) for blas in ((False, True) if fp32 else (False,))]
            ratios.append([speed / x for x in peers])
            if ggml_program and which == "forward" and m == 1024:
                peers.append(work / ggml.seconds(ggml_program, "fp32" if fp32 else "bf16", m, n, k, a.threads, a.repeat))
                beside_ggml.append(speed / peers[-1])
            print(f"{which:16} {m:6} x {n:6} x {k:4}  {speed:8.1f} {100 * r['share_of_roof']:4.0f} % " + " ".join(f"{x:8.1f} ({speed / x:4.2f})" for x in peers), flush=True)
        print("geometric mean of the ratios: " + ", ".join(f"{statistics.geometric_mean(r):.3f}" for r in zip(*ratios))
              + (f"; beside ggml, forward products of 1024 tokens: {statistics.geometric_mean(beside_ggml):.2f}" if beside_ggml else ""))


def peer_attention(dtype, b, h, kv, d, documents):
    """Milliseconds of both directions; of each length in `documents`, one after another."""
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    work = []
    for t in documents:
        q, k, v = (torch.randn(b, n, t, d).to(kind).requires_grad_() for n in (h, kv, kv))
        work.append((q, k, v, torch.randn(b, h, t, d).to(kind)))

    def step():
        for q, k, v, g in work:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=kv != h)
            torch.autograd.grad(y, (q, k, v), g)
    return 1e3 * seconds(step)


def attention():
    measured = ours("attn")
    roofs = {"bf16": share_of_roof("bf16"), "fp32": share_of_roof("fp32")}
    print("\ncausal attention, forward and backward, ms; GFLOP/s of the pairs that are seen, and their share of the roof")
    for r in (r for r in measured if r["what"] == "train"):
        dtype, b, t, ms, useful = r["dtype"], r["batch"], r["tokens"], r["both_ms"], r["useful_gflop_per_s"]
        heads = h, kv, d = r["query_heads"], r["kv_heads"], r["head_dim"]
        peer = peer_attention(dtype, b, *heads, [t])
        print(f"{dtype} B {b} T {t:5} {h}/{kv} x {d:3}  ours {ms:8.2f} ({useful:.1f} GFLOP/s{roofs[dtype](useful)})  PyTorch {peer:8.2f}  ratio {peer / ms:5.2f}", flush=True)
    print("\ndocuments packed in a row of 4096, beside the same ones in batches of their length (ours) and one after another (PyTorch)")
    for r in (r for r in measured if r["what"] == "packed"):
        dtype, ms, useful, apart = r["dtype"], r["both_ms"], r["useful_gflop_per_s"], r["apart_both_ms"]
        peer = peer_attention(dtype, 1, r["query_heads"], r["kv_heads"], r["head_dim"], r["document_tokens"])
        print(f"{dtype} {r['name']:16} ours {ms:8.2f} ({useful:.1f} GFLOP/s{roofs[dtype](useful)})  apart {apart:8.2f}, speed packed / apart {apart / ms:.3f}"
              f"  PyTorch {peer:8.2f}  ratio {peer / ms:5.2f}", flush=True)


def share_of_roof(dtype):
    """What prints a speed's share of the roof in this type, on all threads of the run."""
    peak = train.roof(argparse.Namespace(tessera=str(Path(a.check).parent.parent / "tessera"), dtype=dtype, threads=a.threads))
    return lambda speed: f", {speed / peak / 10:.0f} %" if peak else ""


def loss():
    mine_ms = next(r for r in ours("loss") if r["what"] == "linear and loss")
    print("\nlinear and loss, 512 x 576 x 49152, bf16, forward and backward, ms")
    w = torch.randn(49152, 576, requires_grad=True)
    x = torch.randn(512, 576).bfloat16().requires_grad_()
    y = torch.randint(0, 49152, (512,))
    masked = torch.where(torch.arange(512) % 2 == 0, y, -100)

    def run(labels):
        with torch.autocast("cpu", torch.bfloat16):
            total = F.cross_entropy(F.linear(x, w).float(), labels)
        torch.autograd.grad(total, (x, w))
    compiled = torch.compile(run)
    for name, labels, mine in (("all rows", y, mine_ms["all_rows_ms"]), ("every other row masked", masked, mine_ms["every_other_row_ms"])):
        plain, fast = 1e3 * seconds(lambda: run(labels)), 1e3 * seconds(lambda: compiled(labels))
        print(f"{name:24} ours {mine:8.1f}  PyTorch {plain:8.1f}, compiled {fast:8.1f}  ratio {min(plain, fast) / mine:5.2f}", flush=True)


def optimizer():
    print("\nAdamW and clipping, ns per 1000 elements")
    n = 16 << 20
    ms = {r["what"]: r["ms"] for r in ours("optim,step_pack") if "ms" in r}
    weights = [torch.zeros(1 << 20, requires_grad=True) for _ in range(16)]
    for w in weights:
        w.grad = torch.full_like(w, 1e-3)
    opt = torch.optim.AdamW(weights, lr=1e-4, fused=True)
    step = seconds(opt.step) / n * 1e12
    clip = seconds(lambda: torch.nn.utils.clip_grad_norm_(weights, 1.0)) / n * 1e12
    sumsq = ms["sumsq, 16 Mi"] * 1e9 / n
    for name, value in ms.items():
        if name.startswith("adamw"):
            mine = value * 1e9 / n
            print(f"{name:32} ours {mine:7.0f} + norm {sumsq:5.0f}  PyTorch fused {step:7.0f} + clip {clip:5.0f}  ratio {(step + clip) / (mine + sumsq):5.2f}")


if __name__ == "__main__":
    print(f"torch {torch.__version__}, numpy {np.__version__}, {a.threads} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    for subject in a.only.split(","):
        globals()[subject]()
