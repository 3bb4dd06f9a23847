#!/usr/bin/env python3
"""LoRA on conversations, or on pairs of answers (DPO), beside two peers, in turns: trained tokens per second and memory.

usage: bench/tuning.py --model DIR --data FILE --python PYTHON [--tessera build/tessera] [--stage sft|dpo] [--seq N] [--batch N]
                       [--rank N] [--dtype bf16|fp32] [--threads N] [--steps N] [--rounds N] [--recompute] [--precompute]
                       [--ways tessera,trl,loop] [--options "WORDS FOR TESSERA ALONE"] [--json]

DIR is a Hugging Face folder with a tokenizer; its chat template is replaced by ChatML with generation blocks, so that all
sides train the same tokens. FILE has Alpaca records or {"messages"} (sft), or ShareGPT pairs (dpo), as JSON or a line each.
The peers (bench/trl_peer.py) are TRL with peft as it comes, and the same model with peft in a compiled loop, with
--recompute recomputing as Tessera does then. SFT packs whole conversations; DPO has its pairs in rows of --seq tokens, and with
--precompute the reference's log-probabilities are found ahead on all sides. Medians after two steps of warm-up. Needs
Python 3; torch, transformers, peft and trl in the interpreter that --python names.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}"
            "{% endgeneration %}{{ '\\n' }}{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
ROLE = {"human": "user", "gpt": "assistant", "system": "system"}
WARMUP = 2


def records(path):
    text = Path(path).read_text()
    return json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines()]


def conversation(r):
    if "messages" in r:
        return {"messages": r["messages"]}
    asked = r["instruction"] + ("\n" + r["input"] if r.get("input") else "")
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": r["output"]}]}


def pair(r):
    one = lambda m: {"role": ROLE[m["from"]], "content": m["value"]}
    return {"prompt": [one(m) for m in r["conversations"]], "chosen": [one(r["chosen"])], "rejected": [one(r["rejected"])]}


def folder_for(a, folder):
    out = folder / "model"
    shutil.copytree(a.model, out, copy_function=lambda s, d: os.symlink(os.path.abspath(s), d))
    (out / "chat_template.jinja").unlink(missing_ok=True)
    (out / "chat_template.jinja").write_text(TEMPLATE)
    return out


def run_tessera(a, model, data, folder):
    metrics = folder / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    words = [a.tessera, "posttrain", "--stage", a.stage, "--load", model, "--data-path", data, "--hf-chat-template", "--seq-length", a.seq,
             "--micro-batch-size", a.batch, "--global-batch-size", a.batch, "--train-iters", a.steps + WARMUP, "--lr", "1e-4", "--min-lr", "1e-4",
             "--lr-decay-style", "constant", "--split", "100,0,0", "--eval-iters", 0, "--log-interval", 1000, "--threads", a.threads,
             "--lora-r", a.rank, "--lora-alpha", 2 * a.rank, "--lora-target-modules", "all-linear", "--metrics-jsonl", metrics,
             *(["--bf16"] if a.dtype == "bf16" else []), *a.options.split()]
    if a.stage == "sft":
        words += ["--is-instruction-dataset", "--pack", "--neat-pack", "--reset-attention-mask"]
    else:
        words += ["--is-pairwise-dataset", "--on-bad-record", "skip", *(["--precompute-ref-log-probs"] if a.precompute else [])]
    if a.recompute:
        words += ["--recompute-granularity", "full", "--recompute-method", "uniform", "--recompute-num-layers", 1]
    p = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"tessera failed:\n{p.stderr[-2000:]}")
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return dict(times=[r["iteration_seconds"] for r in rows[WARMUP:]], tokens=[r["tokens_per_second"] * r["iteration_seconds"] for r in rows[WARMUP:]],
                losses=[r["lm_loss"] for r in rows], rss=max(r["rss_peak_bytes"] for r in rows), version="")


def run_peer(a, way, model, data, folder):
    words = [a.python, Path(__file__).parent / "trl_peer.py", model, data, "--stage", a.stage, "--way", way, "--seq", a.seq, "--batch", a.batch,
             "--rank", a.rank, "--dtype", a.dtype, "--threads", a.threads, "--steps", a.steps, "--warmup", WARMUP, "--scratch", folder / "trl",
             *(["--recompute"] if a.recompute else []), *(["--precompute"] if a.precompute else [])]
    p = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(a.threads), HF_HUB_OFFLINE="1"))
    if p.returncode:
        sys.exit(f"{way} failed:\n{p.stderr[-3000:]}")
    return json.loads(p.stdout.strip().splitlines()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--stage", default="sft", choices=["sft", "dpo"])
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--dtype", default="bf16", choices=["bf16", "fp32"])
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--recompute", action="store_true")
    p.add_argument("--precompute", action="store_true")
    p.add_argument("--ways", default="tessera,trl,loop")
    p.add_argument("--options", default="", help="further options of tessera posttrain")
    p.add_argument("--json", action="store_true", help="an object a line, for scripts")
    a = p.parse_args()
    ways, got = a.ways.split(","), {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model, data = folder_for(a, folder), folder / "data.jsonl"
        data.write_text("".join(json.dumps((conversation if a.stage == "sft" else pair)(r)) + "\n" for r in records(a.data)))
        for _ in range(a.rounds):
            for way in ways:
                run = run_tessera(a, model, data, folder) if way == "tessera" else run_peer(a, way, model, data, folder)
                got.setdefault(way, []).append(run)
    rate = {}
    for way, runs in got.items():
        rates = [n / t for r in runs for n, t in zip(r["tokens"], r["times"])]
        row = dict(what=way, stage=a.stage, median_trained_tokens_per_s=statistics.median(rates), best_trained_tokens_per_s=max(rates),
                   step_seconds=statistics.median(t for r in runs for t in r["times"]), rss_peak_bytes=max(r["rss"] for r in runs),
                   losses=[round(x, 4) for x in runs[0]["losses"][:3]], version=runs[0]["version"])
        rate[way] = row
        print(json.dumps(row) if a.json else f"{way:8} {row['median_trained_tokens_per_s']:8.1f} trained tokens/s (best {row['best_trained_tokens_per_s']:.1f}), "
              f"{row['step_seconds']:.2f} s a step, {row['rss_peak_bytes'] / 2**30:.2f} GiB, losses {row['losses']} {row['version']}", flush=True)
    for way in rate:
        if "tessera" in rate and way != "tessera" and not a.json:
            x, y = rate["tessera"], rate[way]
            print(f"beside {way}: {x['median_trained_tokens_per_s'] / y['median_trained_tokens_per_s']:.2f} times the tokens, "
                  f"{x['rss_peak_bytes'] / y['rss_peak_bytes']:.2f} of the memory; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
