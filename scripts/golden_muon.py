#!/usr/bin/env python3
"""Makes tests/golden/train/muon.json: weights after some steps of Muon and of Lion, from their papers' formulas in
double, for options as a user types them. Before it writes, torch.optim.Muon is run on one of the cases, which it knows
how to do in bf16, and must agree as bf16 rounds.

Run from the project's root; needs torch 2.9 or later.
"""
import json
import math
from pathlib import Path

import torch

STEPS, LR = 4, 0.02
SETS = {
    "simple": [(3.4445, -4.7750, 2.0315)],
    "quintic": [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037),
                (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012)],
    "polar_express": [(8.2051, -22.9019, 16.4607), (4.0664, -2.8612, 0.5184), (3.9096, -2.8234, 0.5250),
                      (3.2856, -2.4153, 0.4853), (2.2779, -1.6198, 0.3985), (1.8726, -1.2307, 0.3585),
                      (1.8564, -1.2132, 0.3568), (1.8750, -1.2500, 0.3750)],
    "aol": [(4.0098, -7.0585, 2.4635), (3.4585, -5.5479, 2.5959), (2.7573, -3.2939, 1.4254),
            (2.7215, -3.0494, 1.3169)],
}
# options; rows, columns; rows of bands in a group, rows of a head
CASES = [
    ("--muon-fp32-matmul-prec high", 6, 10, [], 0),
    ("--muon-fp32-matmul-prec high --muon-nesterov --weight-decay 0.5", 11, 5, [], 0),
    ("--muon-fp32-matmul-prec high --muon-coefficient-type simple --muon-scale-mode unit_rms_norm", 5, 9, [], 0),
    ("--muon-fp32-matmul-prec high --muon-coefficient-type aol --muon-num-ns-steps 6 --muon-scale-mode shape_scaling "
     "--muon-momentum 0.5", 9, 4, [], 0),
    ("--muon-fp32-matmul-prec high --muon-coefficient-type polar_express --muon-num-ns-steps 9", 7, 7, [], 0),
    ("--muon-fp32-matmul-prec high", 16, 6, [4, 2, 2], 2),
    ("--muon-fp32-matmul-prec high --muon-no-split-qkv", 16, 6, [4, 2, 2], 2),
    ("--muon-fp32-matmul-prec high --muon-split-qkv-per-head --muon-extra-scale-factor 0.2", 16, 6, [4, 2, 2], 2),
    ("--muon-fp32-matmul-prec high", 10, 6, [5, 5], 0),
    ("--muon-fp32-matmul-prec high --muon-split-qkv-per-head", 10, 6, [5, 5], 0),
    ("--muon-coefficient-type simple --muon-scale-mode shape_scaling --muon-nesterov --weight-decay 0.1", 12, 8, [], 0),
    ("--optimizer lion --weight-decay 0.3", 3, 7, [], 0),
]


def made_up(i, t):
    """Spread over [-0.5, 0.5); t 0: weights, then gradients of step t."""
    return ((i * 2654435761 + t * 40503 + 12345) % 2**32) * ((i + 7 * t) % 5 + 1) % 2**32 / 2**32 - 0.5


def matrix(rows, cols, t):
    return torch.tensor([made_up(i, t) for i in range(rows * cols)], dtype=torch.float64).float().double().view(rows, cols)


def parse(text):
    o, words = {}, text.split()
    while words:
        name = words.pop(0)[2:]
        o[name] = words.pop(0) if words and not words[0].startswith("--") else True
    return o


def orthogonal(x, sets, steps, repeats):
    x = x / max(x.norm().item(), 1e-7)
    for i in range(steps):
        a, b, c = sets[i] if i < len(sets) else sets[-1] if repeats else sets[i % len(sets)]
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def index_sets(o, rows, bands, head):
    """The rows of each matrix in the weight."""
    per_head, group = "muon-split-qkv-per-head" in o, sum(bands)
    if not bands or (not per_head if not head else "muon-no-split-qkv" in o):
        return [list(range(rows))]
    if per_head and head:
        return [list(range(r, r + head)) for r in range(0, rows, head)]
    ends = [sum(bands[:i]) for i in range(len(bands) + 1)]
    return [[r for r in range(rows) if lo <= r % group < hi] for lo, hi in zip(ends, ends[1:])]


def muon(o, rows, cols, bands, head):
    beta, wd = float(o.get("muon-momentum", 0.95)), float(o.get("weight-decay", 0.01))
    kind, steps = o.get("muon-coefficient-type", "quintic"), int(o.get("muon-num-ns-steps", 5))
    scale = {"spectral": lambda r, c: math.sqrt(max(r, c)), "unit_rms_norm": lambda r, c: math.sqrt(r / c),
             "shape_scaling": lambda r, c: math.sqrt(max(1, r / c))}[o.get("muon-scale-mode", "spectral")]
    w, m = matrix(rows, cols, 0), torch.zeros(rows, cols, dtype=torch.float64)
    for t in range(1, STEPS + 1):
        g = matrix(rows, cols, t)
        w = w * (1 - LR * wd)
        m = beta * m + (1 - beta) * g
        n = beta * m + (1 - beta) * g if "muon-nesterov" in o else m
        for at in index_sets(o, rows, bands, head):
            s = scale(len(at), cols) * float(o.get("muon-extra-scale-factor", 1))
            w[at] -= LR * s * orthogonal(n[at], SETS[kind], steps, kind == "polar_express")
    return w


def lion(o, rows, cols):
    wd, w, m = float(o.get("weight-decay", 0.01)), matrix(rows, cols, 0), torch.zeros(rows, cols, dtype=torch.float64)
    for t in range(1, STEPS + 1):
        g = matrix(rows, cols, t)
        w = w * (1 - LR * wd) - LR * torch.sign(0.95 * m + 0.05 * g)
        m = 0.98 * m + 0.02 * g
    return w


def torchs_own(rows, cols):
    """The case that torch.optim.Muon can do: simple, shape_scaling, with nesterov and decay."""
    p = torch.nn.Parameter(matrix(rows, cols, 0).float())
    z = torch.optim.Muon([p], lr=LR, weight_decay=0.1, momentum=0.95, nesterov=True, ns_steps=5,
                         ns_coefficients=SETS["simple"][0], adjust_lr_fn="original")
    for t in range(1, STEPS + 1):
        p.grad = matrix(rows, cols, t).float()
        z.step()
    return p.detach().double()


def main():
    cases = []
    for options, rows, cols, bands, head in CASES:
        o = parse(options)
        w = lion(o, rows, cols) if o.get("optimizer") == "lion" else muon(o, rows, cols, bands, head)
        if "high" not in options and "lion" not in options:
            far = (w - torchs_own(rows, cols)).abs().max().item()
            assert far < 0.05 * LR * STEPS, far
        cases.append({"options": options if "lion" in options else "--optimizer muon " + options, "rows": rows,
                      "cols": cols, "bands": bands, "head": head, "values": [float(f"{v:.9g}") for v in w.flatten()]})
    lines = ",\n".join(json.dumps(c) for c in cases)
    Path("tests/golden/train/muon.json").write_text(f'{{"steps": {STEPS}, "lr": {LR}, "cases": [\n{lines}\n]}}\n')


main()
