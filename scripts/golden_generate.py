"""Goldens of generation, made with torch and transformers from the tiny models of golden_families.py.

    python scripts/golden_generate.py [tests/golden]

infer/generate.json  a line a case: greedy, with penalties, by beams, across lengths where angles change
infer/sampling.json  what transformers' processors leave of logits
"""
import copy
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM
from transformers.generation import logits_process as lp

NEW = 24
SETTINGS = [dict(), dict(repetition_penalty=1.3), dict(num_beams=3), dict(num_beams=2, length_penalty=2.0, early_stopping=True),
            dict(num_beams=3, length_penalty=0.5, early_stopping="never"), dict(min_new_tokens=9)]


def generations(folder, g):
    out = []
    for i, settings in enumerate(SETTINGS):
        try:  # anew each time: dynamic angles remember the longest text that a model has seen
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        except ValueError:  # a model_type that transformers does not know
            return []
        vocab = model.config.get_text_config().vocab_size
        prompt = torch.randint(3, vocab, (1, 5 if i % 2 else 14), generator=g)
        eos = sorted({int(t) for t in torch.randint(3, vocab, (6,), generator=g)}) if i else []
        model.generation_config = copy.deepcopy(model.generation_config)
        model.generation_config.eos_token_id = eos or None
        ids = model.generate(prompt, max_new_tokens=NEW, do_sample=False, pad_token_id=0, **settings)
        out.append(dict(case=folder.name, prompt=prompt[0].tolist(), eos=eos, settings=settings, new=NEW,
                        ids=ids[0, prompt.shape[1]:].tolist()))
    return out


def sampling(g):
    out = []
    for i in range(60):
        vocab = [7, 50, 200][i % 3]
        logits = torch.randn(1, vocab, generator=g) * [1, 4, 12][i // 3 % 3]
        if i % 4 == 0:
            logits = (logits * 2).round() / 2  # equals
        pick = lambda *v: v[int(torch.randint(len(v), (1,), generator=g))]
        o = dict(temperature=pick(1.0, 0.7, 1.6), top_k=pick(0, 1, 3, 40), top_p=pick(1.0, 0.95, 0.5, 0.1),
                 min_p=pick(0.0, 0.0, 0.05, 0.4), repetition_penalty=pick(1.0, 1.2, 0.8))
        if i % 4 == 0:
            o["top_p"] = 1.0  # which of equals goes is nobody's promise
        seen = torch.randint(vocab, (1, 9), generator=g)
        chain = [lp.RepetitionPenaltyLogitsProcessor(o["repetition_penalty"]), lp.TemperatureLogitsWarper(o["temperature"])]
        chain += [lp.TopKLogitsWarper(o["top_k"])] if o["top_k"] else []
        chain += [lp.TopPLogitsWarper(o["top_p"])] if o["top_p"] < 1 else []
        chain += [lp.MinPLogitsWarper(o["min_p"])] if o["min_p"] else []
        z = logits
        for step in chain:
            z = step(seen, z)
        p = torch.softmax(z.double(), -1)[0].tolist()
        out.append(dict(o, logits=[round(float(v), 6) for v in logits[0]], seen=seen[0].tolist(),
                        kept={str(k): round(v, 8) for k, v in enumerate(p) if z[0, k] > -float("inf")}))
    return out


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden")
    g = torch.Generator().manual_seed(7)
    torch.set_num_threads(1)
    (out / "infer").mkdir(exist_ok=True)
    rows = [r for f in sorted((out / "families").iterdir()) for r in generations(f, g)]
    for name, rows in (("generate", rows), ("sampling", sampling(g))):
        (out / "infer" / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
        print(name, len(rows))


if __name__ == "__main__":
    main()
