#!/usr/bin/env python3
"""Makes tests/golden/classes: heads of labels by transformers' ...ForSequenceClassification, and vectors, in float64.

    python scripts/golden_classes.py        from the project's root; needs torch, transformers, numpy

Models of tests/golden/families with a random head; texts as ids with a class each, or a list of 0 and 1, or of numbers; the
losses and norms of gradients of some steps of AdamW. Records of a query, a text that belongs to it and others that do not
are ranked by a head of one label (losses of sentence-transformers' CrossEncoder), or their vectors are compared (its
MultipleNegativesRankingLoss and MatryoshkaLoss).
"""
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoModelForSequenceClassification

ROOT = Path("tests/golden")
ADAMW = dict(lr=2e-3, wd=0.1, beta1=0.9, beta2=0.95, eps=1e-8, clip=1.0)
S, MICRO, GLOBAL, STEPS, SEED, VOCAB, LABELS = 12, 2, 6, 3, 4321, 79, 3


def make(folder, name, labels):
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(ROOT / "families" / folder, num_labels=labels, pad_token_id=0, dtype=torch.float32)
    model.config.problem_type = "single_label_classification" if labels > 1 else "multi_label_classification"
    with torch.no_grad():
        model.score.weight.copy_(torch.randn(model.score.weight.shape) * 0.3)
    model.save_pretrained(ROOT / name)
    return AutoModelForSequenceClassification.from_pretrained(ROOT / name, dtype=torch.float64, attn_implementation="eager")


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


def groups(rng, n, negatives):
    ids = lambda: [rng.randint(3, VOCAB - 1) for _ in range(rng.randint(1, 8))]
    return [dict(query=ids(), positive=ids(), negatives=[ids() for _ in range(negatives)]) for _ in range(n)]


def judged(rng, n):
    return [dict(query=one["query"], document=one["positive"], score=rng.choice([0, 0.25, 1])) for one in groups(rng, n, 0)]


def cut_pair(a, b):
    a, b = list(a), list(b)
    while len(a) + len(b) > S:
        (a if len(a) > len(b) else b).pop()
    return a + b


def ranked(kind):
    def loss(model, picked):
        z = lambda q, d: model(input_ids=torch.tensor([cut_pair(q, d)]), use_cache=False).logits[0, 0]
        if kind == "judged":
            scores = torch.stack([z(r["query"], r["document"]) for r in picked])
            return F.binary_cross_entropy_with_logits(scores, torch.tensor([float(r["score"]) for r in picked], dtype=scores.dtype))
        scores = torch.stack([torch.stack([z(r["query"], d) for d in [r["positive"]] + r["negatives"]]) for r in picked])
        if kind == "listwise":
            return F.cross_entropy(scores, torch.zeros(len(picked), dtype=torch.long))
        if kind == "pairwise":
            return -F.logsigmoid(scores[:, :1] - scores[:, 1:]).mean()
        told = torch.zeros_like(scores)
        told[:, 0] = 1
        return F.binary_cross_entropy_with_logits(scores, told)
    return loss


def compared(pooling, unit, temperature, dims):
    def vector(model, ids):
        h = model(input_ids=torch.tensor([ids[:S]]), use_cache=False).last_hidden_state[0]
        return h.mean(0) if pooling == "mean" else h[0] if pooling == "cls" else h[-1]

    def loss(model, picked):
        a = torch.stack([vector(model, r["query"]) for r in picked])
        b = torch.stack([vector(model, d) for r in picked for d in [r["positive"]] + r["negatives"]])
        at = torch.arange(len(picked)) * (len(b) // len(picked))
        total = 0
        for d in [a.shape[1]] + dims:
            x, y = a[:, :d], b[:, :d]
            if unit:
                x, y = F.normalize(x, dim=1), F.normalize(y, dim=1)
            total = total + F.cross_entropy(x @ y.T / temperature, at)
        return total
    return loss


def run(model, name, records, options, loss_of=loss_of):
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
    print(name, options, steps)
    return dict(model=name, options=options, records=records, steps=steps)


def labelled(folder, records, options, problem="single_label_classification"):
    model = make(folder, f"classes/{folder}", LABELS)
    model.config.problem_type = problem
    return run(model, f"classes/{folder}", records, options + [f"--num-labels={LABELS}"])


def ranking(records, options, kind):
    return run(make("qwen3", "classes/qwen3-rank", 1), "classes/qwen3-rank", records, ["--stage=rerank"] + options, ranked(kind))


def vectors(folder, records, options, *how):
    model = AutoModel.from_pretrained(ROOT / "families" / folder, dtype=torch.float64, attn_implementation="eager")
    return run(model, f"families/{folder}", records, ["--stage=embed"] + options, compared(*how))


rng = random.Random(11)
common = ["--finetune", "--split=100,0,0", f"--seq-length={S}", f"--micro-batch-size={MICRO}",
          f"--global-batch-size={GLOBAL}", f"--train-iters={STEPS}", f"--seed={SEED}", f"--lr={ADAMW['lr']}", "--lr-decay-style=constant",
          f"--weight-decay={ADAMW['wd']}", f"--adam-beta1={ADAMW['beta1']}", f"--adam-beta2={ADAMW['beta2']}", f"--adam-eps={ADAMW['eps']}",
          f"--clip-grad={ADAMW['clip']}", "--eval-iters=0"]
cases = [labelled("qwen3", rows(rng, 10, single), ["--stage=cls"]),
         labelled("gemma2", rows(rng, 7, single), ["--stage=cls", "--no-pad-to-seq-lengths"]),
         labelled("gemma2", rows(rng, 8, multi), ["--stage=cls", "--problem-type=multi_label_classification"], "multi_label_classification"),
         labelled("qwen3", rows(rng, 9, numbers), ["--stage=reg", "--no-pad-to-seq-lengths"], "regression"),
         ranking(groups(rng, 9, 2), ["--num-negatives=2"], "pointwise"),
         ranking(groups(rng, 8, 3), ["--num-negatives=3", "--rerank-loss=listwise", "--no-pad-to-seq-lengths"], "listwise"),
         ranking(groups(rng, 7, 2), ["--num-negatives=2", "--rerank-loss=pairwise"], "pairwise"),
         ranking(judged(rng, 10), ["--no-pad-to-seq-lengths"], "judged"),
         vectors("qwen3", groups(rng, 9, 0), [], "last", True, 0.05, []),
         vectors("llama", groups(rng, 8, 1), ["--num-negatives=1", "--pooling-mode=mean", "--contrastive-temperature=0.2",
                                              "--matryoshka-dims", "4", "9", "--no-pad-to-seq-lengths"], "mean", True, 0.2, [4, 9]),
         vectors("qwen3", groups(rng, 7, 0), ["--pooling-mode=cls", "--no-normalize-embeddings", "--contrastive-temperature=3"],
                 "cls", False, 3.0, [])]
(ROOT / "classes.json").write_text(json.dumps(dict(common=common, cases=cases), separators=(",", ":")).replace('},{"model', '},\n{"model') + "\n")
