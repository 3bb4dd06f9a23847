#!/usr/bin/env python3
"""Conversions of a model of 1.2 billion weights in bf16 beside plain copies of its file, and beside llama.cpp's converter.

    bench/convert.py --tessera build/tessera --work FOLDER [--llama-cpp FOLDER] [--python PYTHON] [--repeat 3]

The model (Llama 3.2 1B's shape, random values, 2.5 GB) is made in FOLDER, which needs 12 GB, and stays there. Each conversion is run
--repeat times in turn with the copies, so that what else the machine does meets all of them; told are medians, the largest memory, and how
many times a copy that is not waited for on the disk (cp, from and to the page cache) and one that is (dd conv=fsync; Tessera always waits)
it takes. --llama-cpp names a folder with convert_hf_to_gguf.py, run by PYTHON (torch, transformers, gguf);
it wants a tokenizer in FOLDER/model, which Tessera does without."""
import argparse
import json
import random
import shutil
import statistics
import struct
import subprocess
import time
from pathlib import Path

LAYERS, HIDDEN, FFN, VOCAB, HEADS, KV, HEAD = 16, 2048, 8192, 128256, 32, 8, 64


def tensors():
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        yield from ((p + n, s) for n, s in (
            ("input_layernorm.weight", (HIDDEN,)), ("mlp.down_proj.weight", (HIDDEN, FFN)), ("mlp.gate_proj.weight", (FFN, HIDDEN)),
            ("mlp.up_proj.weight", (FFN, HIDDEN)), ("post_attention_layernorm.weight", (HIDDEN,)),
            ("self_attn.k_proj.weight", (KV * HEAD, HIDDEN)), ("self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)),
            ("self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)), ("self_attn.v_proj.weight", (KV * HEAD, HIDDEN))))
    yield "model.norm.weight", (HIDDEN,)


def make_model(folder):
    """Values are random bytes with the exponents of small numbers: cheap, and no two rows alike."""
    folder.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
              "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": HEAD, "vocab_size": VOCAB,
              "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 131072, "tie_word_embeddings": True,
              "torch_dtype": "bfloat16", "hidden_act": "silu", "bos_token_id": 128000, "eos_token_id": 128001}
    (folder / "config.json").write_text(json.dumps(config))
    header, at, sizes = {"__metadata__": {"format": "pt"}}, 0, []
    for name, shape in tensors():
        n = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        sizes.append(n)
        at += n
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    rng = random.Random(1)
    high = bytes(0x3C | (i & 0x80) for i in range(256))
    with open(folder / "model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for n in sizes:
            while n:
                k = min(n, 1 << 22)
                block = bytearray(rng.randbytes(k))
                block[1::2] = block[1::2].translate(high)
                f.write(block)
                n -= k


def run(command):
    """Seconds, and MB at most."""
    began = time.monotonic()
    p = subprocess.run(["/usr/bin/time", "-f", "%M", *map(str, command)], capture_output=True, text=True)
    if p.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {p.stderr}")
    return time.monotonic() - began, int(p.stderr.split()[-1]) / 1024


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tessera", "build/tessera"), ("work", None), ("llama-cpp", None), ("python", "python3")):
        parser.add_argument("--" + name, default=default, required=default is None and name == "work")
    parser.add_argument("--repeat", type=int, default=3)
    a = parser.parse_args()
    work = Path(a.work)
    model, file = work / "model", work / "model" / "model.safetensors"
    if not model.exists():
        make_model(model)
    t = [a.tessera, "convert"]
    jobs = [("cp", ["cp", file, work / "cp"], "cp"), ("dd conv=fsync", ["dd", f"if={file}", f"of={work / 'dd'}", "bs=4M", "conv=fsync"], "dd"),
            ("hf to mg", [*t, "--load-dir", model, "--save-dir", work / "mg", "--save-model-type", "mg"], None),
            ("mg to hf", [*t, "--load-dir", work / "mg", "--save-dir", work / "hf"], "hf"),
            ("hf to gguf bf16", [*t, "--load-dir", model, "--outfile", work / "b.gguf", "--outtype", "bf16"], None),
            ("gguf bf16 to hf", [*t, "--load-dir", work / "b.gguf", "--save-dir", work / "hf"], "hf"),
            ("hf to gguf q8_0", [*t, "--load-dir", model, "--outfile", work / "q.gguf", "--outtype", "q8_0"], None),
            ("gguf q8_0 to hf bf16", [*t, "--load-dir", work / "q.gguf", "--save-dir", work / "hf", "--params-dtype", "bf16"], "hf")]
    if a.llama_cpp:
        for kind in ("bf16", "q8_0"):
            jobs.append((f"llama.cpp: hf to gguf {kind}",
                         [a.python, Path(a.llama_cpp) / "convert_hf_to_gguf.py", model, "--outtype", kind, "--outfile", work / "l.gguf"], "l.gguf"))
    got = {name: [] for name, _, _ in jobs}
    for left in ("mg", "hf", "b.gguf", "q.gguf", "l.gguf"):
        remove(work / left)
    for _ in range(a.repeat):
        for name, command, made in jobs:
            got[name].append(run(command))
            if made:
                remove(work / made)
        for left in ("mg", "b.gguf", "q.gguf"):
            remove(work / left)
    median = {name: statistics.median(s for s, _ in v) for name, v in got.items()}
    print(f"{'':32} {'s':>7} {'x cp':>6} {'x dd':>6} {'MB':>6}")
    for name, v in got.items():
        print(f"{name:32} {median[name]:7.2f} {median[name] / median['cp']:6.2f} {median[name] / median['dd conv=fsync']:6.2f} {max(m for _, m in v):6.0f}")


main()
