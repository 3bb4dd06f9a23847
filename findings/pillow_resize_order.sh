#!/bin/bash
# Pillow 13.0.0: Image.resize runs its vertical pass first where the height shrinks and loses more than twice what the width does
# (2 * (W - w) < H - h; a width that grows loses less than nothing). 12.3.0 always runs the horizontal one first. Each pass rounds to
# eight bits, so the same call gives other pixels: bicubic on RGB noise, by up to 18 levels here. Model inputs that were prepared by the
# two versions differ. Pinned: pillow==12.3.0, pillow==13.0.0, numpy==2.4.6.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/try.py" <<'P'
import sys

import numpy as np
import PIL
from PIL import Image

W = H = 64
SIZES = [(48, 16), (40, 15), (40, 16), (40, 17), (16, 48), (63, 62), (63, 61), (80, 63), (80, 80)]
image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (H, W, 3), dtype=np.uint8))
as_described = True


def resize(of, *size):
    return of.resize(size, Image.Resampling.BICUBIC)


for w, h in SIZES:
    got, across, down = (np.asarray(i, int) for i in (resize(image, w, h), resize(resize(image, w, H), w, h), resize(resize(image, W, h), w, h)))
    vertical = PIL.__version__ >= "13" and h < H and 2 * (W - w) < H - h
    want, other = (down, across) if vertical else (across, down)
    apart = int(abs(want - other).max())
    as_described &= bool((got == want).all()) and apart > 0
    print(f"pillow {PIL.__version__}, {W} x {H} to {w} x {h}: {'vertical' if (got == down).all() else 'horizontal'} pass first; "
          f"the other order differs by up to {apart}")
sys.exit(not as_described)
P
changed=0
for version in 12.3.0 13.0.0; do
    python3 -m venv "$dir/$version"
    "$dir/$version/bin/pip" install -q --no-deps pillow==$version numpy==2.4.6
    "$dir/$version/bin/python" "$dir/try.py" || changed=1
done
exit $changed
