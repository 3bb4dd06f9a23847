#!/bin/sh
# Learning from a teacher while tuning: there or kept, in which divergence, in processes as in one, made in pieces, refused.
. "$(dirname "$0")/lib.sh"
rows=$3
"$rows" "$D/rows" sft 24 5
"$rows" "$D/others" sft 24 6
make_data
made="$shape --max-position-embeddings 64 --seq-length 32 --micro-batch-size 2 --global-batch-size 4 --lr 4e-2 --eval-iters 0 --threads 1
    --data-path $D/data_text_document"
# shellcheck disable=SC2086
"$T" pretrain $made --train-iters 1 --save-hf "$D/student" >"$D/out" 2>&1 || wrong "no student"
# shellcheck disable=SC2086
"$T" pretrain $made --num-layers 3 --hidden-size 48 --ffn-hidden-size 96 --train-iters 3 --save-hf "$D/teacher" >"$D/out" 2>&1 ||
    wrong "no teacher"
common="--load $D/student --finetune --split 80,20,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4 --lr 4e-3
    --lr-decay-style constant --eval-iters 1 --eval-interval 2 --seed 7 --threads 1 --log-interval 1000 --stage sft --data-path $D/rows
    --train-iters 4"

# all tokens that are kept are as the teacher itself, whatever is learned; few are not
for beta in 0 0.5 1; do
    taught="--teacher-model $D/teacher --kd-temp 2 --kd-alpha-ce 0.5 --gkd-beta $beta"
    job there 1 $taught
    job all 1 $taught --kd-logits "$D/all" --kd-topk 96
    alike all there 1
done
taught="--kd-temp 2 --kd-alpha-ce 0.5"
kept="$taught --kd-logits $D/few --kd-topk 8"
job few 1 $kept --teacher-model "$D/teacher"
checks=$((checks + 1))
[ "$(numbers few)" != "$(numbers there)" ] || wrong "--kd-topk changes nothing"
as_planned few 1 $taught --kd-logits "$D/none" --kd-topk 8 --teacher-model "$D/teacher"
job file 1 $kept
alike file few 1 0
near_plan file 1 $kept
# the loss is the student's own where nobody is to be learned from
job alone 1
job silent 1 --kd-logits "$D/few" --kd-topk 8 --kd-temp 2 --kd-beta-ce 0
alike silent alone 1

# what a run lacks it adds, and a resumed one goes on to the bit
job part 1 $taught --kd-logits "$D/pieces" --kd-topk 8 --teacher-model "$D/teacher" --train-iters 1 --eval-iters 0
expect 2 "nothing is kept of sample" "$T" posttrain $common $taught --kd-logits "$D/pieces" --kd-topk 8
job pieces 1 $taught --kd-logits "$D/pieces" --kd-topk 8 --teacher-model "$D/teacher"
alike pieces few 1 0
cmp -s "$D/pieces" "$D/few" || wrong "made in pieces it is another file"
job first 1 $kept --exit-interval 2 --save "$D/ckpt"
common=$(echo "$common" | sed 's/ --finetune//')
job second 1 $kept --load "$D/ckpt"
alike second few 3 0
common="$common --finetune"
expect 0 "" "$T" posttrain $common $taught --kd-logits "$D/only" --kd-topk 8 --teacher-model "$D/teacher" --kd-logits-only --eval-iters 1
job only 1 $taught --kd-logits "$D/only" --kd-topk 8
alike only few 1 0

if have_mpi; then
    cut="--tensor-model-parallel-size 2"
    job cut 2 $taught --kd-logits "$D/cut" --kd-topk 8 --teacher-model "$D/teacher" $cut
    alike cut few 1
    job two 2 $taught --kd-logits "$D/two" --kd-topk 8 --teacher-model "$D/teacher"
    alike two few 1
    job ring 2 $taught --kd-logits "$D/ring" --kd-topk 8 --teacher-model "$D/teacher" --context-parallel-size 2
    alike ring few 1
    job stages 2 $kept --pipeline-model-parallel-size 2
    alike stages few 1
    as_planned stages 2 $kept --pipeline-model-parallel-size 2
    job mixed 2 --teacher-model "$D/teacher" $taught --gkd-beta 0.5 $cut
    job mixed-one 1 --teacher-model "$D/teacher" $taught --gkd-beta 0.5
    alike mixed mixed-one 1
    expect 2 "--kd-logits-only in a run" "$T" plan $common $taught --kd-logits "$D/none" --teacher-model "$D/teacher" \
        --pipeline-model-parallel-size 2 --world-size 2
fi

# refused
tune() {
    # shellcheck disable=SC2086
    "$T" posttrain $common "$@"
}
expect 2 "--kd-topk 8, and this run has 9" tune $kept --kd-topk 9
expect 2 "--kd-temp 2, and this run has 3" tune $kept --kd-temp 3
expect 2 "--seq-length 32, and this run has 16" tune $kept --seq-length 16
expect 2 "made of other data: sample" tune $kept --data-path "$D/others"
expect 2 "made of the teacher" tune $kept --teacher-model "$D/student"
expect 2 "there is no such file" tune $taught --kd-logits "$D/nowhere"
absent "$D/nowhere"
expect 2 "there are 97 tokens" tune $taught --kd-logits "$D/nowhere" --kd-topk 98 --teacher-model "$D/teacher"
expect 2 "this is no file of kept" tune $taught --kd-logits "$D/numbers.txt"
head -c 6000 "$D/few" >"$D/short"
expect 2 "damaged, or cut short" tune $taught --kd-logits "$D/short" --kd-topk 8
expect 2 "--gkd-lmbda 0.5" tune $taught --teacher-model "$D/teacher" --gkd-lmbda 0.5
expect 2 "--kd-logits goes with" "$T" pretrain $made --train-iters 1 --kd-logits "$D/few"
finish
