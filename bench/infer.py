#!/usr/bin/env python3
"""Prefill and decoding beside llama.cpp, alternating: tokens per second, medians and best.

usage: bench/infer.py [--bench build/bench/bench_infer] [--shape llama135m|llama1b] [--threads N] [--rounds N]
                      [--llama-bench FILE --llama-batched-bench FILE --gguf FILE] [--quant int8|nf4] [--dtype bf16|fp32]

Ours has random weights; the peer's GGUF file must be of the same shape and data type (the bench does not look inside).
Prefill is one prompt of 1024 tokens; decoding begins behind 16 tokens, with 1 and 32 sequences. Needs Python 3 alone.
"""
import argparse
import json
import re
import statistics
import subprocess


def ours(a, *args):
    cmd = [a.bench, "--shape", a.shape, "--threads", str(a.threads), "--dtype", a.dtype, *args]
    if a.quant:
        cmd += ["--quant", a.quant]
    out = subprocess.run(cmd, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def peer_single(a):
    cmd = [a.llama_bench, "-m", a.gguf, "-t", str(a.threads), "-p", "1024", "-n", "32", "-r", "1", "-o", "json"]
    out = subprocess.run(cmd, check=True, capture_output=True, text=True).stdout
    return [r["avg_ts"] for r in json.loads(out)]


def peer_batch(a):
    cmd = [a.llama_batched_bench, "-m", a.gguf, "-t", str(a.threads), "-c", "2048", "-b", "2048", "-npp", "16",
           "-ntg", "16", "-npl", "32"]
    out = subprocess.run(cmd, check=True, capture_output=True, text=True)
    rows = re.findall(r"^\|\s*16 \|\s*16 \|\s*32 \|(.*)\|\s*$", out.stdout + out.stderr, re.M)
    return float(rows[0].split("|")[4])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", default="build/bench/bench_infer")
    p.add_argument("--shape", default="llama135m")
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--quant")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--llama-bench")
    p.add_argument("--llama-batched-bench")
    p.add_argument("--gguf")
    a = p.parse_args()
    rows = {"prefill 1024": ([], []), "decode, batch 1": ([], []), "decode, batch 32": ([], [])}
    memory, rate = 0, []
    for _ in range(a.rounds):
        r = ours(a, "--prefill", "--rounds", "1", "--batch", "1", "--steps", "32")
        rows["prefill 1024"][0].append(r[0]["tokens_per_second"])
        rows["decode, batch 1"][0].append(r[1]["tokens_per_second"])
        rate.append(r[1]["weights_gb_per_second"])
        memory = max(memory, r[1]["rss_mib"])
        r = ours(a, "--batch", "32", "--steps", "16")
        rows["decode, batch 32"][0].append(r[0]["tokens_per_second"])
        if a.llama_bench:
            prefill, decode = peer_single(a)
            rows["prefill 1024"][1].append(prefill)
            rows["decode, batch 1"][1].append(decode)
        if a.llama_batched_bench:
            rows["decode, batch 32"][1].append(peer_batch(a))
    print(f"{a.shape} {a.dtype} {a.quant or ''}, {a.threads} threads, medians (best) of {a.rounds}; "
          f"decoding reads weights at {statistics.median(rate):.1f} GB/s; {memory} MiB at most")
    for name, (we, they) in rows.items():
        line = f"{name:18} {statistics.median(we):9.1f} ({max(we):.1f})"
        if they:
            line += (f"   peer {statistics.median(they):9.1f} ({max(they):.1f})"
                     f"   ratio {statistics.median(we) / statistics.median(they):.2f}"
                     f" ({max(we) / max(they):.2f})")
        print(line, "tokens/s")


if __name__ == "__main__":
    main()
