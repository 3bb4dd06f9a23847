#!/usr/bin/env python3
"""Benchmarks of a model by Tessera and by lm-evaluation-harness on transformers, in turns: samples per second.

usage: bench/evaluate.py --model DIR --data DIR --python PYTHON [--tessera build/tessera] [--tasks mmlu,hellaswag,boolq]
                         [--samples N] [--threads N] [--rounds N] [--json]

DIR of --data has the tasks' files: mmlu/test, mmlu/dev, boolq/dev.jsonl, hellaswag/val.jsonl (docs/evaluation.md); MMLU has
five examples, the others none. Both compute in fp32. Tessera's time is the command's whole one, start and loading
included; the harness's is that of simple_evaluate alone, with the model in place and a batch as it is best on this
processor (1 and 8 are tried). That both say the same is checked: log-likelihoods to 1e-3. Medians of the rounds. Needs
Python 3; lm_eval 0.4.13, torch and transformers in the interpreter that --python names.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = {"mmlu": 5, "hellaswag": 0, "boolq": 0}
FOLDER = {"mmlu": "mmlu/test", "hellaswag": "hellaswag", "boolq": "boolq"}


def ours(args, task, out):
    begin = time.monotonic()
    subprocess.run([args.tessera, "evaluate", "--load", args.model, "--task", task, "--task-data-path", str(Path(args.data) / FOLDER[task]), "--num-fewshot",
                    str(EXAMPLES[task]), "--max-eval-samples", str(args.samples), "--threads", str(args.threads), "--output", str(out)], check=True, capture_output=True)
    return time.monotonic() - begin


def peer(args):
    """One round of the harness in this interpreter: a JSON line a task on the standard output."""
    sys.path = [x for x in sys.path if Path(x or ".").resolve() != Path(__file__).resolve().parent]  # names of this folder are packages' too
    import logging
    import torch
    torch.set_num_threads(args.threads)
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.WARNING)
    import lm_eval
    import lm_eval.tasks
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks._yaml_loader import load_yaml
    home = Path(lm_eval.tasks.__file__).parent
    manager = lm_eval.tasks.TaskManager(include_defaults=False)
    data = Path(args.data)
    lines = lambda p: [json.loads(x) for x in open(p)]
    with tempfile.TemporaryDirectory() as scratch:
        def put(name, rows):
            path = f"{scratch}/{name}.jsonl"
            Path(path).write_text("".join(json.dumps(r) + "\n" for r in rows))
            return path

        def task_of(name, file, parts, **more):
            c = load_yaml(home / file)
            for k in ("process_docs", "tag", "dataset_name", "training_split", "validation_split", "task_alias", "should_decontaminate", "fewshot_split", "fewshot_config"):
                c.pop(k, None)
            return {**c, "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {p: put(f"{name}_{p}", r) for p, r in parts.items()}},
                    "test_split": "test", "num_fewshot": 0, **more}

        for batch in (1, 8):
            lm = HFLM(pretrained=args.model, dtype="float32", batch_size=batch, device="cpu")
            for task in args.tasks.split(","):
                if task == "mmlu":
                    tasks = []
                    for f in sorted((data / "mmlu/test").glob("*_test.csv")):
                        s = f.name[:-9]
                        rows = {p: [{"question": r[0], "choices": r[1:5], "answer": "ABCD".index(r[5])} for r in csv.reader(open(data / f"mmlu/{p}/{s}_{p}.csv", newline=""))] for p in ("dev", "test")}
                        y = load_yaml(home / "mmlu/default/mmlu_anatomy.yaml")["description"].replace("anatomy", s.replace("_", " "))
                        tasks.append(task_of(f"mmlu_{s}", "mmlu/default/mmlu_anatomy.yaml", rows, fewshot_split="dev", fewshot_config={"sampler": "first_n"}, num_fewshot=5, description=y))
                elif task == "boolq":
                    tasks = [task_of("boolq", "super_glue/boolq/default.yaml", {"test": [{**r, "label": int(r["answer"])} for r in lines(data / "boolq/dev.jsonl")]})]
                else:
                    clean = load_yaml(home / "hellaswag/hellaswag.yaml")["process_docs"].__globals__["preprocess"]
                    tasks = [task_of("hellaswag", "hellaswag/hellaswag.yaml", {"test": [{"query": clean(r["activity_label"] + ": " + r["ctx_a"] + " " + r["ctx_b"].capitalize()),
                             "choices": [clean(e) for e in r["endings"]], "label": int(r["label"])} for r in lines(data / "hellaswag/val.jsonl")]})]
                begin = time.monotonic()
                got = lm_eval.simple_evaluate(model=lm, tasks=tasks, task_manager=manager, limit=args.samples, log_samples=True, bootstrap_iters=0)
                took = time.monotonic() - begin
                found = {(n[5:] if n.startswith("mmlu_") else "", s["doc_id"]): [float(x[0][0]) for x in s["resps"]] for n, ss in got["samples"].items() for s in ss}
                print(json.dumps({"task": task, "batch": batch, "seconds": took, "samples": [[*k, v] for k, v in found.items()]}), flush=True)


def far(path, samples):
    theirs = {(s, i): v for s, i, v in samples}
    rows = [json.loads(x) for x in open(path)]
    return max(abs(a - b) for r in rows for a, b in zip(r["loglikelihoods"], theirs[(r.get("subject", ""), r["index"])]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--tasks", default="mmlu,hellaswag,boolq")
    p.add_argument("--samples", type=int, default=8)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--json", action="store_true")
    p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.peer:
        return peer(args)
    times, theirs, count, worst = {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(args.rounds):
            for task in args.tasks.split(","):
                times.setdefault(task, []).append(ours(args, task, Path(scratch) / f"{task}.jsonl"))
                count[task] = sum(1 for _ in open(Path(scratch) / f"{task}.jsonl"))
            words = [args.python, __file__, "--peer", "--model", args.model, "--data", args.data, "--tasks", args.tasks, "--samples", str(args.samples), "--threads", str(args.threads)]
            out = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}).stdout
            for r in map(json.loads, (x for x in out.splitlines() if x.startswith("{"))):
                theirs.setdefault((r["task"], r["batch"]), []).append(r["seconds"])
                worst[r["task"]] = far(Path(scratch) / f"{r['task']}.jsonl", r["samples"])
    result = {}
    for task, t in times.items():
        best = min(statistics.median(v) for (k, _), v in theirs.items() if k == task)
        result[task] = {"samples": count[task], "tessera_s": statistics.median(t), "harness_s": best, "ratio": best / statistics.median(t), "largest_difference": worst[task]}
        if worst[task] > 1e-3:
            sys.exit(f"{task}: log-likelihoods differ by {worst[task]}")
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        for task, r in result.items():
            print(f"{task:10} {r['samples']:4} samples  tessera {r['samples'] / r['tessera_s']:7.3f}/s  harness {r['samples'] / r['harness_s']:7.3f}/s  {r['ratio']:.2f} times  "
                  f"(log-likelihoods within {r['largest_difference']:.1e})")


if __name__ == "__main__":
    main()
