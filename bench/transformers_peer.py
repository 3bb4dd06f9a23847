#!/usr/bin/env python3
"""transformers' side of bench/train.py: training steps of one model by its own code; prints a JSON line.

usage: PYTHON bench/transformers_peer.py CONFIG.json --make FOLDER           a folder with random weights, for both sides
       PYTHON bench/transformers_peer.py FOLDER --seq N --batch N [...]

What a user would write: AutoModelForCausalLM over fp32 weights under bf16 autocast (--held: weights, gradients and moments in
bf16), torch.compile unless --eager, fused AdamW, gradient norm clipped. --experts is transformers' experts_implementation.
"""
import argparse
import json
import resource
import sys
import time

sys.path.pop(0)  # transformers looks for a package "kernels", which bench/kernels.py is not
import torch  # noqa: E402
import transformers  # noqa: E402


def make(a):
    config = json.load(open(a.model))
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config), dtype=torch.float32)
    model.save_pretrained(a.make)


def loaded(a):
    ways = dict(experts_implementation=a.experts) if a.experts else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16 if a.held else torch.float32, **ways)
    model.config.use_cache = False
    return model.train()


def steps(a, model):
    run = model if a.eager else torch.compile(model)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    data = torch.randint(0, model.config.vocab_size, (a.steps + a.warmup, a.batch, a.seq), generator=torch.Generator().manual_seed(5))
    times, losses = [], []
    for batch in data:
        t = time.perf_counter()
        opt.zero_grad(set_to_none=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.dtype == "bf16" and not a.held):
            loss = run(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(float(loss))
        times.append(time.perf_counter() - t)
    return times, losses


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--make", help="only write a folder")
    p.add_argument("--seq", type=int, default=512)
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--experts", default="")
    p.add_argument("--held", action="store_true")
    p.add_argument("--eager", action="store_true")
    a = p.parse_args()
    if a.make:
        return make(a)
    torch.set_num_threads(a.threads)
    times, losses = steps(a, loaded(a))
    print(json.dumps(dict(times=times[a.warmup:], rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, losses=losses,
                          version=f"{torch.__version__}, transformers {transformers.__version__}")))


if __name__ == "__main__":
    main()
