#!/usr/bin/env python3
"""The peers of bench/tuning.py: LoRA on a Hugging Face folder, by TRL as it comes or in a loop of one's own; prints a JSON line.

usage: PYTHON bench/trl_peer.py FOLDER DATA.jsonl --stage sft|dpo --way trl|loop --seq N --batch N --steps N [...]

trl: SFTTrainer and DPOTrainer with peft's LoraConfig and their own defaults (gradient checkpointing, packing of whole
conversations), and nothing saved. loop: the same model with peft in a compiled loop, blocks of packed conversations of the
same length, with the recomputation that --recompute asks for; DPO's reference log-probabilities are computed ahead
(--precompute, on either way). Lines are {"messages"} or {"prompt", "chosen", "rejected"}. Trained are the assistant's
tokens; all that is told apart is by transformers' mask of the template's generation blocks.
"""
import argparse
import json
import resource
import sys
import time

sys.path.pop(0)  # transformers looks for a package "kernels", which bench/kernels.py is not
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402


class Clock(transformers.TrainerCallback):
    """Seconds of each step, and its losses."""

    def __init__(self):
        self.times, self.losses, self.began = [], [], 0.0

    def on_step_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.times.append(time.perf_counter() - self.began)

    def on_log(self, args, state, control, logs=None, **__):
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def adapters(a):
    return LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear", task_type="CAUSAL_LM")


def by_trl(a, rows):
    import datasets
    import trl
    common = dict(output_dir=a.scratch, max_steps=a.steps + a.warmup, per_device_train_batch_size=a.batch, max_length=a.seq, bf16=a.dtype == "bf16",
                  use_cpu=True, logging_steps=1, save_strategy="no", report_to=[], learning_rate=1e-4, lr_scheduler_type="constant", seed=5,
                  model_init_kwargs=dict(dtype=torch.bfloat16 if a.dtype == "bf16" else torch.float32), disable_tqdm=True)
    clock, counted = Clock(), []
    if a.stage == "sft":
        config, kind = trl.SFTConfig(packing=True, assistant_only_loss=True, **common), trl.SFTTrainer
    else:
        config, kind = trl.DPOConfig(precompute_ref_log_probs=a.precompute, **common), trl.DPOTrainer
    began = time.perf_counter()
    trainer = kind(model=a.folder, args=config, train_dataset=datasets.Dataset.from_list(rows), peft_config=adapters(a), callbacks=[clock])
    prepared = time.perf_counter() - began
    collate = trainer.data_collator

    def counting(features):
        batch = collate(features)
        counted.append(int((batch["labels"] != -100).sum()) if "labels" in batch else int(batch["completion_mask"].sum()))
        return batch
    trainer.data_collator = counting
    trainer.train()
    tokens = counted[:len(clock.times)]
    return clock.times, tokens, clock.losses, prepared


def encoded(tokenizer, messages):
    got = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids = got["input_ids"]
    return ids, [i if m else -100 for i, m in zip(ids, got["assistant_masks"])]


def packed(a, tokenizer, rows):
    """Blocks of seq tokens, of whole conversations one after another, and their positions."""
    blocks, ids, labels, places = [], [], [], []
    for row in rows:
        x, y = (v[:a.seq] for v in encoded(tokenizer, row["messages"]))
        if len(ids) + len(x) > a.seq:
            blocks.append((ids, labels, places))
            ids, labels, places = [], [], []
        ids, labels, places = ids + x, labels + [-100] + y[1:], places + list(range(len(x)))
    pad = lambda v, with_: v + [with_] * (a.seq - len(v))
    return [(pad(i, 0), pad(y, -100), pad(p, 0)) for i, y, p in blocks]


def document_mask(places):
    """A document sees itself: [batch, 1, seq, seq]."""
    of = (places == 0).cumsum(-1)
    same = of[:, :, None] == of[:, None, :]
    n = places.shape[1]
    return (same & torch.ones(n, n, dtype=torch.bool).tril())[:, None]


def sft_loss(model, batch):
    ids, labels, places = batch
    out = model(input_ids=ids, position_ids=places, attention_mask=document_mask(places), use_cache=False).logits
    return torch.nn.functional.cross_entropy(out[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def row_logps(model, ids, labels):
    out = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    told = labels[:, 1:]
    logp = torch.gather(out.log_softmax(-1), 2, told.clamp(min=0)[:, :, None])[:, :, 0]
    return (logp * (told != -100)).sum(-1)


def dpo_loss(model, batch):
    ids, labels, reference = batch
    logps = row_logps(model, ids, labels)
    half = len(ids) // 2
    z = (logps[:half] - reference[:half]) - (logps[half:] - reference[half:])
    return -torch.nn.functional.logsigmoid(0.1 * z).mean()


def pair_batches(a, tokenizer, rows):
    def one(row, key):
        x, y = (v[:a.seq] for v in encoded(tokenizer, row["prompt"] + row[key]))
        return x + [0] * (a.seq - len(x)), y + [-100] * (a.seq - len(y))
    every = [[one(r, "chosen") for r in rows[i:i + a.batch]] + [one(r, "rejected") for r in rows[i:i + a.batch]] for i in range(0, len(rows) - a.batch + 1, a.batch)]
    return [tuple(torch.tensor([r[k] for r in b]) for k in (0, 1)) for b in every]


def by_loop(a, rows):
    tokenizer = transformers.AutoTokenizer.from_pretrained(a.folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(a.folder, dtype=torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    began = time.perf_counter()
    if a.stage == "sft":
        blocks = packed(a, tokenizer, rows)
        batches = [tuple(torch.tensor([b[k] for b in blocks[i:i + a.batch]]) for k in range(3)) for i in range(0, len(blocks) - a.batch + 1, a.batch)]
    else:
        batches = pair_batches(a, tokenizer, rows)
    prepared = time.perf_counter() - began
    batches = [batches[i % len(batches)] for i in range(a.steps + a.warmup)]
    if a.stage == "dpo":
        with torch.no_grad():
            batches = [(*b, row_logps(model, *b)) for b in batches]
    model = get_peft_model(model, adapters(a))
    if a.recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
        model.enable_input_require_grads()
    model.train()
    run = torch.compile(model)
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    times, losses, tokens = [], [], []
    for batch in batches:
        t = time.perf_counter()
        opt.zero_grad()
        loss = (sft_loss if a.stage == "sft" else dpo_loss)(run, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        times.append(time.perf_counter() - t)
        losses.append(float(loss))
        tokens.append(int((batch[1][:, 1:] != -100).sum()))
    return times, tokens, losses, prepared


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("data")
    p.add_argument("--stage", choices=["sft", "dpo"], default="sft")
    p.add_argument("--way", choices=["trl", "loop"], default="trl")
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--recompute", action="store_true")
    p.add_argument("--precompute", action="store_true")
    p.add_argument("--scratch", default="/tmp/trl_peer")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    rows = [json.loads(line) for line in open(a.data)]
    times, tokens, losses, prepared = (by_trl if a.way == "trl" else by_loop)(a, rows)
    import peft
    import trl
    print(json.dumps(dict(times=times[a.warmup:], tokens=tokens[a.warmup:], losses=losses, prepared=prepared,
                          rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                          version=f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, trl {trl.__version__}")))


if __name__ == "__main__":
    main()
