#!/bin/sh
# tessera schedule: the table, the two files, and what is refused.
. "$(dirname "$0")/lib.sh"
schedule() { # schedule NAME STAGES MICRO-BATCHES MORE...
    n=$1 p=$2 m=$3
    shift 3
    "$T" schedule --pipeline-schedule "$n" --pipeline-model-parallel-size "$p" --num-microbatches "$m" "$@"
}
# line TEXT: the table has this line, spaces apart
line() {
    checks=$((checks + 1))
    tr -s ' ' <"$D/out" | sed 's/^ //' | grep -qxF -- "$1" || wrong "no line \"$1\" in: $(cat "$D/out")"
}
expect 0 "1f1b: stages 4, chunks of each 1, micro-batches 8; time 33, 27.3 % idle" schedule 1f1b 4 8
line "48 messages between stages"
line "0 24 9 27.3 % 4 0"
line "3 24 9 27.3 % 1 0"
expect 0 "time 28.5, 15.8 % idle" schedule interleaved 4 8 --num-virtual-stages-per-pipeline-rank 2
expect 0 "time 33, 27.3 % idle" schedule gpipe 4 8
line "3 24 9 27.3 % 8 0"
expect 0 "time 27, 11.1 % idle" schedule zero-bubble 4 8
line "3 24 3 11.1 % 4 4"
expect 0 "chunks of each 2, micro-batches 10" schedule dualpipev 4 10
expect 0 "time 31.5, 4.8 % idle" schedule dualpipev 4 10 --dualpipev-dw-detach
expect 0 "time 27.5, 12.7 % idle" schedule nanopipe 4 8 --num-virtual-stages-per-pipeline-rank 2
expect 0 "time 34, " schedule zero-bubble 4 8 --recompute-in-advance
expect 0 "time 28.5, " schedule interleaved 4 8 --num-virtual-stages-per-pipeline-rank 2 --recompute-in-bubble
expect 0 "0.0 % idle" schedule 1f1b 1 3
# a forward of 2 and halves of 3 and 1: (p - 1)(2 + 3 + 1)
expect 0 "1f1b" schedule 1f1b 4 8 --forward-cost 2 --input-gradient-cost 3 --weight-gradient-cost 1
line "0 48 18 27.3 % 4 0"
expect 0 "time 43, " schedule zero-bubble 4 8 --send-cost 1
expect 0 "time 41, " schedule zero-bubble 4 8 --send-cost 1 --optimize-send-recv-comm
expect 0 "time 0, 0.0 % idle" schedule 1f1b 2 2 --forward-cost 0 --input-gradient-cost 0 --weight-gradient-cost 0 \
    --svg "$D/zero.svg"

expect 0 "zero-bubble" schedule zero-bubble 4 8 --svg "$D/a.svg" --trace "$D/a.json"
schedule zero-bubble 4 8 --svg - >"$D/b.svg" 2>"$D/err" || wrong "--svg -: $(cat "$D/err")"
schedule zero-bubble 4 8 --trace - >"$D/b.json" 2>"$D/err" || wrong "--trace -: $(cat "$D/err")"
same "$D/a.svg" "$D/b.svg"
same "$D/a.json" "$D/b.json"
checks=$((checks + 2))
[ "$(grep -c '<title>' "$D/a.svg")" = $((4 * 8 * 3)) ] || wrong "boxes in the picture: $(grep -c '<title>' "$D/a.svg")"
[ "$(grep -o '"ph":"X"' "$D/a.json" | wc -l)" = $((4 * 8 * 3)) ] || wrong "events in the trace"

expect 2 "--num-microbatches is missing" "$T" schedule --pipeline-model-parallel-size 4
expect 2 "schedule dualpipev: 6 micro-batches for 4 stages: expected at least 7" schedule dualpipev 4 6
expect 2 "schedule 1f1b: 2 chunks a stage" schedule 1f1b 4 8 --num-virtual-stages-per-pipeline-rank 2
expect 2 "leave 2" schedule interleaved 4 6 --num-virtual-stages-per-pipeline-rank 2
expect 2 "is none of" schedule zigzag 4 8
expect 2 "name the same file" schedule 1f1b 4 8 --svg "$D/one" --trace "$D/one"
expect 2 "--recompute-in-bubble" schedule interleaved 4 8 --recompute-in-bubble --recompute-in-advance
expect 2 "units are too many for a picture" schedule 1f1b 64 2048 --svg "$D/large.svg"
absent "$D/large.svg"
finish
