#!/usr/bin/env python3
"""Makes tests/golden/sft.json: tuning on answers, by torch and transformers in float64 and NumPy's random numbers.

    python scripts/golden_sft.py        from the project's root; needs torch, transformers, numpy

orders   in which samples are gone through: NumPy's RandomState, Python's random.shuffle
splits   which samples a part has
cases    models of tests/golden/families, samples with labels that are not always the tokens, and the losses and norms of
         gradients of some steps of AdamW, with masks and positions made here by what the options mean
"""
import json
import random
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

ROOT = Path("tests/golden")
ADAMW = dict(lr=2e-3, wd=0.1, beta1=0.9, beta2=0.95, eps=1e-8, clip=1.0)
S, MICRO, GLOBAL, STEPS, SEED, VOCAB, EOS = 24, 2, 6, 3, 4321, 79, 2


def order(n, wanted, seed, shuffle=True, full=False, multiple=0):
    rng, out = np.random.RandomState(seed), []
    while len(out) < max(wanted, 1):
        one = np.arange(n)
        if multiple and n % multiple:
            one = np.concatenate([one, np.arange(multiple - n % multiple) % n])
        if shuffle:
            rng.shuffle(one)
        out += one.tolist()
    if full:
        random.seed(seed)
        random.shuffle(out)
    return out


def orders():
    rows = []
    for n, wanted, seed, shuffle, full, multiple in [(7, 20, 1234, True, False, 0), (7, 20, 1234, True, False, 4), (5, 16, 42, False, False, 8), (9, 30, 7, True, True, 0),
                                                     (300, 700, 99, True, True, 64), (3, 0, 5, True, False, 0), (1, 3, 5, True, True, 2)]:
        rows.append(dict(n=n, wanted=wanted, seed=seed, shuffle=shuffle, full=full, multiple=multiple, order=order(n, wanted, seed, shuffle, full, multiple)))
    return rows


def splits():
    rows = []
    for text, n in [("949,50,1", 1000), ("50,50,0", 5), ("98,2,0", 33), ("1,1,1", 10), ("100,0,0", 4), ("8/1/1", 15), ("969,30,1", 207)]:
        share = [float(x) for x in text.replace("/", ",").split(",")]
        share = [x / sum(share) for x in share]
        bound = [0]
        for x in share:
            bound.append(bound[-1] + int(round(x * float(n))))
        over = bound[-1] - n
        for i in range(1, 4):
            bound[i] -= over
        rows.append(dict(split=text, n=n, bounds=bound))
    return rows


def samples(rng, n, longest, docs=1):
    """Answers behind questions; now and then a label is another token, a sample has none, or is longer than a row."""
    rows = []
    for k in range(n):
        ids, labels, ordinals = [], [], []
        for d in range(rng.randint(1, docs)):
            asked, told = rng.randint(1, 5), rng.randint(2, longest)
            one = [rng.randint(3, VOCAB - 1) for _ in range(asked + told - 1)] + [EOS]
            ids += one
            labels += [-100] * asked + [t if rng.random() > 0.1 else rng.randint(3, VOCAB - 1) for t in one[asked:]]
            ordinals += [d + 1] * len(one)
        if k == 3:
            labels = [-100] * len(labels)
        rows.append((ids, labels, ordinals))
    return rows


def rows_of(sample, how):
    """One row: ids, what is to be told behind each, documents, positions."""
    ids, labels, ordinals = (x[:S] for x in sample)
    n = len(ids)
    behind = labels[1:] + [-100]
    documents, positions, at, document, first = [], [], 0, 0, 0
    for i in range(n):
        new = i > 0 and (ordinals[i] != ordinals[i - 1] if how.get("neat") else ids[i - 1] == EOS)
        if (new or (how.get("piece") and i - first == how["piece"])) and i > 0:
            document, first = document + 1, i
        documents.append(document if how.get("reset") else 0)
        positions.append(i - first if how.get("positions") else i)
    fill = S - n
    if how.get("left"):
        return [0] * fill + ids, [-100] * fill + behind, [-1] * fill + documents, list(range(fill)) + [fill + p for p in positions]
    return ids + [0] * fill, behind + [-100] * fill, documents + [-2] * fill, positions + list(range(n, S))


def losses(model, rows):
    ids, labels, documents, positions = (torch.tensor(x) for x in zip(*rows))
    seen = (documents[:, :, None] == documents[:, None, :]) & torch.ones(S, S).tril().bool()
    mask = torch.zeros(len(rows), 1, S, S, dtype=torch.float64).masked_fill(~seen[:, None], float("-inf"))
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none").view(labels.shape), labels >= 0


def run(name, folder, rows, how, options):
    model = AutoModelForCausalLM.from_pretrained(ROOT / "families" / folder, dtype=torch.float64, attn_implementation="eager")
    model.train()
    decays = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optim = torch.optim.AdamW([dict(params=decays, weight_decay=ADAMW["wd"]), dict(params=rest, weight_decay=0.0)], lr=ADAMW["lr"],
                              betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    taken, steps = order(len(rows), STEPS * GLOBAL, SEED, how.get("shuffle", True)), []
    for step in range(STEPS):
        sums, counts = [], []
        for m in range(GLOBAL // MICRO):
            picked = taken[step * GLOBAL + m * MICRO:][:MICRO]
            each, counted = losses(model, [rows_of(rows[i], how) for i in picked])
            sums.append((each * counted).sum())
            counts.append(int(counted.sum()))
        loss = sum(sums) / sum(counts) if how.get("per_token") else sum(s / c if c else s for s, c in zip(sums, counts)) / len(sums)
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip"])
        optim.step()
        steps.append([loss.item(), norm.item(), sum(counts)])
    keys = dict(input_ids=[r[0] for r in rows], labels=[r[1] for r in rows])
    if how.get("neat"):
        keys["attention_mask"] = [r[2] for r in rows]
    print(name, steps)
    return dict(name=name, model=folder, options=options, keys=keys, steps=steps)


def cases():
    rng = random.Random(11)
    one, long, packed = samples(rng, 8, 9), samples(rng, 7, 30), samples(rng, 7, 8, 4)
    made = []
    for name, folder, rows, how, options in [
            ("padded", "llama", one, {}, []),
            ("cut", "llama", long, dict(shuffle=False), ["--no-shuffle"]),
            ("varied", "gpt2", one, dict(per_token=True), ["--calculate-per-token-loss", "--no-pad-to-seq-lengths", "--pad-to-multiple-of=4"]),
            ("left", "gpt2", one, dict(left=True), ["--tokenizer-padding-side=left"]),
            ("whole", "qwen3", packed, {}, []),
            ("ended", "qwen3", packed, dict(reset=True, positions=True), ["--reset-attention-mask", "--reset-position-ids"]),
            ("masked", "gpt2", packed, dict(reset=True), ["--reset-attention-mask"]),
            ("neat", "llama", packed, dict(reset=True, positions=True, neat=True), ["--neat-pack", "--reset-attention-mask", "--variable-seq-lengths"]),
            ("pieces", "llama", packed, dict(reset=True, positions=True, piece=5), ["--fix-sub-seq-length=5", "--reset-attention-mask", "--reset-position-ids"])]:
        made.append(run(name, folder, rows, how, options))
    return made


common = ["--stage=sft", "--finetune", "--split=100,0,0", f"--seq-length={S}", f"--micro-batch-size={MICRO}", f"--global-batch-size={GLOBAL}", f"--train-iters={STEPS}",
          f"--seed={SEED}", f"--lr={ADAMW['lr']}", "--lr-decay-style=constant", f"--weight-decay={ADAMW['wd']}", f"--adam-beta1={ADAMW['beta1']}",
          f"--adam-beta2={ADAMW['beta2']}", f"--adam-eps={ADAMW['eps']}", f"--clip-grad={ADAMW['clip']}", "--eval-iters=0", "--hidden-dropout=0", "--attention-dropout=0"]
out = dict(orders=orders(), splits=splits(), common=common, cases=cases())
(ROOT / "sft.json").write_text(json.dumps(out, separators=(",", ":")).replace('},{"name', '},\n{"name').replace('},{"n"', '},\n{"n"') + "\n")
