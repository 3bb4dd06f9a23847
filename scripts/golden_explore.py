"""Goldens of `infer --approach`, from torch, transformers and the papers' rules written down here once more.

    python scripts/golden_explore.py [tests/golden/explore]

reward/, labels/  tiny models with a head of one number, and of two labels (bad, good), for the model and tokenizer of
                  tests/golden/evaluate/model
golden.json       a case a line: options, prompt, all answers with their scores, and who is chosen
"""
import json
import math
import re
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, LlamaConfig, LlamaForSequenceClassification
from transformers import PreTrainedTokenizerFast

MODEL = Path("tests/golden/evaluate/model")
NUMBER = r"-?\$?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?"
M32 = 0xFFFFFFFF


# ---- draws: Philox4x32-10, its counter (position, stream), its key (seed, line) ----

def philox(key, counter):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & M32, (a >> 32) ^ c[3] ^ k[1], a & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


def uniform(seed, line, at):
    low, high = line & M32, line >> 32
    key = (seed & M32, (seed >> 32) ^ (low * 0x9E3779B9 & M32))
    u = philox(key, (at & M32, at >> 32, 4, low ^ (high * 0x85EBCA6B & M32)))
    return ((u[0] << 21) | (u[1] >> 11)) * 2.0 ** -53


class Case:
    def __init__(self, o, prompt):
        self.o, self.prompt, self.next, self.used = o, prompt, 0, 0
        self.max_new = o["max-new-tokens"]

    def get(self, name, default):
        return self.o.get(name, default)

    # ---- the models ----

    def logits(self, ids):
        with torch.no_grad():
            return model(torch.tensor([self.prompt + ids])).logits[0, -1]

    def text(self, ids):
        return tok.decode(ids, skip_special_tokens=True)

    def reward(self, ids):
        name = self.get("reward-model", "")
        whole = self.prompt + ids + tok.encode(self.get("reward-suffix", ""), add_special_tokens=False)
        with torch.no_grad():
            if self.get("reward-tokens", None):
                words = [tok.encode(w, add_special_tokens=False)[0] for w in self.o["reward-tokens"]]
                z = model(torch.tensor([whole])).logits[0, -1].double()
                z = z[words] if len(words) > 1 else torch.cat([z[words], z[torch.arange(len(z)) != words[0]]])
                return float(torch.softmax(z, -1)[0])
            z = heads[name](torch.tensor([whole])).logits[0].double()
        return float(torch.softmax(z, -1)[1]) if len(z) == 2 else float(z[0])

    # ---- continuations ----

    def begin(self, of=None, tree=None):
        p = dict(candidate=self.next, ids=list(of["ids"]) if of else [], rewards=list(of["rewards"]) if of else [],
                 tree=of["tree"] if of else tree, end=None, gaps=[])
        self.next += 1
        return p

    def choose(self, p):
        z = self.logits(p["ids"])
        if self.o["approach"] == "cot_decoding":
            two = torch.softmax(z.double(), -1).topk(2).values
            p["gaps"].append(float(two[0] - two[1]))
            return int(z.argmax())
        z = z / self.get("temperature", 1.0)
        k = self.get("top-k", 50)
        order = sorted(range(len(z)), key=lambda i: (-float(z[i]), i))[:k] if k else range(len(z))
        left = uniform(self.get("seed", 0), self.get("line", 0) + (p["candidate"] << 32), len(p["ids"]))
        w = [math.exp(float(z[i] - z.max())) for i in order]
        left *= sum(w)
        for i, x in zip(order, w):
            if left < x:
                return i
            left -= x
        return order[-1]

    def extend(self, p, most, whole):
        """Up to `most` tokens, to the end of a step or of the answer; whether its step is complete."""
        n = 0
        while n < most and p["end"] is None:
            p["ids"].append(self.choose(p))
            self.used += 1
            n += 1
            p["step"] += 1
            if p["ids"][-1] == EOS:
                p["end"] = "stop"
            elif len(p["ids"]) == self.max_new:
                p["end"] = "length"
            elif not whole and (self.get("step-delimiter", "\n\n") in self.text(p["ids"][-p["step"]:])
                                or p["step"] == self.get("step-tokens", 2048)):
                return True
        return p["end"] is not None

    def round(self, paths, whole):
        """Budget is shared out evenly; what is over goes round again."""
        work = list(paths)
        for p in work:
            p["step"] = 0
        while work:
            each = (self.o["max-total-tokens"] - self.used) // len(work) if "max-total-tokens" in self.o else 10 ** 9
            if each < 1:
                break
            work = [p for p in work if not self.extend(p, each, whole)]
        for p in work:
            p["end"] = "length"

    # ---- approaches ----

    def score(self, p):
        p["rewards"].append(self.reward(p["ids"]))
        r = p["rewards"]
        p["score"] = dict(last=r[-1], min=min(r), prod=math.prod(r), mean=sum(r) / len(r))[self.get("agg-strategy", "last")]

    def branches(self):
        z = self.logits([])
        probs = torch.softmax(z.double(), -1)
        two = probs.topk(2).values
        for id in sorted(range(len(z)), key=lambda i: (-float(z[i]), i))[:self.o["n"]]:
            p = self.begin()
            p["ids"], p["gaps"] = [id], [float(two[0] - two[1])]
            p["end"] = "stop" if id == EOS else None
            self.used += 1
            yield p

    def tree(self):
        n, m = self.o["n"], self.get("beam-width", 4)
        live, out, places = [self.begin(tree=i // m) for i in range(n)], [], n
        for step in range(1, self.get("num-iterations", 40) + 1):
            last = step == self.get("num-iterations", 40)
            self.round(live, last)
            for p in live:
                self.score(p)
            places -= sum(p["end"] is not None for p in live)
            out += [p for p in live if p["end"]]
            live = sorted((p for p in live if not p["end"]), key=lambda p: -p["score"])
            if not live:
                break
            if places <= 0:
                children = [0] * len(live)
            elif self.o["approach"] == "rebase":
                t = self.get("rebase-temperature", 0.1)
                w = [math.exp((p["score"] - live[0]["score"]) / t) for p in live]
                children = [math.floor(places * x / sum(w) + 0.5) for x in w]
                if not any(children):
                    children[0] = places
            elif self.o["approach"] == "dvts":
                trees = [p["tree"] for p in live]
                children = [m if t not in trees[:i] else 0 for i, t in enumerate(trees)]
            else:
                children = [m if i < n // m else 0 for i in range(len(live))]
            if places > 0 and "max-total-tokens" in self.o and self.o["max-total-tokens"] - self.used < sum(children):
                out += [dict(p, end="length") for p in live]
                break
            out += [dict(p, end="left") for p, k in zip(live, children) if not k]
            live = [self.begin(p) for p, k in zip(live, children) for _ in range(k)]
        return out

    def run(self):
        a = self.o["approach"]
        if a in ("beam_search", "dvts", "rebase"):
            paths = self.tree()
        else:
            paths = list(self.branches()) if a == "cot_decoding" else [self.begin() for _ in range(self.o["n"])]
            self.round([p for p in paths if p["end"] is None], True)
        paths.sort(key=lambda p: p["candidate"])
        for p in paths:
            self.tell(p)
            if a == "best_of_n":
                self.score(p)
        return paths, self.chosen(paths)

    # ---- answers ----

    def tell(self, p):
        p["text"] = text = self.text(p["ids"])
        numbers = self.o["approach"] in ("cot_decoding", "self_consistency")
        regex = self.get("answer-regex", NUMBER if numbers else None)
        found = list(re.finditer(regex, text)) if regex else []
        if regex and found:
            first = 1 if found[-1].re.groups else 0
            span = found[-1].span(first)
            p["answer"] = text[span[0]:span[1]]
            if self.o["approach"] == "cot_decoding":
                ends = [len(self.text(p["ids"][:i + 1])) for i in range(len(p["ids"]))]
                gaps = [g for g, b, e in zip(p["gaps"], [0] + ends, ends) if b < span[1] and e > span[0]]
                p["score"] = sum(gaps) / len(gaps)

    def chosen(self, paths):
        may = [p for p in paths if p["end"] != "left"]
        vote = self.get("vote", dict(cot_decoding="weighted", self_consistency="majority").get(self.o["approach"], "best"))
        score = lambda p: p.get("score", -math.inf)
        if vote != "best" and any("answer" in p for p in may):
            totals = {}
            for p in may:
                if "answer" in p:
                    totals[p["answer"]] = totals.get(p["answer"], 0) + (1 if vote == "majority" else p["score"])
            best = max(totals, key=totals.get)  # of equals the first
            may = [p for p in may if p.get("answer") == best]
        return max(may, key=score)["candidate"]


def make_head(folder, labels, seed):
    torch.manual_seed(seed)
    c = LlamaConfig(vocab_size=model.config.vocab_size, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                    num_key_value_heads=1, max_position_embeddings=512, num_labels=labels, initializer_range=0.7)
    head = LlamaForSequenceClassification(c).to(torch.bfloat16)
    head.save_pretrained(folder)
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()


PROMPTS = ["Question: He has 12 candles and", "Which word begins with h?\nA. harbour\nB. lantern\nAnswer:", "harbour 7"]
CASES = [
    dict(approach="cot_decoding", n=6),
    dict(approach="cot_decoding", n=5, vote="best"),
    {"approach": "cot_decoding", "n": 4, "answer-regex": "[A-D]\\. ([a-z]+)", "max-total-tokens": 50},
    dict(approach="self_consistency", n=8, seed=5),
    {"approach": "self_consistency", "n": 6, "seed": 6, "answer-regex": "([A-D])\\.", "top-k": 0, "temperature": 0.8},
    {"approach": "best_of_n", "n": 5, "reward-model": "reward", "seed": 9},
    {"approach": "best_of_n", "n": 5, "reward-model": "labels", "seed": 3, "vote": "weighted", "answer-regex": "[a-z]+"},
    {"approach": "best_of_n", "n": 4, "reward-model": "judge", "reward-tokens": [" is", "A"], "reward-suffix": "\nAnswer:",
     "max-total-tokens": 60},
    {"approach": "best_of_n", "n": 3, "reward-model": "judge", "reward-tokens": [" is"], "seed": 2},
    {"approach": "beam_search", "n": 4, "beam-width": 2, "reward-model": "reward", "step-delimiter": "\n", "step-tokens": 6},
    {"approach": "beam_search", "n": 6, "beam-width": 3, "reward-model": "labels", "step-tokens": 5, "agg-strategy": "prod", "seed": 4,
     "num-iterations": 3},
    {"approach": "beam_search", "n": 4, "beam-width": 4, "reward-model": "labels", "step-delimiter": "\n", "agg-strategy": "mean",
     "max-total-tokens": 70},
    {"approach": "dvts", "n": 6, "beam-width": 2, "reward-model": "labels", "step-tokens": 6, "agg-strategy": "min", "seed": 8},
    {"approach": "rebase", "n": 6, "reward-model": "labels", "step-tokens": 6, "seed": 1, "rebase-temperature": 0.3},
    {"approach": "rebase", "n": 8, "reward-model": "reward", "step-delimiter": "\n", "rebase-temperature": 2.0, "temperature": 1.5,
     "top-k": 0, "vote": "weighted", "answer-regex": "[a-z]+"},
]


def main():
    global model, tok, heads, EOS
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/explore")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    tok = PreTrainedTokenizerFast.from_pretrained(MODEL)
    EOS = model.config.eos_token_id
    heads = dict(reward=make_head(out / "reward", 1, 11), labels=make_head(out / "labels", 2, 13))
    rows = []
    for i, o in enumerate(CASES):
        for k in range(2):
            prompt = PROMPTS[(i + k) % len(PROMPTS)]
            o = {"max-new-tokens": 24, **o}
            case = Case(o, tok.encode(prompt))
            paths, chosen = case.run()
            keep = ("candidate", "ids", "text", "end", "score", "answer") + (() if o["approach"] == "cot_decoding" else ("rewards",))
            rows.append(dict(options=o, prompt=prompt, used=case.used, chosen=chosen,
                             candidates=[{k: p[k] for k in keep if p.get(k) not in (None, [])} for p in paths]))
    (out / "golden.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "cases")


if __name__ == "__main__":
    main()
