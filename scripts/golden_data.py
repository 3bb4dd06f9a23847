#!/usr/bin/env python3
"""Makes tests/golden/data: data orders as Megatron defines them, by a plain copy of the rules on NumPy's own generator.

Run from the project's root; needs numpy. The order of one pass and of several, blends, splits, and indexed files of every type.
"""
import json
import math
import struct
from pathlib import Path

import numpy as np

out = Path("tests/golden/data")
out.mkdir(parents=True, exist_ok=True)


def order(lengths, S, N, seed, partial=False):
    T, docs = int(sum(lengths)), len(lengths)
    E = 1 if N is None else max(1, -(-(N * S + 1) // T))
    separate = False
    if E > 1:
        before = ((E - 1) * T - 1) // S
        separate = N - before < int(0.80 * ((T - 1) // S))
    rng = np.random.RandomState(seed)
    if separate:
        first = np.tile(np.arange(docs, dtype=np.int32), E - 1)
        rng.shuffle(first)
        last = np.arange(docs, dtype=np.int32)
        rng.shuffle(last)
        documents = np.concatenate([first, last])
    else:
        documents = np.tile(np.arange(docs, dtype=np.int32), E)
        rng.shuffle(documents)
    n = (E * T - 1) // S if not partial else -(-(E * T - 1) // S)
    # Token p of the stream stands in document position pos at offset off; sample j begins at token j * S. A sample
    # ends on the token that the next one begins with, so a place is the last token read, never past an end.
    ends = np.cumsum(np.asarray(lengths)[documents])
    places = []
    for j in range(n + 1):
        p = min(j * S, E * T - 1)
        pos = int(np.searchsorted(ends, p, side="right"))
        places.append((pos, int(p - (ends[pos - 1] if pos else 0))))
    places[0] = (0, 0)  # also where the first documents are empty
    shuffle = np.arange(n, dtype=np.uint32)
    if separate:
        a, b = shuffle[:before].copy(), shuffle[before:].copy()
        rng.shuffle(a)
        rng.shuffle(b)
        shuffle = np.concatenate([a, b])
    else:
        rng.shuffle(shuffle)
    return {"lengths": list(map(int, lengths)), "seq_length": S, "n": -1 if N is None else N, "seed": seed, "partial": partial, "epochs": E,
            "separate": separate, "documents": documents.tolist(), "position": [p for p, _ in places], "offset": [o for _, o in places],
            "shuffle": shuffle.tolist()}


def blend(weights, n, sizes=None):
    w = np.array(weights, dtype=np.float64)
    taken, dataset, sample = [0] * len(w), [], []
    for i in range(n):
        left = [d for d in range(len(w)) if sizes is None or taken[d] < sizes[d]]
        best = max(left, key=lambda d: (w[d] * max(i, 1) - taken[d], -d))
        dataset.append(best)
        sample.append(taken[best])
        taken[best] += 1
    return {"dataset": dataset, "sample": sample}


r = np.random.RandomState(5)
mixed = r.randint(1, 60, 40)
with_empty = [0, 5, 0, 0, 9, 1, 1, 30, 0]
orders = [order([5, 3, 8, 2, 7], 4, N, 1234) for N in (6, 8, 10)]
orders += [order(mixed, S, N, seed) for S, N, seed in ((16, None, 1), (16, 100, 1234), (7, 1000, 42), (64, 90, 0), (2000, 3, 4294967295), (1, 500, 7))]
orders += [order(with_empty, 6, N, 3) for N in (None, 5, 14, 20)]
orders += [order(mixed, 16, None, 1, True)]

blends = []
for raw, n in (([0.3, 0.7], 10), ([0.5, 0.2, 0.3], 10), ([1, 1, 1], 30), ([5, 0, 3], 40), (list(range(1, 12)), 700), (r.rand(150).tolist(), 3000)):
    w = np.array(raw, dtype=np.float64)
    w = w / np.sum(w)
    blends.append({"raw": raw, "weights": w.tolist(), "n": n, **blend(w, n)})
for n in (7, 8, 9, 15, 16, 23, 100, 128, 129, 250):  # the rounding of the sum
    raw = (r.rand(n) ** 3).tolist()
    w = np.array(raw) / np.sum(np.array(raw))
    blends.append({"raw": raw, "weights": w.tolist(), "n": 20, **blend(w, 20)})
exhaustive = []
for sizes in ([7, 3, 0, 12], [400, 300], [1]):
    w = [s / sum(sizes) for s in sizes]
    exhaustive.append({"sizes": sizes, **blend(w, sum(sizes), sizes)})

splits = []
for text in ("949,50,1", "99,1,0", "100,0,0", "0.9,0.05,0.05", "1", "8/1/1", "969, 30, 1", "0,0,1"):
    v = [float(x) for x in __import__("re").findall(r"[.0-9]+", text)]
    v = np.array(v + [0.0] * (3 - len(v)))
    f = v / v.sum()
    ends = [0.0]
    for x in f:
        ends.append(ends[-1] + x)
    splits.append({"text": text, "ranges": {str(n): [[int(round(ends[k] * float(n))), int(round(ends[k + 1] * float(n)))] for k in range(3)]
                                            for n in (1, 5, 10, 25, 50, 1000, 12345678901)}})

shuffles = []
for seed, n in ((1234, 10), (42, 16), (0, 1), (3, 2), (9, 33), (77, 1000)):
    v = np.arange(n)
    rng = np.random.RandomState(seed)
    rng.shuffle(v)
    w = np.arange(7)
    rng.shuffle(w)
    shuffles.append({"seed": seed, "n": n, "first": v.tolist(), "then": w.tolist()})

(out / "orders.json").write_text(json.dumps({"orders": orders, "blends": blends, "exhaustive": exhaustive, "splits": splits, "shuffles": shuffles},
                                            separators=(",", ":")) + "\n")

# Three documents of one, two and no sequences; every type holds the same numbers.
codes = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 6: np.float64, 7: np.float32, 8: np.uint16}
lengths, documents = [3, 0, 4], [0, 1, 3, 3]
for code, kind in codes.items():
    tokens = np.array([1, 2, 3, 100, 101, 102, 127], dtype=kind)
    offs = np.cumsum([0] + lengths[:-1]) * tokens.itemsize
    idx = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, code, len(lengths), len(documents))
    idx += np.array(lengths, "<i4").tobytes() + offs.astype("<i8").tobytes() + np.array(documents, "<i8").tobytes()
    (out / f"type{code}.idx").write_bytes(idx)
    (out / f"type{code}.bin").write_bytes(tokens.tobytes())
