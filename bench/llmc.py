#!/usr/bin/env python3
"""Tessera beside llm.c's CPU program on GPT-2 124M: tokens per second and peak memory of a training step, fp32.

usage: bench/llmc.py --source FOLDER_OF_LLM.C [--tessera build/tessera] [--seq 64] [--batch 4] [--threads N] [--steps N]

llm.c's train_gpt2.c is compiled with the flags of its own Makefile and stepped by a few lines of ours (forward, zero_grad,
backward, update), from random weights in its checkpoint format; its steps need no tokenizer and no validation. The first
step of each program is warm-up. llm.c holds all scores of attention: 19 GiB with --seq 1024, where one step takes minutes on
two cores (--seq 1024 --steps 1 is two of them); what has been done and what is left is told on the way. Needs Python 3 and
gcc with OpenMP.
"""
import argparse
import json
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import train  # noqa: E402

DRIVER = r"""
#define TESTING
#include "train_gpt2.c"
#include <sys/resource.h>
int main(int argc, char **argv)
{
    const int B = atoi(argv[2]), T = atoi(argv[3]), steps = atoi(argv[4]);
    GPT2 model;
    (void)argc;
    gpt2_build_from_checkpoint(&model, argv[1]);
    int *ids = malloc(sizeof(int) * (size_t)(B * T + 1));
    for (int i = 0; i <= B * T; i++)
        ids[i] = (int)((i * 7919LL + i / 3) % 50257);
    for (int s = 0; s < steps + 1; s++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        gpt2_forward(&model, ids, ids + 1, (size_t)B, (size_t)T);
        gpt2_zero_grad(&model);
        gpt2_backward(&model);
        gpt2_update(&model, 1e-4f, 0.9f, 0.999f, 1e-8f, 0.0f, s + 1);
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("{\"step\": %d, \"seconds\": %f, \"loss\": %f}\n", s, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9,
               (double)model.mean_loss);
        fflush(stdout);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"rss_peak_bytes\": %ld}\n", u.ru_maxrss * 1024L);
    return 0;
}
"""
FLAGS = "-Ofast -fno-finite-math-only -Wno-unused-result -Wno-ignored-pragmas -Wno-unknown-attributes -march=native -fopenmp -DOMP"


def checkpoint(path, seq):
    """Random weights of GPT-2 124M: a header of 256 ints, then fp32."""
    L, H, V, Vp, S = 12, 768, 50257, 50304, max(seq, 1024)
    n = Vp * H + S * H + L * (12 * H * H + 13 * H) + 2 * H
    r = random.Random(1)
    block = struct.pack("<65536f", *(r.gauss(0, 0.02) for _ in range(65536)))
    with open(path, "wb") as f:
        f.write(struct.pack("<256i", *([20240326, 3, S, V, L, 12, H, Vp] + [0] * 248)))
        for _ in range(n // 65536 + 1):
            f.write(block)


def memory_needed(batch, seq):
    """Bytes that llm.c allocates: weights, gradients and two moments; activations and their gradients."""
    L, H, NH, Vp, n = 12, 768, 12, 50304, 124475904
    rows = batch * seq
    return 4 * (4 * n + 2 * (rows * (18 * L * H + 2 * Vp) + 2 * L * batch * NH * seq * seq))


def check_memory(batch, seq):
    need = memory_needed(batch, seq)
    have = re.search(r"MemAvailable: +(\d+)", Path("/proc/meminfo").read_text())
    print(f"llm.c will take {need / 2**30:.1f} GiB", flush=True)
    if have and int(have.group(1)) * 1024 < need:
        sys.exit(f"but {int(have.group(1)) / 2**20:.1f} GiB are free: give a smaller --seq or --batch")


def run_peer(words, steps, threads):
    """The objects that the driver prints; each step is told at once, with an estimate of the time left. What llm.c itself prints is
    passed over."""
    p = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    rows = []
    for line in p.stdout:
        if not line.startswith("{"):
            continue
        rows.append(json.loads(line))
        if "step" in rows[-1]:
            n, took = rows[-1]["step"] + 1, rows[-1]["seconds"]
            print(f"llm.c    step {n} of {steps + 1}: {took:.1f} s, loss {rows[-1]['loss']:f}; about {(steps + 1 - n) * took:.0f} s left", flush=True)
    if p.wait():
        sys.exit(f"llm.c's program failed with code {p.returncode}")
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--source", required=True)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--seq", type=int, default=64)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=4)
    a = p.parse_args()
    tokens = a.batch * a.seq
    print(f"GPT-2 124M, fp32, batch {a.batch} x {a.seq}, {a.threads} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    check_memory(a.batch, a.seq)
    with tempfile.TemporaryDirectory() as folder:
        driver, model = Path(folder) / "driver.c", Path(folder) / "model.bin"
        driver.write_text(DRIVER)
        checkpoint(model, a.seq)
        subprocess.run(["gcc", *FLAGS.split(), "-w", "-I", a.source, "-o", f"{folder}/llmc", str(driver), "-lm"], check=True)
        rows = run_peer([f"{folder}/llmc", str(model), str(a.batch), str(a.seq), str(a.steps)], a.steps, a.threads)
    times = [r["seconds"] for r in rows[1:-1]]  # the first is warm-up, the last the memory
    peer = tokens / statistics.median(times)
    rss = rows[-1]["rss_peak_bytes"] / 2**30
    print(f"llm.c    median {peer:8.1f} tokens/s, best {tokens / min(times):8.1f}, peak resident {rss:5.2f} GiB", flush=True)
    for dtype in ("fp32", "bf16"):
        out = subprocess.run([sys.executable, str(Path(__file__).with_name("train.py")), "--tessera", a.tessera, "--shape", "gpt2", "--seq",
                              str(a.seq), "--batch", str(a.batch), "--dtype", dtype, "--threads", str(a.threads), "--steps",
                              str(max(a.steps, 5)), "--only", "tessera", "--json"], check=True, text=True, capture_output=True).stdout
        row = json.loads(out)
        lines = train.said(row).splitlines()
        print(lines[0], f" {dtype}: {row['median_tokens_per_s'] / peer:.1f} times llm.c", flush=True)
        print(lines[1], flush=True)


if __name__ == "__main__":
    main()
