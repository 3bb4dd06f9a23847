#!/bin/sh
# DeepSpeed's mixtures of experts from the command line: experts take what their capacity allows, runs go on, run again and
# are planned as they are, and options that have no place beside the gate are refused.
. "$(dirname "$0")/lib.sh"
make_data
experts="--num-experts 6 --moe-ffn-hidden-size 24 --expert-interval 2 --moe-aux-loss-coeff 0.02 --moe-model-type deepspeed_moe"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.01
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 4 --log-params-norm --threads 1 $shape --num-layers 4 $experts"
one="--moe-router-topk 1"
# other NAME THAN: another run
other() {
    checks=$((checks + 1))
    [ "$(numbers "$1")" != "$(numbers "$2")" ] || wrong "$1 is $2"
}

# the second and the fourth layer have experts
# shellcheck disable=SC2086
job plain 1 $one --save "$D/plain"
as_planned plain 1 $one
checks=$((checks + 1))
layers=$(head -n 1 "$D/plain.jsonl" | sed 's/.*"expert_load": *{\([^}]*\)}.*/\1/' | grep -o '"[0-9]*": *\[' | tr -d '": [' | tr '\n' ' ')
[ "$layers" = "1 3 " ] || wrong "layers with experts: $layers"
# shellcheck disable=SC2086
{
    job again 1 $one --recompute-granularity full
    alike again plain 1 0
    job half 1 $one --train-iters 2 --save "$D/half"
    job rest 1 $one --load "$D/half"
    job first 1 $one --no-use-rts
    other first plain
    job loose 1 $one --moe-train-capacity-factor 6
    other loose plain
    job all 1 $one --moe-no-drop
    alike all loose 1 0
    job padded 1 $one --moe-no-drop --moe-dynamic-padding --enable-token-rearrange-opt
    alike padded all 1 0
    job few 1 $one --moe-train-capacity-factor 0.01 --moe-min-capacity 16
    alike few loose 1 0
    job noisy 1 $one --moe-no-drop --noisy-gate-policy Jitter
    other noisy all
    job drawn 1 $one --moe-no-drop --noisy-gate-policy RSample
    other drawn all
    job even 1 $one --moe-no-drop --moe-use-sinkhorn
    other even all
}
numbers plain | awk '$1 > 2' >"$D/a"
numbers rest >"$D/b"
same "$D/a" "$D/b"
# of two experts the weights of those that have room sum up to 1
job two 1
job roomy 1 --moe-train-capacity-factor 6
other two roomy
as_planned two 1
# without drops the gate of two experts is Megatron-LM's, but for what its loss counts
job free 1 --moe-no-drop --moe-aux-loss-coeff 0
job core 1 --moe-model-type megatron_moe --moe-aux-loss-coeff 0
alike free core 1 0

# evaluation goes by a factor of its own, or by training's
valid="--split 50,50,0 --eval-iters 1 --eval-interval 4"
# shellcheck disable=SC2086
{
    job wide 1 $valid --moe-train-capacity-factor 6
    job free 1 $valid --moe-no-drop
    alike wide free 1 0
    job tight 1 $valid --moe-train-capacity-factor 6 --moe-eval-capacity-factor 0.01
    numbers wide | awk '{ print $1, $2, $3, $4 }' >"$D/a"
    numbers tight | awk '{ print $1, $2, $3, $4 }' >"$D/b"
    same "$D/a" "$D/b"
    other tight wide
    job small 1 $valid --moe-train-capacity-factor 0.01 --moe-eval-capacity-factor 6
    job few 1 $valid --moe-train-capacity-factor 0.01
    other small few
}

# shellcheck disable=SC2086
{
    expect 2 "--moe-no-drop: experts take all that comes, --moe-eval-capacity-factor says" "$T" pretrain $common --moe-no-drop \
        --moe-eval-capacity-factor 1
    expect 2 "--moe-router-topk is 3, expected 1 or 2" "$T" pretrain $common --moe-router-topk 3
    expect 2 "--moe-expert-capacity-factor is not of the gate" "$T" pretrain $common --moe-expert-capacity-factor 1
    expect 2 "--moe-dynamic-padding needs --moe-no-drop" "$T" pretrain $common --moe-dynamic-padding
    expect 2 "RSample draws one expert a token" "$T" pretrain $common --noisy-gate-policy RSample
    expect 2 "expected --moe-router-load-balancing-type aux_loss or none" "$T" pretrain $common \
        --moe-router-load-balancing-type seq_aux_loss
    expect 2 "--expert-interval and --moe-layer-freq both" "$T" pretrain $common --moe-layer-freq 2
    expect 2 "expected a model whose router weighs" "$T" pretrain $common --moe-router-score-function sigmoid
}
finish
