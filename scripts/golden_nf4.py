"""What bitsandbytes makes of matrices, on a CPU.

    python scripts/golden_nf4.py [tests/golden/nf4]

values.safetensors     matrices
quantised.safetensors  each in NF4 with double quantisation, parts as bitsandbytes names them; some in other forms too
"""
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import save_file

FORMS = dict(fp4=dict(quant_type="fp4"), plain=dict(quant_type="nf4"), wide=dict(quant_type="nf4", blocksize=128, compress_statistics=True))


def parts(name, codes, state):
    return {name: codes, **{f"{name}.{k}": x for k, x in state.as_dict(packed=True).items()}}


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/nf4")
    out.mkdir(parents=True, exist_ok=True)
    g = torch.Generator().manual_seed(20240611)
    levels = bnb.get_4bit_type("nf4", device="cpu")
    ties = torch.cat([torch.ones(1), (levels[:-1] + levels[1:]) / 2]).repeat(12)[:192].reshape(3, 64)  # between two levels
    values = {
        "rows.weight": 0.3 * torch.randn(24, 40, generator=g),
        "odd.weight": torch.randn(7, 5, generator=g),  # one block, shorter, of an odd number of values
        "tail.weight": torch.randn(9, 37, generator=g).half(),
        "nested.weight": (0.02 * torch.randn(70, 256, generator=g)).bfloat16(),  # 280 blocks
        "zeros.weight": torch.cat([torch.zeros(2, 64), torch.randn(2, 64, generator=g)]),
        "alike.weight": torch.tensor([1.0, -1.0]).repeat(160).reshape(5, 64),
        "ties.weight": ties,
        "steps.weight": (torch.arange(640) % 129 - 64).reshape(10, 64).float(),
    }
    quantised = {}
    for n, w in values.items():
        quantised.update(parts(n, *bnb.quantize_4bit(w, compress_statistics=True, quant_type="nf4")))
        quantised["values." + n] = bnb.dequantize_4bit(*bnb.quantize_4bit(w, compress_statistics=True, quant_type="nf4"))
    for form, how in FORMS.items():
        name, w = f"{form}.weight", values["rows.weight"]
        codes, state = bnb.quantize_4bit(w, **how)
        quantised.update(parts(name, codes, state))
        quantised["values." + name] = bnb.dequantize_4bit(codes, state)
    save_file(values, out / "values.safetensors", metadata={"format": "pt"})
    save_file({n: t.contiguous() for n, t in quantised.items()}, out / "quantised.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
