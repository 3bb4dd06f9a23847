#!/bin/sh
# Recomputation: each option takes as many bytes less as what is no longer kept has, `plan` says so beforehand, and
# not one bit of losses, gradients and weights changes; the dropout of what runs again is the same too.
. "$(dirname "$0")/lib.sh"

# The vocabulary is large, so that the highest moment is in the output layer, when all that is kept is there.
L=4 T_=256 H=64 F=176 ES=4
job="--num-layers $L --hidden-size $H --ffn-hidden-size $F --num-attention-heads 4 --position-embedding-type rope
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 256 --seq-length 128
    --micro-batch-size 2 --global-batch-size 4 --tokenizer-type NullTokenizer --vocab-size 8191 --mock-data
    --train-iters 3 --lr 1e-2 --eval-iters 0 --hidden-dropout 0.1 --attention-dropout 0.1"

# run NAME OPTIONS...: leaves peak-NAME, planned-NAME, acts-NAME, swap-NAME, copies-NAME, curve-NAME and weights-NAME
run() {
    name=$1
    shift
    # shellcheck disable=SC2086
    "$T" pretrain $job "$@" --metrics-jsonl "$D/m" --save-hf "$D/hf-$name" >"$D/out" 2>"$D/err" </dev/null ||
        wrong "pretrain $*: $(tail -n 1 "$D/err")"
    curve "$D/m" >"$D/curve-$name"
    cp "$D/hf-$name/model.safetensors" "$D/weights-$name"
    sed 's/.*"memory_peak_bytes": \([0-9]*\).*/\1/' "$D/m" | sort -n | tail -n 1 >"$D/peak-$name"
    sed -n '$s/.*"swap_out_bytes": \([0-9]*\), "swap_in_bytes": \([0-9]*\).*/\1 \2/p' "$D/m" >"$D/copies-$name"
    rm -r "$D/m" "$D/hf-$name"
    # shellcheck disable=SC2086
    "$T" plan $job "$@" --json >"$D/plan" 2>"$D/err" || wrong "plan $*: $(tail -n 1 "$D/err")"
    for field in planned:peak_bytes acts:activations swap:swapped; do
        tr -d ' \n' <"$D/plan" | sed "s/.*\"${field#*:}\":\([0-9]*\).*/\1/" >"$D/${field%:*}-$name"
    done
}

# less BYTES BASE OPTIONS...: against the run of that name
less() {
    bytes=$1 base=$2
    shift 2
    checks=$((checks + 1))
    rm -f "$D"/*-this
    run this "$@"
    was=$(cat "$D/peak-$base") now=$(cat "$D/peak-this") plan=$(cat "$D/planned-this")
    [ "$((was - now))" = "$bytes" ] || wrong "$*: $((was - now)) bytes less than $base, not $bytes"
    [ "$now" = "$plan" ] || wrong "$*: planned $plan bytes, took $now"
    same "$D/curve-$base" "$D/curve-this"
    same "$D/weights-$base" "$D/weights-this"
}

# In a layer: the outputs of two norms, of the activation function, of the MLP's first product (gate and up).
parts() {
    norms=$((2 * T_ * H * ES)) act=$((T_ * F * ES)) up=$((T_ * 2 * F * ES))
}

parts
run all --keep-cheap-activations
run cheap
same "$D/curve-all" "$D/curve-cheap"
same "$D/weights-all" "$D/weights-cheap"
keep=--keep-cheap-activations
less $((L * norms)) all $keep --recompute-norm
less $((3 * norms)) all $keep --recompute-norm --recompute-norm-num-layers 3
less 0 all $keep --recompute-norm --recompute-norm-num-layers 0
less $((L * act)) all $keep --recompute-activation-function
less "$act" all $keep --recompute-activation-function --recompute-activation-function-num-layers 1
less $((2 * norms + L * act)) all $keep --recompute-norm --recompute-norm-num-layers 2 --recompute-activation-function
less $((L * norms)) all $keep --recompute-granularity selective --recompute-modules layernorm core_attn
less $((L * (norms + act + up))) all $keep --recompute-activations --recompute-modules layernorm mlp
less $((L * (act + up))) all $keep --recompute-granularity selective --recompute-modules mlp
less $((L * up)) cheap --recompute-granularity selective --recompute-modules mlp
# what is so already, or of a pipeline
less 0 cheap --recompute-norm --recompute-activation-function
less 0 cheap --recompute-granularity selective
less 0 cheap --recompute-activations --recompute-modules core_attn
less 0 cheap --enable-recompute-layers-per-pp-rank --recompute-in-advance
less 0 cheap --recompute-in-bubble

# Layers: of each that is recomputed only its input stays. The parts are then of the layers behind these.
full="--recompute-granularity full --recompute-method"
# shellcheck disable=SC2086
{
    run three $keep $full block --recompute-num-layers 3
    less $((norms)) three $keep $full block --recompute-num-layers 3 --recompute-norm
    less $((act)) three $keep $full block --recompute-num-layers 3 --recompute-activation-function \
        --recompute-activation-function-num-layers 4
    run one $keep $full block --recompute-num-layers 1
    less $((2 * norms + 3 * act)) one $keep $full block --recompute-num-layers 1 --recompute-norm --recompute-norm-num-layers 2 \
        --recompute-activation-function
    # from one to three: of two layers all but their inputs goes, and each is as large as the other
    run two $keep $full block --recompute-num-layers 2
    layer=$(($(cat "$D/peak-one") - $(cat "$D/peak-two")))
    checks=$((checks + 1))
    [ "$layer" -gt $((norms + act + up)) ] || wrong "a layer that is recomputed keeps all but $layer bytes"
    less "$layer" two $keep $full block --recompute-num-layers 3
    less $((2 * layer)) two $keep $full block --recompute-num-layers 4
    less $((3 * layer)) one $keep $full uniform --recompute-num-layers 1
}

# swapped BASE LAYERS OPTIONS...: the inputs of so many segments go from one memory to the other, not a byte is lost
swapped() {
    base=$1 moved=$(($2 * T_ * H * ES))
    shift 2
    less 0 "$base" "$@" --swap-layer-input
    checks=$((checks + 2))
    acts=$(($(cat "$D/acts-$base") - $(cat "$D/acts-this"))) swap=$(cat "$D/swap-this")
    [ "$acts" = "$moved" ] || wrong "$*: $acts bytes of activations less, not $moved"
    [ "$swap" = "$moved" ] || wrong "$*: $swap bytes in the second memory, not $moved"
}
# shellcheck disable=SC2086
{
    swapped three 3 $keep $full block --recompute-num-layers 3
    run uniform $full uniform --recompute-num-layers 1
    swapped uniform $L $full uniform --recompute-num-layers 1
    run groups $full uniform --recompute-num-layers 2
    swapped groups 2 $full uniform --recompute-num-layers 2
}

# waiting BASE BYTES OPTIONS...: so many bytes wait in the second memory, and what goes there comes back
waiting() {
    base=$1 moved=$2
    shift 2
    less 0 "$base" "$@"
    checks=$((checks + 3))
    acts=$(($(cat "$D/acts-$base") - $(cat "$D/acts-this"))) swap=$(cat "$D/swap-this")
    [ "$acts" = "$moved" ] || wrong "$*: $acts bytes of activations less, not $moved"
    [ "$swap" = "$moved" ] || wrong "$*: $swap bytes in the second memory, not $moved"
    copies=$(cat "$D/copies-this")
    [ "$copies" = "$((2 * moved)) $((2 * moved))" ] ||
        wrong "$*: of two micro-batches copies out and back are $copies, not $((2 * moved)) each"
}
norm=$((T_ * (H * ES + 4))) attn=$((T_ * (4 * H * ES + 4 * 4)))
waiting cheap $((L * (2 * norm + attn))) --swap-attention
waiting cheap $((L * attn)) --swap-attention --swap-modules self_attention
waiting cheap $((L * (norm + 2 * T_ * F * ES))) --swap-attention --swap-modules post_attention_norm,mlp
run again --recompute-granularity selective --recompute-modules mlp
waiting again $((L * norm)) --swap-attention --swap-modules input_norm --recompute-num-layers $L

ES=2
parts
job="$job --bf16"
run all $keep
run cheap
less $((L * norms)) all $keep --recompute-norm
less $((2 * act)) all $keep --recompute-activation-function --recompute-activation-function-num-layers 2
less $((L * up)) cheap --recompute-granularity selective --recompute-modules mlp
# shellcheck disable=SC2086
{
    run uniform $full uniform
    swapped uniform $L $full uniform
}

# a mask is a range of keys, made in the kernel: there is none to normalise
less 0 cheap --sparse-mode 2 --pre-tockens 65536 --next-tockens 0 --no-create-attention-mask-in-dataloader

# contradictions, and what is said
train() {
    # shellcheck disable=SC2086
    "$T" pretrain $job "$@"
}
said="without effect here"
for option in --recompute-norm --recompute-activation-function; do
    # shellcheck disable=SC2086
    expect 2 "$option contradicts --recompute-granularity full with --recompute-method uniform" train $full uniform $option
    expect 2 "$option contradicts --recompute-granularity full with --recompute-method uniform" train --recompute-granularity full $option
    expect 2 "$option contradicts --recompute-granularity selective: give --recompute-modules" train \
        --recompute-granularity selective $option
    expect 2 "$option contradicts --recompute-activations: give --recompute-modules" train --recompute-activations $option
    expect 2 "$option-num-layers 5 is more than --num-layers 4: expected 0 to 4" train $option $option-num-layers 5
done
expect 2 "--recompute-modules mpl: expected core_attn, layernorm, mlp, moe, moe_act or shared_experts" train --recompute-activations --recompute-modules mpl
expect 2 "--recompute-modules mla_up_proj: there is no such module in this version" train --recompute-activations --recompute-modules mla_up_proj
expect 2 "--recompute-in-bubble and --recompute-in-advance contradict each other" train --recompute-in-bubble --recompute-in-advance
expect 2 "--swap-attention and --recompute-in-bubble contradict each other" train --swap-attention --recompute-in-bubble
expect 2 "--swap-modules attn: expected input_norm, self_attention, post_attention_norm or mlp" train --swap-attention \
    --swap-modules mlp,attn
expect 2 "--recompute-num-layers 5 is more than --num-layers 4" train --swap-attention --recompute-num-layers 5
expect 2 "--recompute-in-bubble and --recompute-granularity contradict each other" train --recompute-in-bubble \
    --recompute-granularity full
expect 2 "--sparse-mode" train --sparse-mode 4
grep -qF "0|2" "$D/err" || wrong "--sparse-mode 4: $(cat "$D/err")"
expect 2 "--pre-tockens" train --pre-tockens 128
expect 2 "--next-tockens" train --next-tockens 128
job="$job --train-iters 1"
expect 0 "$said: --recompute-norm (the outputs of norms are made again in all layers" train --recompute-norm
expect 0 "$said: --recompute-modules layernorm (the outputs of norms" train --recompute-activations --recompute-modules layernorm
expect 0 "$said: --recompute-modules core_attn (attention is always" train --recompute-activations --recompute-modules core_attn
expect 0 "--recompute-modules has no effect without --recompute-granularity selective" train --recompute-modules mlp
expect 0 "--swap-layer-input has no effect without --recompute-granularity full" train --swap-layer-input
expect 0 "--swap-modules has no effect without --swap-attention" train --swap-modules mlp
# shellcheck disable=SC2086
expect 0 "$said: --swap-attention (--recompute-method uniform keeps" train --swap-attention $full uniform
for option in --recompute-norm --recompute-activation-function; do
    expect 0 "$option-num-layers has no effect without $option" train $option-num-layers 1
done
checks=$((checks + 1))
train $keep --recompute-norm --recompute-activation-function >"$D/out" 2>&1 </dev/null
! grep -q "$said" "$D/out" || wrong "with $keep: $(grep "$said" "$D/out")"
finish
