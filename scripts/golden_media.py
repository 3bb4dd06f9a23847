#!/usr/bin/env python3
"""Makes tests/golden/media: small pictures, clips and sounds with what Pillow, PyAV, soundfile and soxr decode of them,
pictures that Pillow has resized, and what the processors of transformers make of conversations with media.

usage: scripts/golden_media.py [OUT]

Needs numpy, Pillow 13, PyAV, soundfile, soxr, torch, torchvision, transformers, safetensors, tokenizers. All content is drawn
or computed here.
"""
import importlib
import json
import os
import shutil
import sys
import warnings
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")

import av
import numpy as np
import soundfile
import soxr
import torch
import transformers
from PIL import Image, ImageOps
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.video_utils import VideoMetadata

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "media"
FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming", 0: "nearest"}


def drawn(width, height, seed=0):
    """Waves of colour, an edge, some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    a = np.stack([128 + 100 * np.sin(x / 7 + seed) * np.cos(y / 9), 40 + 170 * (x + y) / (width + height), 128 + 90 * np.sin((x * y) / 200 + seed)], -1)
    a[height // 3:height // 2, width // 4:width // 2] = (250, 10, 30)
    a += rng.normal(0, 6, a.shape)
    return Image.fromarray(np.clip(np.rint(a), 0, 255).astype(np.uint8))


def decoded(path):
    return np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def tone(n, rate, seed=0):
    t = np.arange(n) / rate
    rng = np.random.default_rng(seed)
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) + 0.1 * np.sin(2 * np.pi * 1234 * t) + 0.01 * rng.normal(size=n)).astype(np.float32)


# ---------------------------------------------------------------- files

def make_pictures():
    refs = {}

    def keep(name, im, **how):
        im.save(OUT / name, **how)
        refs[name] = decoded(OUT / name)

    keep("420.jpg", drawn(45, 31, 1), quality=85, subsampling=2)
    keep("422.jpg", drawn(30, 33, 2), quality=80, subsampling=1)
    keep("progressive.jpg", drawn(40, 27, 3), quality=75, progressive=True)
    keep("grey.jpg", drawn(33, 21, 4).convert("L"), quality=80)
    keep("cmyk.jpg", drawn(24, 20, 5).convert("CMYK"), quality=90)
    for k in range(2, 9):
        e = Image.Exif()
        e[0x0112] = k
        keep(f"turned{k}.png", drawn(9, 6, k), exif=e)
    e = Image.Exif()
    e[0x0112] = 6
    keep("turned6.jpg", drawn(24, 16, 6), quality=90, exif=e)
    keep("turned5.webp", drawn(18, 12, 7), lossless=True, exif=e)
    grey = drawn(23, 14, 8).convert("L")
    keep("rgb.png", drawn(37, 29, 9))
    keep("grey.png", grey)
    keep("mono.png", grey.convert("1"))
    keep("palette.png", drawn(23, 14, 10).quantize(13), transparency=2)
    keep("palette2.png", drawn(23, 14, 10).quantize(4))
    rgba = drawn(21, 15, 11).convert("RGBA")
    rgba.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 21).astype(np.uint8), (15, 1))))
    keep("rgba.png", rgba)
    keep("la.png", rgba.convert("LA"))
    keep("lossy.webp", drawn(31, 22, 12), quality=80)
    keep("alpha.webp", rgba, lossless=True, exact=True)
    keep("moving.webp", drawn(16, 12, 13), save_all=True, append_images=[drawn(16, 12, 14)], lossless=True)
    keep("plain.gif", drawn(25, 19, 15).quantize(30))
    keep("interlaced.gif", drawn(25, 19, 16).quantize(100), interlace=1)
    keep("moving.gif", drawn(20, 12, 17), save_all=True, append_images=[drawn(20, 12, 18)], duration=200)
    keep("rgb.bmp", drawn(13, 11, 19))
    keep("palette.bmp", drawn(13, 11, 20).quantize(40))
    keep("mono.bmp", grey.convert("1"))
    keep("rgba.bmp", drawn(13, 11, 21).convert("RGBA"))
    save_file(refs, OUT / "pictures.safetensors")


def make_resized():
    refs = {}
    for name, im, sizes in (("photo", drawn(37, 29, 9), [(20, 15), (64, 48), (37, 11), (9, 29), (36, 24), (45, 20), (90, 61)]), ("wide", drawn(120, 7, 22), [(31, 5), (56, 28)])):
        refs[f"{name}.in"] = np.array(im)
        for k, f in FILTERS.items():
            for w, h in sizes:
                refs[f"{name}.{f}.{w}x{h}"] = np.array(im.resize((w, h), k))
    save_file(refs, OUT / "resized.safetensors")


def moving(n, w, h):
    out = []
    for i in range(n):
        f = np.array(drawn(w, h, 30))
        f[:3, :(i + 1) * w // n] = (255 - 5 * i, 40 + 8 * i, 20)
        out.append(f)
    return out


def clip(path, codec, frames, rate, pix_fmt, sound=None, options=None):
    with av.open(str(path), "w") as out:
        s = out.add_stream(codec, rate=Fraction(rate), options=options or {})
        s.width, s.height, s.pix_fmt = frames[0].shape[1], frames[0].shape[0], pix_fmt
        if sound is not None:
            a = out.add_stream("pcm_s16le", rate=16000, layout="mono")
            f = av.AudioFrame.from_ndarray(np.rint(sound * 32767).astype(np.int16)[None], format="s16", layout="mono")
            f.sample_rate = 16000
            for p in [*a.encode(f), *a.encode()]:
                out.mux(p)
        for f in frames:
            for p in s.encode(av.VideoFrame.from_ndarray(f, format="rgb24")):
                out.mux(p)
        for p in s.encode():
            out.mux(p)


def frames_of(path):
    with av.open(str(path)) as c:
        s = c.streams.video[0]
        return np.stack([f.to_ndarray(format="rgb24") for f in c.decode(s)]), float(s.average_rate)


def sound_of(path):
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = x.mean(1)
    if rate == 16000:
        return x
    want = -(-len(x) * 16000 // rate)
    y = soxr.resample(x, rate, 16000, quality="HQ")
    return np.pad(y[:want], (0, max(0, want - len(y)))).astype(np.float32)


def make_clips_and_sounds():
    refs = {}
    clip(OUT / "exact.mkv", "ffv1", moving(10, 32, 24), 5, "bgr0", sound=tone(32000, 16000, 1))
    clip(OUT / "h264.mp4", "libx264", moving(12, 32, 24), 8, "yuv420p", options={"crf": "18", "g": "4", "bf": "2"})
    for n in ("exact.mkv", "h264.mp4"):
        refs[n], rate = frames_of(OUT / n)
        refs[n + ".fps"] = np.array([rate])
    soundfile.write(OUT / "mono16.wav", tone(3000, 16000), 16000, subtype="PCM_16")
    soundfile.write(OUT / "float.wav", tone(2000, 16000, 2), 16000, subtype="FLOAT")
    soundfile.write(OUT / "eight.wav", tone(900, 8000, 3), 8000, subtype="PCM_U8")
    soundfile.write(OUT / "stereo.flac", np.stack([tone(4410, 44100, 4), tone(4410, 44100, 5) * 0.5], 1), 44100, subtype="PCM_24")
    soundfile.write(OUT / "sound.mp3", tone(8000, 16000, 6), 16000, format="MP3")
    soundfile.write(OUT / "sound.ogg", tone(4000, 16000, 7), 16000, format="OGG", subtype="VORBIS")
    for n in ("mono16.wav", "float.wav", "eight.wav", "stereo.flac", "sound.mp3", "sound.ogg"):
        refs[n] = sound_of(OUT / n).astype(np.float32)
    save_file(refs, OUT / "moving.safetensors")


# ---------------------------------------------------------------- processors

TOKENS = ["<|endoftext|>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|user|>", "<|assistant|>", "[gMASK]", "<sop>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
          "<|audio_pad|>", "<|audio_start|>", "<|audio_end|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>", "<image>", "<video>",
          "<IMG_CONTEXT>", "<img>", "</img>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "<start_of_image>", "<end_of_image>",
          "<image_soft_token>", "<fake_token_around_image>", "<global-img>"] + [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 4)]


def tokenizer(bos=None, **named):
    """Bytes and the tokens above; with a bos, one that it puts first."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tk = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tk.decoder = decoders.ByteLevel()
    tk.add_special_tokens(TOKENS)
    if bos:
        tk.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tk.token_to_id(bos))])
    return PreTrainedTokenizerFast(tokenizer_object=tk, eos_token="<|im_end|>" if not bos else "</s>", pad_token="<|endoftext|>", extra_special_tokens=named, clean_up_tokenization_spaces=False,
                                   **({"bos_token": bos} if bos else {}))


def chatml(image, video="", audio=""):
    return ("{%- for m in messages -%}{{ '<|im_start|>' + m['role'] + '\\n' }}{%- for c in m['content'] -%}{%- if c['type'] == 'image' -%}{{ '" + image + "' }}"
            "{%- elif c['type'] == 'video' -%}{{ '" + video + "' }}{%- elif c['type'] == 'audio' -%}{{ '" + audio + "' }}{%- else -%}{{ c['text'] }}{%- endif -%}{%- endfor -%}"
            "{{ '<|im_end|>\\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}")


VISION = ("<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>")
QWEN_IDS = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>", "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
SMALL = {"patch_size": 4, "merge_size": 2, "temporal_patch_size": 2}
T = transformers


def families():
    """Name -> config.json, template, bos, processor of transformers (built from settings), files on disk."""
    image = lambda cls, **k: getattr(T, cls)(**k)
    qwen_image = dict(SMALL, size={"shortest_edge": 256, "longest_edge": 1024})
    qwen_video = dict(SMALL, size={"shortest_edge": 256, "longest_edge": 768}, fps=2, min_frames=4, max_frames=16, do_sample_frames=True)
    return {
        "qwen2_vl": dict(config={"model_type": "qwen2_vl", **QWEN_IDS}, template=chatml(*VISION), processor="Qwen2VLProcessor",
                         image=("Qwen2VLImageProcessorPil", qwen_image), video=("Qwen2VLVideoProcessor", qwen_video), old=True),
        "qwen2_5_vl": dict(config={"model_type": "qwen2_5_vl", **QWEN_IDS, "vision_config": {"tokens_per_second": 2}}, template=chatml(*VISION), processor="Qwen2_5_VLProcessor",
                           image=("Qwen2VLImageProcessorPil", qwen_image), video=("Qwen2VLVideoProcessor", qwen_video), old=True),
        "qwen3_vl": dict(config={"model_type": "qwen3_vl", **QWEN_IDS}, template=chatml(*VISION), processor="Qwen3VLProcessor",
                         image=("Qwen2VLImageProcessorPil", qwen_image), video=("Qwen3VLVideoProcessor", dict(qwen_video, size={"shortest_edge": 256, "longest_edge": 3072})), strips=True),
        "glm4v": dict(config={"model_type": "glm4v", "image_token_id": "<|image|>", "video_token_id": "<|video|>", "image_start_token_id": "<|begin_of_image|>", "image_end_token_id": "<|end_of_image|>"},
                      template=chatml("<|begin_of_image|><|image|><|end_of_image|>", "<|begin_of_video|><|video|><|end_of_video|>"), processor="Glm4vProcessor",
                      image=("Glm4vImageProcessorPil", dict(SMALL, size={"shortest_edge": 512, "longest_edge": 2048})),
                      video=("Glm4vVideoProcessor", dict(SMALL, size={"shortest_edge": 512, "longest_edge": 3072}, fps=2, max_duration=300))),
        "internvl": dict(config={"model_type": "internvl", "image_token_id": "<IMG_CONTEXT>"}, template=chatml("<IMG_CONTEXT>\\n", "<video>\\n"), processor="InternVLProcessor", more={"image_seq_length": 3},
                         named={"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"},
                         image=("GotOcr2ImageProcessorPil", {"size": {"height": 12, "width": 12}, "crop_to_patches": True, "min_patches": 1, "max_patches": 6}),
                         video=("InternVLVideoProcessor", {"size": {"height": 24, "width": 32}, "num_frames": 4, "do_sample_frames": True, "initial_shift": True})),
        "llava": dict(config={"model_type": "llava", "image_token_index": "<image>"}, template=chatml("<image>\\n"), processor="LlavaProcessor", bos="<s>", named={"image_token": "<image>"},
                      more={"patch_size": 7, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
                      image=("CLIPImageProcessorPil", {"size": {"shortest_edge": 21}, "crop_size": {"height": 21, "width": 21}}), old=True),
        "llava_next": dict(config={"model_type": "llava_next", "image_token_index": "<image>"}, template=chatml("<image>\\n"), processor="LlavaNextProcessor", bos="<s>", named={"image_token": "<image>"},
                           more={"patch_size": 7, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
                           image=("LlavaNextImageProcessorPil", {"size": {"shortest_edge": 14}, "crop_size": {"height": 14, "width": 14}, "image_grid_pinpoints": [[14, 28], [28, 14], [28, 28], [42, 14]]})),
    }


LINES = [
    {"messages": [{"role": "user", "content": [{"type": "image", "image": "rgb.png"}, {"type": "text", "text": "What?"}]}, {"role": "assistant", "content": [{"type": "text", "text": "A wave."}]}]},
    {"messages": [{"role": "user", "content": "<image>One, <image>two."}, {"role": "assistant", "content": "Both."}, {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Yes."}], "images": ["rgba.png", "turned6.png"]},
    {"messages": [{"role": "user", "content": "No picture."}, {"role": "assistant", "content": "None."}]},
]
CLIP_LINE = {"messages": [{"role": "user", "content": [{"type": "video", "path": "exact.mkv"}, {"type": "text", "text": "Then?"}]}, {"role": "assistant", "content": "It moves."}]}


def parts_of(line):
    lists = {k: iter(line.get(k + "s", [])) for k in ("image", "video", "audio")}
    out = []
    for m in line["messages"]:
        content = m["content"]
        if isinstance(content, str):
            pieces = content.split("<image>")
            content = []
            for i, t in enumerate(pieces):
                if i:
                    content.append({"type": "image", "path": next(lists["image"])})
                if t:
                    content.append({"type": "text", "text": t})
        out.append({"role": m["role"], "content": [c if c["type"] == "text" else {"type": c["type"], "path": c.get("path", c.get(c["type"]))} for c in content]})
    return out


def inputs_of(proc, family, messages, prompt):
    text = proc.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=False)
    if family.get("strips"):
        text = text.replace(VISION[1], "<|video_pad|>")
    named = [(c["type"], OUT / c["path"]) for m in messages for c in m["content"] if c["type"] != "text"]
    kw = {}
    if any(k == "image" for k, _ in named):
        kw["images"] = [ImageOps.exif_transpose(Image.open(p)).convert("RGB") for k, p in named if k == "image"]
    if any(k == "video" for k, _ in named):
        f, rate = frames_of(named[0][1])
        kw.update(videos=[f], video_metadata=[VideoMetadata(total_num_frames=len(f), fps=rate, duration=len(f) / rate, height=f.shape[1], width=f.shape[2], video_backend="pyav")])
    return proc(text=[text], return_tensors="pt", **kw)


def labelled(proc, family, line):
    messages = parts_of(line)
    whole = inputs_of(proc, family, messages, False)
    ids = whole["input_ids"][0].tolist()
    labels = [-100] * len(ids)
    for k, m in enumerate(messages):
        if m["role"] == "assistant":
            head = inputs_of(proc, family, messages[:k], True)["input_ids"].shape[1]
            end = ids.index(proc.tokenizer.convert_tokens_to_ids("<|im_end|>"), head) + 1
            labels[head:end] = ids[head:end]
    return whole, ids, labels


def positions(name, whole):
    """transformers' get_rope_index, called without a model."""
    model = {"qwen2_vl": "Qwen2VLModel", "qwen2_5_vl": "Qwen2_5_VLModel", "qwen3_vl": "Qwen3VLModel", "glm4v": "Glm4vModel"}.get(name)
    if not model:
        return None
    cls = getattr(importlib.import_module(f"transformers.models.{name}.modeling_{name}"), model)
    me = SimpleNamespace(config=SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=2)), get_vision_position_ids=lambda *a, **k: cls.get_vision_position_ids(None, *a, **k))
    kw = {k: whole[k] for k in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts") if k in whole}
    if "second_per_grid_ts" in kw:
        kw["second_per_grid_ts"] = torch.as_tensor(kw["second_per_grid_ts"], dtype=torch.float32)
    out, delta = cls.get_rope_index(me, whole["input_ids"], whole["mm_token_type_ids"], **kw)
    return {"positions": out[:, 0].tolist(), "next": int(delta[0]) + whole["input_ids"].shape[1]}


def make_family(name, f):
    where = OUT / name
    where.mkdir()
    tok = tokenizer(f.get("bos"), **f.get("named", {}))
    config = {k: tok.convert_tokens_to_ids(v) if isinstance(v, str) and v in TOKENS else v for k, v in f["config"].items()}
    image = getattr(T, f["image"][0])(**f["image"][1])
    extra = {}
    if "video" in f:
        extra["video_processor"] = getattr(T, f["video"][0])(**f["video"][1])
    proc = getattr(T, f["processor"])(image_processor=image, tokenizer=tok, chat_template=f["template"], **extra, **f.get("more", {}))
    (where / "config.json").write_text(json.dumps(config) + "\n")
    (where / "generation_config.json").write_text(json.dumps({"eos_token_id": tok.convert_tokens_to_ids("<|im_end|>")}) + "\n")
    tok.save_pretrained(where)
    kept = {"tokenizer.json", "tokenizer_config.json"}
    for p in list(where.iterdir()):
        if p.name not in kept | {"config.json", "generation_config.json"}:
            p.unlink()
    if f.get("old"):  # as published before transformers 5
        one = {"image_processor_type": f["image"][0].removesuffix("Pil"), **f["image"][1]}
        if "patch_size" in one:
            size = one.pop("size")
            one.update(min_pixels=size["shortest_edge"], max_pixels=size["longest_edge"])
        (where / "preprocessor_config.json").write_text(json.dumps(one) + "\n")
        if "video" in f:
            (where / "video_preprocessor_config.json").write_text(json.dumps({"video_processor_type": f["video"][0], **f["video"][1]}) + "\n")
        (where / "processor_config.json").write_text(json.dumps({"processor_class": f["processor"], **f.get("more", {})}) + "\n")
        (where / "chat_template.json").write_text(json.dumps({"chat_template": f["template"]}) + "\n")
    else:
        proc.save_pretrained(where / "whole")
        shutil.move(where / "whole" / "processor_config.json", where / "processor_config.json")
        shutil.rmtree(where / "whole")
        (where / "chat_template.jinja").write_text(f["template"])
    lines = LINES + ([CLIP_LINE] if "video" in f else [])
    rows, tensors = [], {}
    for i, line in enumerate(lines):
        whole, ids, labels = labelled(proc, f, line)
        rows.append({"ids": ids, "labels": labels, **(positions(name, whole) or {})})
        for k, v in whole.items():
            if k in ("pixel_values", "pixel_values_videos", "image_grid_thw", "video_grid_thw", "image_sizes"):
                v = v.numpy()
                if v.ndim == 5:  # LLaVA-NeXT: without the tiles that fill up
                    v = np.concatenate([x[np.abs(x).reshape(len(x), -1).max(1) > 0] for x in v])
                tensors[f"{i}.{k}"] = np.ascontiguousarray(v)
    (where / "lines.jsonl").write_text("".join(json.dumps(l) + "\n" for l in lines))
    (where / "want.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    save_file(tensors, where / "want.safetensors")


# ---------------------------------------------------------------- sounds

def make_mel():
    refs = {}
    for bands, n in ((80, 5000), (128, 3333), (24, 1600)):
        fe = T.WhisperFeatureExtractor(feature_size=bands, chunk_length=1)
        x = tone(n, 16000, bands)
        refs[f"{bands}.in"] = x
        refs[f"{bands}.padded"] = fe(x, sampling_rate=16000, return_tensors="np").input_features[0]
        refs[f"{bands}.own"] = fe(x, sampling_rate=16000, padding=True, truncation=False, return_tensors="np").input_features[0]
    save_file(refs, OUT / "mel.safetensors")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    make_pictures()
    make_resized()
    make_clips_and_sounds()
    make_mel()
    for name, f in families().items():
        make_family(name, f)
    for p in OUT.rglob("*"):
        p.chmod(0o755 if p.is_dir() else 0o644)
    print(f"{sum(p.stat().st_size for p in OUT.rglob('*') if p.is_file()):,} bytes")


if __name__ == "__main__":
    main()
