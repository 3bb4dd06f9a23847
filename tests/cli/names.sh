#!/bin/sh
# Names of commands and options: those of scripts and of other programs, and what is said of them.
. "$(dirname "$0")/lib.sh"
version=$("$T" --version)
for v in --version -V version; do
    expect 0 "$version" "$T" $v
done
expect 0 "tessera $("$T" info --json | sed -n 's/.*"version": "\([0-9.]*\)".*/\1/p' | head -n 1)" "$T" --version
expect 0 "commands:" "$T" -h
expect 2 "there is no command train. Did you mean pretrain?" "$T" train --lr 1
expect 2 "Did you mean infer?" "$T" generate
expect 2 "Did you mean mpirun -n N tessera pretrain" "$T" torchrun --nproc_per_node 8 pretrain_gpt.py
make_data

# all that is wrong in one message
expect 2 "no option of this command: --zzzzzz, --qqqqqq, --num-layer (did you mean --num-layers" train \
    --zzzzzz 1 --qqqqqq --num-layer 2 --hierarchical-context-parallel-sizes 2 --tp-size 4 --index-topk-freq 4 \
    --mtp-spec a --learning-rate 1e-3 --lr fast
for t in "--hierarchical-context-parallel-sizes 2, --tp-size 4: hierarchies of processes" \
    "--mtp-spec a: another form of the layers of multi-token prediction" "--learning-rate: --lr" "--lr: \"fast\" is not a number"; do
    checks=$((checks + 1))
    grep -qF -- "$t" "$D/err" || wrong "no \"$t\" in: $(cat "$D/err")"
done
printf 'lr: 1e-3\nparallel:\n  hierarchical_context_parallel_sizes: 2\nlayers: 3\nrl_config:\n  gamma: 1\n' >"$D/c.yaml"
expect 2 "no option of this command: --layers in $D/c.yaml:4" train --config "$D/c.yaml" --zzzzzz
for t in ", --zzzzzz" "--parallel.hierarchical_context_parallel_sizes 2 in $D/c.yaml:3" "--rl_config in $D/c.yaml:5"; do
    checks=$((checks + 1))
    grep -qF -- "$t" "$D/err" || wrong "no \"$t\" in: $(cat "$D/err")"
done
expect 2 "--model: --load DIR" train --model x
expect 2 "--batch-size: --global-batch-size" train --batch-size 8
expect 2 "--epochs: --train-iters" train --epochs 8
expect 2 "--output: --save" train --output x
expect 2 "--dtype: --bf16" "$T" infer --load x --dtype bfloat16 --prompt a

expect 2 "--task: --greedy, --do-sample" "$T" infer --load x --task greedy --prompt a
expect 2 "--target-pipeline-parallel-size has no effect without --save-model-type mg" "$T" convert --load-dir x --save-dir y \
    --use-mcore-models --model-type-hf llama2 --target-tensor-parallel-size 2 --target-pipeline-parallel-size 4

# what is accepted is named in one line, once, by the first process
platform="--use-mcore-models --transformer-impl local --attention-backend fused --cross-entropy-loss-fusion --use-legacy-models
    --ckpt-fully-parallel-load --dist-ckpt-format torch_dist --empty-unused-memory-level 1 --trust-remote-code --local_rank 0
    --log-progress --wandb-project x --wandb-exp-name y --no-async-tensor-model-parallel-allreduce --ckpt-format torch_dist
    --tensor-model-parallel-size 1 --pipeline_model_parallel_size 1 --moe-permute-fusion --use-flash-attn"
# shellcheck disable=SC2086
expect 0 "iterations 1 to 2" train --train-iters 2 --lr-warmup-iters 0 $platform
checks=$((checks + 1))
[ "$(grep -c 'without effect here: ' "$D/err")" = 1 ] || wrong "not one line of what is accepted: $(cat "$D/err")"
line=$(grep 'without effect here: ' "$D/err")
for o in $(echo "$platform" | grep -o -e '--[a-z_-]*' | grep -v parallel.size); do
    checks=$((checks + 1))
    o=$(echo "$o" | sed 's/local_rank/local-rank/')
    case $line in *"$o"*) ;; *) wrong "$o is not in: $line" ;; esac
done
checks=$((checks + 1))
case $line in *"--ckpt-format (Tessera's own format is written"*) ;; *) wrong "nothing of the format: $line" ;; esac
expect 2 "--transformer-impl: \"nonsense\" is none of local|" train --transformer-impl nonsense
expect 2 "--device: \"cuda\" is none of cpu|sim" train --device cuda
expect 2 "--spec mindspeed_llm.tasks.models.spec.deepseek_spec layer_spec" train --spec mindspeed_llm.tasks.models.spec.deepseek_spec layer_spec

# types by every name, and what a rate and a share may be
for t in float32:F32 fp32:F32 float:F32 bfloat16:BF16 bf16:BF16 torch.bfloat16:BF16 float16:F16 half:F16 fp16:F16; do
    expect 0 "iterations 1 to 1" train --train-iters 1 --lr-warmup-iters 0 --save-hf "$D/hf-$t" --save-hf-dtype "${t%:*}"
    checks=$((checks + 1))
    head -c 4096 "$D/hf-$t/model.safetensors" | grep -aqF "\"dtype\":\"${t#*:}\"" || wrong "--save-hf-dtype $t"
done
expect 2 "--save-hf-dtype: \"nonsense\" is none of auto|fp32|bf16|fp16 (also spelled float32" train --save-hf "$D/no" --save-hf-dtype nonsense
absent "$D/no"
expect 0 "iterations 1 to 2" train --train-iters 2 --lr 0 --min-lr 0 --lr-warmup-iters 0
expect 2 "--lr is missing" "$T" pretrain $shape --data-path "$D/data_text_document" --seq-length 16 --train-iters 2
expect 2 "--adam-beta1: 1 is out of range, expected at least 0 and below 1" train --adam-beta1 1
expect 2 "--train-iters: \"4k\" is not a whole number (such as 4096, 4_096 or 4e6)" train --train-iters 4k
expect 0 "iterations 1 to 2" train --train-iters 0_2 --seed 4_000 --lr-warmup-iters 0
finish
