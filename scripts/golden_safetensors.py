#!/usr/bin/env python3
"""Makes tests/golden/io: files by the safetensors library and a sharded folder by huggingface_hub's cut.

Run from the project's root; needs numpy, torch, safetensors, huggingface_hub.
"""
import json
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file

out = Path("tests/golden/io")
out.mkdir(parents=True, exist_ok=True)


def ramp(n, dtype, *shape):
    return (torch.arange(n) % 97).to(dtype).reshape(shape)


mixed = {
    "b.weight": ramp(12, torch.float32, 3, 4),
    "a.weight": ramp(6, torch.bfloat16, 2, 3),
    "half": ramp(5, torch.float16, 5),
    "double": ramp(2, torch.float64, 2),
    "flag": torch.tensor([True, False, True]),
    "bytes": ramp(7, torch.uint8, 7),
    "ids": ramp(3, torch.int64, 3),
    "scalar": torch.tensor(42.0),
    "empty": torch.zeros(0, 4),
    "a \"quoted\" näme": ramp(2, torch.int32, 1, 2),
}
save_file(mixed, out / "mixed.safetensors", metadata={"format": "pt"})
save_file({}, out / "none.safetensors", metadata={"format": "pt"})

state = {f"t{i}": ramp(n, torch.float32, n) for i, n in enumerate([6, 6, 2, 6, 20, 2, 2, 3])}
split = split_torch_state_dict_into_shards(state, max_shard_size=4 * 9, filename_pattern="model{suffix}.safetensors")
folder = out / "sharded"
folder.mkdir(exist_ok=True)
for name, tensors in split.filename_to_tensors.items():
    save_file({t: state[t] for t in tensors}, folder / name, metadata={"format": "pt"})
index = {"metadata": {"total_parameters": sum(t.numel() for t in state.values()), **split.metadata},
         "weight_map": split.tensor_to_filename}
(folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
