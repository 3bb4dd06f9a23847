#!/usr/bin/env python3
"""Conversations to packed samples beside TRL, in turns.

    bench/prompts.py --build BUILD --data ../shared/data/instruct --tokenizer FOLDER [--copies 6] [--threads 2] [--repeats 3]

Both write the same conversations (the Alpaca and Glaive demonstrations of --data, each --copies times, in another order
each time) by a template of Qwen3's kind, mark what is trained and pack to 2048 tokens. TRL's side is SFTTrainer's own
preparation (chat template, tokens, masks of answers, best-fit packing) in --threads processes, without imports and the
tokenizer's opening; Tessera's is `preprocess --workers`, as its log has it. Needs trl with torch in this Python."""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}"
            "{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}")
SPEAKER = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "user"}


def conversations(data, copies):
    rows = []
    for name in ("alpaca_en_demo.json", "alpaca_zh_demo.json"):
        for r in json.loads((data / name).read_text()):
            rows.append([{"role": "user", "content": (r["instruction"] + "\n" + r.get("input", "")).strip()},
                         {"role": "assistant", "content": r["output"]}])
    for name in ("glaive_toolcall_en_demo.json", "glaive_toolcall_zh_demo.json"):
        for r in json.loads((data / name).read_text()):
            rows.append([{"role": SPEAKER[m["from"]], "content": m["value"]} for m in r["conversations"]])
    rows = [r for r in rows if len(r) % 2 == 0]
    out = []
    for k in range(copies):
        random.Random(k).shuffle(rows)
        out += [{"messages": r} for r in rows]
    return out


def tessera(build, folder, path, tmp, threads):
    command = [f"{build}/tessera", "preprocess", "--input", path, "--output-prefix", f"{tmp}/out", "--handler-name",
               "OpenAIInstructionHandler", "--prompt-type", "chatml", "--tokenizer-type", "PretrainedFromHF",
               "--tokenizer-name-or-path", folder, "--pack", "--neat-pack", "--seq-length", "2048", "--workers", str(threads)]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.findall(r"(\d+) documents/s", log)[-1])


def trl_side(folder, rows, tmp, threads):
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer
    disable_progress_bars()
    tok = AutoTokenizer.from_pretrained(folder)
    tok.chat_template = TEMPLATE
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tok), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                                         num_attention_heads=1))
    args = SFTConfig(output_dir=tmp, max_length=2048, packing=True, assistant_only_loss=True, dataset_num_proc=threads,
                     report_to=[], use_cpu=True, bf16=False)
    trainer = SFTTrainer(model=model, args=args, processing_class=tok, train_dataset=Dataset.from_list(rows[:64]))

    def run():
        data = Dataset.from_list(rows)
        start = time.perf_counter()
        trainer._prepare_dataset(data, tok, args, True, None, "train")
        return len(rows) / (time.perf_counter() - start)
    return run


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--data", type=pathlib.Path, required=True)
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--copies", type=int, default=6)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeats", type=int, default=3)
    a = p.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.pop(0)  # this folder has a kernels.py of its own
    rows = conversations(a.data, a.copies)
    with tempfile.TemporaryDirectory() as tmp:
        path = tmp + "/talks.jsonl"
        pathlib.Path(path).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
        peer = trl_side(a.tokenizer, rows, tmp, a.threads)
        ours, theirs = [], []
        for _ in range(a.repeats):
            theirs.append(peer())
            ours.append(tessera(a.build, a.tokenizer, path, tmp, a.threads))
    o, t = statistics.median(ours), statistics.median(theirs)
    print(f"{len(rows)} conversations, {a.threads} threads: tessera {o:.0f}/s, trl {t:.0f}/s: {o / t:.1f} times "
          f"(runs: {', '.join(f'{x / y:.1f}' for x, y in zip(ours, theirs))})")


main()
