#!/usr/bin/env python3
"""Makes tests/golden/gguf.

blocks.gguf: for each type of values in GGUF files a tensor of random blocks, named like the type, and beside it in F32
what the package gguf makes of it (NAME.values).
encoded.gguf: values, and for each type that is written what ggml makes of them: its quantize_row_*_ref, from a shared library
of ggml-quants.c that GGML_QUANTS names (cc -O2 -DNDEBUG -ffp-contract=off -shared -fPIC).
tokenizers/NAME.gguf: small tokenizers of our own (golden_tokenizers.py's texts) in keys as llama.cpp's converter writes
them, and NAME.jsonl: what the library that they came from (tokenizers, sentencepiece) does with texts.
models/ is llama.cpp's converter's own (convert_hf_to_gguf.py of llama-cpp-python 0.3.36, without vocabulary), of the
folders of the same names in tests/golden/families; models/NAME.json: their config.json, where it had to lose what such
files cannot say. Of GPT-2, GPT-NeoX, Cohere 2 and Falcon it asks for keys that their config.json has not (n_ctx, rotary_pct, one num_kv_heads);
they were given.

Arguments: what is made (blocks, encoded, tokenizers); all. Training breaks ties by chance, so tokenizers change."""
import ctypes
import io
import json
import os
import pathlib
import sys

import gguf
import numpy
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors

import golden_tokenizers as small

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "gguf"
BLOCKS = 3
# Where in a block numbers in half precision stand: they are to be finite.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ3_XXS": [0], "IQ1_S": [0], "IQ4_NL": [0],
          "IQ3_S": [0], "IQ2_S": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "Q1_0": [0], "IQ1_M": [], "MXFP4": [], "NVFP4": []}


def half(r):
    return numpy.float16(r.choice([1, -1]) * 2.0 ** r.uniform(-20, 4)).tobytes()


def signs(raw):
    """Q1_0, which the package knows the size of alone: 128 signs behind a scale."""
    rows = raw.reshape(-1, 18)
    bits = numpy.unpackbits(rows[:, 2:], axis=1, bitorder="little")
    scale = rows[:, :2].copy().view(numpy.float16).astype(numpy.float32)
    return numpy.where(bits == 1, scale, -scale).reshape(1, -1)


def blocks(r, kind):
    values, size = gguf.GGML_QUANT_SIZES[kind]
    raw = r.integers(0, 256, (BLOCKS, size), dtype=numpy.uint8)
    for row in raw:
        for at in HALVES[kind.name]:
            row[at:at + 2] = numpy.frombuffer(half(r), dtype=numpy.uint8)
    if kind.name == "IQ1_M":  # the scale's upper bits: not all ones
        raw[:, 55] &= 0xBF
    if kind.name == "MXFP4":  # the smallest scales are told otherwise than the others
        raw[:, 0] = [0, 1, 130]
    if kind.name == "NVFP4":
        raw[0, :4] = [0, 0x7F, 1, 0x7E]
    raw = raw.reshape(1, -1)
    return raw, signs(raw) if kind.name == "Q1_0" else gguf.quants.dequantize(raw, kind)


def make_blocks():
    r = numpy.random.default_rng(5)
    w = gguf.GGUFWriter(OUT / "blocks.gguf", "none")
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        raw, values = blocks(r, kind)
        w.add_tensor(name, raw, raw_dtype=kind)
        w.add_tensor(name + ".values", values.astype(numpy.float32))
    plain = (r.standard_normal(80) * 2.0 ** r.uniform(-9, 9, 80)).astype(numpy.float32)
    w.add_tensor("F32", plain)
    w.add_tensor("F32.values", plain)
    w.add_tensor("F16", plain.astype(numpy.float16))
    w.add_tensor("F16.values", plain.astype(numpy.float16).astype(numpy.float32))
    bf16 = gguf.quants.quantize(plain, gguf.GGMLQuantizationType.BF16)
    w.add_tensor("BF16", bf16, raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.add_tensor("BF16.values", gguf.quants.dequantize(bf16, gguf.GGMLQuantizationType.BF16))
    w.add_tensor("F64", plain.astype(numpy.float64) * 1.0000001)
    w.add_tensor("F64.values", (plain.astype(numpy.float64) * 1.0000001).astype(numpy.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# name in files, ggml's
ENCODED = {"Q4_0": "q4_0", "Q4_1": "q4_1", "Q5_0": "q5_0", "Q5_1": "q5_1", "Q8_0": "q8_0", "MXFP4": "mxfp4", "Q2_K": "q2_K",
           "Q3_K": "q3_K", "Q4_K": "q4_K", "Q5_K": "q5_K", "Q6_K": "q6_K"}


def make_encoded():
    """Of usual sizes, whole numbers, groups of very different sizes, one number alone, none, small ones beside large ones."""
    ref = ctypes.CDLL(os.environ["GGML_QUANTS"], mode=os.RTLD_LAZY)
    r = numpy.random.default_rng(9)
    x = r.standard_normal((7, 256))
    x[1] = r.integers(-4, 5, 256)
    x[2] *= numpy.repeat(2.0 ** r.uniform(-20, 10, 16), 16)
    x[3] = -1
    x[4] = 0
    x[4, 77] = 0.25
    x[5] = numpy.abs(x[5]) * 1e-6 + numpy.where(numpy.arange(256) % 32 == 5, 1000, 0)
    x[6] *= 1e-20
    x = numpy.ascontiguousarray(x, dtype=numpy.float32)
    w = gguf.GGUFWriter(OUT / "encoded.gguf", "none")
    w.add_tensor("values", x)
    for name, own in ENCODED.items():
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        raw = numpy.zeros((7, 256 // values * size), dtype=numpy.uint8)
        getattr(ref, f"quantize_row_{own}_ref")(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(raw.ctypes.data),
                                                ctypes.c_int64(x.size))
        w.add_tensor(name, raw, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN2 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}"
          r"\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
            " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
# llama.cpp's for files that name none
DEFAULT = [r"[\p{P}\$\+<=>\^~\|]+", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"\p{N}+",
           "[0-9][0-9][0-9]"]


def splits(*expressions):
    return [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions] + [pre_tokenizers.ByteLevel(False, use_regex=False)]


# name in files (None: there is no key), how words are cut, whether a beginning is added, whether tokens are not cut, NFC
BYTE_LEVEL = {"smollm": ("smollm", [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)], False, False, False),
              "llama-bpe": ("llama-bpe", splits(small.LLAMA3), True, True, False),
              "qwen2": ("qwen2", splits(QWEN2), False, False, True), "tekken": ("tekken", splits(TEKKEN), True, True, False),
              "deepseek-v3": ("deepseek-v3", splits(*DEEPSEEK), False, False, False),
              "default": (None, splits(*DEFAULT), False, False, False)}


def write_keys(name, keys):
    (OUT / "tokenizers").mkdir(exist_ok=True)
    w = gguf.GGUFWriter(OUT / "tokenizers" / f"{name}.gguf", "llama")
    for key, v in keys.items():
        key = "tokenizer." + key
        if isinstance(v, list):
            w.add_array(key, v)
        elif isinstance(v, bool):
            w.add_bool(key, v)
        elif isinstance(v, int):
            w.add_uint32(key, v)
        else:
            w.add_string(key, v)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_cases(name, cases):
    (OUT / "tokenizers" / f"{name}.jsonl").write_text("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cases))


def byte_level(name, pre, steps, bos, ignore_merges, nfc):
    t = json.loads(small.bpe(420, name, True).to_str())
    t["model"]["ignore_merges"] = ignore_merges
    t = Tokenizer.from_str(json.dumps(t))
    t.pre_tokenizer = pre_tokenizers.Sequence(steps)
    t.decoder = decoders.ByteLevel()
    if nfc:
        t.normalizer = normalizers.NFC()
    if bos:
        t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    t.add_tokens([AddedToken("<tok>", normalized=False)])
    j = json.loads(t.to_str())
    added = {a["id"]: a for a in j["added_tokens"]}
    vocab = {**j["model"]["vocab"], **{a["content"]: i for i, a in added.items()}}
    tokens = [k for k, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    merges = [m if isinstance(m, str) else " ".join(m) for m in j["model"]["merges"]]
    keys = {"ggml.model": "gpt2", "ggml.tokens": tokens, "ggml.merges": merges, "ggml.bos_token_id": 1, "ggml.eos_token_id": 2,
            "ggml.token_type": [1 if i not in added else 3 if added[i]["special"] else 4 for i in range(len(tokens))],
            "chat_template": "{{ bos_token }}{{ messages[0].content }}"}
    write_keys(name, keys if pre is None else {**keys, "ggml.pre": pre})
    write_cases(name, [dict(text=x, ids=t.encode(x, add_special_tokens=False).ids, special=t.encode(x).ids,
                            decoded=t.decode(t.encode(x).ids, skip_special_tokens=False), skipped=t.decode(t.encode(x).ids))
                       for x in small.TEXTS + small.random_texts(30, 7)])


def pieces(name, prefix):
    """Symbols that begin and end texts are none in SentencePiece's own texts, so texts with them are left out."""
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(small.CORPUS), model_writer=model, hard_vocab_limit=False,
                                             minloglevel=2, vocab_size=600, model_type="bpe", normalization_rule_name="identity",
                                             remove_extra_whitespaces=False, add_dummy_prefix=prefix, byte_fallback=True,
                                             character_coverage=0.98)
    s = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    n = s.get_piece_size()
    kind = lambda i: 2 if s.is_unknown(i) else 3 if s.is_control(i) else 6 if s.is_byte(i) else 1
    keys = {"ggml.model": "llama", "ggml.tokens": [s.id_to_piece(i) for i in range(n)], "ggml.scores": [s.get_score(i) for i in range(n)],
            "ggml.token_type": [kind(i) for i in range(n)], "ggml.bos_token_id": 1, "ggml.eos_token_id": 2, "ggml.add_eos_token": True}
    write_keys(name, keys if prefix else {**keys, "ggml.add_space_prefix": False})
    texts = [x for x in small.TEXTS + small.random_texts(30, 7) if not {"<s>", "</s>", "<unk>"} & {x[i:i + k] for i in range(len(x)) for k in (3, 4, 5)}]
    write_cases(name, [dict(text=x, ids=s.encode(x), special=[1] + s.encode(x) + [2]) for x in texts if "\x00" not in x])


def make_tokenizers():
    for name, how in BYTE_LEVEL.items():
        byte_level(name, *how)
    pieces("pieces", True)
    pieces("pieces-bare", False)


def main():
    OUT.mkdir(exist_ok=True)
    for what in sys.argv[1:] or ("blocks", "encoded", "tokenizers"):
        {"blocks": make_blocks, "encoded": make_encoded, "tokenizers": make_tokenizers}[what]()


if __name__ == "__main__":
    main()
