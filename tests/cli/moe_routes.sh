#!/bin/sh
# Which experts tokens went to is recorded and replayed: the same bits, in any layout, whatever the router would choose;
# files of another shape, damaged ones and contradicting options are refused before weights are read.
. "$(dirname "$0")/lib.sh"
make_data
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.01
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 4 --log-params-norm --threads 1 $shape --num-layers 3
    --num-experts 6 --moe-router-topk 2 --moe-ffn-hidden-size 24 --moe-layer-freq ([0]*1+[1]*2) --moe-aux-loss-coeff 0.02"
# loads NAME: what each step sent where
loads() { sed 's/.*"expert_load": *\({[^}]*}\).*/\1/' "$D/$1.jsonl"; }
# same_loads NAME NAME
same_loads() {
    checks=$((checks + 1))
    [ "$(loads "$1")" = "$(loads "$2")" ] || wrong "$1 sent tokens elsewhere than $2: $(loads "$1" | head -n 1)"
}

job plain 1
job recorded 1 --moe-routing-record "$D/r" --save "$D/ck" --save-interval 2
alike recorded plain 1 0
as_planned recorded 1 --moe-routing-record "$D/other"
checks=$((checks + 1))
[ "$(wc -c <"$D/r")" = $((64 + 2 * 4 * 4 * 3 * 16 * 2)) ] || wrong "a record of $(wc -c <"$D/r") bytes"
job replayed 1 --moe-routing-replay "$D/r"
alike replayed recorded 1 0
as_planned replayed 1 --moe-routing-replay "$D/r"
job again 1 --moe-routing-replay "$D/r" --recompute-granularity full
job wide 1 --moe-routing-replay "$D/r" --micro-batch-size 2
alike again recorded 1 0
same_loads wide recorded
# other routers send tokens elsewhere, but not when it is said where
job other 1 --seed 8
job led 1 --seed 8 --moe-routing-replay "$D/r"
same_loads led recorded
checks=$((checks + 1))
[ "$(loads other)" != "$(loads recorded)" ] || wrong "another seed chooses the same experts: nothing was tried"
job late 1 --load "$D/ck" --ckpt-step 2 --moe-routing-replay "$D/r"
alike late recorded 3 0

refused() { # WORDS OPTIONS...
    words=$1
    shift
    # shellcheck disable=SC2086
    expect 2 "$words" "$T" pretrain $common "$@"
}
refused "it has tokens of a sequence: 16, and this run 8" --moe-routing-replay "$D/r" --seq-length 8
refused "it has experts: 6, and this run 5" --moe-routing-replay "$D/r" --num-experts 5
refused "it has sequences of a step: 4, and this run 2" --moe-routing-replay "$D/r" --global-batch-size 2
refused "it has iterations 1 to 4, and this run makes 1 to 5" --moe-routing-replay "$D/r" --train-iters 5
refused "no file that --moe-routing-record made" --moe-routing-replay "$0"
refused "give one" --moe-routing-replay "$D/r" --moe-routing-record "$D/s"
refused "leave out --fix-router" --moe-routing-replay "$D/r" --fix-router
{ head -c 1000 "$D/r"; printf '\377\377'; tail -c +1003 "$D/r"; } >"$D/damaged"
refused "these are no experts" --moe-routing-replay "$D/damaged"

have_mpi || finish
job data 2 --moe-routing-replay "$D/r"
alike data recorded 1
same_loads data recorded
job tensor 2 --moe-routing-replay "$D/r" --tensor-model-parallel-size 2 --sequence-parallel
alike tensor recorded 1
same_loads tensor recorded
# several processes record what one does, whatever each has of it
for layout in "2" "2 --tensor-model-parallel-size 2 --sequence-parallel" "2 --context-parallel-size 2" \
    "3 --pipeline-model-parallel-size 3" "4 --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall"; do
    # shellcheck disable=SC2086
    {
        set -- $layout
        ranks=$1
        shift
        job several "$ranks" "$@" --moe-routing-record "$D/several"
        case $* in *expert*) ;; *) as_planned several "$ranks" "$@" --moe-routing-record "$D/other" ;; esac
    }
    same "$D/several" "$D/r"
done
job context 2 --moe-routing-replay "$D/r" --context-parallel-size 2
same_loads context recorded
finish
