#!/bin/bash
# transformers 5.24.0 (with torch 2.15.0): Glm4vForConditionalGeneration takes a text with a picture and a text with a clip, but none with
# both: "Image features and image tokens do not match". In these models a clip's places hold the image token too, and the place of the
# picture's features is looked for by that token alone, not by mm_token_type_ids (1 picture, 2 clip), which the model is given.
# Pinned: transformers==5.24.0 torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q transformers==5.24.0 torch==2.15.0 numpy
cat >"$dir/try.py" <<'P'
import torch
import transformers
from transformers import Glm4vConfig, Glm4vForConditionalGeneration

IMAGE, VIDEO = 24, 25
config = Glm4vConfig(
    text_config=dict(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                     pad_token_id=0, eos_token_id=2, rope_parameters=dict(rope_type="default", mrope_section=[1, 1, 1], partial_rotary_factor=0.5)),
    vision_config=dict(depth=1, hidden_size=24, out_hidden_size=24, intermediate_size=32, num_heads=2, patch_size=2, image_size=8,
                       spatial_merge_size=2, temporal_patch_size=2),
    image_token_id=IMAGE, video_token_id=VIDEO, image_start_token_id=26, image_end_token_id=27, video_start_token_id=28, video_end_token_id=29)
torch.manual_seed(1)
model = Glm4vForConditionalGeneration(config).eval()
PIXELS = 3 * 2 * 2 * 2
# As the processor writes them: a picture of 4 x 4 patches is four image tokens; so is each of the clip's two frames, between marks, with its time.
image = ([26] + [IMAGE] * 4 + [27], [0] + [1] * 4 + [0])
frame = ([26] + [IMAGE] * 4 + [27, 5], [0] + [2] * 4 + [0, 0])
clip = ([28] + frame[0] * 2 + [29], [0] + frame[1] * 2 + [0])
picture_in = dict(pixel_values=torch.rand(16, PIXELS), image_grid_thw=torch.tensor([[1, 4, 4]]))
clip_in = dict(pixel_values_videos=torch.rand(32, PIXELS), video_grid_thw=torch.tensor([[2, 4, 4]]))


def answer(parts, given):
    ids = [3] + [t for p in parts for t in p[0]] + [4]
    kinds = [0] + [t for p in parts for t in p[1]] + [0]
    try:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), mm_token_type_ids=torch.tensor([kinds]), **given).logits
        return f"logits of {logits.shape[1]} tokens, finite: {bool(logits.isfinite().all())}"
    except Exception as e:
        return f"{type(e).__name__}: {e}"


print(f"transformers {transformers.__version__}, Glm4vForConditionalGeneration")
alone = [answer([image], picture_in), answer([clip], clip_in)]
both = answer([image, clip], picture_in | clip_in)
for name, seen in zip(("a picture", "a clip", "both"), alone + [both]):
    print(f"{name}: {seen}")
raise SystemExit(not (all("True" in a for a in alone) and "Image features and image tokens do not match, tokens: 12, features: 4" in both))
P
"$dir/env/bin/python" "$dir/try.py" 2>"$dir/messages" || { tail -n 5 "$dir/messages"; exit 1; }
