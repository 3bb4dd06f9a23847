#!/bin/sh
# From a pre-trained model to an assistant: reads a GGUF file or a Hugging Face folder, tunes it by LoRA on answers, then by
# DPO on pairs of answers, and compares before and after on records that were held back (docs/assistant.md).
# usage: scripts/assistant.sh MODEL ANSWERS PAIRS [FOLDER]      (default build/assistant)
#   ANSWERS  Alpaca, ShareGPT or {"messages"} records, JSON, JSONL or Parquet; PAIRS  ShareGPT or TRL pairs
# QUESTION, SFT_STEPS and DPO_STEPS in the environment set what is asked and how long is trained.
set -e
cd "$(dirname "$0")/.."
[ $# -ge 3 ] || { sed -n '2,7s/^# //p' "$0"; exit 2; }
t=${TESSERA:-build/tessera} answers=$2 pairs=$3 out=${4:-build/assistant}
question=${QUESTION:-Who are you?}
mkdir -p "$out"
[ -f "$out/base/config.json" ] || $t convert --load-dir "$1" --save-dir "$out/base" --params-dtype bf16
lora="--lora-r 16 --lora-alpha 32 --lora-target-modules all-linear"
common="--hf-chat-template --on-bad-record skip --no-pad-to-seq-lengths --bf16 --seed 1 --lr-decay-style cosine --lr-warmup-fraction 0.05"
sft="--stage sft --load $out/base --data-path $answers --seq-length 256 --micro-batch-size 4 --global-batch-size 8 --split 90,10,0 --eval-iters 1"
dpo="--stage dpo --load $out/tuned --data-path $pairs --seq-length 512 --micro-batch-size 2 --global-batch-size 4 --split 75,25,0 --eval-iters 4"
ask() {
    printf '{"messages": [{"role": "user", "content": "%s"}], "add_generation_prompt": true}\n' "$question" > "$out/question.jsonl"
    $t tokenize --render --chat-template "$out/base/chat_template.jinja" --input "$out/question.jsonl" --output "$out/prompt.jsonl"
    $t infer --load "$1" --input "$out/prompt.jsonl" --max-new-tokens 60 --greedy | sed 's/.*"text": *//; s/, "finish_reason".*//'
}
echo "== what is trained of a record (trained words are coloured)"
$t data show --load "$out/base" --data-path "$answers" --hf-chat-template --seq-length 256 --max-samples 1
echo "== before: the loss of held-back answers, and what the model says"
$t posttrain $sft $common $lora --lr 5e-4 --train-iters 1 --skip-train
ask "$out/base"
echo "== LoRA on the answers"
$t posttrain $sft $common $lora --lr 5e-4 --train-iters "${SFT_STEPS:-40}" --eval-interval "${SFT_STEPS:-40}" --log-interval 5 \
    --save-peft "$out/adapter" --save-hf "$out/tuned"
ask "$out/tuned"
echo "== DPO on the pairs; the reference is the tuned model without the adapter"
$t posttrain $dpo $common $lora --lr 2e-4 --train-iters "${DPO_STEPS:-12}" --eval-interval "${DPO_STEPS:-12}" --log-interval 1 \
    --save-peft "$out/preferred" --save-hf "$out/aligned"
ask "$out/aligned"
