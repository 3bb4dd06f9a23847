#!/bin/sh
# Delta rules between layers of gated attention, from options: trained, continued, run again, shared out, generated with,
# refused.
. "$(dirname "$0")/lib.sh"
make_data
make_ended_data
common="--num-layers 3 --hidden-size 32 --ffn-hidden-size 48 --num-attention-heads 4 --position-embedding-type rope
    --normalization RMSNorm --apply-layernorm-1p --swiglu --disable-bias-linear --max-position-embeddings 256
    --make-vocab-size-divisible-by 1 --tokenizer-type NullTokenizer --vocab-size 96 --untie-embeddings-and-output-weights
    --split 100,0,0 --seq-length 80 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0 --train-iters 4
    --seed 5 --log-params-norm --reset-attention-mask --reset-position-ids --data-path $D/ended_text_document"
heads="--group-query-attention --num-query-groups 2 --attention-output-gate --rotary-percent 0.5"
gated="$heads --qk-layernorm"
delta="$gated --experimental-attention-variant gated_delta_net --linear-attention-freq 2 --linear-num-key-heads 2
    --linear-num-value-heads 4 --linear-key-head-dim 8 --linear-value-head-dim 6 --linear-conv-kernel-dim 4"
kimi="--experimental-attention-variant kimi_delta_attention --linear-attention-freq [1,1,0] --linear-num-value-heads 4
    --linear-key-head-dim 8 --linear-value-head-dim 6 --multi-latent-attention --position-embedding-type none
    --kv-lora-rank 12 --qk-head-dim 6 --qk-pos-emb-head-dim 4 --v-head-dim 8"
again="--recompute-granularity full --recompute-method uniform --recompute-num-layers 1"

# Generated token by token, a text has the probabilities that the whole has at once.
generate() {
    "$T" infer --load "$D/$1" --tokenizer-type NullTokenizer --vocab-size 96 --prompt "5 17 3" --max-new-tokens 70 --greedy \
        --ignore-eos --logprobs --output "$D/new.jsonl" 2>"$D/err" || wrong "$1: infer: $(tail -n 1 "$D/err")"
    sed -n 's/.*"ids": *\[\([^]]*\)\].*/{"ids": [5, 17, 3, \1]}/p' "$D/new.jsonl" >"$D/texts.jsonl"
    "$T" score --load "$D/$1" --tokenizer-type NullTokenizer --vocab-size 96 --input "$D/texts.jsonl" \
        --output "$D/scores.jsonl" 2>"$D/err" || wrong "$1: score: $(tail -n 1 "$D/err")"
    checks=$((checks + 1))
    for f in new scores; do
        sed -n 's/.*"logprobs": *\[\([^]]*\)\].*/\1/p' "$D/$f.jsonl" | tr -d ' ' | tr ',' '\n' | tail -n 70 >"$D/$f"
    done
    [ "$(wc -l <"$D/new")" = 70 ] && paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d
        if (d > 1e-4) bad = 1 } END { exit bad || NR != 70 }' || wrong "$1 generated: other probabilities than of the whole"
}

# one NAME OPTIONS: a model in one process
one() {
    model=$1
    shift
    job "$model" 1 "$@" --save "$D/$model" --save-interval 2
    as_planned "$model" 1 "$@"
    job half 1 "$@" --load "$D/$model" --ckpt-step 2
    alike half "$model" 3 0
    job again 1 "$@" $again
    alike again "$model" 1 0
    as_planned again 1 "$@" $again
    job bf16 1 "$@" --bf16
    as_planned bf16 1 "$@" --bf16
    generate "$model"
}
# two NAME OPTIONS: the same, shared out by two
two() {
    model=$1
    shift
    for how in "" --sequence-parallel; do
        # shellcheck disable=SC2086
        job tensor 2 "$@" --tensor-model-parallel-size 2 $how
        alike tensor "$model" 1
        # shellcheck disable=SC2086
        as_planned tensor 2 "$@" --tensor-model-parallel-size 2 $how
    done
}

# shellcheck disable=SC2086
{
    one delta $delta
    one kimi $kimi
    job gated 1 $gated
    as_planned gated 1 $gated
    job clipped 1 $heads --qk-clip
    expect 2 "--linear-num-key-heads 4 contradicts" "$T" pretrain $common $gated --load "$D/delta" --linear-num-key-heads 4
    expect 2 "--linear-attention-freq contradicts" "$T" pretrain $common $gated --load "$D/delta" --linear-attention-freq [1,1,0]
    expect 2 "--experimental-attention-variant kimi_delta_attention contradicts" "$T" pretrain $common $gated --load "$D/delta" \
        --experimental-attention-variant kimi_delta_attention
    expect 2 "--attention-output-gate true contradicts" "$T" pretrain $common $kimi --attention-output-gate --load "$D/kimi"
    expect 2 "--linear-attention-freq [1,1]: expected" "$T" pretrain $common $delta --linear-attention-freq [1,1]
    expect 2 "linear_num_value_heads is 5" "$T" pretrain $common $delta --linear-num-value-heads 5
    expect 2 "expected as many of each" "$T" pretrain $common $kimi --linear-num-key-heads 2
    expect 2 "there are none: give --experimental-attention-variant" "$T" pretrain $common --linear-key-head-dim 8
    expect 2 "cannot share out the 4 heads in 2 groups" "$T" plan $common $delta --world-size 3 --context-parallel-size 3
    have_mpi || finish
    two delta $delta
    two kimi $kimi
    two gated $gated
    # more processes than heads of keys: each has a share of a head's queries and of their gates
    job four 4 $gated --tensor-model-parallel-size 4
    alike four gated 1
    as_planned four 4 $gated --tensor-model-parallel-size 4
    for way in megatron_cp_algo ulysses_cp_algo; do
        job context 2 $gated --context-parallel-size 2 --context-parallel-algo $way
        alike context gated 1
        as_planned context 2 $gated --context-parallel-size 2 --context-parallel-algo $way
    done
    job pipe 2 $delta --pipeline-model-parallel-size 2 --num-layers 4
    job layers 1 $delta --num-layers 4
    alike pipe layers 1
}
finish
