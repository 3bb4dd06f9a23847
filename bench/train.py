#!/usr/bin/env python3
"""Tessera beside PyTorch on the same training step: tokens per second and peak memory, in one run.

usage: bench/train.py [--tessera build/tessera] [--python PYTHON_WITH_TORCH] [--shape llama135m|llama1b|gpt2|tiny|experts|mamba2|delta]
                      [--seq N] [--batch N] [--dtype bf16|fp32] [--threads N] [--steps N] [--rounds N] [--eager]
                      [--optimizer adam|sgd] [--frozen] [--experts eager|grouped_mm|batched_mm] [--held] [--options "WORDS FOR TESSERA ALONE"] [--only tessera|peer] [--json]

The peer is what a user would write: scaled_dot_product_attention, torch.compile, fused AdamW, bf16 autocast over fp32
weights, gradient norm clipped, tcmalloc preloaded where it is installed. Programs alternate for `rounds`; of each the
median and the best step after three of warm-up are printed, with peak resident memory and the ratio. Both get other random
words in each step, so their losses must stay within 1 %. With --frozen only
the norms are trained, as adapters would be: all other weights have no gradient and are held in the compute type, on both
sides; the share of the roof then counts forward and input gradients alone. The shapes experts, mamba2 and delta stand beside
transformers' own code (bench/transformers_peer.py). Needs Python 3; PyTorch only in the
interpreter that --python names.
"""
import argparse
import array
import glob
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SHAPES = {
    "llama135m": dict(layers=30, hidden=576, heads=9, kv=3, ffn=1536, vocab=49152),
    "gpt2": dict(layers=12, hidden=768, heads=12, kv=12, ffn=3072, vocab=50257, gpt2=True),
    "llama1b": dict(layers=16, hidden=2048, heads=32, kv=8, ffn=8192, vocab=128256),
    "tiny": dict(layers=4, hidden=256, heads=4, kv=2, ffn=704, vocab=8192),
    # Beside transformers' own code, from one folder of random weights: 16 experts of which 2 are chosen (148M of 643M
    # parameters for a token), Mamba 2 130M, and gated delta nets.
    "experts": dict(vocab=65536, config=dict(model_type="qwen3_moe", vocab_size=65536, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
                    num_key_value_heads=12, head_dim=64, intermediate_size=1280, moe_intermediate_size=1280, num_experts=16, num_experts_per_tok=2,
                    norm_topk_prob=True, tie_word_embeddings=True)),
    "mamba2": dict(vocab=50288, config=dict(model_type="mamba2", vocab_size=50288, hidden_size=768, num_hidden_layers=24, num_heads=24, head_dim=64,
                   state_size=128, n_groups=1, chunk_size=256, tie_word_embeddings=True, initializer_range=0.02)),
    "delta": dict(vocab=32768, config=dict(model_type="qwen3_5_text", vocab_size=32768, hidden_size=768, intermediate_size=2048, num_hidden_layers=12,
                  num_attention_heads=12, num_key_value_heads=4, head_dim=64, linear_num_key_heads=8, linear_num_value_heads=8,
                  linear_key_head_dim=128, linear_value_head_dim=128, layer_types=["linear_attention"] * 12, tie_word_embeddings=True)),
}


def make_model(a, shape, folder):
    """The folder that both sides read, of a shape that is a configuration."""
    (folder / "config.json").write_text(json.dumps(shape["config"]))
    subprocess.run([a.python, Path(__file__).parent / "transformers_peer.py", folder / "config.json", "--make", folder / "model"], check=True,
                   capture_output=True)


def peer_words(a, folder):
    if "config" in SHAPES[a.shape]:
        return ["transformers_peer.py", folder / "model", *(["--experts", a.experts] if a.experts else []), *(["--held"] if a.held else [])]
    return ["torch_peer.py", json.dumps(SHAPES[a.shape]), "--optimizer", a.optimizer, *(["--frozen"] if a.frozen else [])]


def run_peer(a, folder):
    env = dict(os.environ, OMP_NUM_THREADS=str(a.threads))
    malloc = sorted(glob.glob("/usr/lib/*/libtcmalloc_minimal.so*"))
    if malloc:
        env["LD_PRELOAD"] = malloc[0]
    script, *rest = peer_words(a, folder)
    words = [a.python, Path(__file__).parent / script, *rest, "--seq", a.seq, "--batch", a.batch, "--dtype", a.dtype, "--threads", a.threads,
             "--steps", a.steps, *(["--eager"] if a.eager else [])]
    p = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=env)
    if p.returncode:
        sys.exit(f"the peer failed:\n{p.stderr[-2000:]}")
    return json.loads(p.stdout.strip().splitlines()[-1])


# All but the norms. The type of weights is that of those which the optimizer changes: of frozen ones too.
FROZEN = ["--freeze", "embedding", "linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"]
HELD_IN_BF16 = ["--use-precision-aware-optimizer", "--main-params-dtype", "bf16"]


def some_data(folder, a, shape):
    prefix, n = folder / "data_text_document", (a.steps + 4) * a.batch * a.seq + 1
    import random
    r = random.Random(5)
    tokens = array.array("i", (r.randrange(shape["vocab"] - 1) for _ in range(n)))
    Path(f"{prefix}.bin").write_bytes(tokens.tobytes())
    Path(f"{prefix}.idx").write_bytes(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 4, 1, 2) + struct.pack("<iqqq", n, 0, 0, 1))
    return prefix


def model_words(a, shape, prefix):
    if "config" in shape:
        return ["--load", prefix.parent / "model", "--seq-length", a.seq]
    words = ["--num-layers", shape["layers"], "--hidden-size", shape["hidden"], "--num-attention-heads", shape["heads"],
             "--ffn-hidden-size", shape["ffn"], "--max-position-embeddings", a.seq, "--seq-length", a.seq]
    if "gpt2" not in shape:
        words += ["--group-query-attention", "--num-query-groups", shape["kv"], "--swiglu", "--normalization", "RMSNorm",
                  "--position-embedding-type", "rope", "--disable-bias-linear"]
    return words


def job_words(a, shape, prefix):
    """Options of a job of ours on this data: the model, and steps + 3 iterations."""
    words = [*model_words(a, shape, prefix), "--train-iters", a.steps + 3, "--lr", "1e-4", "--tokenizer-type", "NullTokenizer",
             "--vocab-size", shape["vocab"] - 1, "--make-vocab-size-divisible-by", 1, "--data-path", prefix, "--split", "100,0,0",
             "--eval-iters", 0, "--log-interval", 1000]
    return [str(w) for w in words] + (["--bf16"] if a.dtype == "bf16" else [])


def run_tessera(a, shape, prefix, folder):
    metrics = folder / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    words = [a.tessera, "pretrain", *job_words(a, shape, prefix), "--micro-batch-size", a.batch, "--global-batch-size", a.batch, "--min-lr", "1e-4",
             "--lr-decay-style", "constant", "--threads", a.threads, "--metrics-jsonl", metrics, "--kernel-timing", "--optimizer", a.optimizer,
             *(FROZEN if a.frozen else []), *(HELD_IN_BF16 if a.frozen and a.dtype == "bf16" and a.optimizer == "adam" else []),
             *a.options.split()]
    p = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"tessera failed:\n{p.stderr[-2000:]}")
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return dict(times=[r["iteration_seconds"] for r in rows[3:]], where=p.stdout + p.stderr, operations=rows[-1]["tflops"] * rows[-1]["iteration_seconds"], rss=max(r["rss_peak_bytes"] for r in rows),
                accounted=max(r["memory_peak_bytes"] for r in rows), losses=[r["lm_loss"] for r in rows])


def roof(a):
    """The machine's peak in this type, in TFLOP/s on all threads."""
    program = Path(a.tessera).parent / "bench" / "roof"
    if not program.exists():
        return None
    out = subprocess.run([str(program), "--json"], capture_output=True, text=True, check=True).stdout
    key = "one_thread_gflop_per_s" if a.threads == 1 else "gflop_per_s"
    rows = [r for r in map(json.loads, out.splitlines()) if r["what"].startswith(a.dtype + ",")]
    return max(r[key] for r in rows) / 1000 if rows else None


def summary(a, name, runs):
    """What is told of one side, by person or by --json. Of Tessera also its speed beside the roof (Megatron's count of
    operations, none for recomputation), and where the time goes."""
    times, tokens = [t for r in runs for t in r["times"]], a.batch * a.seq
    row = dict(what=name, median_tokens_per_s=tokens / statistics.median(times), best_tokens_per_s=tokens / min(times),
               rss_peak_bytes=max(r["rss"] for r in runs), losses=runs[0]["losses"])
    if "version" in runs[0]:
        row["torch"] = runs[0]["version"]
    if name == "tessera":
        # The program's own table (--kernel-timing), which is for people alone.
        shares = re.findall(r"^(\S+) +\d+ +\S+ +(\S+) % +\S+ +\S+$", runs[-1]["where"].split("\n\n")[-1], re.M)
        peak = roof(a)
        row.update(gflop_per_s=1000 * runs[-1]["operations"] / statistics.median(times), roof_gflop_per_s=peak and 1000 * peak,
                   time_percent={kind: float(share) for kind, share in shares})
    return row


def said(row):
    """The same in words."""
    lines = [f"{row['what']:8} median {row['median_tokens_per_s']:8.1f} tokens/s, best {row['best_tokens_per_s']:8.1f}, peak resident "
             f"{row['rss_peak_bytes'] / 2**30:5.2f} GiB, losses {' '.join(f'{x:.3f}' for x in row['losses'][:3])}"
             f"{'  torch ' + row['torch'] if 'torch' in row else ''}"]
    if row.get("roof_gflop_per_s"):
        lines.append(f"         {row['gflop_per_s']:.0f} GFLOP/s, {100 * row['gflop_per_s'] / row['roof_gflop_per_s']:.0f} % of the roof of {row['roof_gflop_per_s']:.0f}")
    if "time_percent" in row:
        lines.append("         time: " + ", ".join(f"{kind} {share} %" for kind, share in row["time_percent"].items()))
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", default="build/tessera")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--shape", default="llama135m", choices=SHAPES)
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--dtype", default="bf16", choices=["bf16", "fp32"])
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--eager", action="store_true")
    p.add_argument("--experts", default="", choices=["", "eager", "grouped_mm", "batched_mm"], help="transformers' experts_implementation")
    p.add_argument("--held", action="store_true", help="transformers has weights, gradients and moments in bf16")
    p.add_argument("--frozen", action="store_true", help="train nothing but the norms")
    p.add_argument("--optimizer", default="adam", choices=["adam", "sgd"])
    p.add_argument("--options", default="", help="further options of tessera pretrain")
    p.add_argument("--only", choices=["tessera", "peer"])
    p.add_argument("--json", action="store_true", help="an object a line, for scripts")
    a = p.parse_args()
    shape = SHAPES[a.shape]
    got = {"tessera": [], "peer": []}
    say = (lambda *_, **__: None) if a.json else print
    say(f"{a.shape}, {a.dtype}, batch {a.batch} x {a.seq}, {a.threads} threads{', all but the norms frozen' if a.frozen else ''}, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        prefix = some_data(Path(folder), a, shape)
        if "config" in shape:
            make_model(a, shape, Path(folder))
        for _ in range(a.rounds):
            if a.only != "peer":
                got["tessera"].append(run_tessera(a, shape, prefix, Path(folder)))
            if a.only != "tessera":
                got["peer"].append(run_peer(a, Path(folder)))
    best = {}
    for name, runs in got.items():
        if not runs:
            continue
        row = summary(a, name, runs)
        best[name] = row["median_tokens_per_s"]
        print(json.dumps(row) if a.json else said(row), flush=True)
    if len(best) == 2:
        pairs = zip(got["tessera"][0]["losses"], got["peer"][0]["losses"])
        apart = max(abs(x - y) / y for x, y in pairs)
        say(f"ratio    {best['tessera'] / best['peer']:.3f}; losses {100 * apart:.2f} % apart at most{'' if apart < 0.01 else ': VOID, they do not do the same'}; "
            f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
