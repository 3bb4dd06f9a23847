#!/usr/bin/env python3
"""Makes the seeds in tests/fuzz/corpus: from the golden files, made small, and by hand. Other files there are inputs that once
failed or that a long run found. Run from the project's root.
usage: scripts/fuzz_corpus.py [DATA OUT]     seeds from the real files below DATA instead, made small too, into OUT/<target>"""
import base64
import gzip
import json
import lzma
import struct
import sys
from pathlib import Path

golden, corpus = Path("tests/golden"), Path("tests/fuzz/corpus")


def put(target, name, data):
    (corpus / target).mkdir(parents=True, exist_ok=True)
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (corpus / target / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def gguf_text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def requests():
    ask = [{"role": "user", "content": "The fox?"}]
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}]
    put("serve", "chat", {"messages": ask, "max_tokens": 5, "seed": 1, "stream": True, "logprobs": True, "top_logprobs": 2})
    put("serve", "tools", {"messages": ask, "tools": tools, "tool_choice": "required",
                           "answer": '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'})
    put("serve", "completion", {"prompt": ["a", "b"], "echo": True, "n": 2, "stop": ["x"], "logit_bias": {"5": -1}, "answer": "abc"})
    put("serve", "response", {"input": "a", "instructions": "b", "stream": True, "answer": '{"a": 1}',
                              "text": {"format": {"type": "json_schema", "schema": {"type": "object"}}}})


def binary_files():
    for f in (golden / "io").glob("*.safetensors"):
        put("safetensors", f.stem, f.read_bytes())
    for f in (golden / "parquet").glob("*.parquet"):
        put("parquet", f.stem, f.read_bytes())
    for f in ("tokenizers/smollm", "tokenizers/pieces"):
        put("gguf", Path(f).name, (golden / f"gguf/{f}.gguf").read_bytes())
    put("gguf", "head", b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + gguf_text("general.alignment") + struct.pack("<II", 4, 32)
        + gguf_text("blk.0.attn_q.weight") + struct.pack("<IQQIQ", 2, 32, 1, 2, 0) + bytes(40))
    for code in range(1, 9):
        binary, index = ((golden / "data" / f"type{code}.{e}").read_bytes() for e in ("bin", "idx"))
        put("indexed", f"type{code}", bytes([len(binary)]) + binary + index)
    put("gpt_cache", "good", b"")
    put("gpt_cache", "cut", bytes([0, 0, 0, 0]) * 2 + bytes([0, 0, 0, 9]))
    put("gpt_cache", "sum", bytes([3, 4, 0, 0]) + b"0000")


def lines_of_text():
    put("input", "gzip", b"g\x06\0\0\0" + b"a text, a text, a text\n" * 9)
    put("input", "two-members", b"x" + 2 * gzip.compress(b"a text\n", mtime=0))
    put("input", "zstandard", b"x" + bytes.fromhex("28b52ffd2007390000") + b"a text\n")
    put("input", "mark", b"x\xef\xbb\xbfa text")
    put("json", "config", b'{"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-6,"tie_word_embeddings":false,"eos_token_id":[1,2],"rope_scaling":null}')
    put("json", "index", (golden / "io/sharded/model.safetensors.index.json").read_bytes())
    put("textfeed", "lines", b"\x001 2\n3\r\n\n4")
    put("textfeed", "jsonl", b'\x01{"text":"1 2"}\n{"text":"3","n":[1,{}]}\n')
    put("textfeed", "list", b'\x02 [{"text":"1 2"},\n{"text":"3]","n":[1,{"a":"\\""}]} , 3,null]\n')
    put("textfeed", "parted", b"\x031ab2\nab\n3")
    put("jsonl", "ids", '\x00{"ids": [1, 2, 99], "text": "a\\u00e9\\n", "b": "x"}\n\n{"ids":[]}\n')
    put("jsonl", "prompt", '\x01{"text":"日本 \\ud83d\\udc4d","b":"","n":[1.5,-2,true,null,{"c":"d"}]}\r\n{"prompt":"a","completion":"b"}')


def records():
    """A record of each kind, and names for fields."""
    turns = [{"from": "human", "value": "Q"}, {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
             {"from": "observation", "value": "1"}, {"from": "gpt", "value": "a"}]
    parts = [{"role": "user", "content": "Q"}, {"role": "assistant", "loss_weight": 1.0, "content": [
        {"type": "reasoning", "value": "r"}, {"type": "text", "value": "a"}, {"type": "tool_call", "value": '[{"name":"f","arguments":1}]'}]}]
    put("records", "alpaca", {"record": {"instruction": "Q", "input": "x", "output": ["a", "b"], "history": [["p", "q"]], "system": "s", "label": 1}})
    put("records", "sharegpt", {"record": {"conversations": turns, "tools": '[{"name": "f"}]', "kto_tag": True}})
    put("records", "messages", {"record": {"messages": parts, "chosen": parts[1], "rejected": parts[1:], "tools": [], "label": False}})
    put("records", "trl", {"record": {"prompt": "Q", "completion": "a", "chosen": "a", "rejected": "b"}})
    put("records", "whole", {"record": {"chosen_messages": parts, "rejected_messages": parts}})
    put("records", "named", {"record": {"talk": [{"who": "me", "says": "Q"}]}, "map_keys": {
        "messages": "talk", "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "me"}}})


def templates():
    rows = [json.loads(line) for line in (golden / "jinja.jsonl").read_text().split("\n") if line]
    for i, row in enumerate(rows[1:]):
        if "spans" in row or i % 4 == 0:
            put("jinja", f"golden-{i}", row["template"])
    put("jinja", "variables", b'{{ a | tojson(indent=1) }}{% for k, v in a | dictsort %}{{ k }}{% endfor %}\0{"a": {"b": [1, "x"], "C": {}}}')


# ---- tokenizers ----

def smaller(tok, keep=20):
    """The same tokenizer with few tokens, and a text to use it on."""
    model = tok["model"]
    vocab = model["vocab"]
    if isinstance(vocab, list):
        model["vocab"] = vocab[:keep]
    else:
        first = sorted(vocab, key=vocab.get)
        keys = first[:keep] + [k for k in first[keep:] if len(k) == 2][:4]
        model["vocab"] = {k: i for i, k in enumerate(keys)}
    pairs = [m.split(" ") if isinstance(m, str) else m for m in model.get("merges", [])]
    merges = [m for m, (a, b) in zip(model.get("merges", []), pairs)
              if a in model["vocab"] and b in model["vocab"] and a + b in model["vocab"]]
    if "merges" in model:
        model["merges"] = merges
    for t in tok.get("added_tokens", []):
        t["id"] = min(t["id"], len(model["vocab"]) + 4)
    tok["fuzz_text"] = "It's a b <s> 12 é日本"
    return tok


def tokenizers():
    for folder in sorted((golden / "text").iterdir()):
        if (folder / "tokenizer.json").exists():
            put("tokenizer_json", folder.name, smaller(json.loads((folder / "tokenizer.json").read_text())))
    put("tokenizer_json", "precompiled", {
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5], ["ab", -2]]},
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "CAAAAAAEAAABAAAAYQA="}})
    word = (golden / "text/sp_word/tokenizer.model").read_bytes()
    put("sentencepiece", "surface", word + b"\x12\x04\xe2\x02\x01\x80")
    ranks = "".join(f"{base64.b64encode(t).decode()} {i}\n"
                    for i, t in enumerate([bytes([b]) for b in b"abc \n'st"] + [b"ab", b"abc", b" a"]))
    put("ranks", "ranks", "t" + ranks)
    put("ranks", "pattern", "t\\p{L}+|\\s+|.\0" + ranks)
    put("ranks", "gpt2", "g" + '{"a":0,"b":1,"ab":2,"Ġ":3,"<|endoftext|>":4}' + "\0#version: 0.2\na b\n")
    put("ranks", "roles", "r" + '{"bos_token":"<s>","eos_token":{"content":"a"},"model_max_length":1000000000000000019884624838656}'
        + '\0{"pad_token":"b","unk_token":null}')
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    for i, p in enumerate([gpt2 + "|x", r"[\p{L}&&[^\p{Han}]]+(?i:'s|'t)?|\p{N}{1,3}+", r"\p{Han}+\u0041|\x{e9}|[[:punct:]a-c]{,2}",
                           r"(?<=\s)\w*?\b|(?m:^.$)|\h+", r"(?<a>a)\k<a>|(?>b++)|\K\R"]):
        put("regex", f"pattern{i}", bytes([i]) + p.encode() + "\0It's 12 é日本\na  bb".encode())
    for i in range(4):
        put("scan", f"text{i}", bytes([i]) + "It's  12345 ABCd éÉ日本\r\n\n x!!/ 'LL\u00a0\u2028 ſ\u0301 don't stop, said the quick brown fox "
            "and then it went on for a while in plain words\n".encode())


# ---- configurations ----

noise = {"id2label", "label2id", "transformers_version", "output_hidden_states", "output_attentions", "is_encoder_decoder", "use_cache",
         "pretraining_tp", "torch_dtype", "dtype", "attention_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "residual_dropout",
         "hidden_dropout", "embedding_dropout", "classifier_dropout"}


def plain(config):
    return {k: v for k, v in config.items() if k not in noise and not k.startswith("summary")}


def configs():
    rows = json.loads((golden / "model/configs.json").read_text())
    for row in rows:
        put("config", row["name"].replace(" ", "-"), plain(row["config"]))
    llama = dict(plain(rows[0]["config"]), vocab_size=4, hidden_size=2, intermediate_size=2, num_hidden_layers=1,
                 num_attention_heads=1, num_key_value_heads=1, tie_word_embeddings=True)
    llama.pop("head_dim", None)
    shapes = {"model.embed_tokens.weight": [4, 2], "model.norm.weight": [2]}
    layer = {"input_layernorm": [2], "post_attention_layernorm": [2], "mlp.gate_proj": [2, 2], "mlp.up_proj": [2, 2],
             "mlp.down_proj": [2, 2]} | {f"self_attn.{x}_proj": [2, 2] for x in "qkvo"}
    shapes |= {f"model.layers.0.{k}.weight": v for k, v in layer.items()}
    at, header = 0, {}
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    put("hf_folder", "single", {"config": llama, "file": header})
    put("hf_folder", "sharded", {"config": llama, "shard": header,
                                 "index": {"metadata": {"total_size": at}, "weight_map": {n: "s.safetensors" for n in header}}})
    scaler = {"dynamic": True, "scale": 65536.0, "growth_tracker": 3, "hysteresis_tracker": 2}
    put("state", "llama", {"iteration": 1, "consumed_train_samples": 8, "num_steps": 8, "optimizer_steps": 1, "grad_scaler": scaler,
                           "file_dtype": "BF16", "config": llama, "folder": None, "options": {"seed": 1, "lr": 0.001}})
    put("gen_config", "all", {"do_sample": True, "temperature": 0.6, "top_k": 3, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1,
                              "min_new_tokens": 2, "max_new_tokens": 20, "num_beams": 1, "eos_token_id": [2, 6], "typical_p": 1.0})
    put("gen_config", "beams", {"num_beams": 4, "length_penalty": 1.5, "early_stopping": "never", "max_length": 20, "eos_token_id": 2})
    put("hardware", "gpu", {"name": "mine", "kind": "gpu", "flops_f32": 1e13, "flops_16": 1e14, "bytes_per_second": 1e12})
    put("hardware", "cpu", {"kind": "cpu", "isa": "avx2 avx512", "threads": 8, "flops_f32": 1e12, "flops_16": 1e12, "flops_8": 2e12,
                            "attention_share": 0.5, "bytes_per_second": 1e11, "seconds_per_launch": 0, "network_latency": 1e-6,
                            "network_bytes_per_second": 1e9, "memory_bytes": 1e11})


# ---- options ----

def options():
    put("options", "words", "c--bf16\n--seq-length\n4096\n--lr=1e-4\n--data-path\n0.5\na\n0.5\nb\n--stop\nx\n--stop\ny\n--wandb-project\na\nb")
    put("options", "unknown", "c--num-layer\n4")
    put("options", "json", 'j{"seq_length": 64, "lr": 0.5, "bf16": true, "data-path": ["a", 1, 0.5], "section": {"load": "x"}, "stop": null}')
    put("options", "yaml", "yseq_length: 64\nlr: 1e-3\ndata-path: [a, 0.5, 'b']\nmodel:\n  num-layers: 3\nstop:\n  - |\n    x\nsave: ~\n")
    put("options", "environment", "eTESSERA_NUM_LAYERS=3\nTESSERA_BF16=true\nTESSERA_DATA_PATH=a\nPATH=/bin")
    put("words", "split", "s969,30,1")
    put("words", "blend", "b0.3 a 0.7 b")
    put("words", "freeze", "fembedding decoder.layers.{0-1}.mlp layers.{*}.self_attention.linear_qkv")
    put("words", "ramp", "r4 2 100 16 1")
    put("words", "launcher", "eOMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 PMI_RANK=0")
    put("words", "data", "d0.5 a\n0.5 b\n")
    base = ("--num-layers 2 --hidden-size 64 --num-attention-heads 4 --seq-length 32 --max-position-embeddings 64 --vocab-size 100 "
            "--micro-batch-size 1 --global-batch-size 8 --train-iters 10 --lr 1e-3")
    for name, more in {
            "gpt": "--lr-decay-style cosine --lr-warmup-iters 2 --min-lr 1e-5 --bf16",
            "llama": "--swiglu --disable-bias-linear --normalization RMSNorm --position-embedding-type rope --group-query-attention "
                     "--num-query-groups 2 --untie-embeddings-and-output-weights --recompute-granularity full --recompute-method uniform "
                     "--recompute-num-layers 1 --world-size 4",
            "ramp": "--rampup-batch-size 4 2 100 --freeze embedding --optimizer sgd --weight-decay 0.1",
            "fp16": "--fp16 --initial-loss-scale 65536 --clip-grad 1 --save-interval 5 --eval-iters 1 --eval-interval 5"}.items():
        put("job", name, f"{base} {more}".replace(" ", "\n"))


# ---- real files ----

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def smaller_sentencepiece(data, keep=120):
    """The message with its first pieces (field 1) and all its other small fields (all of them are of length and bytes)."""
    at, out, pieces = 0, b"", 0
    while at < len(data):
        begin = at
        tag, at = varint(data, at)
        size, at = varint(data, at)
        at += size
        pieces += tag >> 3 == 1
        if size < 20000 and (tag >> 3 != 1 or pieces <= keep):
            out += data[begin:at]
    return out


def real_tokenizer(path):
    raw = path.read_bytes()
    tok = json.loads(lzma.decompress(raw) if path.suffix == ".xz" else raw)
    tok["added_tokens"] = tok.get("added_tokens", [])[:6]
    for n in tok["normalizer"].get("normalizers", [tok["normalizer"]]) if tok.get("normalizer") else []:
        if n["type"] == "Precompiled":
            n["precompiled_charsmap"] = n["precompiled_charsmap"][:4096]
    put("tokenizer_json", path.parent.name, smaller(tok))


def real_files(data):
    for path in sorted(data.glob("tokenizers/*/tokenizer.json*")):
        real_tokenizer(path)
    for path in sorted(data.glob("tokenizers/*/*.model")):
        put("sentencepiece", path.stem, smaller_sentencepiece(path.read_bytes()))
    for path in sorted(data.glob("tokenizers/*/*.tiktoken")):
        put("ranks", path.stem, b"t" + b"".join(path.read_bytes().splitlines(True)[:300]))
    for path in sorted(data.glob("tokenizers/*/tokenizer_config.json")):
        put("ranks", path.parent.name, b"r" + path.read_bytes()[:4000])
    for path in sorted(data.glob("models/**/*.json")):
        target = {"config.json": "config", "generation_config.json": "gen_config"}.get(path.name, "json")
        if path.stat().st_size < 1 << 14:
            put(target, path.parent.name + "-" + path.stem, path.read_bytes())
    for path in sorted(data.glob("**/*.jsonl")):
        lines = path.read_bytes().splitlines(True)[:40]
        few = b"".join(x for x in lines if len(x) < 600)[:4000]
        put("jsonl", path.stem, b"\x00" + few)
        put("textfeed", path.stem, b"\x01" + few)
    for path in sorted(data.glob("text/*/*.txt")):
        few = path.read_bytes()[5000:7000]
        put("textfeed", path.stem, b"\x00" + few)
        for kind in range(4):
            put("scan", f"{path.stem}{kind}", bytes([kind]) + few.decode(errors="ignore").encode())


if len(sys.argv) == 3:
    corpus = Path(sys.argv[2])
    real_files(Path(sys.argv[1]))
else:
    binary_files()
    requests()
    lines_of_text()
    records()
    templates()
    tokenizers()
    configs()
    options()
