#!/bin/sh
# Mixtures of experts from the command line: loads are counted, a run goes on where it stopped, is the same however its
# layers are recomputed and its processes share it out, and takes the memory that plan says.
. "$(dirname "$0")/lib.sh"
make_data
experts="--num-experts 6 --moe-router-topk 2 --moe-ffn-hidden-size 24 --moe-layer-freq ([0]*1+[1]*2)
    --moe-shared-expert-intermediate-size 16 --shared-expert-gate --moe-aux-loss-coeff 0.02 --moe-z-loss-coeff 0.001"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.01
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 4 --log-params-norm --threads 1 $shape --num-layers 3 $experts"
biased="--moe-router-score-function sigmoid --moe-router-enable-expert-bias --moe-router-num-groups 3 --moe-router-group-topk 2
    --moe-router-topk-scaling-factor 1.5 --moe-router-load-balancing-type seq_aux_loss"

job plain 1 --save-hf "$D/hf" --save "$D/plain" --dump-path "$D/d1" --dump-steps 1
as_planned plain 1
# each of 4 x 16 tokens went to 2 experts, in the two layers that have some
checks=$((checks + 1))
sums=$(sed 's/.*"expert_load": *{\([^}]*\)}.*/\1/' "$D/plain.jsonl" | tr -d ' "' | tr ']' '\n' | sed -n 's/^,*\([0-9]*\):\[/\1 /p' |
    tr ',' ' ' | awk '{ s = 0; for (i = 2; i <= NF; i++) s += $i; print $1, s }' | sort | uniq -c | tr -s ' ')
[ "$sums" = " 4 1 128
 4 2 128" ] || wrong "loads: $sums"
checks=$((checks + 1))
grep -q '"load_balancing_loss": *[01]\.' "$D/plain.jsonl" || wrong "no load_balancing_loss in $(head -n 1 "$D/plain.jsonl")"
# loads NAME: what each step sent where
loads() { sed 's/.*"expert_load": *\({[^}]*}\).*/\1/' "$D/$1.jsonl"; }
job again 1 --recompute-granularity full
alike again plain 1 0
checks=$((checks + 1))
[ "$(loads again)" = "$(loads plain)" ] || wrong "layers that run again are counted again: $(loads again | head -n 1)"
job moe 1 --recompute-granularity selective --recompute-modules moe moe_act shared_experts mlp
alike moe plain 1 0
job roomy 1 --moe-expert-capacity-factor 6 --moe-pad-expert-input-to-capacity
alike roomy plain 1 0
as_planned roomy 1 --moe-expert-capacity-factor 6 --moe-pad-expert-input-to-capacity
# choices that compute nothing
zeros="--num-zero-experts 3 --moe-router-topk 3"
# shellcheck disable=SC2086
{
    job zeros 1 $zeros
    as_planned zeros 1 $zeros
}
job tight 1 --moe-expert-capacity-factor 1
job padded 1 --moe-expert-capacity-factor 1 --moe-pad-expert-input-to-capacity
alike tight padded 1 0
checks=$((checks + 1))
[ "$(numbers tight)" != "$(numbers plain)" ] || wrong "nobody was dropped"
job turns 1 --fix-router
checks=$((checks + 1))
grep -q '"expert_load": {"1": \[22, 22, 21, 21, 21, 21\]' "$D/turns.jsonl" ||
    grep -q '"expert_load": {"1": \[2[1-4], 2[0-4], 2[0-4], 2[0-4], 2[0-4], 2[0-4]\]' "$D/turns.jsonl" || wrong "turns: $(head -n 1 "$D/turns.jsonl")"
# what was written as a Hugging Face folder goes on as the same model
checks=$((checks + 1))
grep -q Qwen2MoeForCausalLM "$D/hf/config.json" || wrong "written as $(grep -A1 architectures "$D/hf/config.json")"
expect 0 "" "$T" pretrain --load "$D/hf" --data-path "$D/data_text_document" --tokenizer-type NullTokenizer --vocab-size 96 \
    --split 100,0,0 --eval-iters 0 --seq-length 16 --micro-batch-size 1 --global-batch-size 1 --lr 0.01 --train-iters 1 --threads 1 --save-hf "$D/hf2"
# a bias of 1 behind a step: the next one sends tokens to those alone that had less than their share
job moved 1 --num-experts 4 --moe-router-topk 1 --moe-layer-freq "[0,0,1]" --moe-router-score-function sigmoid \
    --moe-router-enable-expert-bias --moe-router-bias-update-rate 1 --train-iters 2
checks=$((checks + 1))
loads moved | tr -d ' {}"[]' | sed 's/.*://' | tr ',' ' ' | awk '
    NR == 1 { for (i = 1; i <= 4; i++) had[i] = $i }
    NR == 2 { for (i = 1; i <= 4; i++) { all += $i; if (had[i] >= 16 && $i > 0) bad = 1 } }
    END { exit bad || all != 64 }' || wrong "biases of routers: $(loads moved)"
expect 0 "" "$T" convert --load-dir "$D/plain" --save-dir "$D/converted"
same "$D/hf/model.safetensors" "$D/converted/model.safetensors"
# biases of routers are saved with the rest
# shellcheck disable=SC2086
{
    job whole 1 $biased --bf16
    job half 1 $biased --bf16 --train-iters 2 --save "$D/half"
    job rest 1 $biased --bf16 --load "$D/half"
    numbers whole | awk '$1 > 2' >"$D/a"
    numbers rest >"$D/b"
    same "$D/a" "$D/b"
}
expect 2 "3 experts in 2 groups" "$T" pretrain $common --num-experts 3 --moe-router-num-groups 2
expect 2 "--moe-layer-freq [0,2]: expected a number N" "$T" pretrain $common --moe-layer-freq "[0,2]"
expect 2 "--moe-pad-expert-input-to-capacity needs --moe-expert-capacity-factor" "$T" pretrain $common \
    --moe-pad-expert-input-to-capacity
expect 2 "goes with --moe-router-score-function sigmoid" "$T" pretrain $common --moe-router-enable-expert-bias

have_mpi || finish
job data 2
alike data plain 1
job zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
alike zero3 plain 1
as_planned zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
job stages 3 --pipeline-model-parallel-size 3
alike stages plain 1
as_planned stages 3 --pipeline-model-parallel-size 3
job tensor 2 --tensor-model-parallel-size 2 --sequence-parallel --dump-path "$D/d2" --dump-steps 1
expect 0 "" "$T" diff-runs "$D/d1" "$D/d2" --tolerance 2e-5
alike tensor plain 1
as_planned tensor 2 --tensor-model-parallel-size 2 --sequence-parallel
job context 2 --context-parallel-size 2
alike context plain 1
expect 2 "does not divide the width of an expert, 21" on 2 "$T" pretrain $common --tensor-model-parallel-size 2 --moe-ffn-hidden-size 21
# experts shared out
job apart 2 --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall --save "$D/apart" --save-hf "$D/hf3" --dump-path "$D/d3" --dump-steps 1
alike apart plain 1
expect 0 "" "$T" diff-runs "$D/d1" "$D/d3" --tolerance 2e-5
# who has which experts is the user's to say, and nothing that is written shows it
some="--expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall"
# shellcheck disable=SC2086
{
    job placed 2 $some --expert-placement "[[5,0,2],[1,3,4]]" --save "$D/placed" --save-hf "$D/hf5" --dump-path "$D/d5" --dump-steps 1
    alike placed plain 1
    expect 0 "" "$T" diff-runs "$D/d1" "$D/d5" --tolerance 2e-5
    expect 0 "" "$T" diff-runs "$D/d3" "$D/d5" --tolerance 2e-5
    echo '{"1": [[3, 0, 5], [4, 2, 1]]}' >"$D/places.json"
    job on3 2 $some --train-iters 6 --load "$D/placed" --expert-placement "$D/places.json"
    expect 2 "these are not as many lists as processes" on 2 "$T" pretrain $common $some --expert-placement "[[0,1,2,3,4,5]]"
    expect 2 "all layers: there is no such expert, or it has been there before" on 2 "$T" pretrain $common $some \
        --expert-placement "[[0,1,2],[3,4,4]]"
    expect 2 "not as many experts as another" on 2 "$T" pretrain $common $some --expert-placement "[[0,1,2,3],[4,5]]"
    expect 2 "layer 0: the model has no experts there" on 2 "$T" pretrain $common $some --expert-placement '{"0":[[0,1,2],[3,4,5]]}'
    expect 2 "and each has all: give --expert-model-parallel-size" "$T" pretrain $common --expert-placement "[[0,1,2,3,4,5]]"
    expect 2 "nowhere" on 2 "$T" pretrain $common $some --expert-placement "$D/nowhere"
}
# shellcheck disable=SC2086
for way in "2 --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall" "2 --expert-model-parallel-size 2 --moe-token-dispatcher-type allgather" \
    "2 --tensor-model-parallel-size 2 --sequence-parallel" "2 --tensor-model-parallel-size 2"; do
    job zeros2 $way $zeros
    alike zeros2 zeros 1
done
# passes that take turns compute what they do one after the other
job woven 2 --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall --moe-fb-overlap
alike woven apart 1 0
expect 2 "with stages it goes with the schedules 1f1b, interleaved" on 3 "$T" pretrain $common --pipeline-model-parallel-size 3 --pipeline-schedule gpipe --moe-fb-overlap
# what is written has no trace of it: one process goes on from it, and two from what one has written
job whole 1 --train-iters 6
job on1 1 --train-iters 6 --load "$D/apart"
job on2 2 --train-iters 6 --load "$D/plain" --expert-model-parallel-size 2
numbers whole | awk '$1 > 4' >"$D/a"
numbers on1 >"$D/b"
numbers on2 >"$D/c"
near() { checks=$((checks + 1)); awk 'NR == FNR { for (i = 2; i <= 4; i++) x[$1, i] = $i; next }
    { for (i = 2; i <= 4; i++) if (($i - x[$1, i]) ^ 2 > (3e-5 * $i) ^ 2) bad = 1; n++ } END { exit bad || n != 2 }' "$1" "$2" || wrong "$2: $(cat "$2") not $(cat "$1")"; }
near "$D/a" "$D/b"
near "$D/a" "$D/c"
numbers on3 >"$D/c"
near "$D/a" "$D/c"
expect 2 "4 processes cannot share out the 6 experts of a layer (num_experts) evenly (--expert-model-parallel-size may be 1 or 2)" \
    on 4 "$T" pretrain $common --expert-model-parallel-size 4
expect 2 "groups of 3 processes share out, of which each must have all experts" "$T" plan $common --global-batch-size 6 \
    --world-size 6 --expert-model-parallel-size 2 --use-distributed-optimizer --num-distributed-optimizer-instances 2
expect 2 "--expert-tensor-parallel-size 2 does not divide --tensor-model-parallel-size 1" "$T" pretrain $common --expert-tensor-parallel-size 2
expect 2 "this model has no experts: leave them out" on 2 "$T" pretrain --data-path "$D/data_text_document" $shape \
    --seq-length 16 --micro-batch-size 1 --lr 0.01 --train-iters 1 --expert-model-parallel-size 2
expect 2 "give another --micro-batch-size" on 2 "$T" pretrain $common --tensor-model-parallel-size 2 --expert-tensor-parallel-size 1 --seq-length 15
finish
