#!/bin/sh
# Adapters beside a model's weights: in every layout what one process trains, in folders what PEFT reads (tests/golden has
# its numbers), merged what they compute apart; and what fits nothing is refused.
. "$(dirname "$0")/lib.sh"
make_data
base=tests/golden/families/llama adapter=tests/golden/adapters/patterns
awk '{ for (i = 1; i <= NF; i++) $i = $i % 78 } 1' "$D/numbers.txt" >"$D/few.txt"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 78 >/dev/null 2>"$D/err" ||
    wrong "preprocess: $(cat "$D/err")"
common="--load $base --data-path $D/few_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --tokenizer-type NullTokenizer --vocab-size 78 --train-iters 4"
echo '{"ids": [3, 17, 40, 61, 5, 9, 70, 33]}' >"$D/ids"

# scores NAME OPTIONS...: log-probabilities in $D/scores-NAME
scores() {
    name=$1
    shift
    checks=$((checks + 1))
    "$T" score --input "$D/ids" "$@" 2>"$D/err" | tr -d '[]' | sed 's/.*"logprobs": null, //; s/, "sum.*//' | tr ', ' '\n\n' |
        sed '/^$/d' >"$D/scores-$name"
    [ -s "$D/scores-$name" ] || wrong "score $*: $(cat "$D/err")"
}
# near A B: no score differs by more than some units of fp32
near() {
    checks=$((checks + 1))
    paste "$D/scores-$1" "$D/scores-$2" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 2e-5) bad = 1 } END { exit bad || !NR }' ||
        wrong "scores of $1 and $2 differ"
}

# A begins at random, B at zero: the first loss is the model's
job none 1 --train-iters 1
for names in "q_proj v_proj down_proj" "linear_qkv linear_proj linear_fc1 linear_fc2 --lora-dora"; do
    new="--lora-r 3 --lora-alpha 6 --lora-target-modules $names"
    # shellcheck disable=SC2086
    job one 1 $new --save-peft "$D/peft" --save-hf "$D/hf" --save "$D/one"
    checks=$((checks + 1))
    { numbers none && numbers one; } | awk 'NR == 1 { x = $2 } NR == 2 { d = $2 / x - 1; exit !(d < 1e-6 && d > -1e-6) }' ||
        wrong "$names: another first loss"
    scores apart --load $base --lora-load "$D/peft"
    scores merged --load "$D/hf"
    near apart merged
    checks=$((checks + 1))
    "$T" convert --load-dir $base --lora-load "$D/peft" --save-dir "$D/both" >"$D/out" 2>"$D/err" || wrong "convert: $(cat "$D/err")"
    scores converted --load "$D/both"
    near apart converted
    rm -rf "$D/both"
    # a checkpoint says what adapter it has, with the model's weights and without
    scores saved --load "$D/one"
    near apart saved
    checks=$((checks + 1))
    "$T" convert --load-dir "$D/one" --save-dir "$D/both" >"$D/out" 2>"$D/err" || wrong "convert: $(cat "$D/err")"
    scores converted --load "$D/both"
    near apart converted
    rm -rf "$D/both"
    for filter in "" --lora-ckpt-filter; do
        # shellcheck disable=SC2086
        job half 1 $new $filter --exit-interval 2 --save "$D/half$filter"
        # shellcheck disable=SC2086
        job rest 1 --load "$D/half$filter" $filter --save-peft "$D/peft-rest"
        same "$D/peft/adapter_model.safetensors" "$D/peft-rest/adapter_model.safetensors"
        rm -rf "$D/peft-rest"
    done
    checks=$((checks + 1))
    grep -q "linear_qkv.weight" "$D"/half--lora-ckpt-filter/iter_*/model.safetensors.index.json && wrong "weights of the model are saved"
    have_mpi || continue
    for layout in "2 --tensor-model-parallel-size 2" "4 --tensor-model-parallel-size 4 --sequence-parallel" "2 --context-parallel-size 2" \
        "4 --pipeline-model-parallel-size 2 --use-distributed-optimizer" "2 --use-torch-fsdp2 --recompute-granularity full
        --recompute-method uniform --recompute-num-layers 1"; do
        # shellcheck disable=SC2086
        set -- $layout
        ranks=$1
        shift
        rm -rf "$D/hf"
        # shellcheck disable=SC2086
        job layout "$ranks" $new "$@" --save-hf "$D/hf"
        alike layout one 1
        # shellcheck disable=SC2086
        as_planned layout "$ranks" $new "$@"
        scores merged --load "$D/hf"
        near apart merged
    done
    rm -rf "$D"/half* "$D/one" "$D/hf" "$D/peft" "$D/peft-rest"
done

# B at four times the rate: where B is zero and A has no gradient yet a step is that of four times the rate, else not
step="--optimizer sgd --sgd-momentum 0 --weight-decay 0 --clip-grad 0 --train-iters 1"
# shellcheck disable=SC2086
for of in "--lora-r 3 --lora-target-modules q_proj" "--lora-load $adapter"; do
    job plus 1 $of $step --lr 0.5 --lora-plus-ratio 4 --save-peft "$D/plus"
    job four 1 $of $step --lr 2 --save-peft "$D/four"
    checks=$((checks + 1))
    case $of in
    *lora-r*) cmp -s "$D/plus/adapter_model.safetensors" "$D/four/adapter_model.safetensors" ;;
    *) ! cmp -s "$D/plus/adapter_model.safetensors" "$D/four/adapter_model.safetensors" ;;
    esac || wrong "--lora-plus-ratio with $of"
    rm -rf "$D/plus" "$D/four"
done

# refused before anything is written
refuse() {
    text=$1
    shift
    # shellcheck disable=SC2086
    expect 2 "$text" "$T" pretrain $common --save "$D/no" "$@"
    absent "$D/no"
}
refuse "there are q_proj k_proj v_proj o_proj" --lora-r 2 --lora-target-modules nothing
refuse "give names of one kind" --lora-r 2 --lora-target-modules q_proj linear_proj
refuse "must say which layers" --lora-r 2
# shellcheck disable=SC2086
expect 2 "the output layer is the embedding" "$T" pretrain $common --load tests/golden/families/gemma2 --lora-r 2 --lora-target-modules lm_head
refuse "there is no adapter" --save-peft "$D/peft"
refuse "no adapter_config.json" --lora-load "$D"
refuse "whose r is 4" --lora-load $adapter --lora-r 8
refuse "whose use_dora is false" --lora-load $adapter --lora-dora
refuse "contradict each other" --lora-load $adapter --freeze mlp
mkdir "$D/bent"
cp $adapter/adapter_model.safetensors "$D/bent"
bent() {
    sed "$1" $adapter/adapter_config.json >"$D/bent/adapter_config.json"
    refuse "$2" --lora-load "$D/bent"
}
bent 's/"q_proj"/"o_proj"/' "is missing, which adapter_config.json asks for"
bent 's/"q_proj"/"v_proj"/' "fits nothing in the model"
mkdir "$D/bent-rest"
cp "$D"/bent/* "$D/bent-rest"
bent 's/"r": 4/"r": 5/' "has shape [4"
bent 's/"lora_dropout": 0.0/"lora_dropout": 1.5/' "lora_dropout is 1.5"
bent 's/"lora_bias": false/"lora_bias": true/' "lora_bias is set"
for begin in pissa_niter_4 corda loftq lora_ga; do
    bent "s/\"init_lora_weights\": true/\"init_lora_weights\": \"$begin\"/" "init_lora_weights is $begin"
done
expect 2 "fits nothing in the model" "$T" convert --load-dir $base --lora-load "$D/bent-rest" --save-dir "$D/no"
absent "$D/no"
expect 0 "" "$T" convert --load-dir $base --qlora-nf4 --save-dir "$D/nf4"
expect 2 "convert the model with --qlora-save-dequantize first" "$T" convert --load-dir "$D/nf4" --lora-load $adapter --save-dir "$D/no"
absent "$D/no"
expect 2 "whose lora_alpha is 6" "$T" convert --load-dir $base --lora-load $adapter --lora-alpha 5 --save-dir "$D/no"
expect 2 "there is no adapter" "$T" convert --load-dir $base --save-lora-to-hf --save-dir "$D/no"
absent "$D/no"
expect 0 "" "$T" convert --load-dir $base --lora-load $adapter --save-lora-to-hf --save-dir "$D/again"
same $adapter/adapter_model.safetensors "$D/again/adapter_model.safetensors"
# several are one
merge=tests/golden/adapters_merge
blend() {
    text=$1
    shift
    expect 2 "$text" "$T" convert --save-dir "$D/no" "$@"
    absent "$D/no"
}
blend "give cat or svd" --lora-merge $merge/a $merge/b --lora-combination linear
blend "has 1 numbers" --lora-merge $merge/a $merge/b --lora-weights 2
blend "expected numbers" --lora-merge $merge/a $merge/b --lora-weights 2 x
blend "leave --load-dir out" --lora-merge $merge/a $merge/b --load-dir $base
blend "there is no adapter_config.json" --lora-merge $merge/a $merge
blend "use_dora is set" --lora-merge $merge/a tests/golden/adapters/dora
blend "is of another size" --lora-merge $merge/a tests/golden/adapters/patterns tests/golden/adapters/all-linear
blend "other weights than the model" --lora-merge $merge/a tests/golden/adapters/pissa
expect 0 "14 tensors" "$T" convert --lora-merge $merge/a $merge/b --lora-weights 0.7 -1.5 --save-dir "$D/blend"
scores blend --load $base --lora-load "$D/blend"
checks=$((checks + 1))
"$T" convert --load-dir $base --lora-load "$D/blend" --save-dir "$D/blended" >"$D/out" 2>"$D/err" || wrong "convert: $(cat "$D/err")"
scores blended --load "$D/blended"
near blend blended
finish
