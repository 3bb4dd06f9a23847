#!/bin/sh
# One job whose sequences processes share out, in every way: losses and gradient norms are those of one process,
# memory is what plan says, checkpoints go on in other layouts.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
make_ended_data
common="--num-layers 3 --hidden-size 32 --num-attention-heads 8 --num-query-groups 4 --group-query-attention --kv-channels 4
    --ffn-hidden-size 44 --vocab-size 96 --tokenizer-type NullTokenizer --position-embedding-type rope --swiglu
    --normalization RMSNorm --max-position-embeddings 64 --add-qkv-bias --threads 1 --split 90,10,0 --seq-length 32
    --micro-batch-size 2 --global-batch-size 8 --lr 0.01 --lr-decay-style constant --eval-iters 2 --eval-interval 2
    --seed 7 --log-params-norm --train-iters 4 --data-path $D/data_text_document"

# Of each list a third, another on each day; TESSERA_LAYOUTS=. all.
day=$(($(date +%s) / 86400)) line=0
is_today() {
    line=$((line + 1))
    [ -n "${TESSERA_LAYOUTS-}" ] || [ $(((line + day) % 3)) = 0 ]
}

ring="--context-parallel-algo megatron_cp_algo" heads="--context-parallel-algo ulysses_cp_algo"
hybrid="--ulysses-degree-in-cp 2 --context-parallel-algo"
# shellcheck disable=SC2086
{
    job one 1 --save "$D/one" --save-interval 2
    while read -r name ranks size options; do
        case $name in ring4 | ring2-tp2) ;; *) is_today || continue ;; esac
        job "$name" "$ranks" --context-parallel-size "$size" $options --save "$D/$name" --save-interval 2
        alike "$name" one 1
        as_planned "$name" "$ranks" --context-parallel-size "$size" $options --save "$D/$name" --save-interval 2
    done <<END
ring2 2 2 $ring
ring4 4 4 $ring --use-cp-send-recv-overlap --attention-mask-type causal
windows4 4 4 $ring --cp-window-size 2
kept2 2 2 $ring --context-parallel-kv-cache-policy full
keys4 4 4 $ring --context-parallel-kv-cache-policy half --context-parallel-cache-interval 1
heads2 2 2 $heads
heads3 3 3 $heads
heads4 4 4 $heads
heads8 8 8 $heads
heads8-again 8 8 $heads --context-parallel-kv-cache-policy full --context-parallel-cache-interval 1
gathered2 2 2 --context-parallel-algo kvallgather_cp_algo
gathered4 4 4 --context-parallel-algo kvallgather_cp_algo --recompute-granularity full --recompute-method uniform --recompute-num-layers 2
seen2 2 2 --context-parallel-algo adaptive_cp_algo
seen4 4 4 --context-parallel-algo adaptive_cp_algo
hybrid4 4 4 $hybrid hybrid_cp_algo
hybrid-seen4 4 4 $hybrid hybrid_adaptive_cp_algo
ring2-dp2 4 2 $ring
heads2-dp2 4 2 $heads --overlap-grad-reduce
ring2-tp2 4 2 $ring --tensor-model-parallel-size 2
ring2-tp2-sp 4 2 $ring --tensor-model-parallel-size 2 --sequence-parallel
heads2-tp2-sp 4 2 $heads --tensor-model-parallel-size 2 --sequence-parallel
END
    # and what travels: a ring of n passes keys and values on n - 1 times there and twice as often back; 3 layers, 4
    # micro-batches of 2 sequences, in each a process has 32 / n rows of 4 heads of keys and values, 4 wide
    for n in 2 4; do
        checks=$((checks + 1))
        sent=$("$T" plan $common --context-parallel-size $n --world-size $n --json 2>"$D/err" | tr -d ' \n' |
            sed -n 's/.*"cp":{[^}]*"bytes":\([0-9]*\).*/\1/p')
        [ "$sent" = $((3 * 4 * 3 * (n - 1) * 2 * 32 / n * 2 * 4 * 4 * 4)) ] || wrong "a ring of $n sends $sent bytes"
    done
    # other models, data and passes, each as one process has them
    while read -r case options; do
        is_today || continue
        job "$case" 1 $options
        for way in "ring2 2 2 $ring" "heads2 2 2 $heads" "hybrid4 4 4 $hybrid hybrid_cp_algo" \
            "gathered2-tp2-sp 4 2 --context-parallel-algo kvallgather_cp_algo --tensor-model-parallel-size 2 --sequence-parallel" \
            "seen4 4 4 --context-parallel-algo adaptive_cp_algo"; do
            set -- $way
            name=$case-$1 ranks=$2 size=$3
            shift 3
            job "$name" "$ranks" --context-parallel-size "$size" $options "$@"
            alike "$name" "$case" 1
        done
    done <<END
dropout --hidden-dropout 0.2 --attention-dropout 0.2
window --window-size 5
documents --reset-attention-mask --reset-position-ids --eod-mask-loss --data-path $D/ended_text_document
learned --position-embedding-type learned_absolute --recompute-granularity full --recompute-method block --recompute-num-layers 1
order --deterministic-mode
END
    # the same bits each time
    job again 4 --context-parallel-size 4 $ring --deterministic-mode
    job again2 4 --context-parallel-size 4 $ring --deterministic-mode
    checks=$((checks + 1))
    [ "$(numbers again)" = "$(numbers again2)" ] || wrong "two runs differ"
    # a checkpoint of one layout goes on in another
    job more 2 --load "$D/ring4" --ckpt-step 2 --context-parallel-size 2 $heads
    alike more one 3
    job more1 1 --load "$D/ring2-tp2" --ckpt-step 2
    alike more1 one 3

    # what cannot be
    while read -r ranks options; do
        read -r message
        expect 2 "$message" on "$ranks" "$T" pretrain $common $options
    done <<END
2 --context-parallel-size 4
--context-parallel-size 4
4 --context-parallel-size 4 --seq-length 3 $heads
--context-parallel-size 4: --seq-length 3 is shorter
3 --context-parallel-size 3 $heads --num-attention-heads 2 --num-query-groups 1
are more than a layer's 2 heads
2 --context-parallel-size 2 $ring --use-ulysses-allgather-kv
--use-ulysses-allgather-kv goes with --context-parallel-algo ulysses_cp_algo, not with megatron_cp_algo
2 --context-parallel-size 2 $heads --use-ulysses-allgather-kv --num-query-groups 8
this one has as many of these as heads, 8
4 --context-parallel-size 4 --context-parallel-algo hybrid_cp_algo
--ulysses-degree-in-cp 1 must be at least 2, divide --context-parallel-size 4
4 --context-parallel-size 4 $hybrid megatron_cp_algo
--ulysses-degree-in-cp 2 goes with --context-parallel-algo hybrid_cp_algo and hybrid_adaptive_cp_algo
4 --context-parallel-size 4 --cp-window-size 3
--cp-window-size 3 does not divide the 4 processes of the ring
2 --context-parallel-size 2 $heads --cp-window-size 2
--cp-window-size goes with --context-parallel-algo megatron_cp_algo
2 --context-parallel-size 2 $heads --context-parallel-kv-cache-policy half
--context-parallel-kv-cache-policy goes with --context-parallel-algo megatron_cp_algo
6 --context-parallel-size 2 --tensor-model-parallel-size 3 --unaligned-linear --sequence-parallel
--tensor-model-parallel-size 3 does not divide a process's share of --seq-length, 16
END
}
finish
