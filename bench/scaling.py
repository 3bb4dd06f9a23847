#!/usr/bin/env python3
"""Training with several processes of one thread beside one process of as many threads: tokens per second, efficiency.

usage: bench/scaling.py [--tessera build/tessera] [--shape llama135m|llama1b|gpt2|tiny] [--seq N] [--batch N] [--dtype bf16|fp32]
                        [--ranks N] [--steps N] [--rounds N] [--rows N] [--options "WORDS FOR ALL"]

All train on the same batches of `batch` sequences; processes share them out (data parallelism, the one way there is).
Layouts alternate for `rounds`; the median step after three of warm-up is printed, efficiency against one process, and by
how much losses differ from its losses at most. With --deterministic-mode losses do not depend on the number of
processes: those two rows have micro-batches of the same size, and the second has to have the very losses of the first.
Needs Python 3 and mpirun.
"""
import argparse
import copy
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from train import SHAPES, run_tessera, some_data

# name, processes (0: --ranks), micro-batches of the size they have among all processes, options, index of its reference
LAYOUTS = [("one process", 1, False, "", None),
           ("data parallel", 0, True, "", 0),
           ("  overlapped", 0, True, "--overlap-grad-reduce", 0),
           ("one, deterministic", 1, True, "--deterministic-mode", None),
           ("  data parallel", 0, True, "--deterministic-mode", 3)]


def launcher(folder, tessera, ranks):
    """A program that is tessera in `ranks` processes."""
    path, root = folder / f"run-{ranks}", "--allow-run-as-root " if os.geteuid() == 0 else ""
    path.write_text(f'#!/bin/sh\nexec mpirun {root}--oversubscribe --bind-to none -n {ranks} "{tessera}" "$@"\n')
    path.chmod(0o755)
    return path


def run(a, folder, prefix, layout):
    name, ranks, shared, options, _ = layout
    b = copy.copy(a)
    b.threads = 1 if ranks == 0 else a.ranks
    b.tessera = Path(a.tessera).resolve() if ranks == 1 else launcher(folder, Path(a.tessera).resolve(), a.ranks)
    b.batch = a.batch // a.ranks if shared else a.batch
    b.options = f"{a.options} --global-batch-size {a.batch} {options}"
    return run_tessera(b, SHAPES[a.shape], prefix, folder)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--shape", default="llama135m", choices=SHAPES)
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--dtype", default="bf16", choices=["bf16", "fp32"])
    p.add_argument("--ranks", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--rows", type=int, default=len(LAYOUTS), help="the first rows of the table only")
    p.add_argument("--options", default="", help="further options of tessera pretrain")
    a = p.parse_args()
    a.optimizer, a.frozen = "adam", False
    if a.ranks < 2 or a.batch % a.ranks:
        sys.exit(f"a batch of {a.batch} cannot be shared by {a.ranks} processes")
    print(f"{a.shape}, {a.dtype}, batch {a.batch} x {a.seq}, {a.ranks} processes of 1 thread beside 1 of {a.ranks}, "
          f"load {os.getloadavg()[0]:.1f}", flush=True)
    layouts = LAYOUTS[:a.rows]
    runs = [[] for _ in layouts]
    with tempfile.TemporaryDirectory() as folder:
        prefix = some_data(Path(folder), a, SHAPES[a.shape])
        for _ in range(a.rounds):
            for layout, r in zip(layouts, runs):
                r.append(run(a, Path(folder), prefix, layout))
    speed = [a.batch * a.seq / statistics.median(t for r in rs for t in r["times"]) for rs in runs]
    failed = False
    for i, (name, ranks, _, _, reference) in enumerate(layouts):
        line = f"{name:20} {speed[i]:8.1f} tokens/s, {max(r['rss'] for r in runs[i]) / 2**30:5.2f} GiB a process"
        if reference is not None:
            apart = max(abs(x - y) / abs(y) for x, y in zip(runs[i][0]["losses"], runs[reference][0]["losses"]))
            wrong = apart > (0 if LAYOUTS[reference][2] else 0.005)
            failed |= wrong
            line += f", efficiency {100 * speed[i] / speed[reference]:5.1f} %, losses " + \
                ("equal" if apart == 0 else f"{apart:.1e} apart{': WRONG' if wrong else ''}")
        print(line, flush=True)
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
