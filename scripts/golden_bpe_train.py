#!/usr/bin/env python3
"""The vocabulary that Hugging Face's BpeTrainer makes of a small text of our own:
tests/golden/bpe_train/text.txt and runs.json (special tokens, vocabulary size, minimum
frequency, merges; whole: as one text and not line by line)."""
import json
import os
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "bpe_train")


def text():
    """Words of few letters: many equal counts, runs of one letter, blanks, other scripts, lines."""
    rng = random.Random(7)
    stems = ["".join(rng.choice("abcde") for _ in range(rng.randint(1, 7))) for _ in range(120)]
    extra = ["aaaa", "aaaaaaa", "----", "été", "naïve", "日本語", "日本", "12", "2026", "don't", "we'll", "👍👍", "    x", "\t\ty"]
    lines = []
    for i in range(400):
        words = [rng.choice(stems if rng.random() < 0.85 else extra) for _ in range(rng.randint(0, 12))]
        lines.append((" " * rng.choice([0, 0, 0, 2, 4])) + rng.choice([" ", " ", ", ", "  "]).join(words))
    return "\n".join(lines)


def main():
    path = os.path.join(HERE, "text.txt")
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text())
    runs = []
    for size, least, special, whole in ((500, 2, ["<|endoftext|>"], False), (900, 1, [], False), (4000, 5, ["<s>", "</s>"], False),
                                        (600, 2, [], True)):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=least, special_tokens=special,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        if whole:
            tokenizer.train_from_iterator([text()], trainer)
        else:
            tokenizer.train([path], trainer)
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        runs.append({"vocab_size": size, "min_frequency": least, "special": special, "whole": whole, "merges": merges})
    with open(os.path.join(HERE, "runs.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in runs) + "\n]\n")


if __name__ == "__main__":
    main()
