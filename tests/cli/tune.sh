#!/bin/sh
# The layout that is fastest and fits, and why the others are not it.
. "$(dirname "$0")/lib.sh"
# a model whose state alone does not fit on one of four small processes: 12 layers, 512 wide
model="--num-layers 12 --hidden-size 512 --num-attention-heads 8 --seq-length 256 --max-position-embeddings 256
    --vocab-size 8000 --tokenizer-type NullTokenizer --global-batch-size 16 --train-iters 1 --lr 1e-4 --bf16 --mock-data
    --untie-embeddings-and-output-weights"
slow='{"name": "slow", "kind": "gpu", "threads": 1, "flops_f32": 1e12, "flops_16": 2e12, "bytes_per_second": 1e11,
    "network_bytes_per_second": 1e8, "network_latency": 1e-4}'
fast='{"name": "fast", "kind": "gpu", "threads": 1, "flops_f32": 1e12, "flops_16": 2e12, "bytes_per_second": 1e11,
    "network_bytes_per_second": 1e12, "network_latency": 1e-7}'
echo "$slow" >"$D/slow.json"
echo "$fast" >"$D/fast.json"
# shellcheck disable=SC2086
tune() { "$T" tune $model --world-size 4 "$@"; }
# value FILE NAME: of the first layout
value() { tr -d ' \n' <"$1" | sed 's/.*"layouts":\[{\([^}]*\)}.*/\1/' | tr ',' '\n' | sed -n "s/\"$2\"://p"; }

expect 0 "choice  --tensor-model-parallel-size" tune --hardware "$D/fast.json" --svg "$D/picture.svg"
# processes are counted as plan counts them
# shellcheck disable=SC2086
expect 0 "2 processes" "$T" tune $model --worker_num 2 --tensor-model-parallel-size 2 --micro-batch-size 1
checks=$((checks + 2))
grep -q "<circle.*does not fit\|<circle" "$D/picture.svg" || wrong "no picture"
[ "$(grep -c '<title>' "$D/picture.svg")" -gt 40 ] || wrong "few are drawn: $(grep -c '<title>' "$D/picture.svg")"
# the first is what plan says of it, and no other that fits is faster
expect 0 '"layouts"' tune --hardware "$D/fast.json" --json
cp "$D/out" "$D/all"
t=$(value "$D/all" tensor-model-parallel-size) p=$(value "$D/all" pipeline-model-parallel-size)
v=$(value "$D/all" num-virtual-stages-per-pipeline-rank) m=$(value "$D/all" micro-batch-size)
options="--tensor-model-parallel-size $t --pipeline-model-parallel-size $p --micro-batch-size $m"
[ "$t" = 1 ] || options="$options --sequence-parallel"
[ "$v" = 1 ] || options="$options --num-virtual-stages-per-pipeline-rank $v"
[ "$(value "$D/all" use-distributed-optimizer)" = 0 ] || options="$options --use-distributed-optimizer"
[ "$(value "$D/all" recompute-granularity)" = 0 ] || options="$options --recompute-granularity full"
checks=$((checks + 2))
# shellcheck disable=SC2086
"$T" plan $model --world-size 4 --hardware "$D/fast.json" $options --json 2>"$D/err" >"$D/plan" || wrong "$(tail -n 1 "$D/err")"
said=$(tr -d ' \n' <"$D/plan" | sed 's/.*"tokens_per_second":\([0-9.e+]*\).*/\1/')
[ "$said" = "$(value "$D/all" tokens_per_second)" ] || wrong "plan says $said, tune $(value "$D/all" tokens_per_second)"
tr -d ' \n' <"$D/all" | tr '{' '\n' | sed -n 's/.*"tokens_per_second":\([0-9.e+]*\),.*"fits":true.*/\1/p' |
    awk 'NR == 1 { best = $1 } $1 > best { bad = 1 } END { exit bad || NR < 20 }' || wrong "a faster one is not the first"
# a slow network, and few sums in a step, make tensor parallelism a poor choice
expect 0 '"layouts"' tune --hardware "$D/slow.json" --json
checks=$((checks + 1))
[ "$(value "$D/out" tensor-model-parallel-size)" = 1 ] || wrong "tensor parallelism over a slow network"
# less memory than any of them takes: the smallest, which says so
expect 0 "none fits; the smallest" tune --hardware "$D/fast.json" --memory-limit-gb 0.02
expect 0 "does NOT FIT" tune --hardware "$D/fast.json" --memory-limit-gb 0.02 --top 1
# what is given is kept
expect 0 "choice  --tensor-model-parallel-size 2 --sequence-parallel --pipeline-model-parallel-size 2" tune --hardware "$D/fast.json" \
    --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2
grep -q -- "--tensor-model-parallel-size  *[0-9]* .*of its" "$D/out" && wrong "what was given is chosen"
expect 2 "no layout of 4 processes can be" tune --tensor-model-parallel-size 3
expect 2 "--svg $D: " tune --svg "$D"
finish
