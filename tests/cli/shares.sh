#!/bin/sh
# What processes that train the same weights share out: at every level the run is that without shares (bit for bit
# where sums have the same order), memory is what plan says and less, and a checkpoint of one goes on as any other.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
common="--data-path $D/data_text_document --split 80,20,0 --seq-length 16 --micro-batch-size 1 --lr 0.01
    --lr-decay-style constant --eval-iters 1 --eval-interval 2 --seed 7 --log-params-norm
    --hidden-dropout 0.1 --threads 1 $shape --num-layers 4"
# equal NAME AS: the last checkpoints have the same bits
equal() {
    (cd "$D/$2" && find . -name '*.safetensors') | sort >"$D/files"
    checks=$((checks + 1))
    [ -s "$D/files" ] || wrong "$2: nothing was saved"
    while read -r f; do cmp -s "$D/$1/$f" "$D/$2/$f" || wrong "$1 is not $2: $f"; done <"$D/files"
}
less() {
    checks=$((checks + 1))
    [ "$(memory "$1")" -lt "$(memory "$2")" ] || wrong "$1 takes $(memory "$1") bytes, $2 $(memory "$2")"
}

zero1=--use-distributed-optimizer
zero2="--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads"
zero3="--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params"
printf 'zero3_size: 2\ntransformer_layers:\n  - a.TransformerLayer\nreduce_dtype: fp32\n' >"$D/layerzero.yml"
printf 'sharding_size: 2\nreshard_after_forward: True\nsub_modules_to_wrap:\n  - a.TransformerLayer\n' >"$D/fsdp2.yml"
layerzero="--layerzero --layerzero-config $D/layerzero.yml"
short_masters="--use-precision-aware-optimizer --main-params-dtype bf16"

# shellcheck disable=SC2086
{
    # a batch of a micro-batch for each process: sums have the same order at every level
    for type in fp32 bf16 masters; do
        one="--global-batch-size 3 --train-iters 4"
        [ $type = fp32 ] || one="$one --bf16"
        [ $type = masters ] && one="$one $short_masters"
        job plain-$type 3 $one --save "$D/plain-$type" --save-interval 4
        for level in 1 2 3; do
            options=$(eval echo \$zero$level)
            job z$level-$type 3 $one $options --save "$D/z$level-$type" --save-interval 4
            equal z$level-$type plain-$type
            alike z$level-$type plain-$type 1 1e-9
            as_planned z$level-$type 3 $one $options
        done
        less z1-$type plain-$type && less z2-$type z1-$type && less z3-$type z2-$type
    done
    # several micro-batches, with what travels early, and in the order of the global batch
    many="--global-batch-size 8 --train-iters 4 --bf16 --overlap-grad-reduce --ddp-bucket-size 1000"
    order="--global-batch-size 6 --train-iters 4 --bf16 --deterministic-mode"
    job many 2 $many --save "$D/many" --save-interval 4
    job many-z1 2 $many $zero1 --overlap-param-gather --save "$D/many-z1" --save-interval 4
    equal many-z1 many
    single="--global-batch-size 8 --train-iters 4 --overlap-grad-reduce"
    job single 2 $single
    for level in 2 3; do
        options=$(eval echo \$zero$level)
        job single-z$level 2 $single $options
        alike single-z$level single 1
        as_planned single-z$level 2 $single $options
    done
    job order 3 $order --save "$D/order" --save-interval 4
    for level in 1 2 3; do
        options=$(eval echo \$zero$level)
        job order-z$level 3 $order $options --save "$D/order-z$level" --save-interval 4
        equal order-z$level order
        as_planned order-z$level 3 $order $options
    done
    # beside tensor parallelism, LayerZeRO, groups that hold copies
    four="--global-batch-size 4 --train-iters 4"
    job four 4 $four
    for way in "tp1 $zero1 --overlap-grad-reduce --overlap-param-gather --tensor-model-parallel-size 2 --sequence-parallel" \
        "tp3 --use-torch-fsdp2 --tensor-model-parallel-size 2" "lz $layerzero" "lz8 --layerzero" \
        "few --use-torch-fsdp2 --fsdp2-config-path $D/fsdp2.yml" "size --fsdp-size 2" \
        "two $zero1 --num-distributed-optimizer-instances 2" "old --enable-zero3"; do
        name=${way%% *} options=${way#* }
        job $name 4 $four $options
        alike $name four 1
        as_planned $name 4 $four $options
    done

    # a checkpoint of one goes on as any other: moments, masters and all
    half="--global-batch-size 12 --train-iters 4 --bf16 --deterministic-mode"
    job whole 1 $half --save-hf "$D/hf-whole"
    job cut-z3 3 $half $zero3 --exit-interval 2 --save "$D/cut-z3"
    job cut-z1 2 $half $zero1 --exit-interval 2 --save "$D/cut-z1"
    job cut 1 $half --exit-interval 2 --save "$D/cut"
    job z3-one 1 $half --load "$D/cut-z3"
    alike z3-one whole 3 1e-9
    job z3-z1 4 $half $zero1 --load "$D/cut-z3"
    alike z3-z1 whole 3 1e-9
    job z1-z2 3 $half $zero2 --load "$D/cut-z1"
    alike z1-z2 whole 3 1e-9
    job one-z3 2 $half $zero3 --load "$D/cut" --save-hf "$D/hf-z3"
    alike one-z3 whole 3 1e-9
    same "$D/hf-whole/model.safetensors" "$D/hf-z3/model.safetensors"
    half="$half $short_masters --exp-avg-dtype bf16"
    job short-whole 1 $half
    job short-z3 3 $half $zero3 --exit-interval 2 --save "$D/short-z3"
    job short-one 1 $half --load "$D/short-z3"
    alike short-one short-whole 3 1e-9
    job short-lz 4 $half $layerzero --load "$D/short-z3"
    alike short-lz short-whole 3 1e-9

    # what cannot be
    expect 2 "each says what is shared out" "$T" plan $common --train-iters 1 --world-size 2 --layerzero --use-torch-fsdp2
    expect 2 "give one of 1, 2, 3, 6" "$T" plan $common --train-iters 1 --world-size 6 --fsdp-size 4
    expect 2 "give one of 1, 3" "$T" plan $common --train-iters 1 --world-size 3 $layerzero
    expect 2 "is none of no_shard|optim|optim_grads|optim_grads_params" "$T" plan $common --train-iters 1 --world-size 3 \
        --use-megatron-fsdp --data-parallel-sharding-strategy all
    expect 2 "share out among all" "$T" plan $common --train-iters 1 --world-size 4 --deterministic-mode --fsdp-size 2
    echo "shard_size: 2" >"$D/wrong.yml"
    expect 2 "shard_size is not known here; there are sharding_size, " "$T" plan $common --train-iters 1 --world-size 4 \
        --use-torch-fsdp2 --fsdp2-config-path "$D/wrong.yml"
    echo "param_dtype: bf16" >"$D/wrong.yml"
    expect 2 "param_dtype bf16, but the run computes in fp32" "$T" plan $common --train-iters 1 --world-size 4 \
        --use-torch-fsdp2 --fsdp2-config-path "$D/wrong.yml"
    expect 0 "group dp" "$T" plan $common --train-iters 1 --world-size 4 --bf16 \
        --use-torch-fsdp2 --fsdp2-config-path "$D/wrong.yml"
    echo "offload_to_cpu: True" >"$D/wrong.yml"
    expect 2 "offload_to_cpu is not there yet" "$T" plan $common --train-iters 1 --world-size 4 \
        --use-torch-fsdp2 --fsdp2-config-path "$D/wrong.yml"
}
finish
