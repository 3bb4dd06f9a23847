#!/bin/sh
# Layers that predict further tokens: five steps and documents in one sample as a reference in torch has them
# (scripts/golden_mtp.py); the same numbers, as planned, however processes share them out; checkpoints, folders, refusals.
. "$(dirname "$0")/lib.sh"

# told NAME: the rows of the reference; row a step: losses, gradient norm
told() { tr -d '\n' <"$G/golden.json" | sed "s/.*\"$1\":\[*\([^a-z]*\)\]*[,}].*/\1/;s/\],\[/\n/g;s/[][,}]/ /g"; }
losses() { sed 's/[{}",:]/ /g' "$D/$1.jsonl" | awk '{ row = ""; for (i = 1; i < NF; i++)
    if ($i ~ /^(lm_loss|mtp_[12]_loss|grad_norm)$/) row = row " " $(i + 1); print row }'; }
# as_told NAME KEY: fp32 against float64; AdamW's steps bring the rounding of gradients back as large as it was
as_told() {
    checks=$((checks + 1))
    losses "$1" >"$D/a"
    told "$2" >"$D/b"
    paste "$D/a" "$D/b" | awk -v n=$((depths + 2)) '{ for (i = 1; i <= n; i++) { d = $i - $(n + i)
        if (d < 0) d = -d
        if (NF != 2 * n || d > 2e-5 * $(n + i)) bad = 1 } } END { exit bad || NR == 0 }' ||
        wrong "$1 of $G is not the reference's: $(head -n 1 "$D/a") for $(head -n 1 "$D/b")"
}

for kind in qwen3_next:1 glm4_moe:2 deepseek_v4:2 deepseek_v3:2; do
    G=tests/golden/mtp/${kind%:*} depths=${kind#*:}
    common="--load $G --mtp-num-layers $depths --mtp-loss-scaling-factor 0.3 --tokenizer-type NullTokenizer --vocab-size 78
        --data-path $D/text_text_document --split 100,0,0 --seq-length 20 --micro-batch-size 1 --global-batch-size 2 --lr 3e-3
        --min-lr 3e-3 --lr-decay-style constant --weight-decay 0.05 --clip-grad 1 --adam-beta2 0.95 --eval-iters 0
        --moe-router-load-balancing-type none --log-interval 1000"
    for key in rows row; do
        apart= more=
        [ $key = rows ] || apart=--append-eod more="--reset-attention-mask --reset-position-ids --eod-mask-loss"
        list=document
        [ $key = rows ] || list=documents
        told $list | tr -s ' ' | sed 's/^ //;s/ $//' >"$D/text.txt"
        rm -f "$D"/text_text_document*
        # shellcheck disable=SC2086
        "$T" preprocess --input "$D/text.txt" --output-prefix "$D/text" --tokenizer-type NullTokenizer --vocab-size 78 \
            $apart >/dev/null 2>"$D/err" || wrong "preprocess: $(tail -n 1 "$D/err")"
        # shellcheck disable=SC2086
        job own 1 $more --train-iters "$([ $key = rows ] && echo 5 || echo 1)"
        as_told own $key
    done
done
# the folder's layers are left out without the option, and the files are whole
# shellcheck disable=SC2086
expect 0 "2 of its layers, which predict further tokens, are left out (--mtp-num-layers)" \
    "$T" pretrain $common --train-iters 1 --mtp-num-layers 0
# shellcheck disable=SC2086
expect 2 "--mtp-num-layers 3: $G has 2 layers that predict further tokens" "$T" pretrain $common --train-iters 1 --mtp-num-layers 3
expect 0 "" "$T" pretrain $common --train-iters 1 --save-hf "$D/hf"
expect 0 "" "$T" checkpoint verify "$D/hf"

# ---- a model by options ----
make_data
common="$shape $batch --data-path $D/data_text_document --train-iters 6 --seed 5 --mtp-num-layers 2 --log-params-norm
    --num-experts 4 --moe-router-topk 2 --moe-ffn-hidden-size 32 --moe-layer-freq [0,1] --moe-aux-loss-coeff 0.01
    --moe-router-load-balancing-type aux_loss"
job one 1 --save "$D/ck" --save-interval 4
as_planned one 1
job again 1 --load "$D/ck" --ckpt-step 4 --no-save-optim
alike again one 5 0
job kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
alike kept one 1 0
as_planned kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
expect 0 "" "$T" infer --load "$D/ck" --prompt "1 2 3" --max-new-tokens 2 --tokenizer-type NullTokenizer --vocab-size 96
# shellcheck disable=SC2086
expect 2 "--mtp-num-layers 1 contradicts" "$T" pretrain $common --load "$D/ck" --mtp-num-layers 1
# shellcheck disable=SC2086
expect 2 "this model learns positions" "$T" pretrain $common --position-embedding-type learned_absolute
# shellcheck disable=SC2086
expect 0 "has no layers that predict further tokens" "$T" pretrain $shape $batch --data-path "$D/data_text_document" \
    --train-iters 1 --lr-warmup-iters 0 --untie-embeddings-and-output-weights --mtp-num-layers 1 --save-hf "$D/llama"
if have_mpi; then
    # shellcheck disable=SC2086
    expect 2 "schedule dualpipev: --mtp-num-layers reads the embedding in the last part too" "$T" plan $common \
        --untie-embeddings-and-output-weights --schedules-method dualpipev --pipeline-model-parallel-size 2 --num-layers 4 --moe-layer-freq 1 --world-size 2
    for way in "4 --pipeline-model-parallel-size 2 --tensor-model-parallel-size 2 --sequence-parallel" \
        "4 --context-parallel-size 2 --pipeline-model-parallel-size 2 --untie-embeddings-and-output-weights" \
        "2 --use-distributed-optimizer --untie-embeddings-and-output-weights"; do
        # shellcheck disable=SC2086
        set -- $way
        n=$1 as=one
        shift
        case $way in *untie*) as=untied; [ -f "$D/untied.jsonl" ] || job untied 1 --untie-embeddings-and-output-weights ;; esac
        job many "$n" "$@"
        alike many $as 1
        as_planned many "$n" "$@"
    done
fi
finish
