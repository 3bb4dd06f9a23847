#!/usr/bin/env python3
"""Makes tests/golden/data/batches.json: which samples a rank reads with --dataloader-type cyclic, permuted by PyTorch itself, and how
the global batch grows with --rampup-batch-size, by plain loops over steps and Python's own division.

Run from the project's root; needs torch.
"""
import json
from pathlib import Path

import torch


def permutation(n, seed):
    g = torch.Generator()
    g.manual_seed(seed)
    return torch.randperm(n, generator=g).tolist()


def passes(total, micro, dp, rank, sharded, first):
    """Micro-batches of a rank, for ever: passes over the data, the first one entered at sample `first`. A pass ends on all ranks
    together, where one has no whole micro-batch left (Megatron's own ranks lose step there without sharding when micro < dp)."""
    usable = total - total % (micro * dp)
    number, at = divmod(first, usable)
    while True:
        if sharded:
            own = usable // dp
            order = [rank * own + i for i in permutation(own, number)][at // dp:]
        else:
            order = permutation(total // micro * micro, number)[at:][rank::dp]
        for b in range(0, (usable - at) // dp, micro):
            yield order[b:b + micro]
        number, at = number + 1, 0


def cyclic():
    cases = []
    for total, micro, dp in [(10, 1, 1), (10, 3, 1), (23, 2, 3), (64, 4, 4), (101, 5, 2), (7, 1, 7), (700, 8, 8)]:
        chunk = micro * dp
        for sharded in (True, False):
            for first in {0, chunk, total // chunk * chunk * 2 + total // chunk // 2 * chunk}:
                n = min(2 * (total // chunk) + 2, 30)
                ranks = []
                for rank in range(dp):
                    source = passes(total, micro, dp, rank, sharded, first)
                    ranks.append([i for _ in range(n) for i in next(source)])
                cases.append({"total": total, "micro": micro, "dp": dp, "sharded": sharded, "first": first, "n": n, "ranks": ranks})
    return cases


def permutations():
    return [{"n": n, "seed": seed, "order": permutation(n, seed)} for n, seed in [(1, 0), (2, 1), (33, 7), (64, 4294967295), (1500, 3)]]


def size(start, increment, samples, full, consumed):
    if consumed > samples:
        return full
    return start + int(consumed / (samples / ((full - start) // increment))) * increment


def ramps():
    cases = []
    for start, increment, samples, full, train in [
            (2, 2, 100, 10, 400), (16, 8, 3000, 1024, 40000), (4, 4, 30, 16, 29), (4, 4, 30, 16, 30), (4, 4, 30, 16, 31), (8, 8, 7, 64, 1000),
            (1, 1, 49, 8, 777), (3, 1, 1000000, 10, 1234567), (4, 2, 1, 8, 100), (2, 2, 90, 8, 8),
            (9, 1, 9, 16, 100)]:
        consumed, sizes = 0, []
        while consumed <= samples and consumed <= train:
            sizes.append(size(start, increment, samples, full, consumed))
            consumed += sizes[-1]
        steps = len(sizes) + max(0, train - consumed) // full
        kept = sizes if len(sizes) < 500 else []
        cases.append({"start": start, "increment": increment, "samples": samples, "full": full, "train": train, "steps": steps, "sizes": kept})
    return cases


text = json.dumps({"cyclic": cyclic(), "permutations": permutations(), "ramps": ramps()}, separators=(",", ":"))
Path("tests/golden/data/batches.json").write_text(text.replace("},{", "},\n{") + "\n")
