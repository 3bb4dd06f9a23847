#!/usr/bin/env python3
"""Makes tests/golden/chat: where tokens stand in texts, and conversations written by chat templates.

offsets.jsonl: a line a text, {tokenizer, text, offsets}: the fast tokenizers' offsets, in characters.
cases.jsonl: a line a conversation, {tokenizer, template, train, conversation, ids, labels} or, where the template
cannot say what is trained, {..., error}. The rule is the one of docs/data.md: transformers' return_assistant_tokens_mask
where the template has generation blocks, else growing renderings. Needs transformers 5.
"""
import json
import pathlib
import random
import re

from transformers import PreTrainedTokenizerFast

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "text"
HERE = OUT.parent / "chat"
BLANKS = re.compile(r"\s{2}")  # what these two write as one blank
NAMES = ["added_prepend", "byte_level", "fallback", "kimi", "meta_always", "meta_first", "unigram_bytes"]

MORE = ["한국어 \u1112\u1161\u11ab x", "cafe\u0301 a\u0301\u0323b", "x lead trail ", "a <mask> b"]

TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<s>' + m['role'] + '\\n' + m['content'] + '</s>\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<s>assistant\\n' }}{% endif %}",
    # what begins an answer ends within a word or a blank
    "plain": "{% for m in messages %}{% if m.role == 'assistant' %}{{ ' Answer: ' + m.content + '</s>' }}{% else %}"
             "{{ m.role ~ ': ' ~ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' Answer:' }}{% endif %}",
    "blocks": "{% for m in messages %}{{ m.role ~ '|' }}{% if m.role == 'assistant' %}{% generation %}"
              "{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}",
    # blocks that begin and end within words
    "tight": "{% for m in messages %}{% if m.role == 'assistant' %}is{% generation %}{{ m.content }}{% endgeneration %}er"
             "{% else %}{{ m.content }}{% endif %}{% endfor %}",
    # an answer of two blocks
    "parts": "{% for m in messages %}{% if m.role == 'assistant' %}<s>{% generation %}{{ m.thinking or 'none' }}{% endgeneration %}"
             "{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    # what went before is written otherwise once more follows
    "forgets": "{% for m in messages %}{{ m.role ~ ':' }}{% if loop.last %}{{ m.reasoning_content or '' }}{% endif %}"
               "{{ m.content ~ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}",
    "tools": "{{ bos_token }}{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}{% for m in messages %}{{ m.role ~ '>' }}"
             "{{ m.content if 'content' in m else '-' }}{% for c in m.tool_calls or [] %}{{ c.function.name ~ '(' ~ (c.function.arguments | tojson) ~ ')' }}"
             "{% endfor %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant>' }}{% endif %}",
}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = [
    {"messages": [say("user", "The quick  brown fox?"), say("assistant", "jumps over the lazy dog."), say("user", " é 漢 🎈 "),
                  say("assistant", "🎈 caf\u0301e 漢")]},
    {"messages": [say("system", "Be brief."), say("user", "It's"), say("assistant", " leading and trailing  "), say("user", "more"), say("assistant", ""),
                  say("user", "x"), say("assistant", "In 1995")]},
    {"messages": [say("user", "naïve <mask> tok?"), say("assistant", "<tok>ing Zwölf", reasoning="why not"), say("user", "open end")]},
    {"messages": [say("user", "find"), say("assistant", None, tool_calls=[{"function": {"name": "look", "arguments": {"é": [1, "x"]}}}]),
                  say("tool", "42"), say("assistant", "forty-two")], "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]},
]


def opened(name):
    return PreTrainedTokenizerFast(tokenizer_file=str(OUT / name / "tokenizer.json"), bos_token="<s>", eos_token="</s>")


def last_run(mask):
    end = len(mask)
    while end and not mask[end - 1]:
        end -= 1
    start = end
    while start and mask[start - 1]:
        start -= 1
    return [int(start <= i < end) for i in range(len(mask))]


def encode(tk, conversation, last_only):
    """(ids, labels), or None where what is trained cannot be told."""
    messages, more = conversation["messages"], {"tools": conversation.get("tools")}
    text = tk.apply_chat_template(messages, tokenize=False, **more)
    enc = tk(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = enc["input_ids"], enc["offset_mapping"]
    if "generation %}" in tk.chat_template:
        out = tk.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True, **more)
        assert out["input_ids"] == ids
        mask = last_run(out["assistant_masks"]) if last_only else out["assistant_masks"]
    else:
        mask, turns = [0] * len(ids), [k for k, m in enumerate(messages) if m["role"] == "assistant"]
        for k in turns[-1:] if last_only else turns:
            a = tk.apply_chat_template(messages[:k], tokenize=False, add_generation_prompt=True, **more)
            b = tk.apply_chat_template(messages[:k + 1], tokenize=False, **more)
            if not b.startswith(a) or not text.startswith(b):
                return None
            mask = [int(m or len(a) <= s < len(b)) for m, (s, _) in zip(mask, offsets)]
    return ids, [i if m else -100 for i, m in zip(ids, mask)]


def main():
    HERE.mkdir(exist_ok=True)
    for name, text in TEMPLATES.items():
        (HERE / f"{name}.jinja").write_text(text)
    rng = random.Random(5)
    with open(HERE / "offsets.jsonl", "w") as f:
        for name in NAMES:
            tk = opened(name)
            texts = [json.loads(line)["text"] for line in open(OUT / name / "cases.jsonl")]
            for text in MORE + rng.sample([t for t in texts if 0 < len(t) < 60 and not ("meta" in name and BLANKS.search(t))], 16):
                offsets = tk(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
                f.write(json.dumps({"tokenizer": name, "text": text, "offsets": offsets}, ensure_ascii=False) + "\n")
    with open(HERE / "cases.jsonl", "w") as f:
        for name in NAMES:
            tk = opened(name)
            for n, (template, text) in enumerate(TEMPLATES.items()):
                tk.chat_template = text
                for c in CONVERSATIONS[:3] if template != "tools" else CONVERSATIONS[3:]:
                    if "meta" in name and any(BLANKS.search(m["content"] or "") for m in c["messages"]):
                        continue
                    for last_only in (False, True):
                        got = encode(tk, c, last_only)
                        case = {"tokenizer": name, "template": template, "train": "last" if last_only else "all", "conversation": c}
                        case.update({"ids": got[0], "labels": got[1]} if got else {"error": True})
                        f.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
