#!/bin/sh
# Sparse attention with an indexer that is trained: five steps as a reference in torch has them (scripts/golden_dsa.py);
# with all keys chosen it is latent attention; the same numbers, as planned, on several processes; generation.
. "$(dirname "$0")/lib.sh"
G=tests/golden/dsa
told() { tr -d '\n' <"$G/golden.json" | sed "s/.*\"$1\":\[*\([^a-z]*\)\]*[,}].*/\1/;s/\],\[/\n/g;s/[][,}]/ /g"; }

losses() { sed 's/[{}",:]/ /g' "$D/$1.jsonl" | awk '{ for (i = 1; i < NF; i++) v[$i] = $(i + 1)
    print v["lm_loss"], v["indexer_loss"], v["grad_norm"] }'; }

common="--load $G --tokenizer-type NullTokenizer --vocab-size 78 --data-path $D/text_text_document --split 100,0,0
    --seq-length 20 --micro-batch-size 1 --global-batch-size 2 --lr 3e-3 --min-lr 3e-3 --lr-decay-style constant
    --weight-decay 0.05 --clip-grad 1 --adam-beta2 0.95 --eval-iters 0 --train-iters 5 --dsa-indexer-loss-coeff 0.4
    --moe-router-load-balancing-type none --log-interval 1000"
told document | tr -s ' ' | sed 's/^ //;s/ $//' >"$D/text.txt"
"$T" preprocess --input "$D/text.txt" --output-prefix "$D/text" --tokenizer-type NullTokenizer --vocab-size 78 \
    >/dev/null 2>"$D/err" || wrong "preprocess: $(tail -n 1 "$D/err")"
for key in dense chosen; do
    more=
    [ $key = dense ] || more=--dsa-indexer-use-sparse-loss
    job $key 1 $more
    checks=$((checks + 1))
    losses $key >"$D/a"
    told $key >"$D/b"
    paste "$D/a" "$D/b" | awk '{ for (i = 1; i <= 3; i++) { d = $i - $(3 + i); if (d < 0) d = -d
        if (NF != 6 || d > 5e-5 * $(3 + i)) bad = 1 } } END { exit bad || NR != 5 }' ||
        wrong "$key is not the reference's: $(head -n 2 "$D/a") for $(head -n 2 "$D/b")"
done
as_planned dense 1
as_planned chosen 1 --dsa-indexer-use-sparse-loss
job kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
alike kept dense 1 0

# ---- a model by options ----
make_data
common="$shape $batch --data-path $D/data_text_document --train-iters 4 --seed 5 --log-params-norm --attention-dropout 0
    --num-query-groups 4 --multi-latent-attention --q-lora-rank 16 --kv-lora-rank 16 --qk-head-dim 8 --qk-pos-emb-head-dim 4
    --v-head-dim 8 --qk-layernorm"
sparse="--experimental-attention-variant dsa --dsa-indexer-n-heads 2 --dsa-indexer-head-dim 8 --dsa-indexer-topk"
# all keys: the logits of latent attention, but for the order of sums, whatever the indexer
cp -r "$G" "$D/all"
chmod -R u+w "$D/all"
sed 's/"index_topk": 6/"index_topk": 20/' "$G/config.json" >"$D/all/config.json"
sed 's/"model_type": "deepseek_v32"/"model_type": "deepseek_v3"/;s/DeepseekV32/DeepseekV3/' "$G/config.json" >"$D/v3.json"
mkdir "$D/latent"
cp "$D/v3.json" "$D/latent/config.json"
cp "$G/model.safetensors" "$D/latent/"
echo '{"text": "5 8 13 21 34 55 1 2 3 4 6 7 9 10 11 12 14 15 16 17"}' >"$D/in.jsonl"
for m in all latent; do
    "$T" score --load "$D/$m" --input "$D/in.jsonl" --output "$D/$m.out" --tokenizer-type NullTokenizer --vocab-size 78 \
        >/dev/null 2>"$D/err" || wrong "score: $(tail -n 1 "$D/err")"
done
checks=$((checks + 1))
sed 's/[^0-9.-]/ /g' "$D/all.out" >"$D/a"
sed 's/[^0-9.-]/ /g' "$D/latent.out" >"$D/b"
paste "$D/a" "$D/b" | awk '{ for (i = 1; i <= NF / 2; i++) { d = $i - $(NF / 2 + i); if (d * d > 1e-8) bad = 1 } }
    END { exit bad || NR == 0 }' || wrong "all keys: $(head -c 200 "$D/all.out") for $(head -c 200 "$D/latent.out")"
# shellcheck disable=SC2086
job few 1 $sparse 5 --dsa-indexer-loss-coeff 0.1 --save "$D/ck"
# shellcheck disable=SC2086
expect 2 "--dsa-indexer-topk 4 contradicts" "$T" pretrain $common $sparse 4 --load "$D/ck"
expect 0 "" "$T" infer --load "$D/ck" --prompt "1 2 3 4 5 6 7 8 9" --max-new-tokens 8 --greedy --tokenizer-type NullTokenizer \
    --vocab-size 96
# shellcheck disable=SC2086
expect 2 "sparse attention (--experimental-attention-variant dsa) has none" "$T" pretrain $common $sparse 5 --attention-dropout 0.1
# shellcheck disable=SC2086
expect 2 "needs --multi-latent-attention and --q-lora-rank" "$T" pretrain $shape $batch --mock-data --train-iters 8 \
    --enable-dsa-indexer
# layers that go by another's choice: run again they are the same, plan knows their memory
# shellcheck disable=SC2086
set -- $sparse 5 --dsa-indexer-loss-coeff 0.1 --index-topk-freq 2 --index-skip-topk-offset 1
job shared 1 "$@" --save "$D/shared"
as_planned shared 1 "$@"
checks=$((checks + 1))
numbers few >"$D/a"
numbers shared >"$D/b"
! cmp -s "$D/a" "$D/b" || wrong "choices are not shared"
set -- "$@" --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
job again 1 "$@"
alike again shared 1
as_planned again 1 "$@"
# shellcheck disable=SC2086
expect 2 "--index-topk-freq 1 with --index-skip-topk-offset 2 contradicts" "$T" pretrain $common $sparse 5 --load "$D/shared" \
    --index-topk-freq 1
if have_mpi; then
    # choices go from stage to stage
    # shellcheck disable=SC2086
    set -- $sparse 5 --dsa-indexer-loss-coeff 0.1 --index-topk-freq 2 --index-skip-topk-offset 1 --pipeline-model-parallel-size 2
    job stages 2 "$@"
    alike stages shared 1
    as_planned stages 2 "$@"
    # shellcheck disable=SC2086
    expect 2 "chooses keys for all heads of a row, which are not exchanged: give kvallgather_cp_algo" "$T" plan $common $sparse 5 \
        --context-parallel-size 2 --context-parallel-algo ulysses_cp_algo --world-size 2
    # shellcheck disable=SC2086
    set -- $sparse 5 --dsa-indexer-loss-coeff 0.1 --index-topk-freq 2 --index-skip-topk-offset 1 --context-parallel-size 2
    job context 2 "$@"
    alike context shared 1
    as_planned context 2 "$@"
    # a loss of the indexer that the norm of gradients is made of
    # shellcheck disable=SC2086
    job strong 1 $sparse 5 --dsa-indexer-loss-coeff 1e6
    for way in "2 --tensor-model-parallel-size 2" "2 --tensor-model-parallel-size 2 --sequence-parallel" "4 --pipeline-model-parallel-size 2 --use-distributed-optimizer" \
        "2 --context-parallel-size 2"; do
        # shellcheck disable=SC2086
        set -- $way $sparse 5 --dsa-indexer-loss-coeff 1e6
        n=$1
        shift
        job many "$n" "$@"
        alike many strong 1
        as_planned many "$n" "$@"
    done
fi
finish
