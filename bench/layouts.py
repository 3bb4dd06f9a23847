#!/usr/bin/env python3
"""Layouts of several processes beside one process with as many threads, and beside PyTorch's own, a step in turn.

usage: bench/layouts.py [--tessera build/tessera] [--python PYTHON_WITH_TORCH] [--rows NAME,...] [--shape gpt2|...]
                        [--layers N] [--seq N] [--batch N] [--micro N] [--dtype bf16|fp32] [--ranks N] [--steps N] [--eager] [--json]

All jobs of a row run at once, and all but one are stopped while that one makes a step (as in bench/turns.py), so that what
else the machine does meets all alike. Printed are the median ratios: how fast the layout is beside one process, and, with
--python, beside PyTorch over gloo (DDP, FSDP2, tensor parallel) in as many processes. Of a pipeline also what its schedule
allows, m / (m + P - 1). Needs memory for all jobs of a row, Python 3 and mpirun.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from train import SHAPES, job_words, some_data
from turns import Program, end_by_terms, stop_all

# name: options of several processes, micro-batches in the batch of one process, PyTorch's way
ROWS = {
    "tensor": ("--tensor-model-parallel-size {n} --sequence-parallel", False, "tp"),
    "unaligned": ("--tensor-model-parallel-size {n} --sequence-parallel --unaligned-linear", False, ""),
    "ulysses": ("--context-parallel-size {n} --context-parallel-algo ulysses_cp_algo", False, ""),
    "ring": ("--context-parallel-size {n} --context-parallel-algo megatron_cp_algo", False, ""),
    "data": ("--overlap-grad-reduce", True, "ddp"),
    "zero1": ("--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather", True, "ddp"),
    "fsdp": ("--use-torch-fsdp2 --ckpt-format torch_dist", True, "fsdp2"),
    "pipeline": ("--pipeline-model-parallel-size {n}", True, ""),
}


def jobs(a, name, shape, prefix):
    """What runs in a row: one process, several, PyTorch."""
    options, cut, way = ROWS[name]
    # PyTorch's tensor-parallel plan has an output layer of its own.
    common = job_words(a, shape, prefix) + ["--global-batch-size", str(a.batch), "--micro-batch-size", str(a.micro if cut else a.batch)]
    common += ["--untie-embeddings-and-output-weights"] if name == "tensor" else []
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    found = {"one": [a.tessera, "pretrain", *common, "--threads", str(a.ranks)],
             "several": ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", str(a.ranks), a.tessera, "pretrain", *common,
                         "--threads", "1", *options.format(n=a.ranks).split()]}
    if a.python and way:
        found["torch"] = [a.python, "-m", "torch.distributed.run", "--nproc-per-node", str(a.ranks), Path(__file__).parent / "torch_peer.py",
                          json.dumps(shape), "--seq", str(a.seq), "--batch", str(a.batch), "--dtype", a.dtype, "--steps", str(a.steps),
                          "--parallel", way, *(["--eager"] if a.eager else [])]
    return found


def measure(a, name, shape, folder):
    prefix = some_data(folder, a, shape)
    programs, taken = {}, {}
    try:
        for side, words in jobs(a, name, shape, prefix).items():
            (folder / side).mkdir()
            programs[side] = Program(words, folder / side)
            programs[side].step()
            programs[side].step()
            taken[side] = []
        for turn in range(a.steps):
            order = list(programs)
            for side in order if turn % 2 else reversed(order):
                taken[side].append(programs[side].step())
        losses = {side: programs[side].losses() for side in programs}
    finally:
        stop_all(programs.values())
    return taken, losses


def told(a, name, taken, losses):
    row = dict(row=name, load=os.getloadavg()[0], loss_apart=max(abs(x - y) for x, y in zip(losses["one"], losses["several"])),
               **{f"{side}_median_s": statistics.median(t) for side, t in taken.items()})
    for side in [s for s in taken if s != "several"]:
        row[f"beside_{side}"] = statistics.median(x / y for x, y in zip(taken[side], taken["several"]))
    if name == "pipeline":
        m = a.batch // a.micro
        row["allowed"] = m / (m + a.ranks - 1)
    if a.json:
        return json.dumps(row)
    line = f"{name:10} {row['several_median_s']:7.3f} s a step; {row['beside_one']:5.3f} of one process ({row['one_median_s']:.3f} s)"
    line += f", the schedule allows {row['allowed']:.3f}" if "allowed" in row else ""
    line += f"; {row['beside_torch']:5.2f} times PyTorch ({row['torch_median_s']:.3f} s)" if "beside_torch" in row else ""
    return line + f"; losses {row['loss_apart']:.1e} apart; load {row['load']:.1f}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--python")
    p.add_argument("--rows", default=",".join(ROWS), help="of " + ", ".join(ROWS))
    p.add_argument("--shape", default="gpt2", choices=SHAPES)
    p.add_argument("--layers", type=int, help="other than the shape's")
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--micro", type=int, default=1, help="sequences of a micro-batch where the batch is cut")
    p.add_argument("--dtype", default="bf16", choices=["bf16", "fp32"])
    p.add_argument("--ranks", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=9)
    p.add_argument("--eager", action="store_true", help="no torch.compile")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    end_by_terms()
    shape = dict(SHAPES[a.shape])
    shape["layers"] = a.layers or shape["layers"]
    if not a.json:
        print(f"{a.shape}, {shape['layers']} layers, {a.dtype}, batch {a.batch} x {a.seq}, {a.ranks} processes of 1 thread", flush=True)
    for name in a.rows.split(","):
        with tempfile.TemporaryDirectory() as folder:
            print(told(a, name, *measure(a, name, shape, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
