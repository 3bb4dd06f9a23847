#!/usr/bin/env python3
"""Times processors of media beside those of transformers, on one core: decoding, resizing, log-mel, the towers' input.

usage: bench/media.py [BUILD] [REPEATS]

Makes its pictures and sounds itself. Prints medians in milliseconds and their ratio. Needs torch, torchvision, transformers, Pillow,
numpy, soundfile.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

sys.path.pop(0)  # a module of this folder has the name of one that transformers looks for

import numpy as np
import soundfile
import torch
import transformers as T
from PIL import Image

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
REPEATS = int(sys.argv[2]) if len(sys.argv) > 2 else 9
torch.set_num_threads(1)


def photo(path, width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    a = np.stack([128 + 100 * np.sin(x / 37) * np.cos(y / 29), 40 + 170 * (x + y) / (width + height), 128 + 90 * np.sin(x * y / 20000)], -1)
    a += np.random.default_rng(0).normal(0, 8, a.shape)
    Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)).save(path, quality=90)


def median(fn):
    fn()
    ms = []
    for _ in range(REPEATS):
        t = time.perf_counter()
        fn()
        ms.append(1e3 * (time.perf_counter() - t))
    return sorted(ms)[len(ms) // 2]


CASES = {
    "Qwen2-VL, 1600 x 1200": ("image", "big.jpg", "qwen2_vl", "Qwen2VLImageProcessor", {"size": {"shortest_edge": 3136, "longest_edge": 1003520}}),
    "LLaVA 1.5, 1600 x 1200": ("image", "big.jpg", "clip", "CLIPImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}),
    "InternVL, 1600 x 1200": ("image", "big.jpg", "internvl", "GotOcr2ImageProcessor", {"size": {"height": 448, "width": 448}, "crop_to_patches": True, "min_patches": 1, "max_patches": 12}),
    "Whisper, 30 s": ("audio", "speech.wav", "whisper", "WhisperFeatureExtractor", {"feature_size": 128}),
}


def main():
    with tempfile.TemporaryDirectory() as d:
        d = Path(d)
        photo(d / "big.jpg", 1600, 1200)
        t = np.arange(480000) / 16000
        soundfile.write(d / "speech.wav", (0.3 * np.sin(2 * np.pi * (200 + 30 * t) * t)).astype(np.float32), 16000, subtype="PCM_16")
        for name, (kind, file, model, cls, settings) in CASES.items():
            folder = d / model
            folder.mkdir(exist_ok=True)
            (folder / "config.json").write_text(json.dumps({"model_type": model}))
            key = "image_processor_type" if kind == "image" else "feature_extractor_type"
            (folder / "preprocessor_config.json").write_text(json.dumps({key: cls, **settings}))
            ours = float(subprocess.run([BUILD / "bench_media", folder, kind, d / file, str(REPEATS)], check=True, capture_output=True, text=True).stdout)
            peers = [("PIL", cls + "Pil"), ("torchvision", cls)] if kind == "image" else [("torch", cls)]
            for label, c in peers:
                p = getattr(T, c)(**settings)
                if kind == "image":
                    theirs = median(lambda: p(Image.open(d / file).convert("RGB"), return_tensors="pt"))
                else:
                    theirs = median(lambda: p(soundfile.read(d / file, dtype="float32")[0], sampling_rate=16000, return_tensors="pt"))
                print(f"{name:26} {ours:9.2f} ms   transformers ({label}) {theirs:9.2f} ms   {theirs / ours:6.2f} times", flush=True)


if __name__ == "__main__":
    main()
