#!/bin/bash
# transformers 5.24.0 (with torch 2.15.0): Qwen2.5-VL's get_rope_index lets the text behind a clip go on by the clip's rows and columns
# (its first position + the larger of them, merged), not by the largest position + 1, as 4.57.6 does. A clip's times are positions
# too, and a clip longer than it is wide reaches further by them: the text then stands before the clip's own last frames, and rope_deltas, by
# which generation goes on, differs as well. Nothing is changed where rows or columns reach furthest.
# Pinned: transformers==5.24.0; transformers==4.57.6 with huggingface_hub==0.36.2 tokenizers==0.22.2 requests==2.32.5; torch==2.15.0.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/env"
"$dir/env/bin/pip" install -q transformers==5.24.0 torch==2.15.0 numpy requests==2.32.5
"$dir/env/bin/pip" install -q --no-deps --target "$dir/older" transformers==4.57.6 huggingface_hub==0.36.2 tokenizers==0.22.2
cat >"$dir/try.py" <<'P'
import inspect
import sys

import torch
import transformers
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel

CLIP = 25
model = Qwen2_5_VLModel(Qwen2_5_VLConfig(
    text_config=dict(vocab_size=32, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                     bos_token_id=1, eos_token_id=2),
    vision_config=dict(depth=1, hidden_size=24, out_hidden_size=24, intermediate_size=32, num_heads=2, patch_size=2, spatial_merge_size=2,
                       temporal_patch_size=2, tokens_per_second=2),
    image_token_id=24, video_token_id=CLIP, vision_start_token_id=28, vision_end_token_id=29))


def places(frames, rows, columns):
    """The largest position of a clip that begins at 2, at one second a pair of frames, that of the mark behind it, and rope_deltas."""
    ids = torch.tensor([[3, 28] + [CLIP] * (frames * rows * columns // 4) + [29, 4]])
    given = dict(video_grid_thw=torch.tensor([[frames, rows, columns]]), second_per_grid_ts=torch.tensor([1.0]))
    if "mm_token_type_ids" in inspect.signature(model.get_rope_index).parameters:
        given["mm_token_type_ids"] = 2 * (ids == CLIP).long()
    at, delta = model.get_rope_index(ids, **given)
    return int(at[:, 0, 2:-2].max()), at[:, 0, -2].tolist(), int(delta)


as_described = True
for clip in ((6, 4, 4), (2, 4, 12)):
    last, behind, delta = places(*clip)
    print(f"transformers {transformers.__version__}, clip of {' x '.join(map(str, clip))}: largest position {last}, behind it {behind}, delta {delta}")
    new = transformers.__version__ == "5.24.0"
    as_described &= behind == [2 + max(clip[1:]) // 2 if new else last + 1] * 3
sys.exit(not as_described)
P
changed=0
for path in "$dir/older" ""; do
    PYTHONPATH=$path "$dir/env/bin/python" "$dir/try.py" 2>"$dir/messages" || { tail -n 5 "$dir/messages"; changed=1; }
done
exit $changed
