#!/bin/sh
# data show of pictures, clips and sounds, and of conversations with them; what is wrong is named by file and line.
. tests/cli/lib.sh
G=tests/golden/media

expect 0 '{"kind": "image", "width": 37, "height": 29}' "$T" data show --media $G/rgb.png --json
expect 0 "image, 6 x 9" "$T" data show --media $G/turned6.png
expect 0 "" "$T" data show --media $G/420.jpg --tensors "$D/t.safetensors"
grep -q '"pixels":{"dtype":"U8","shape":\[31,45,3\]' "$D/t.safetensors" || wrong "no pixels [31, 45, 3] in the file"
expect 2 "README.md" "$T" data show --media README.md --json
expect 2 "absent.png" "$T" data show --media absent.png --tensors "$D/never"
absent "$D/never"
head -c 300 $G/420.jpg >"$D/cut.jpg"
expect 2 "cut.jpg" "$T" data show --media "$D/cut.jpg"
expect 2 "leave --load" "$T" data show --media $G/rgb.png --load $G/llava
expect 2 "--json goes with --media" "$T" data show --json --load $G/llava

if "$T" info --json | grep -q '"clips": true'; then
    expect 0 '"kind": "video", "width": 32, "height": 24, "frames": 10, "fps": 5}' "$T" data show --media $G/exact.mkv --json
    expect 0 '"kind": "audio", "seconds": 0.1875, "rate": 16000}' "$T" data show --media $G/mono16.wav --json
    expect 0 "0.100 seconds of 44100 samples" "$T" data show --media $G/stereo.flac
    # Qwen3-VL's text has the times of groups of frames
    expect 0 "<0.3 seconds><|vision_start|><|video_pad|> x 12 <|vision_end|>" "$T" data show --load $G/qwen3_vl --input $G/qwen3_vl/lines.jsonl --media-dir $G
else
    expect 2 "built without" "$T" data show --media $G/exact.mkv
fi

# ids, labels and tensors; the data's folder or another is where paths count from
grep -v exact.mkv $G/qwen2_vl/lines.jsonl >"$D/lines.jsonl"
expect 0 "=== 3 lines with 3 media" "$T" data show --load $G/qwen2_vl --input "$D/lines.jsonl" --media-dir $G --output "$D/out.jsonl" --tensors "$D/t.safetensors"
grep -q '"1.image_grid_thw":{"dtype":"I64","shape":\[2,3\]' "$D/t.safetensors" || wrong "no grids of line 1"
[ "$(wc -l <"$D/out.jsonl")" = 3 ] || wrong "three lines are expected"
grep -q '"kind": "image", "path": "'$G'/rgb.png", "width": 37, "height": 29, "tokens": 12}' "$D/out.jsonl" || wrong "the picture's entry"
cp $G/rgb.png $G/rgba.png $G/turned6.png "$D/"
expect 0 "=== 3 lines with 3 media" "$T" data show --load $G/qwen2_vl --input "$D/lines.jsonl" --output "$D/beside.jsonl"
expect 0 "⟦A wave.<|im_end|>⟧" "$T" data show --load $G/llava --input "$D/lines.jsonl"

# a picture in the line itself
printf '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%s"}}]}, {"role": "assistant", "content": "x"}]}\n' \
    "$(base64 -w0 $G/rgb.png)" >"$D/inside.jsonl"
expect 0 '37, "height": 29' "$T" data show --load $G/qwen2_vl --input "$D/inside.jsonl"

# bad: TEXT LINE: a second line that is refused with its number
bad() {
    head -n 1 "$D/lines.jsonl" >"$D/bad.jsonl"
    echo "$2" >>"$D/bad.jsonl"
    rm -f "$D/never"
    expect 2 "bad.jsonl:2: $1" "$T" data show --load $G/qwen2_vl --input "$D/bad.jsonl" --output "$D/never"
    absent "$D/never"
}
bad 'messages[0]: marker <image> number 2, but "images" has 1 entries' '{"messages": [{"role": "user", "content": "<image><image>"}], "images": ["rgb.png"]}'
bad '"images" has 2 entries, but the texts have 1 markers <image>' '{"messages": [{"role": "user", "content": "<image>"}], "images": ["rgb.png", "rgb.png"]}'
bad "$D/nowhere.png" '{"messages": [{"role": "user", "content": "<image>"}], "images": ["nowhere.png"]}'
bad "$D/lines.jsonl: not a picture" '{"messages": [{"role": "user", "content": "<image>"}], "images": ["lines.jsonl"]}'
bad 'https://x/y.png: nothing is fetched' '{"messages": [{"role": "user", "content": "<image>"}], "images": ["https://x/y.png"]}'
bad "$D/"'rgb.png: models of the kind "qwen2_vl" read no audio' '{"messages": [{"role": "user", "content": "<audio>"}], "audios": ["rgb.png"]}'
bad 'messages[0]: "content" must be' '{"messages": [{"role": "user", "content": 5}]}'
bad 'messages[0]: a part of "content"' '{"messages": [{"role": "user", "content": [{"type": "smell"}]}]}'
bad '"messages" must be' '{"text": "x"}'
bad '' '{"messages": '
mkdir "$D/text"
cp $G/llava/tokenizer.json "$D/text/"
echo '{"model_type": "llama"}' >"$D/text/config.json"
expect 2 "of no model that reads pictures, clips or sounds" "$T" data show --load "$D/text" --input "$D/lines.jsonl"
finish
