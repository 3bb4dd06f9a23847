#!/usr/bin/env python3
"""Makes tests/golden/fp8.txt: what each code of the 8-bit formats means, by ml_dtypes (e4m3fn, e5m2, e8m0fnu) and en_dtypes (hifloat8), and
codes of numbers. Run from the project's root; needs numpy, ml_dtypes (0.6.0 was used) and en_dtypes (0.0.4)."""
import ml_dtypes
import numpy as np
from en_dtypes import hifloat8

FORMATS = (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, hifloat8, ml_dtypes.float8_e8m0fnu)

codes = np.arange(256, dtype=np.uint8)
values = [codes.view(f).astype(np.float32).view(np.uint32) for f in FORMATS]
r = np.random.default_rng(7)
# within the range of all but e8m0, which takes any positive number; no ties, which hifloat8 rounds away from zero
x = (r.choice([-1, 1], 400) * np.exp2(r.uniform(-24, 8, 400))).astype(np.float32)
x[0::2] = np.abs(x[0::2])
rounded = [np.abs(x).astype(f).view(np.uint8) if f is FORMATS[3] else x.astype(f).view(np.uint8) for f in FORMATS]
with open("tests/golden/fp8.txt", "w") as out:
    for c in range(256):
        print(c, *(f"{0x7FC00000 if (v[c] & 0x7FFFFFFF) > 0x7F800000 else v[c]:08x}" for v in values), file=out)
    for i, bits in enumerate(x.view(np.uint32)):
        print(f"{bits:08x}", *(v[i] for v in rounded), file=out)
