#!/usr/bin/env python3
"""Makes tests/golden/torch with torch.save.

tensors.pt: tensors of every type and layout that a state dict may have; tensors.safetensors: the same, contiguous, as the
library safetensors writes them (tensors.* of kinds that it does not know left out).
protocol4.pt: the same dict in pickle protocol 4.
unchecked.pt: a tensor without CRC-32 sums."""
import pathlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "torch"


def tensors():
    g = torch.Generator().manual_seed(7)
    a = torch.randn(6, 10, generator=g)
    t = OrderedDict()
    t["plain"] = a
    t["rows"] = a[2:5]
    t["columns"] = a[:, 3:8]
    t["every_third"] = a[:, ::3]
    t["turned"] = a.t()
    t["turned_half"] = a.half().t()
    t["turned_bf16"] = a.bfloat16().view(2, 3, 10).permute(2, 0, 1)
    t["turned_long"] = torch.arange(24).view(4, 6).t()
    t["turned_double"] = a.double().t() / 3
    t["repeated"] = torch.arange(4.0).expand(3, 4)
    t["scalar"] = torch.tensor(2.5)
    t["none"] = torch.zeros(3, 0, 2)
    t["parameter"] = torch.nn.Parameter(torch.randn(3, 3, generator=g))
    t["frozen"] = torch.nn.Parameter(torch.arange(3.0), requires_grad=False)
    for name in ("float64", "int64", "int32", "int16", "int8", "uint8", "bool", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
                 "uint16", "uint32", "uint64"):
        t["of." + name] = torch.arange(5).to(getattr(torch, name))
    return t


def main():
    OUT.mkdir(exist_ok=True)
    t = tensors()
    module = torch.nn.Linear(2, 2)
    module.load_state_dict({"weight": torch.eye(2), "bias": torch.ones(2)})
    t.update(OrderedDict(("inside." + k, v) for k, v in module.state_dict().items()))
    nested = OrderedDict((k, v) for k, v in t.items() if not k.startswith("inside."))
    nested["inside"] = module.state_dict()  # an OrderedDict with _metadata
    nested["note"] = ("no tensor", 1, 2.0, None, True, {1, 2}, b"bytes", 1 << 70, -(1 << 40))
    torch.save({"state_dict": nested, "epoch": 3}, OUT / "tensors.pt")
    torch.save({"model": nested}, OUT / "protocol4.pt", pickle_protocol=4)
    save_file({k: v.detach().clone().contiguous() for k, v in t.items()}, OUT / "tensors.safetensors")
    torch.serialization.set_crc32_options(False)
    torch.save({"a": torch.arange(4.0)}, OUT / "unchecked.pt")


main()
