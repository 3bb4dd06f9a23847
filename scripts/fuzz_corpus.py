#!/usr/bin/env python3
"""Makes the seeds in tests/fuzz/corpus for safetensors, indexed files, JSON and text files from the golden files. Run from the project's root."""
from pathlib import Path

golden, corpus = Path("tests/golden"), Path("tests/fuzz/corpus")


def put(target, name, data):
    (corpus / target).mkdir(parents=True, exist_ok=True)
    (corpus / target / name).write_bytes(data)


for f in (golden / "io").glob("*.safetensors"):
    put("safetensors", f.stem, f.read_bytes())
for code in range(1, 9):
    binary, index = ((golden / "data" / f"type{code}.{e}").read_bytes() for e in ("bin", "idx"))
    put("indexed", f"type{code}", bytes([len(binary)]) + binary + index)
put("json", "config", b'{"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-6,"tie_word_embeddings":false,"eos_token_id":[1,2],"rope_scaling":null}')
put("json", "index", (golden / "io/sharded/model.safetensors.index.json").read_bytes())
put("textfeed", "lines", b"\x001 2\n3\r\n\n4")
put("textfeed", "jsonl", b'\x01{"text":"1 2"}\n{"text":"3","n":[1,{}]}\n')
put("textfeed", "list", b'\x02 [{"text":"1 2"},\n{"text":"3]","n":[1,{"a":"\\""}]} , 3,null]\n')
put("textfeed", "parted", b"\x031ab2\nab\n3")
