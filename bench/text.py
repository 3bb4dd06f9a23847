#!/usr/bin/env python3
"""Encoding, preprocessing and BPE training beside the Hugging Face library, in turns.

    bench/text.py --build BUILD --text FILE.jsonl [--tokenizer FOLDER]... [--repeats 5] [--peer-mb 4]

FILE.jsonl has lines with "text". Peers:
  encode      tokenizers' encode_batch, with as many threads (RAYON_NUM_THREADS), truncation off
  preprocess  a plain Python loop of json.loads, encode and a numpy write into .bin/.idx parts, one process:
              it stands in for Megatron's tools/preprocess_data.py, which does the same in its workers
  train       tokenizers' BpeTrainer (byte-level, 30000 tokens) on the texts as one file

The peer is slow, so it reads only the first --peer-mb of the texts (training: both read --train-mb). Rates are MB of text
per processor second (of all threads together), medians of the repeats; Tessera's encoding rate is that of a whole first pass,
with an empty word cache. Divide by nothing for one thread; for two, the clock's rate stands beside it.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

PEER = r"""
import json, os, sys, time
what, folder, path, threads = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]
os.environ["RAYON_NUM_THREADS"] = threads
os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == "1" else "true"
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
if what == "train":
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=30000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    timed(lambda: t.train([path], trainer))
    sys.exit()
t = Tokenizer.from_file(folder + "/tokenizer.json")
t.no_truncation()
t.no_padding()
if what == "encode":
    texts = [json.loads(line)["text"] for line in open(path, encoding="utf-8", newline="\n")]
    timed(lambda: t.encode_batch(texts, add_special_tokens=False))
else:
    import numpy
    def preprocess():
        lengths = []
        with open(path + ".bin", "wb") as out:
            for line in open(path, encoding="utf-8", newline="\n"):
                ids = numpy.array(t.encode(json.loads(line)["text"]).ids, dtype=numpy.int32)
                out.write(ids.tobytes())
                lengths.append(len(ids))
        sizes = numpy.array(lengths, dtype=numpy.int32)
        with open(path + ".idx", "wb") as out:
            out.write(sizes.tobytes() + (4 * (numpy.cumsum(sizes, dtype=numpy.int64) - sizes)).tobytes())
    timed(preprocess)
"""


def peer(what, folder, path, threads):
    done = subprocess.run([sys.executable, "-c", PEER, what, folder, path, str(threads)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(command):
    """Processor and wall seconds of a command."""
    import time
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - wall]


def cut(path, out, limit):
    """The first lines of path, up to limit bytes of text; returns their MB."""
    size = 0
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        for line in open(path, encoding="utf-8", newline="\n"):
            size += len(json.loads(line)["text"].encode())
            f.write(line)
            if size >= limit:
                break
    return size / 1e6


def row(name, threads, mine, theirs):
    """mine, theirs: lists of (MB per processor second, MB per second)."""
    m = [statistics.median(v[i] for v in mine) for i in (0, 1)]
    t = [statistics.median(v[i] for v in theirs) for i in (0, 1)]
    print(f"{name:32} {threads:7} {m[0]:9.1f} {t[0]:9.2f} {m[0] / t[0]:7.1f} {m[1]:11.1f} {t[1]:11.2f} {m[1] / t[1]:7.1f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--tokenizer", action="append", default=[])
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--peer-mb", type=float, default=4)
    p.add_argument("--train-mb", type=float, default=20)
    a = p.parse_args()
    bench, program = a.build + "/bench/bench_tokenize", a.build + "/tessera"
    with tempfile.TemporaryDirectory() as folder:
        whole, part, plain = (os.path.join(folder, n) for n in ("whole.jsonl", "part.jsonl", "train.txt"))
        mb, part_mb = cut(a.text, whole, float("inf")), cut(a.text, part, a.peer_mb * 1e6)
        print(f"{mb:.1f} MB of text for Tessera, {part_mb:.1f} MB for the peer, medians of {a.repeats}")
        print(f"{'':32} {'threads':>7} {'MB/cpu-s':>9} {'peer':>9} {'times':>7} {'MB/s':>11} {'peer':>11} {'times':>7}")
        for tokenizer in a.tokenizer:
            name = os.path.basename(tokenizer.rstrip("/"))
            for threads in (1, 2):
                mine, theirs = [], []
                for _ in range(a.repeats):
                    theirs.append([part_mb / s for s in peer("encode", tokenizer, part, threads)])
                    said = json.loads(subprocess.run([bench, "--json", tokenizer, whole, "1", str(threads)], capture_output=True, text=True, check=True).stdout)
                    mine.append([said["first_mb_per_cpu_s"], said["first_mb_per_s"]])
                row("encode " + name, threads, mine, theirs)
            mine, theirs = [], []
            for _ in range(a.repeats):
                theirs.append([part_mb / s for s in peer("preprocess", tokenizer, part, 1)])
                mine.append([mb / s for s in ours([program, "preprocess", "--input", whole, "--output-prefix", folder + "/out",
                                                   "--tokenizer-type", "PretrainedFromHF", "--tokenizer-name-or-path", tokenizer,
                                                   "--workers", "1"])])
            row("preprocess " + name, 1, mine, theirs)
        train_mb = cut(a.text, part, a.train_mb * 1e6)
        with open(plain, "w", encoding="utf-8", newline="") as f:
            for line in open(part, encoding="utf-8", newline="\n"):
                f.write(json.loads(line)["text"] + "\n")
        mine, theirs = [], []
        for _ in range(a.repeats):
            theirs.append([train_mb / s for s in peer("train", "", plain, os.cpu_count())])
            mine.append([train_mb / s for s in ours([program, "train-tokenizer", "--input", plain, "--output", folder + "/tok",
                                                     "--vocab-size", "30000"])])
        row("train-tokenizer", os.cpu_count(), mine, theirs)


if __name__ == "__main__":
    main()
