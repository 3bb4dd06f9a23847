#!/bin/sh
# Tuning on answers: what the command says and refuses, that lengths change no figure, resuming, evaluation, configuration.
. "$(dirname "$0")/lib.sh"
rows=$3
"$rows" "$D/rows" sft 41 5
"$rows" "$D/pairs" pairs 9 5
common="$shape --split 80,20,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4 --lr 4e-3 --lr-decay-style constant
    --eval-iters 0 --seed 7 --threads 1 --log-interval 1000 --stage sft --data-path $D/rows"
tune() {
    # shellcheck disable=SC2086
    "$T" posttrain $common "$@"
}
pad="--max-position-embeddings 64"

# losses do not depend on how rows are filled up
job padded 1 $pad --train-iters 6
job varied 1 $pad --train-iters 6 --no-pad-to-seq-lengths --pad-to-multiple-of 1
alike varied padded 1
job twelve 1 $pad --train-iters 6 --variable-seq-lengths --pad-to-multiple-of 12
alike twelve padded 1
job left 1 $pad --train-iters 6 --tokenizer-padding-side left
alike left padded 1
# they do on what they are the mean of; with one micro-batch both means are one
job tokens 1 $pad --train-iters 6 --calculate-per-token-loss
checks=$((checks + 1))
[ "$(curve "$D/tokens.jsonl")" != "$(curve "$D/padded.jsonl")" ] || wrong "--calculate-per-token-loss changes nothing"
job one-mean 1 $pad --train-iters 6 --global-batch-size 2
job one-token-mean 1 $pad --train-iters 6 --global-batch-size 2 --calculate-per-token-loss
alike one-token-mean one-mean 1
# a micro-batch without labels (sample 2, alone) has the loss 0 and counts
job lone 1 $pad --train-iters 41 --micro-batch-size 1 --global-batch-size 1 --no-shuffle --split 100,0,0
checks=$((checks + 1))
sed -n 3p "$D/lone.jsonl" | grep -q '"lm_loss": 0[.0]*,' || wrong "sample 2 has no label: $(sed -n 3p "$D/lone.jsonl")"
job lone-tokens 1 $pad --train-iters 41 --micro-batch-size 1 --global-batch-size 1 --no-shuffle --split 100,0,0 --calculate-per-token-loss
alike lone-tokens lone 1
# packed: masks and ordinals matter
job whole 1 $pad --train-iters 2
job apart 1 $pad --train-iters 2 --neat-pack --reset-attention-mask
checks=$((checks + 1))
[ "$(curve "$D/whole.jsonl")" != "$(curve "$D/apart.jsonl")" ] || wrong "--neat-pack changes nothing"

# noise on embeddings: while training alone, the same numbers whatever lengths rows have (its size hangs on them)
job calm 1 $pad --train-iters 2 --eval-iters 1 --eval-interval 1 --lr 0
job noisy 1 $pad --train-iters 2 --eval-iters 1 --eval-interval 1 --lr 0 --neftune-noise-alpha 5
checks=$((checks + 2))
[ "$(numbers calm | head -n 1)" != "$(numbers noisy | head -n 1)" ] || wrong "--neftune-noise-alpha changes nothing"
[ "$(numbers calm | awk '{ print $4 }')" = "$(numbers noisy | awk '{ print $4 }')" ] || wrong "an evaluation has noise"

# parameters that learn nothing are named once, where they are counted
expect 0 "the gradient of 14 trained parameters was zero in each of 10 steps: embedding.word_embeddings.weight, decoder" \
    tune $pad --train-iters 10 --lr 0 --init-method-std 0
checks=$((checks + 2))
tune $pad --train-iters 9 --lr 0 --init-method-std 0 2>&1 | grep -q "the gradient of" && wrong "nine steps are not ten"
tune $pad --train-iters 12 2>&1 | grep -q "the gradient of" && wrong "all learns"
if have_mpi; then # each stage names its own
    tune_on() { on 4 "$T" posttrain $common $pad "$@"; }
    expect 0 "rank 2 on" tune_on --train-iters 10 --lr 0 --init-method-std 0 --pipeline-model-parallel-size 2 --tensor-model-parallel-size 2
    checks=$((checks + 1))
    [ "$(grep -o "gradient of [0-9]* trained" "$D/err" | tr '\n' ' ')" = "gradient of 7 trained gradient of 7 trained " ] ||
        wrong "not each once: $(grep gradient "$D/err")"
fi

# resumed exactly, evaluations too, whatever lengths rows have
eval="--eval-iters 2 --eval-interval 3 --no-pad-to-seq-lengths --neftune-noise-alpha 5"
job run 1 $pad $eval --train-iters 8 --save "$D/run"
job begun 1 $pad $eval --train-iters 8 --exit-interval 5 --save "$D/half"
job half 1 $pad $eval --train-iters 8 --load "$D/half"
curve "$D/run.jsonl" | tail -n 3 >"$D/a"
curve "$D/half.jsonl" >"$D/b"
same "$D/a" "$D/b"
checks=$((checks + 1))
grep -q valid_lm_loss "$D/half.jsonl" || wrong "no evaluation: $(cat "$D/half.jsonl")"
# what was tuned is where the next begins
expect 0 "weights of iteration 8" tune $pad --train-iters 1 --load "$D/run" --finetune
expect 0 "33 samples; 4 rows of up to 32 tokens, 0.121 epochs" tune $pad --train-iters 1
job two 1 $pad --train-iters 2 --data-path 1 "$D/rows" 3 "$D/rows"
expect 0 "66 samples" tune $pad --train-iters 1 --data-path "$D/rows" "$D/rows"

# the same from a file
cat >"$D/c.yaml" <<Y
stage: sft
no-pad-to-seq-lengths: true
is_instruction_dataset: true
Y
expect 0 "iterations 1 to 1" tune --train-iters 1 --config "$D/c.yaml"
expect 0 "tokens/s" "$T" plan $common --train-iters 1 --config "$D/c.yaml"

# what it refuses
expect 2 "--stage is missing" "$T" posttrain --lr 1
expect 2 "tessera posttrain" "$T" pretrain --stage sft
expect 2 "--is-pairwise-dataset: this --stage trains on answers" tune --train-iters 1 --is-pairwise-dataset
expect 2 "contradict each other" tune --train-iters 1 --is-pairwise-dataset --is-instruction-dataset
expect 2 "there is no $D/none_packed_input_ids_document.idx" tune --train-iters 1 --data-path "$D/none"
expect 2 "there is no $D/pairs_packed_input_ids_document.idx" tune --train-iters 1 --data-path "$D/pairs"
expect 2 "there are no data to train on" "$T" posttrain $shape --stage sft --seq-length 32 --micro-batch-size 2 --train-iters 1 --lr 1
expect 2 "more than --seq-length 32" tune --train-iters 30 --no-cut-token
expect 2 "filled up behind" tune --train-iters 1 --no-pad-to-seq-lengths --tokenizer-padding-side left
expect 2 "has a token to train on in its first 1 (--seq-length)" tune --train-iters 1 --seq-length 1
expect 2 "leaves nothing to train on" tune --train-iters 1 --split 0,1,0
expect 2 "goes with a stage of tuning" "$T" plan $shape $batch --train-iters 1 --lr-warmup-iters 0 --neat-pack
expect 2 "labels say what is trained on" tune --train-iters 1 --eod-mask-loss
for key in input_ids labels; do
    for end in bin idx; do cp "$D/rows_packed_${key}_document.$end" "$D/bad_packed_${key}_document.$end"; done
done
expect 2 "bad_packed_attention_mask_document.idx" tune --train-iters 1 --data-path "$D/bad" --neat-pack
for end in bin idx; do cp "$D/pairs_packed_chosen_labels_document.$end" "$D/bad_packed_labels_document.$end"; done
expect 2 "they are not of the same samples" tune --train-iters 1 --data-path "$D/bad"
"$rows" "$D/other" sft 41 6
for end in bin idx; do cp "$D/other_packed_labels_document.$end" "$D/bad_packed_labels_document.$end"; done
expect 2 "numbers: expected the" tune --train-iters 1 --data-path "$D/bad"
expect 2 "is outside the vocabulary" tune --train-iters 1 --vocab-size 40
expect 0 "has no effect without --no-pad-to-seq-lengths" tune --train-iters 1 --pad-to-multiple-of 16
finish
