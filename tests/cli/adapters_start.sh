#!/bin/sh
# Where adapters begin (--lora-init): the model is the same at first, in every layout the same is trained, the folder is of
# the unchanged model, a run goes on to the bit, and a reference is the model as it was. tests/golden/adapters has PEFT's figures.
. "$(dirname "$0")/lib.sh"
rows=$3
make_data
base=tests/golden/families/llama
awk '{ for (i = 1; i <= NF; i++) $i = $i % 78 } 1' "$D/numbers.txt" >"$D/few.txt"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 78 >/dev/null 2>"$D/err" ||
    wrong "preprocess: $(cat "$D/err")"
plain="--data-path $D/few_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --tokenizer-type NullTokenizer --vocab-size 78 --train-iters 4"
common="--load $base $plain"
new="--lora-r 3 --lora-alpha 6 --lora-target-modules q_proj v_proj down_proj"
echo '{"ids": [3, 17, 40, 61, 5, 9, 70, 33]}' >"$D/ids"
first() { sed -n '1s/.*"lm_loss": \([0-9.e-]*\).*/\1/p' "$D/$1.jsonl"; }
# close A B BOUND: two numbers
close() {
    checks=$((checks + 1))
    awk -v a="$1" -v b="$2" -v e="$3" 'BEGIN { d = a - b; exit !(a > 0 && d <= e && -d <= e) }' || wrong "$1 is not $2"
}
scores() {
    name=$1
    shift
    checks=$((checks + 1))
    "$T" score --input "$D/ids" "$@" 2>"$D/err" | sed 's/.*"sum": \([-0-9.e]*\).*/\1/; s/^-//' >"$D/scores-$name"
    [ -s "$D/scores-$name" ] || wrong "score $*: $(cat "$D/err")"
}
near() { close "$(cat "$D/scores-$1")" "$(cat "$D/scores-$2")" 1e-4; }

job none 1 --train-iters 1
for init in gaussian pissa pissa_niter_16 olora; do
    # shellcheck disable=SC2086
    job one 1 $new --lora-init $init --save-peft "$D/peft" --save-hf "$D/hf" --save "$D/one"
    close "$(first one)" "$(first none)" 2e-6
    scores apart --load $base --lora-load "$D/peft"
    scores merged --load "$D/hf"
    near apart merged
    scores saved --load "$D/one"
    near apart saved
    checks=$((checks + 1))
    "$T" convert --load-dir "$D/one" --save-lora-to-hf --save-dir "$D/again" >"$D/out" 2>"$D/err" || wrong "convert: $(cat "$D/err")"
    same "$D/peft/adapter_model.safetensors" "$D/again/adapter_model.safetensors"
    rank=6 start=true
    [ $init != gaussian ] || rank=3 start='"gaussian"'
    checks=$((checks + 1))
    grep -q "\"r\": $rank,*\$" "$D/peft/adapter_config.json" && grep -q "\"init_lora_weights\": $start" "$D/peft/adapter_config.json" ||
        wrong "$init: $(cat "$D/peft/adapter_config.json")"
    for filter in "" --lora-ckpt-filter; do
        # shellcheck disable=SC2086
        job half 1 $new --lora-init $init $filter --exit-interval 2 --save "$D/half$filter"
        common=$plain
        # shellcheck disable=SC2086
        job rest 1 --load "$D/half$filter" $filter --save-peft "$D/peft-rest"
        common="--load $base $plain"
        same "$D/peft/adapter_model.safetensors" "$D/peft-rest/adapter_model.safetensors"
        rm -rf "$D/peft-rest"
    done
    if have_mpi && [ $init != pissa_niter_16 ]; then
        for layout in "4 --tensor-model-parallel-size 4 --sequence-parallel" "4 --pipeline-model-parallel-size 2 --use-distributed-optimizer" \
            "2 --use-torch-fsdp2"; do
            # shellcheck disable=SC2086
            set -- $layout
            ranks=$1
            shift
            # shellcheck disable=SC2086
            job layout "$ranks" $new --lora-init $init "$@"
            alike layout one 1
            # shellcheck disable=SC2086
            as_planned layout "$ranks" $new --lora-init $init "$@"
        done
    fi
    rm -rf "$D"/half* "$D/one" "$D/hf" "$D/peft" "$D/again"
done

# in 4 bits: with much of their rank an adapter gives back what they lose, or most of the weights is kept from them; a run
# goes on to the bit
all="--lora-r 14 --lora-alpha 14 --lora-target-modules all-linear --qlora"
# shellcheck disable=SC2086
job lost 1 $all --train-iters 1
for init in loftq pissa; do
    # shellcheck disable=SC2086
    job bits 1 $all --lora-init $init --save-peft "$D/peft"
    checks=$((checks + 1))
    awk -v none="$(first none)" -v lost="$(first lost)" -v kept="$(first bits)" 'BEGIN { a = none - lost; b = none - kept
        exit !(a * a > 1e-8 && b * b < a * a / 16) }' || wrong "$init: $(first none) was $(first lost), and is $(first bits)"
    # shellcheck disable=SC2086
    job half 1 $all --lora-init $init --exit-interval 2 --save "$D/half"
    common=$plain
    # shellcheck disable=SC2086
    job rest 1 --load "$D/half" $all --lora-init $init --save-peft "$D/peft-rest"
    common="--load $base $plain"
    same "$D/peft/adapter_model.safetensors" "$D/peft-rest/adapter_model.safetensors"
    rm -rf "$D/half" "$D/peft" "$D/peft-rest"
done

# the reference of preferences is the model before its weights were taken apart
"$rows" "$D/pairs" pairs 9 5
# shellcheck disable=SC2086
"$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 1 --min-lr 0 --hidden-dropout 0 --attention-dropout 0 \
    --lr-warmup-iters 0 --save-hf "$D/start" >"$D/out" 2>&1 || wrong "no start"
common="--load $D/start --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 4 --lr 0.004 --lr-decay-style constant
    --eval-iters 0 --seed 7 --threads 1 --train-iters 4 --stage dpo --data-path $D/pairs"
# shellcheck disable=SC2086
job own 1 $new --lora-init pissa
# shellcheck disable=SC2086
job named 1 $new --lora-init pissa --ref-model "$D/start"
alike own named 1 1e-5
checks=$((checks + 1))
sed -n 1p "$D/own.jsonl" | grep -q '"lm_loss": 0.69' || wrong "dpo begins with $(first own)"
common="--load $base $plain"

refuse() {
    text=$1
    shift
    # shellcheck disable=SC2086
    expect 2 "$text" "$T" pretrain $common --save "$D/no" "$@"
    absent "$D/no"
}
# shellcheck disable=SC2086
{
    refuse "expected true, gaussian" $new --lora-init kaiming
    refuse "give --qlora" $new --lora-init loftq
    refuse "and use_dora begins with" $new --lora-init pissa --lora-dora
    refuse "counts the lengths of weights' rows" $new --qlora --lora-dora
    refuse "of linear layers alone" --lora-r 3 --lora-target-modules embed_tokens --lora-init olora
    refuse "must be those of the Hugging Face class" --lora-r 3 --lora-target-modules linear_qkv --lora-init olora
    refuse "is of rank 25" --lora-r 25 --lora-target-modules q_proj --lora-init pissa
    refuse "in few bits already" --load tests/golden/families/llama-nf4 $new --qlora --lora-init pissa
    refuse "init_lora_weights is \"pissa\"" --lora-load tests/golden/adapters/pissa --lora-init olora
}
job plainly 1 --train-iters 1 --save "$D/plainly"
refuse "made of the weights in a Hugging Face folder" --load "$D/plainly" --finetune --lora-r 3 --lora-target-modules q_proj --lora-init pissa
expect 2 "it is of other weights than the model's" "$T" convert --load-dir $base --lora-load tests/golden/adapters/pissa --save-dir "$D/no"
absent "$D/no"
finish
