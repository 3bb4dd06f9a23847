#!/usr/bin/env python3
"""Makes tests/golden/gguf/blocks.gguf: for each type of values in GGUF files a tensor of random blocks, named like the
type, and beside it in F32 what the package gguf makes of it (NAME.values)."""
import pathlib

import gguf
import numpy

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


def main():
    r = numpy.random.default_rng(5)
    OUT.mkdir(exist_ok=True)
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


if __name__ == "__main__":
    main()
