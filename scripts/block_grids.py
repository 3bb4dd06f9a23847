#!/usr/bin/env python3
"""Prints src/io/gguf/block_grids.c: the codebooks of GGUF's IQ types, from the package gguf."""
import numpy
from gguf import quants

GRIDS = (("iq2_xxs", quants.IQ2_XXS, 2), ("iq2_xs", quants.IQ2_XS, 2), ("iq2_s", quants.IQ2_S, 2),
         ("iq3_xxs", quants.IQ3_XXS, 4), ("iq3_s", quants.IQ3_S, 4), ("iq1_s", quants.IQ1_S, 2))

print("/* Made by scripts/block_grids.py. */\n#include \"io/gguf/block_grids.h\"")
for name, kind, bits in GRIDS:
    kind.init_grid()
    level = {v: i for i, v in enumerate(kind.grid_map)}
    rows = kind.grid.reshape(kind.grid_shape).astype(numpy.int64)
    words = ["0x%04x" % sum(level[int(v)] << (bits * i) for i, v in enumerate(row)) for row in rows]
    print(f"\nconst uint16_t ts_grid_{name}[{len(words)}] = {{")
    for i in range(0, len(words), 13):
        print("    " + ", ".join(words[i:i + 13]) + ",")
    print("};")
