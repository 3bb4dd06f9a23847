#!/usr/bin/env python3
"""Makes tests/golden/compare.json and tests/golden/reward: training on preferences, by torch and transformers in float64.

    python scripts/golden_compare.py        from the project's root; needs torch, transformers, safetensors

cases    models of tests/golden/families (and reward, a small one with a head of rewards), samples of two rows, and of some steps of
         AdamW the loss, the norm of gradients and every figure that is told
rewards  of sequences, by the head of tests/golden/reward with the final norm and without it
"""
import json
import random
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

ROOT = Path("tests/golden")
ADAMW = dict(lr=2e-3, wd=0.1, beta1=0.9, beta2=0.95, eps=1e-8, clip=1.0)
S, MICRO, GLOBAL, STEPS, VOCAB = 24, 2, 4, 3, 79


def sequence(rng, question=None):
    question = question or [rng.randint(3, VOCAB - 1) for _ in range(rng.randint(1, 5))]
    answer = [rng.randint(3, VOCAB - 1) for _ in range(rng.randint(2, 30))]
    labels = [-100] * len(question) + [t if rng.random() > 0.1 else -100 for t in answer]
    labels[len(question)] = answer[0]
    return question + answer, labels, question


def pairs(rng, n):
    rows = []
    for _ in range(n):
        chosen, rejected = sequence(rng), None
        rejected = sequence(rng, chosen[2])
        rows.append((chosen[:2], rejected[:2]))
    return rows


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(ROOT / folder, dtype=torch.float64, attn_implementation="eager")
    return model.train()


def logps(model, row):
    """Sum over the labels in a row, and their number."""
    ids, labels = (torch.tensor(x[:S]) for x in row)
    logits = model(input_ids=ids[None], use_cache=False).logits[0]
    told = labels[1:]
    each = torch.log_softmax(logits[:-1], -1).gather(1, told.clamp(min=0)[:, None])[:, 0]
    return (each * (told >= 0)).sum(), (told >= 0).sum()


def by_z(kind, z, beta, smoothing):
    if kind == "hinge":
        return torch.relu(1 - beta * z)
    if kind == "ipo":
        return (z - 1 / (2 * beta)) ** 2
    return -(1 - smoothing) * logsigmoid(beta * z) - smoothing * logsigmoid(-beta * z)


class Words:
    """Two rows of a sample: loss and figures, for dpo, simpo and orpo."""

    def __init__(self, folder, how, reference):
        self.model, self.how = load(folder), how
        self.reference = reference and load(reference).requires_grad_(False)

    def loss(self, samples):
        h, losses, told = self.how, [], []
        for rows in samples:
            (c, nc), (r, nr) = (logps(self.model, row) for row in rows)
            zero = torch.zeros((), dtype=torch.float64)
            with torch.no_grad():
                c0, r0 = (logps(self.reference, row)[0] for row in rows) if self.reference else (zero, zero)
            pc, pr = (1 / nc, 1 / nr) if h["averages"] else (1, 1)
            a, b, a0, b0 = c * pc, r * pr, c0 * pc, r0 * pr
            figures = {"rewards/chosen": h["beta"] * (a - a0), "rewards/rejected": h["beta"] * (b - b0), "logps/chosen": a, "logps/rejected": b}
            if h["kind"] == "odds":
                z = (a - torch.log1p(-a.exp())) - (b - torch.log1p(-b.exp()))
                loss, figures["odds_ratio_loss"] = -a - h["beta"] * logsigmoid(z), -logsigmoid(z)
            else:
                z = (a - a0) - (b - b0) - h.get("margin", 0)
                loss = by_z(h["kind"], z, h["beta"], h.get("smoothing", 0)) - h.get("ftx", 0) * c / nc
            figures["rewards/margins"] = figures["rewards/chosen"] - figures["rewards/rejected"]
            figures["rewards/accuracies"] = (figures["rewards/margins"] > 0).double()
            losses.append(loss)
            told.append({k: float(v) for k, v in figures.items()})
        return torch.stack(losses).mean(), told

    def parameters(self):
        return list(self.model.parameters())


class Verdicts(Words):
    """kto: an answer, one that does not belong to its question, and whether the first is desirable."""

    def loss(self, samples):
        h, gaps, away = self.how, [], []
        for (answer, other), _ in samples:
            with torch.no_grad():
                away.append(logps(self.model, other)[0] - logps(self.reference, other)[0])
                before = logps(self.reference, answer)[0]
            gaps.append(logps(self.model, answer)[0] - before)
        kl = torch.stack(away).mean().clamp(min=0)
        losses, told = [], []
        for gap, (_, tag) in zip(gaps, samples):
            loss = h["good"] * (1 - torch.sigmoid(h["beta"] * (gap - kl))) if tag else h["bad"] * (1 - torch.sigmoid(h["beta"] * (kl - gap)))
            losses.append(loss)
            told.append({"kl": float(kl), "rewards/chosen" if tag else "rewards/rejected": float(h["beta"] * gap)})
        return torch.stack(losses).mean(), told


class Rewards:
    def __init__(self, folder, how, _):
        self.model, self.how = load(folder).model, how
        if not how["norm"]:
            self.model.norm = torch.nn.Identity()
        tensors = load_file(ROOT / folder / "model.safetensors")
        self.weight, self.bias = (torch.nn.Parameter(tensors[f"rm_head.{k}"].double()) for k in ("weight", "bias"))

    def score(self, ids):
        hidden = self.model(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0, -1]
        return (self.weight @ hidden + self.bias)[0]

    def loss(self, samples):
        losses, told = [], []
        for rows in samples:
            c, r = (self.score(row[0][:S]) for row in rows)
            losses.append(-logsigmoid(c - r))
            told.append({"rewards/chosen": float(c), "rewards/rejected": float(r), "rewards/margins": float(c - r), "rewards/accuracies": float(c > r)})
        return torch.stack(losses).mean(), told

    def parameters(self):
        return [*self.model.parameters(), self.weight, self.bias]


def run(name, recipe, folder, reference, samples, how, options):
    policy, steps = recipe(folder, how, reference), []
    all_of = policy.parameters()
    groups = [dict(params=[p for p in all_of if p.dim() > 1], weight_decay=ADAMW["wd"]), dict(params=[p for p in all_of if p.dim() <= 1], weight_decay=0.0)]
    optim = torch.optim.AdamW(groups, lr=ADAMW["lr"], betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"])
    for step in range(STEPS):
        losses, told = [], []
        for m in range(GLOBAL // MICRO):
            first = step * GLOBAL + m * MICRO
            loss, some = policy.loss([samples[i % len(samples)] for i in range(first, first + MICRO)])
            losses.append(loss)
            told += some
        loss = torch.stack(losses).mean()
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(all_of, ADAMW["clip"])
        optim.step()
        figures = {k: [t[k] for t in told if k in t] for k in {k for t in told for k in t}}
        steps.append({"lm_loss": loss.item(), "grad_norm": norm.item(), **{k: sum(v) / len(v) for k, v in sorted(figures.items())}})
    print(name, steps[0])
    if recipe is Verdicts:
        flat = [(a, o, [int(tag)]) for (a, o), tag in samples]
        keys = dict(input_ids=[a[0] for a, _, _ in flat], labels=[a[1] for a, _, _ in flat], kl_input_ids=[o[0] for _, o, _ in flat],
                    kl_labels=[o[1] for _, o, _ in flat], kto_tags=[t for _, _, t in flat])
    else:
        keys = dict(chosen_input_ids=[c[0] for c, _ in samples], chosen_labels=[c[1] for c, _ in samples],
                    rejected_input_ids=[r[0] for _, r in samples], rejected_labels=[r[1] for _, r in samples])
    return dict(name=name, model=folder, reference=reference if reference != folder else None, options=options, keys=keys, steps=steps)


def reward_folder():
    torch.manual_seed(3)
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                         max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model = LlamaForCausalLM(config)
    for p in model.parameters():
        p.data = torch.randn_like(p) * 0.3 + (p.dim() == 1)
    folder = ROOT / "reward"
    folder.mkdir(exist_ok=True)
    config.architectures = ["LlamaForCausalLM"]
    (folder / "config.json").write_text(json.dumps({**json.loads(config.to_json_string(use_diff=False)), "dtype": "float32"}, indent=1, sort_keys=True) + "\n")
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith("lm_head")}
    save_file({**tensors, "rm_head.weight": torch.randn(1, 16) * 0.3, "rm_head.bias": torch.tensor([0.25])}, folder / "model.safetensors", metadata={"format": "pt"})


reward_folder()
rng = random.Random(23)
some, verdicts = pairs(rng, 7), [((sequence(rng)[:2], sequence(rng)[:2]), rng.random() > 0.4) for _ in range(9)]
llama, gpt2, qwen3 = "families/llama", "families/gpt2", "families/qwen3"
cases = [
    run("dpo", Words, llama, qwen3, some, dict(kind="sigmoid", averages=False, beta=0.2, smoothing=0.1, ftx=0.3),
        ["--stage=dpo", "--dpo-beta=0.2", "--dpo-label-smoothing=0.1", "--pref-ftx=0.3"]),
    run("dpo_ipo", Words, gpt2, gpt2, some, dict(kind="ipo", averages=True, beta=0.4), ["--stage=dpo", "--dpo-loss-type=ipo", "--dpo-beta=0.4"]),
    run("dpo_free", Words, qwen3, None, some, dict(kind="hinge", averages=False, beta=0.05),
        ["--stage=dpo", "--dpo-loss-type=hinge", "--dpo-beta=0.05", "--dpo-reference-free", "--no-pad-to-seq-lengths"]),
    run("simpo", Words, llama, None, some, dict(kind="sigmoid", averages=True, beta=2.0, margin=0.5, smoothing=0.05),
        ["--stage=simpo", "--simpo-beta=2", "--gamma-beta-ratio=0.5", "--simpo-label-smoothing=0.05", "--tokenizer-padding-side=left"]),
    run("orpo", Words, qwen3, None, some, dict(kind="odds", averages=True, beta=0.5), ["--stage=orpo", "--orpo-beta=0.5"]),
    run("kto", Verdicts, llama, qwen3, verdicts, dict(beta=0.3, good=1.25, bad=0.75),
        ["--stage=kto", "--kto-beta=0.3", "--kto-desirable-weight=1.25", "--kto-undesirable-weight=0.75"]),
    run("kto_own", Verdicts, gpt2, gpt2, verdicts, dict(beta=0.1, good=1, bad=1), ["--stage=kto", "--no-pad-to-seq-lengths"]),
    run("orm", Rewards, "reward", None, some, dict(norm=True), ["--stage=orm"]),
    run("rm_left", Rewards, "reward", None, some, dict(norm=False), ["--stage=rm", "--no-post-layer-norm", "--tokenizer-padding-side=left"]),
]
lines = [[rng.randint(3, VOCAB - 1) for _ in range(n)] for n in (1, 7, 20)]
with torch.no_grad():
    rewards = [[float(Rewards("reward", dict(norm=norm), None).score(ids)) for ids in lines] for norm in (True, False)]
common = ["--finetune", "--split=100,0,0", "--no-shuffle", f"--seq-length={S}", f"--micro-batch-size={MICRO}", f"--global-batch-size={GLOBAL}", f"--train-iters={STEPS}",
          f"--lr={ADAMW['lr']}", "--lr-decay-style=constant", f"--weight-decay={ADAMW['wd']}", f"--adam-beta1={ADAMW['beta1']}", f"--adam-beta2={ADAMW['beta2']}",
          f"--adam-eps={ADAMW['eps']}", f"--clip-grad={ADAMW['clip']}", "--eval-iters=0", "--hidden-dropout=0", "--attention-dropout=0"]
out = dict(common=common, cases=cases, lines=lines, rewards=rewards)
(ROOT / "compare.json").write_text(json.dumps(out, separators=(",", ":")).replace('},{"name', '},\n{"name') + "\n")
