#!/usr/bin/env python3
"""What transformers makes of texts once a tokenizer has got new tokens: tests/golden/tokens.

    scripts/golden_tokens.py     (transformers)

The tokenizer is tests/golden/text/byte_level's with the names of tests/golden/chat; TOKENS are what
tests/cli/tokens.sh gives it. texts.jsonl has the texts, ids a line of numbers for each."""
import json
import pathlib
import shutil
import tempfile

from transformers import AutoTokenizer

PLAIN, SPECIAL = ["<a&b>", "foo"], ["<|call|>", "<|end|>"]
TEXTS = ["say foo then <|call|>x<a&b> y<|end|> FOO foofoo", "foo", "<|call|> a", "x  foo\ny<a&b", "f oo<|end|>"]


def main():
    golden = pathlib.Path(__file__).parent.parent / "tests/golden"
    out = golden / "tokens"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(golden / "text/byte_level/tokenizer.json", folder)
        shutil.copy(golden / "chat/tokenizer_config.json", folder)
        tok = AutoTokenizer.from_pretrained(folder)
    tok.add_tokens(PLAIN)
    tok.add_tokens(SPECIAL, special_tokens=True)
    with open(out / "texts.jsonl", "w") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in TEXTS)
    with open(out / "ids", "w") as f:
        f.writelines(",".join(map(str, tok.encode(t, add_special_tokens=False))) + "\n" for t in TEXTS)


if __name__ == "__main__":
    main()
