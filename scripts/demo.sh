#!/bin/sh
# The main job on a real text, from nothing: installs what is needed, builds, makes a tokenizer and a data set
# from the Jargon File (Debian package jargon-text), trains a small language model, and lets it write.
# usage: scripts/demo.sh [FOLDER]      (default build/demo; a run that was interrupted there is continued)
# With TESSERA=/usr/bin/tessera in the environment that program does it, and nothing is installed or built.
set -e
if [ -n "${TESSERA:-}" ]; then
    t=$TESSERA out=${1:-demo}
else
    cd "$(dirname "$0")/.."
    t=build/tessera out=${1:-build/demo}
    scripts/install.sh jargon-text
    cmake --preset release -DTESSERA_TESTS=OFF >/dev/null
    cmake --build build
fi
mkdir -p "$out"
zcat /usr/share/doc/jargon-text/jargon.txt.gz > "$out/jargon.txt"

echo "== a tokenizer of 4096 tokens, learnt from the text"
[ -f "$out/tokenizer/tokenizer.json" ] ||
    $t train-tokenizer --input "$out/jargon.txt" --vocab-size 4096 --output "$out/tokenizer"
echo "== the text as tokens"
$t preprocess --input "$out/jargon.txt" --document-separator '\n   :' --output-prefix "$out/jargon" \
    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path "$out/tokenizer" --append-eod --workers 2
echo "== what the training will need, before it starts"
options="--num-layers 6 --hidden-size 256 --num-attention-heads 8 --group-query-attention --num-query-groups 4
    --swiglu --normalization RMSNorm --position-embedding-type rope --disable-bias-linear
    --max-position-embeddings 256 --seq-length 256 --micro-batch-size 8 --global-batch-size 8 --bf16
    --train-iters 600 --lr 2e-3 --min-lr 2e-4 --lr-decay-style cosine --lr-warmup-iters 30 --weight-decay 0.1
    --adam-beta2 0.95 --split 96,4,0 --eval-interval 200 --eval-iters 4 --seed 7
    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path $out/tokenizer
    --data-path $out/jargon_text_document"
# shellcheck disable=SC2086
$t plan $options
echo "== training (Ctrl-C saves and stops; the same command goes on)"
# shellcheck disable=SC2086
$t pretrain $options --log-interval 20 --save "$out/checkpoints" --save-interval 200 --load "$out/checkpoints" \
    --keep-checkpoints 2 --metrics-jsonl "$out/metrics.jsonl" --tensorboard-dir "$out/tensorboard" --save-hf "$out/model"
echo "== what the model writes (the folder holds its tokenizer; so do the checkpoints)"
$t infer --load "$out/model" --prompt "hacker: n." --max-new-tokens 120 --do-sample --temperature 0.8 \
    --top-p 0.95 --seed 1
