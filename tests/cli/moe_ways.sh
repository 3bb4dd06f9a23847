#!/bin/sh
# Ways of tokens to experts on several processes: in parts, by way of each host, and with copies of the busiest experts;
# experts that move by their loads. The numbers are those without them, and the traffic is what docs/moe.md says.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
model="$shape --num-experts 8 --moe-router-topk 2 --moe-ffn-hidden-size 24 --clip-grad 0"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.01
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 4 --log-params-norm --threads 1 $model"
apart="--expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall"
hosts="--tensor-model-parallel-size 2 --sequence-parallel --expert-model-parallel-size 2 --moe-tp-extend-ep
    --moe-token-dispatcher-type alltoall"
# sent NAME GROUP KIND WHAT: calls, messages or bytes of the last step
sent() {
    tail -n 1 "$D/$1.jsonl" | tr -d ' \n' |
        sed -n "s/.*\"$2\":{[^}]*\"by\":{\(\"[a-z-]*\":{[^}]*},\)*\"$3\":{\([^}]*\)}.*/\2/p" | tr ',' '\n' | sed -n "s/\"$4\"://p"
}
# rows NAME SLICES: bytes of rows that travel, without the numbers of each expert's that go before
rows() { echo $(($(sent "$1" ep all-to-all bytes) - $2 * 2 * 2 * 4 * 8)); }
# is WHAT NUMBER EXPECTED
is() {
    checks=$((checks + 1))
    [ "${2:-none}" = "$3" ] || wrong "$1: ${2:-none}, not $3"
}
# less WHAT A PERCENT B: a is less than so much of b
less() {
    checks=$((checks + 1))
    [ "$((${2:-0} * 100))" -lt "$(($3 * ${4:-0}))" ] && [ "${2:-0}" -gt 0 ] || wrong "$1: $2 of $4"
}

# shellcheck disable=SC2086
{
    job flat 2 $apart
    job parts 2 $apart --moe-experts-pipeline-degree 2
    alike parts flat 1 0
    job pipes 2 $apart --use-pipe-experts --pipe-experts-multi-data 2
    alike pipes flat 1
    # rows go and come back, forward and backward, in so many parts: one process to the other, 2 layers, 2 micro-batches;
    # and once, how many
    is "messages in one part" "$(sent flat ep all-to-all messages)" $((4 * 5))
    is "messages in 2 parts" "$(sent parts ep all-to-all messages)" $((4 * 5 * 2))
    is "messages in 8 parts" "$(sent pipes ep all-to-all messages)" $((4 * 5 * 8))
    is "bytes in 2 parts" "$(sent parts ep all-to-all bytes)" "$(sent flat ep all-to-all bytes)"

    # in slices of each sequence: as many bytes in twice the messages, of one expert each in four times as many
    job sliced 2 $apart --ampipe-degree 2
    alike sliced flat 1 1e-6
    is "messages of 2 slices" "$(sent sliced ep all-to-all messages)" $((4 * 5 * 2))
    is "rows of 2 slices" "$(rows sliced 2)" "$(rows flat 1)"
    job finer 2 $apart --ampipe-degree 4 --use-pipe-experts
    alike finer flat 1 1e-6
    is "messages of 4 slices in 4 parts" "$(sent finer ep all-to-all messages)" $((4 * 5 * 4 * 4))
    job dropped 2 $apart --ampipe-degree 2 --moe-expert-capacity-factor 1
    job roomy 2 $apart --ampipe-degree 2 --moe-expert-capacity-factor 8
    alike roomy flat 1 1e-6
    checks=$((checks + 1))
    [ "$(numbers dropped)" != "$(numbers flat)" ] || wrong "a capacity of slices drops nobody"
    job traced 2 $apart --ampipe-degree 2 --moe-routing-record "$D/r2"
    job led 2 $apart --moe-routing-replay "$D/r2"
    alike led flat 1 0

    # copies of 2 experts of 3 x 24 x 32 values each, from one process or the other, and their gradients back
    job even 2 $apart --fix-router
    job lent 2 $apart --fix-router --balanced-moe-experts --balanced-moe-hot-expert-num 2
    alike lent even 1
    as_planned lent 2 $apart --fix-router --balanced-moe-experts --balanced-moe-hot-expert-num 2
    is "bytes of copies" "$(sent lent ep all-gather bytes)" $((4 * 2 * 3 * 24 * 32 * 4 / 2))
    is "bytes of their gradients" "$(sent lent ep reduce-scatter bytes)" $((4 * 2 * 3 * 24 * 32 * 4 / 2))
    less "rows that travel though 2 of 8 experts are here" "$(sent lent ep all-to-all bytes)" 78 "$(sent even ep all-to-all bytes)"
    job busy 2 $apart --balanced-moe-experts
    alike busy flat 1
    less "rows that travel though the busiest experts are here" "$(sent busy ep all-to-all bytes)" 70 "$(sent flat ep all-to-all bytes)"

    # a token crosses once: 8 rows of a process, 32 wide, to one other group; weights and ids of 2 experts with them
    job near 4 $hosts
    job far 4 $hosts --moe-hierarchical-alltoallv
    alike far near 1
    is "bytes that cross" "$(sent far ep-far all-gather bytes)" $((4 * (8 * 32 * 4 * 2 + 2 * 8 * 2 * 4)))
    is "bytes that come back" "$(sent far ep-far reduce-scatter bytes)" $((4 * (8 * 32 * 4 * 2 + 8 * 2 * 4)))

    # experts move, and nothing else is seen of it
    move="--enable-expert-placement --expert-placement-freq 1"
    job stays 2 $apart --save "$D/stays" --save-hf "$D/hf-stays" --train-iters 6
    job moves 2 $apart $move --save "$D/moves" --save-interval 2 --save-hf "$D/hf-moves" --train-iters 6
    cp "$D/err" "$D/told"
    cat "$D/out" >>"$D/told"
    alike moves stays 1 1e-6
    same "$D/hf-stays/model.safetensors" "$D/hf-moves/model.safetensors"
    checks=$((checks + 1))
    sed -n 's/.*processes. loads vary by \([0-9.]*\), not \([0-9.]*\)/\1 \2/p' "$D/told" |
        awk '$1 >= $2 { bad = 1 } END { exit bad || NR < 2 }' || wrong "experts that moved: $(cat "$D/told")"
    job on1 1 --load "$D/moves" --train-iters 8
    job on2 1 --load "$D/stays" --train-iters 8
    alike on1 on2 1 0
    job fine 2 $apart $move --enable-fine-grained-expert-placement --fine-grained-expert-placement-thre 10
    checks=$((checks + 1))
    ! grep -q 'experts moved' "$D/err" "$D/out" || wrong "moved, though it is not worth while"

    # values that are shared out come once each way for a layer's experts and once for the rest, shared expert or not
    values="4 $apart --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params"
    job without $values
    job with $values --moe-shared-expert-intermediate-size 16
    job beside $values --moe-shared-expert-intermediate-size 16 --moe-shared-expert-overlap
    is "gathers with a shared expert" "$(sent with dp all-gather calls)" "$(sent without dp all-gather calls)"
    is "gathers with one beside" "$(sent beside dp all-gather calls)" "$(sent without dp all-gather calls)"

    # what is not kept, and what waits elsewhere, is less memory
    job deep 2 $apart --num-layers 6
    job once 2 $apart --num-layers 6 --moe-adaptive-recompute-activation --moe-adaptive-recompute-activation-scale 100
    job again 2 $apart --num-layers 6 --moe-adaptive-recompute-activation --moe-adaptive-recompute-activation-scale 0.01
    alike once deep 1 0
    alike again deep 1 0
    is "memory where only the first is made again" "$(memory once)" "$(memory deep)"
    less "memory where all is made again" "$(memory again)" 100 "$(memory once)"
    job waits 2 $apart --moe-unperm2-mem-optim-swap
    alike waits flat 1 0
    checks=$((checks + 1))
    [ "$(memory waits)" != "$(memory flat)" ] || wrong "experts' results do not wait elsewhere"
}
# refused WORDS PROCESSES OPTIONS...
refused() {
    words=$1 n=$2
    shift 2
    # shellcheck disable=SC2086
    expect 2 "$words" "$T" plan $common --world-size "$n" "$@"
}
# shellcheck disable=SC2086
{
    refused "--balanced-moe-experts needs experts on several processes" 2 --balanced-moe-experts
    refused "is more than the 2 experts that a process has of a layer (it may be 1 to 2)" 4 --expert-model-parallel-size 4 \
        --moe-token-dispatcher-type alltoall --balanced-moe-experts
    refused "does not divide the 4 experts that a process has of a layer (it may be 1, 2 or 4)" 2 $apart \
        --moe-experts-pipeline-degree 3
    refused "--moe-hierarchical-alltoallv needs --moe-tp-extend-ep" 2 $apart --moe-hierarchical-alltoallv
    refused "--pipe-experts-multi-data needs --use-pipe-experts" 2 $apart --pipe-experts-multi-data 2
    refused "give one" 2 $apart --use-pipe-experts --moe-experts-pipeline-degree 2
    refused "level0" 2 $apart --use-pipe-experts --moe-zero-memory level1
    refused "--enable-expert-placement" 2 $apart --enable-expert-placement --dump-steps 1
    refused "--ampipe-degree needs experts on several processes" 2 --ampipe-degree 2
    refused "--ampipe-degree 3 does not divide --seq-length 16" 2 $apart --ampipe-degree 3
    refused "--sequence-parallel leaves a process some rows" 4 $hosts --ampipe-degree 2
    refused "does not divide the 1 tokens of a slice" 4 $apart --tensor-model-parallel-size 2 --ampipe-degree 16
    refused "--ampipe-degree: attention and experts of a slice" 2 $apart --ampipe-degree 2 --recompute-granularity selective
    refused "whose values --use-megatron-fsdp would bring again" 2 $apart --ampipe-degree 2 --use-megatron-fsdp \
        --data-parallel-sharding-strategy optim_grads_params
    refused "is not one of softmax attention without gates" 2 $apart --ampipe-degree 2 --attention-output-gate
}
finish
