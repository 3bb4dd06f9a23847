#!/usr/bin/env python3
"""Makes tests/golden/steps.json: rewards of single steps by torch in float64.

    python scripts/golden_steps.py        from the project's root; needs torch, transformers

A model of tests/golden/families; rows whose steps end with a mark, and labels at these places; the losses, among two tokens
alone, and norms of gradients of some steps of AdamW.
"""
import json
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

ROOT, MARK, TOKENS, S, MICRO, GLOBAL, STEPS = Path("tests/golden"), 5, [7, 9], 16, 2, 6, 3
rng = random.Random(4)
rows = []
for _ in range(GLOBAL):
    ids = [rng.choice([MARK] + [rng.randint(10, 70)] * 3) for _ in range(rng.randint(4, 14))] + [MARK]
    rows.append((ids, [rng.choice(TOKENS) if t == MARK else -100 for t in ids]))


def loss_of(model, picked):
    z, told = [], []
    for ids, labels in picked:
        at = [i for i, t in enumerate(ids) if t == MARK]
        z.append(model(torch.tensor([ids])).logits[0][at][:, TOKENS])
        told += [TOKENS.index(labels[i]) for i in at]
    return F.cross_entropy(torch.cat(z), torch.tensor(told))


def run(folder):
    model = AutoModelForCausalLM.from_pretrained(ROOT / "families" / folder, dtype=torch.float64, attn_implementation="eager")
    optim = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0, betas=(0.9, 0.95), eps=1e-8)
    steps = []
    for _ in range(STEPS):
        loss = sum(loss_of(model, rows[m:m + MICRO]) for m in range(0, GLOBAL, MICRO)) / (GLOBAL // MICRO)
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        steps.append([loss.item(), norm.item(), sum(t == MARK for ids, _ in rows for t in ids)])
    return dict(name=folder, model=folder, options=[], keys=dict(input_ids=[r[0] for r in rows], labels=[r[1] for r in rows]), steps=steps)


common = ["--stage=prm", f"--placeholder-token={MARK}", "--reward-tokens"] + [str(t) for t in TOKENS] + [
    "--split=100,0,0", f"--seq-length={S}", f"--micro-batch-size={MICRO}", f"--global-batch-size={GLOBAL}", f"--train-iters={STEPS}",
    "--lr=1e-2", "--lr-decay-style=constant", "--weight-decay=0", "--eval-iters=0", "--no-shuffle", "--finetune", "--adam-beta2=0.95"]
(ROOT / "steps.json").write_text(json.dumps(dict(common=common, cases=[run("llama"), run("qwen3")]), separators=(",", ":")) + "\n")
