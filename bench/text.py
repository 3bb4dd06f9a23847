#!/usr/bin/env python3
"""Encoding speed beside the Hugging Face library, one thread each, processor time, in turns.

    bench/text.py BENCH_TOKENIZE FOLDER FILE.jsonl
"""
import json
import os
import subprocess
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402


def main():
    bench, folder, file = sys.argv[1:]
    texts = [json.loads(line)["text"] for line in open(file, encoding="utf-8", newline="\n")]
    size = sum(len(t.encode()) for t in texts) / 1e6
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        best = max(best, size / (time.process_time() - start))
    print(f"tokenizers: best of 3: {best:.1f} MB/s")
    print("tessera: " + subprocess.run([bench, folder, file, "3"], capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    main()
