#!/usr/bin/env python3
"""Makes tests/golden/classes: heads of labels by transformers' ...ForSequenceClassification in float64.

    python scripts/golden_classes.py        from the project's root; needs torch, transformers, numpy

Models of tests/golden/families with a random head; texts as ids with a class each, or a list of 0 and 1, or of numbers; the
logits of some of them before training, and the losses and norms of gradients of some steps of AdamW.
"""
import json
import random
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

ROOT = Path("tests/golden")
ADAMW = dict(lr=2e-3, wd=0.1, beta1=0.9, beta2=0.95, eps=1e-8, clip=1.0)
S, MICRO, GLOBAL, STEPS, SEED, VOCAB, LABELS = 12, 2, 6, 3, 4321, 79, 3


def make(folder):
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(ROOT / "families" / folder, num_labels=LABELS, pad_token_id=0, dtype=torch.float32)
    model.config.problem_type = "single_label_classification"
    with torch.no_grad():
        model.score.weight.copy_(torch.randn(model.score.weight.shape) * 0.3)
    model.save_pretrained(ROOT / "classes" / folder)
    return AutoModelForSequenceClassification.from_pretrained(ROOT / "classes" / folder, dtype=torch.float64, attn_implementation="eager")


def rows(rng, n, label):
    return [dict(ids=[rng.randint(3, VOCAB - 1) for _ in range(rng.randint(1, S + 3))], label=label(rng)) for _ in range(n)]


def single(rng):
    return rng.randrange(LABELS)


def multi(rng):
    return [rng.randrange(2) for _ in range(LABELS)]


def numbers(rng):
    return [round(rng.gauss(0, 1), 3) for _ in range(LABELS)]


def logits_of(model, record):
    return model(input_ids=torch.tensor([record["ids"][:S]]), use_cache=False).logits


def loss_of(model, picked):
    """Each text alone, since filling has no finite attention in float64 under a window."""
    labels = torch.tensor([r["label"] for r in picked])
    pooled = torch.cat([logits_of(model, r) for r in picked])
    return model.loss_function(logits=None, labels=labels.double() if labels.dim() > 1 else labels, pooled_logits=pooled,
                               config=model.config)


def run(folder, records, options, problem="single_label_classification"):
    model = make(folder)
    model.config.problem_type = problem
    logits = [logits_of(model, r)[0].tolist() for r in records[:4]]
    model.train()
    optim = torch.optim.AdamW([dict(params=[p for p in model.parameters() if p.dim() > 1], weight_decay=ADAMW["wd"]),
                               dict(params=[p for p in model.parameters() if p.dim() <= 1], weight_decay=0.0)], lr=ADAMW["lr"],
                              betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    rng, taken, steps = np.random.RandomState(SEED), [], []
    while len(taken) < STEPS * GLOBAL:
        one = np.arange(len(records))
        rng.shuffle(one)
        taken += one.tolist()
    for step in range(STEPS):
        batch = [records[i] for i in taken[step * GLOBAL:][:GLOBAL]]
        loss = sum(loss_of(model, batch[m:m + MICRO]) for m in range(0, GLOBAL, MICRO)) / (GLOBAL // MICRO)
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip"])
        optim.step()
        steps.append([loss.item(), norm.item(), GLOBAL])
    print(folder, steps)
    return dict(model=folder, options=options, records=records, logits=logits, steps=steps)


rng = random.Random(11)
common = [f"--num-labels={LABELS}", "--finetune", "--split=100,0,0", f"--seq-length={S}", f"--micro-batch-size={MICRO}",
          f"--global-batch-size={GLOBAL}", f"--train-iters={STEPS}", f"--seed={SEED}", f"--lr={ADAMW['lr']}", "--lr-decay-style=constant",
          f"--weight-decay={ADAMW['wd']}", f"--adam-beta1={ADAMW['beta1']}", f"--adam-beta2={ADAMW['beta2']}", f"--adam-eps={ADAMW['eps']}",
          f"--clip-grad={ADAMW['clip']}", "--eval-iters=0"]
cases = [run("qwen3", rows(rng, 10, single), ["--stage=cls"]),
         run("gemma2", rows(rng, 7, single), ["--stage=cls", "--no-pad-to-seq-lengths"]),
         run("gemma2", rows(rng, 8, multi), ["--stage=cls", "--problem-type=multi_label_classification"], "multi_label_classification"),
         run("qwen3", rows(rng, 9, numbers), ["--stage=reg", "--no-pad-to-seq-lengths"], "regression")]
(ROOT / "classes.json").write_text(json.dumps(dict(common=common, cases=cases), separators=(",", ":")).replace('},{"model', '},\n{"model') + "\n")
