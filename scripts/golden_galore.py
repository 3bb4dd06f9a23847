#!/usr/bin/env python3
"""Makes tests/golden/train/galore.json: weights after some steps of GaLore (Zhao et al., arXiv 2403.03507), by the
formulas of galore-torch 1.0's AdamW and GaLoreProjector in double, with torch.linalg.svd: the projection looked for at
the first of every `update_proj_gap` steps, AdamW's moments of what it leaves, and its step brought back and scaled.
Weight decay is decoupled and comes first, as in AdamW; of singular vectors, whose sign is nobody's business, the one
that is kept has its largest element above 0 (in full the right one). Full begins with a projected gradient that is diagonal:
what is 0 there is rounding, which AdamW would make steps of, so that its epsilon is larger.

Run from the project's root; needs torch.
"""
import json
import math
from pathlib import Path

import torch

STEPS, LR = 5, 0.02
# options; rows, columns
CASES = [
    ("--galore-rank 3", 6, 10),
    ("--galore-rank 3 --galore-update-interval 2 --weight-decay 0.5", 11, 5),
    ("--galore-rank 2 --galore-update-interval 3 --galore-proj-type reverse_std --galore-scale 0.25", 10, 6),
    ("--galore-rank 4 --galore-proj-type reverse_std", 5, 9),
    ("--galore-rank 3 --galore-proj-type right --adam-beta2 0.9", 5, 8),
    ("--galore-rank 3 --galore-proj-type left --galore-update-interval 1", 9, 4),
    ("--galore-rank 3 --galore-proj-type full --galore-update-interval 2 --adam-eps 1e-4", 8, 6),
    ("--galore-rank 16 --galore-proj-type full --adam-eps 1e-4", 4, 7),
    ("--galore-rank 4 --galore-update-interval 4", 40, 24),
    ("--galore-rank 4 --galore-update-interval 4", 24, 40),
]


def made_up(i, t):
    """Spread over [-0.5, 0.5); t 0: weights, then gradients of step t."""
    return ((i * 2654435761 + t * 40503 + 12345) % 2**32) * ((i + 7 * t) % 5 + 1) % 2**32 / 2**32 - 0.5


def matrix(rows, cols, t):
    """A gradient is of three directions and the rest a hundredth as large, so that singular values stand apart."""
    x = torch.tensor([made_up(i, t) for i in range(rows * cols)], dtype=torch.float64).view(rows, cols)
    if t:
        few = sum(torch.outer(x[:, k], x[k % rows, :]) * 2.0 ** -k for k in range(4))
        x = few + x / 128
    return x.float().double()


def parse(text):
    words = text.split()
    return {words[k][2:]: words[k + 1] for k in range(0, len(words), 2)}


def vectors(g, rank, side):
    """Right ones, left ones, signs by the side that is asked for."""
    u, _, vh = torch.linalg.svd(g, full_matrices=False)
    by = vh if side == "right" else u.T
    sign = torch.stack([torch.sign(row[row.abs().argmax()]) for row in by])
    return (vh * sign[:, None])[:rank], (u.T * sign[:, None])[:rank]


def run(options, rows, cols):
    o = parse(options)
    rank, gap = int(o.get("galore-rank", 16)), int(o.get("galore-update-interval", 200))
    kind, scale = o.get("galore-proj-type", "std"), float(o.get("galore-scale", 2))
    b1, b2, eps = 0.9, float(o.get("adam-beta2", 0.999)), float(o.get("adam-eps", 1e-8))
    decay = float(o.get("weight-decay", 0.01))
    high = rows >= cols
    side = {"std": "right" if high else "left", "reverse_std": "left" if high else "right"}.get(kind, kind)
    w, m, v = matrix(rows, cols, 0), 0, 0
    for t in range(1, STEPS + 1):
        g = matrix(rows, cols, t) * 0.25
        if (t - 1) % gap == 0:
            right, left = vectors(g, rank, "left" if side == "left" else "right")
        r = g @ right.T if side == "right" else left @ g if side == "left" else left @ g @ right.T
        m, v = b1 * m + (1 - b1) * r, b2 * v + (1 - b2) * r * r
        x = m / (v.sqrt() + eps)
        x = x @ right if side == "right" else left.T @ x if side == "left" else left.T @ x @ right
        w = w * (1 - LR * decay) - LR * math.sqrt(1 - b2**t) / (1 - b1**t) * scale * x
    return w


def main():
    lines = []
    for options, rows, cols in CASES:
        values = [float(f"{x:.9g}") for x in run(options, rows, cols).flatten().tolist()]
        lines.append(json.dumps({"options": "--use-galore " + options, "rows": rows, "cols": cols, "values": values}))
    text = json.dumps({"steps": STEPS, "lr": LR})[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    Path("tests/golden/train/galore.json").write_text(text)


main()
