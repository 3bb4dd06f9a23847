#!/bin/sh
# One job in several layouts: losses and gradient norms are those of one process, what is saved is the same model,
# and a checkpoint of one layout goes on in another.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
shape="--num-layers 2 --hidden-size 32 --num-attention-heads 8 --num-query-groups 4 --group-query-attention --kv-channels 4
    --ffn-hidden-size 44 --vocab-size 96 --tokenizer-type NullTokenizer --position-embedding-type rope --swiglu
    --normalization RMSNorm --max-position-embeddings 64 --add-qkv-bias"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --log-params-norm --threads 1"

# shellcheck disable=SC2086
{
    job one 1 $shape --train-iters 6 --save "$D/one" --save-interval 3 --save-hf "$D/hf-one"
    for layout in "2 tp2" "4 tp4" "4 tp2-dp2" "4 tp2-dp2-order" "2 tp2-sp" "4 tp4-sp" "3 tp3" "8 tp8" "8 tp8-sp" \
        "2 tp2-coc" "4 tp4-coc-sp" "2 tp2-mc2-sp" "4 tp4-2d" \
        "4 tp4-ag-2d" "4 tp4-rs-2d"; do
        set -- $layout
        options="--tensor-model-parallel-size $(echo "$2" | sed 's/tp\([0-9]\).*/\1/')"
        case $2 in *sp) options="$options --sequence-parallel" ;; esac
        case $2 in *coc*) options="$options --use-ascend-coc --coc-parallel-num 4" ;; *mc2*) options="$options --use-ascend-mc2" ;; esac
        case $2 in *2d) options="$options --tp-2d --tp-x 2 --tp-y 2" ;; esac
        case $2 in *ag-2d) options="$options --enable-overlap-ag-with-matmul --enable-backward-overlap-ag-with-matmul" ;; *rs-2d) options="$options --enable-overlap-matmul-with-rs" ;; esac
        case $2 in *order) options="$options --use-tp-pp-dp-mapping" ;; esac
        case $2 in tp3 | tp8*) options="$options --unaligned-linear" ;; esac
        job "$2" "$1" $shape $options --train-iters 6 --save "$D/$2" --save-interval 3 --save-hf "$D/hf-$2"
        alike "$2" one 1
        as_planned "$2" "$1" $shape $options --train-iters 6
        checks=$((checks + 1))
        grep -q '"tp": *{"calls": *[1-9]' "$D/$2.jsonl" || wrong "$2 tells no traffic of its group"
        # what was saved is whole: its names and shapes are those of one process
        checks=$((checks + 1))
        "$T" checkpoint show "$D/one" 2>"$D/err" | sed '/iteration\|saved\|world\|process\|size\|MB/d' >"$D/show-one"
        "$T" checkpoint show "$D/$2" 2>"$D/err" | sed '/iteration\|saved\|world\|process\|size\|MB/d' >"$D/show"
        cmp -s "$D/show-one" "$D/show" || wrong "$2: another checkpoint: $(diff "$D/show-one" "$D/show" | head -n 3)"
    done
    # exchanges beside products change no bit
    for pair in "tp2 tp2-coc" "tp4-sp tp4-coc-sp" "tp2-sp tp2-mc2-sp" "tp4-2d tp4-ag-2d" "tp4-2d tp4-rs-2d"; do
        set -- $pair
        curve "$D/$1.jsonl" >"$D/a"
        curve "$D/$2.jsonl" >"$D/b"
        same "$D/a" "$D/b"
    done
    # product by product from a file: of 2 layers and 4 micro-batches, and in a step so many more messages as parts
    cfg="--tensor-model-parallel-size 2 --sequence-parallel --tp-comm-overlap --tp-comm-overlap-cfg"
    messages() { "$T" plan $common $shape --train-iters 1 --world-size 2 "$@" --json 2>"$D/err" | tr -d ' \n' |
        sed -n 's/.*"tp":{[^{}]*"messages":\([0-9]*\).*/\1/p'; }
    for row in "qkv_fprop 4 2" "qkv_dgrad 4 8" "proj_fprop 4 8" "proj_dgrad 4 1" "fc1_fprop 4 2" "fc1_dgrad 4 1" "fc2_fprop 4 8" \
        "fc2_dgrad 4 2" "fc2_wgrad 4 4"; do
        set -- $row
        echo "$1: {method: pipeline, num_splits: $3}" >"$D/cfg.yaml"
        checks=$((checks + 1))
        more=$(($(messages $cfg "$D/cfg.yaml") - $(messages ${cfg% *})))
        [ $more = $((2 * 4 * ($3 - $2))) ] || wrong "$1 in $3 parts: $more messages more"
    done
    job tp2-cfg-sp 2 $shape $cfg tests/cli/layouts/overlap.yaml --train-iters 6
    checks=$((checks + 1))
    grep -q "overlap.yaml: without effect here: .*num_sm.*qkv_wgrad.*set_sm_margin" "$D/err" || wrong "not told: $(cat "$D/err")"
    curve "$D/tp2-sp.jsonl" >"$D/a"
    curve "$D/tp2-cfg-sp.jsonl" >"$D/b"
    same "$D/a" "$D/b"
    # a checkpoint of one layout goes on in another, moments and all
    job cut 2 $shape --tensor-model-parallel-size 2 --train-iters 6 --exit-interval 3 --save "$D/cut"
    job again-one 1 $shape --train-iters 6 --load "$D/cut"
    alike again-one one 4
    job again-tp4 4 $shape --tensor-model-parallel-size 4 --sequence-parallel --train-iters 6 --load "$D/cut"
    alike again-tp4 one 4
    job from-one 1 $shape --train-iters 6 --exit-interval 3 --save "$D/cut-one"
    job again-tp2 4 $shape --tensor-model-parallel-size 2 --train-iters 6 --load "$D/cut-one"
    alike again-tp2 one 4
    job again-2d 4 $shape --tensor-model-parallel-size 4 --tp-2d --tp-x 2 --tp-y 2 --train-iters 6 --load "$D/cut"
    alike again-2d one 4
    # a Hugging Face folder of a layout is what another one begins with
    job hf-one 1 --load "$D/hf-tp2-sp" --train-iters 2
    job hf-tp 2 --load "$D/hf-tp2-sp" --tensor-model-parallel-size 2 --train-iters 2
    alike hf-tp hf-one 1
    job hf-2d 4 --load "$D/hf-tp4-2d" --tensor-model-parallel-size 4 --tp-2d --tp-x 2 --tp-y 2 --train-iters 2
    job hf-2d-one 1 --load "$D/hf-tp4-2d" --train-iters 2
    alike hf-2d hf-2d-one 1
    # weights of a norm over all heads are cut with the heads, of which two processes have the same key, and saved whole
    norms="--model-config $(dirname "$0")/layouts/norms.json --tokenizer-type NullTokenizer --vocab-size 96 --adam-eps 1e-3 --lr 4e-4"
    job norms 1 $norms --train-iters 4
    job norms-cut 8 $norms --tensor-model-parallel-size 8 --train-iters 4 --exit-interval 2 --save "$D/norms" --save-hf "$D/hf-norms"
    job norms-again 2 $norms --tensor-model-parallel-size 2 --sequence-parallel --train-iters 4 --load "$D/norms"
    alike norms-again norms 3
    job hf-norms-one 1 --load "$D/hf-norms" --train-iters 2
    job hf-norms 3 --load "$D/hf-norms" --tensor-model-parallel-size 3 --unaligned-linear --train-iters 2
    alike hf-norms hf-norms-one 1

    # what cannot be
    expect 2 "--tensor-model-parallel-size 3 times" on 2 "$T" pretrain $common $shape \
        --train-iters 1 --tensor-model-parallel-size 3
    expect 2 "does not divide the model's 4 heads of keys and values (num_key_value_heads): --unaligned-linear" on 3 "$T" pretrain $common $shape \
        --train-iters 1 --tensor-model-parallel-size 3
    expect 2 "nor a multiple of these that divides its 8 heads" on 6 "$T" pretrain $common $shape \
        --train-iters 1 --tensor-model-parallel-size 6 --unaligned-linear
    echo "fc3_fprop: {method: bulk}" >"$D/cfg.yaml"
    expect 2 "cfg.yaml: fc3_fprop is no product: there are qkv, proj, fc1 and fc2" on 2 "$T" pretrain $common $shape \
        --train-iters 1 $cfg "$D/cfg.yaml"
    # all that is wrong is said together, once, with what would do, before a weight is read
    rm -rf "$D/hf-tp2-sp/model.safetensors"
    expect 2 "this layout cannot be:" on 3 "$T" pretrain $common --load "$D/hf-tp2-sp" \
        --train-iters 1 --tensor-model-parallel-size 3 --sequence-parallel --global-batch-size 3
    for t in "--global-batch-size 3 is no multiple of --micro-batch-size 2 x 1 processes (it may be 2 or 4)" \
        "--tensor-model-parallel-size 3 does not divide the model's 4 heads" "the width of the model's MLP, 44" \
        "does not divide --seq-length 32 (--tensor-model-parallel-size may be 1, 2, 4, 8, 16 or 32)"; do
        checks=$((checks + 1))
        [ "$(grep -cF -- "$t" "$D/err")" = 1 ] || wrong "not once \"$t\" in: $(cat "$D/err")"
    done
}
finish
