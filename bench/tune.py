#!/usr/bin/env python3
"""The choice of `tessera tune` beside every layout that it planned, each measured.

usage: bench/tune.py [--tessera build/tessera] [--shape gpt2|...] [--layers N] [--seq N] [--batch N] [--ranks N] [--steps N]
                     [--finalists N] [--rounds N] [--all] [--json]

`tune` plans the layouts of a job of so many processes on this machine. Each is then trained for --steps steps, of which the
fastest counts; the best --finalists of these and tune's choice are then trained together and make --rounds steps in turn (as in
bench/turns.py), as one run after the other differs by tens of per cent on a shared machine. Printed are the choice's time over
the best one's in these turns, where the plan's order and the measured one are apart (rank correlation), and with --all each
layout's planned and measured time.
Needs memory for all jobs of the finals, Python 3 and mpirun.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from train import SHAPES, job_words, some_data
from turns import Program, end_by_terms, stop_all


def options_of(layout):
    """The words of tune's choice."""
    words = []
    for name, value in layout.items():
        if name == "use-distributed-optimizer" and value:
            words.append("--use-distributed-optimizer")
        elif name == "recompute-granularity" and value:
            words += ["--recompute-granularity", "full"]
        elif name == "num-virtual-stages-per-pipeline-rank" and value > 1:
            words += ["--" + name, str(value)]
        elif name in ("tensor-model-parallel-size", "pipeline-model-parallel-size", "context-parallel-size", "micro-batch-size"):
            words += ["--" + name, str(value)]
    return words + (["--sequence-parallel"] if layout["tensor-model-parallel-size"] > 1 else [])


def command(a, common, layout):
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", str(a.ranks), a.tessera, "pretrain", *common, "--threads", "1",
            *options_of(layout)]


def once(a, common, layout, at):
    """The fastest of a few steps."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        program = Program(command(a, common, layout), Path(folder))
        try:
            program.step()
            return min(program.step() for _ in range(a.steps))
        finally:
            program.end()


def finals(a, common, layouts, at):
    """Median seconds of a step of each, a step in turn."""
    programs, taken = [], [[] for _ in layouts]
    with tempfile.TemporaryDirectory(dir=at) as folder:
        try:
            for i, layout in enumerate(layouts):
                (Path(folder) / str(i)).mkdir()
                programs.append(Program(command(a, common, layout), Path(folder) / str(i)))
                programs[-1].step()
                programs[-1].step()
            for turn in range(a.rounds):
                order = range(len(layouts))
                for i in order if turn % 2 else reversed(order):
                    taken[i].append(programs[i].step())
        finally:
            stop_all(programs)
    best = min(range(len(layouts)), key=lambda i: statistics.median(taken[i]))
    beside = [statistics.median(x / y for x, y in zip(t, taken[best])) for t in taken]
    return [statistics.median(t) for t in taken], beside, best


def order_apart(x, y):
    """Spearman's correlation of two lists."""
    def ranks(v):
        at = sorted(range(len(v)), key=v.__getitem__)
        return [r for _, r in sorted((i, r) for r, i in enumerate(at))]
    return statistics.correlation(ranks(x), ranks(y)) if len(x) > 2 else 1.0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--shape", default="gpt2", choices=[name for name in SHAPES if "config" not in SHAPES[name]])
    p.add_argument("--layers", type=int, help="other than the shape's")
    p.add_argument("--seq", type=int, default=256)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--dtype", default="bf16", choices=["bf16", "fp32"])
    p.add_argument("--ranks", type=int, default=4)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--finalists", type=int, default=6)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--all", action="store_true")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    end_by_terms()
    shape = dict(SHAPES[a.shape])
    shape["layers"] = a.layers or shape["layers"]
    with tempfile.TemporaryDirectory() as at:
        steps, a.steps = a.steps, max(a.steps, a.rounds)
        common = job_words(a, shape, some_data(Path(at), a, shape)) + ["--global-batch-size", str(a.batch)]
        a.steps = steps
        told = subprocess.run([a.tessera, "tune", *common, "--world-size", str(a.ranks), "--nproc_per_node", str(a.ranks), "--json"], stdout=subprocess.PIPE, check=True)
        layouts = json.loads(told.stdout)["layouts"]
        layouts = [x for x in layouts if x["fits"]]
        for i, x in enumerate(layouts):
            x["measured_seconds"] = once(a, common, x, at)
            if not a.json:
                print(f"\r{i + 1} of {len(layouts)} layouts measured ", end="", file=sys.stderr, flush=True)
        last = sorted(layouts[1:], key=lambda x: x["measured_seconds"])[:a.finalists]
        medians, beside, best = finals(a, common, [layouts[0], *last], at)
    apart = order_apart([x["step_seconds"] for x in layouts], [x["measured_seconds"] for x in layouts])
    result = dict(shape=a.shape, layers=shape["layers"], layouts=len(layouts), choice_beside_best=beside[0], rank_correlation=apart,
                  choice=options_of(layouts[0]), best=options_of([layouts[0], *last][best]), medians=medians, load=os.getloadavg()[0])
    if a.json:
        print(json.dumps(dict(result, all=layouts)))
        return
    print(f"\r{a.shape}, {shape['layers']} layers, {a.dtype}, batch {a.batch} x {a.seq}, {a.ranks} processes: {len(layouts)} layouts; "
          f"the plan's order and the measured one correlate by {apart:.2f}")
    for x, seconds, ratio in zip([layouts[0], *last], medians, beside):
        print(f"  {seconds:7.3f} s, {ratio:5.3f} of the best (planned {x['step_seconds']:.3f})  {' '.join(options_of(x))}")
    print(f"choice: {beside[0]:.3f} of the best one's time")
    for x in sorted(layouts, key=lambda x: x["measured_seconds"]) if a.all else []:
        print(f"  {x['measured_seconds']:7.3f} s, planned {x['step_seconds']:7.3f}  {' '.join(options_of(x))}")


if __name__ == "__main__":
    main()
