#!/usr/bin/env python3
"""Renderings of small templates of our own by Jinja2 as transformers sets it up, with the ranges of their
{% generation %} blocks in bytes: golden_jinja.py > tests/golden/jinja.jsonl (transformers 5.24, jinja2 3.1.6).

A row is {"template", "text", "spans"?} or {"template", "error": the exception's name}; the first one is {"vars"},
what all of them are given. Templates stand in golden_jinja.txt, separated by lines of ====."""
import datetime
import json
import pathlib

import transformers.utils.chat_template_utils as chat

VARS = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi\n there "},
        {"role": "assistant", "content": "Ho é 漢 <b>", "tool_calls": [
            {"name": "f", "arguments": {"x": 1, "y": [1.5, None, True], "z": "it's \"q\""}}]},
        {"role": "user", "content": "Bye & \"so\" 'on'"},
        {"role": "assistant", "content": "Ciao 🙂"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"b": {"items": [1]}, "a": {}, "C": 2}}}],
    "none_value": None, "flag": True, "n": 7, "big": 1234567, "pi": 3.14159, "tiny": 1e-07, "huge": 1e22,
    "text": "The quick brown fox\njumps-over the (lazy) dog", "words": ["b", "A", "c", "a", "B"],
    "people": [{"name": "Bo", "age": 3, "sub": {"k": 2}}, {"name": "al", "age": 1, "sub": {"k": 1}},
               {"name": "Cy", "age": 3, "sub": {"k": 3}}],
    "nested": [[1, [2, [3]]], {"deep": {"er": [{"est": "x"}]}}], "empty": [], "unicode": "ÀÉß straße ŉ Ω",
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True,
}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 6, 3, 4, 5, 6)


def render(template):
    try:
        compiled = chat._cached_compile_jinja_template(template)
        blocks, indices = [], []
        with compiled.environment.activate_tracker(blocks, indices):
            for block in compiled.generate(**VARS):
                blocks.append(block)
    except Exception as error:
        return {"error": type(error).__name__}
    text = "".join(blocks)
    spans = [[len(text[:i].encode()) for i in pair] for pair in indices]
    return {"text": text, **({"spans": spans} if spans else {})}


def main():
    chat.datetime = Clock
    source = pathlib.Path(__file__).with_name("golden_jinja.txt").read_text()
    print(json.dumps({"vars": VARS}, ensure_ascii=False))
    for template in source.split("\n====\n"):
        print(json.dumps({"template": template, **render(template)}, ensure_ascii=False))


main()
