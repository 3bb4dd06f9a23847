#!/usr/bin/env python3
"""Makes tests/golden/patterns: what the two libraries make of regular expressions.

tokenizers.jsonl: a line a pattern of tokenizer.json: pattern, behavior, invert and, for each of `texts` (first line), the ends of the
pieces in bytes (begins too where something is left out); `wrong` in place of them for a pattern that the library refuses.
tiktoken.jsonl: pattern, and for each of the texts the ids with ranks.tiktoken. Needs the packages tokenizers and tiktoken.
"""
import base64
import json
import pathlib
import random

import tiktoken
from tokenizers import Regex, pre_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "tests" / "golden" / "patterns"
TEXTS = ["aA bB1\n\r\t\u0085\u2028_-',.\u2461\u00bd\u2167\u0661\u00c9\u00df\u1e9e\u017f\u212aKk\u0130\u0131s\ufb01 fi\u200d\u200c\u0301\u65e5\u3042\u30fc\u3005\u3001\u300c\U0001f642\ud55c\u0e01\u0378\u0897\u1c89\ufeff",
         "Hello world, it's 12345 o'clock!\r\n\r\n  x y\n\n", "abcabc AABBcc ss SS st \ufb03 ffi aaab 1234567 123 \u01f0 a\u0301\u03a3\u03c3\u03c2"]
NAMES = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
CODE = {"Removed": "removed", "Isolated": "isolated", "MergedWithPrevious": "merged_with_previous", "MergedWithNext": "merged_with_next",
        "Contiguous": "contiguous"}


def lines(name):
    return [p for p in (HERE / name).read_text().split("\n") if p]


def pieces(pattern, behavior, invert):
    split = pre_tokenizers.Split(Regex(pattern), CODE[behavior], invert=invert)
    out = []
    for text in TEXTS:
        at = [0]
        for c in text:
            at.append(at[-1] + len(c.encode()))
        out.append([at[i] for _, ends in split.pre_tokenize_str(text) for i in ends])
    if behavior != "Removed":
        out = [o[1::2] for o in out]
    return out


def tokenizers_lines():
    yield dict(texts=TEXTS)
    jobs = [(p, "Isolated", False) for p in lines("golden_patterns.txt")]
    for p in [r"(?=\d)", r"\b", "x*", "(?<=a)", r"\d*", "^", "(?=a)|b", r"\s+"]:
        jobs += [(p, b, i) for b in NAMES for i in (False, True)]
    for pattern, behavior, invert in jobs:
        row = dict(pattern=pattern, behavior=behavior, invert=invert)
        try:
            row["ends"] = pieces(pattern, behavior, invert)
        except Exception as e:  # noqa: the library's own class
            row["wrong"] = str(e)
        yield row


def tiktoken_lines(ranks):
    yield dict(texts=TEXTS)
    for pattern in lines("golden_patterns_rust.txt"):
        named = {"v1": V1, "v2": V2}.get(pattern, pattern)
        try:
            encoding = tiktoken.Encoding("x", pat_str=named, mergeable_ranks=ranks, special_tokens={})
            yield dict(pattern=pattern, ids=[encoding.encode_ordinary(t) for t in TEXTS])
        except BaseException as e:  # noqa: Rust's panic is none of Exception
            yield dict(pattern=pattern, wrong=str(e)[:80])


# Megatron-LM's names of patterns (megatron/core/tokenizers/text/libraries/tiktoken_tokenizer.py)
V1 = r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
V2 = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
      r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
      r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    r = random.Random(4)
    pairs = sorted({bytes(p) for t in TEXTS for p in zip(t.encode(), t.encode()[1:])})
    r.shuffle(pairs)
    ranks = {bytes([b]): b for b in range(256)}
    ranks.update({p: 256 + i for i, p in enumerate(pairs)})
    (OUT / "ranks.tiktoken").write_text("".join("%s %d\n" % (base64.b64encode(k).decode(), v) for k, v in ranks.items()))
    for name, rows in (("tokenizers", tokenizers_lines()), ("tiktoken", tiktoken_lines(ranks))):
        (OUT / (name + ".jsonl")).write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


if __name__ == "__main__":
    main()
