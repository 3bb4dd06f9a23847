#!/usr/bin/env python3
"""Makes tests/golden/train/lr.json: learning rates by megatron-core's own OptimizerParamScheduler, for options as Megatron's training.py turns
them into its arguments: lengths in samples, a warm-up fraction times the decay, not rounded.

Run from the project's root; needs megatron-core (0.16.1 was used; --no-deps will do, this file alone is loaded).
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

CASES = [
    # (options, sequences of a step); --seq-length and --lr stand before all of them
    ("--train-iters 100 --lr-warmup-fraction 0.29", 1),
    ("--train-iters 10 --lr-warmup-fraction 0.25", 1),
    ("--train-iters 10 --lr-warmup-fraction 0.25 --lr-decay-style cosine --min-lr 1e-4", 4),
    ("--train-iters 12 --lr-warmup-fraction 0.01", 1),
    ("--train-iters 20 --lr-warmup-fraction 0.33 --lr-decay-iters 10", 3),
    ("--train-iters 20 --lr-warmup-fraction 0.33 --lr-decay-style inverse-square-root --min-lr 1e-4", 3),
    ("--train-iters 20 --lr-warmup-fraction 0.07 --lr-decay-style inverse-square-root", 1),
    ("--train-iters 20 --lr-warmup-fraction 0.77 --lr-decay-style constant", 3),
    ("--train-iters 20 --lr-warmup-fraction 0 --lr-decay-style cosine", 2),
    ("--train-iters 20 --lr-warmup-iters 5 --lr-warmup-init 1e-5 --lr-decay-style cosine --min-lr 1e-5", 2),
    ("--train-iters 20 --lr-warmup-fraction 0.13 --lr-warmup-init 1e-3 --min-lr 1e-4", 2),
    ("--train-iters 20 --lr-warmup-iters 3 --lr-decay-iters 50 --lr-decay-style cosine", 2),
    ("--train-iters 20 --lr-warmup-iters 3 --lr-decay-iters 8 --lr-decay-style cosine --min-lr 1e-4", 2),
    ("--train-iters 20 --lr-decay-iters 8", 2),
    ("--train-iters 20 --lr-decay-iters 8 --lr-decay-style inverse-square-root --min-lr 5e-4", 2),
    ("--train-iters 20 --min-lr 1e-3 --lr-decay-style linear", 2),
    *((f"--train-iters 20 --lr-warmup-fraction 0.17 --lr-decay-style WSD --lr-wsd-decay-iters 7 --lr-wsd-decay-style {s} --min-lr {m}", 3)
      for s in ("linear", "cosine", "exponential", "minus_sqrt") for m in (0, 1e-4)),
    ("--train-iters 20 --lr-decay-style WSD --lr-wsd-decay-iters 20 --lr-wsd-decay-style exponential", 3),
    ("--train-iters 20 --lr-warmup-iters 6 --lr-decay-style WSD --lr-wsd-decay-iters 18 --lr-wsd-decay-style minus_sqrt", 3),
    ("--train-iters 20 --lr-decay-iters 12 --lr-decay-style WSD --lr-wsd-decay-iters 4 --min-lr 1e-5", 3),
    ("--train-samples 50 --lr-warmup-samples 7 --lr-decay-style cosine --min-lr 1e-4", 4),
    ("--train-samples 50 --lr-decay-samples 33 --lr-warmup-fraction 0.1 --lr-decay-style linear", 4),
    ("--train-samples 50 --lr-decay-samples 90 --lr-warmup-fraction 0.015 --lr-decay-style cosine", 4),
    ("--train-samples 50 --lr-warmup-samples 5 --lr-decay-style WSD --lr-wsd-decay-samples 11 --lr-wsd-decay-style cosine", 4),
]
LR = 1e-3


def scheduler_class():
    spec = importlib.util.find_spec("megatron.core")
    folder = Path(next(iter(spec.submodule_search_locations)))
    utils = types.ModuleType("megatron.core.utils")     # the module's one import, which needs torch
    utils.log_single_rank = lambda *a, **k: None
    for name, module in (("megatron", types.ModuleType("megatron")), ("megatron.core", types.ModuleType("megatron.core")),
                         ("megatron.core.utils", utils)):
        sys.modules[name] = module
    spec = importlib.util.spec_from_file_location("scheduler", folder / "optimizer_param_scheduler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OptimizerParamScheduler


def rates(scheduler, options, batch):
    words = options.split()
    o = dict(zip((w[2:].replace("-", "_") for w in words[::2]), words[1::2]))
    by_iters = "train_iters" in o

    def samples(name):
        v = o.get(f"{name}_iters" if by_iters else f"{name}_samples")
        return None if v is None else int(v) * (batch if by_iters else 1)

    decay = samples("lr_decay") or samples("train")
    warmup = float(o["lr_warmup_fraction"]) * decay if "lr_warmup_fraction" in o else samples("lr_warmup") or 0
    group = {}
    s = scheduler(types.SimpleNamespace(param_groups=[group]), init_lr=float(o.get("lr_warmup_init", 0)), max_lr=LR,
                  min_lr=float(o.get("min_lr", 0)), lr_warmup_steps=warmup, lr_decay_steps=decay,
                  lr_decay_style=o.get("lr_decay_style", "linear"), start_wd=0, end_wd=0, wd_incr_steps=1, wd_incr_style="constant",
                  wsd_decay_steps=samples("lr_wsd_decay"), lr_wsd_decay_style=o.get("lr_wsd_decay_style", "exponential"))
    out = []
    for _ in range(samples("train") // batch):
        out.append(group["lr"])
        s.step(batch)
    return out


def main():
    scheduler = scheduler_class()
    rows = []
    for options, batch in CASES:
        r = ", ".join(repr(x) for x in rates(scheduler, options, batch))
        rows.append(f' {{"options": {json.dumps(options)}, "batch": {batch}, "rates": [{r}]}}')
    out = Path("tests/golden/train/lr.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text("[\n" + ",\n".join(rows) + "\n]\n")


main()
