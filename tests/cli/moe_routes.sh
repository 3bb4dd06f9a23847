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

# ---- scoring ----
# score NAME OPTIONS...: of the lines in $D/lines
score() {
    name=$1
    shift
    checks=$((checks + 1))
    "$T" score --input "$D/lines" --output "$D/$name.scores" --threads 1 "$@" 2>"$D/err" || wrong "$name: $(tail -n 1 "$D/err")"
}
printf '{"ids": [1, 2, 3, 4, 5, 6, 7]}\n{"ids": [90]}\n{"ids": [5, 5, 80, 81]}\n' >"$D/lines"
score plain --load "$D/ck" --moe-routing-record "$D/s"
checks=$((checks + 1))
[ "$(wc -c <"$D/s")" = $((64 + 3 * 8 + (7 + 1 + 4) * 3 * 2 * 2)) ] || wrong "a record of $(wc -c <"$D/s") bytes"
score again --load "$D/ck" --moe-routing-replay "$D/s"
same "$D/again.scores" "$D/plain.scores"
score narrow --load "$D/ck" --moe-routing-replay "$D/s" --load-in-8bit
expect 2 "3 sequences that were scored, and this run takes 16 in 4 iterations" "$T" pretrain $common --moe-routing-replay "$D/s"
expect 2 "give one" "$T" score --load "$D/ck" --input "$D/lines" --moe-routing-replay "$D/s" --moe-routing-record "$D/s2"
expect 2 "not of --logits" "$T" score --load "$D/ck" --input "$D/lines" --moe-routing-replay "$D/s" --logits "$D/z"
cat "$D/lines" "$D/lines" >"$D/twice"
expect 2 "it has 3 sequences, and here is one more" "$T" score --load "$D/ck" --input "$D/twice" --moe-routing-replay "$D/s"
sed 's/, 7//' "$D/lines" >"$D/shorter"
expect 2 "sequence 1 has 7 tokens, and here 6" "$T" score --load "$D/ck" --input "$D/shorter" --moe-routing-replay "$D/s"
head -c 150 "$D/s" >"$D/torn"
expect 2 "it ends within sequence 1" "$T" score --load "$D/ck" --input "$D/lines" --moe-routing-replay "$D/torn"
{ head -c 72 "$D/s"; printf '\377\377'; tail -c +75 "$D/s"; } >"$D/damaged"
score untouched --load "$D/ck" --moe-routing-replay "$D/damaged" # of the layer without experts
{ head -c 100 "$D/s"; printf '\377\377'; tail -c +103 "$D/s"; } >"$D/damaged"
expect 2 "these are no experts" "$T" score --load "$D/ck" --input "$D/lines" --moe-routing-replay "$D/damaged"
# one sequence, led where another model's routers send it: the loss of training and that of scoring
seq -s ' ' 3 5 83 >"$D/numbers1.txt"
"$T" preprocess --input "$D/numbers1.txt" --output-prefix "$D/one" --tokenizer-type NullTokenizer --vocab-size 96 >/dev/null 2>"$D/err"
alone="--data-path $D/one_text_document --global-batch-size 1 --train-iters 1 --lr 0 --min-lr 0"
# shellcheck disable=SC2086
{
    job teacher 1 $alone --seed 8 --moe-routing-record "$D/r1"
    job student 1 $alone --moe-routing-replay "$D/r1" --save "$D/ck1"
    job itself 1 $alone
}
echo "{\"ids\": [$(sed 's/ /, /g' "$D/numbers1.txt")]}" >"$D/lines"
score led1 --load "$D/ck1" --moe-routing-replay "$D/r1"
score free1 --load "$D/ck1"
# near1 SCORES JOB: the mean of the one is the loss of the other
near1() {
    checks=$((checks + 1))
    sed 's/.*"sum": \([-0-9.e]*\).*/\1/' "$D/$1.scores" | paste - "$D/$2.jsonl" | sed 's/{.*"lm_loss": \([0-9.e-]*\).*/\1/' |
        awk '{ d = -$1 / 16 - $2; exit !(d * d < 1e-11) }' || wrong "$1 is not $2"
}
near1 led1 student
near1 free1 itself
checks=$((checks + 1))
! cmp -s "$D/led1.scores" "$D/free1.scores" || wrong "another model's choices are its own: nothing was tried"
# the same of many, in the order of their files, and back: what was scored leads a training. Rows of 16 tokens at most
"$3" "$D/rows" sft 41 5
od -An -v -w4 -t d4 -j 34 -N 64 "$D/rows_packed_input_ids_document.idx" >"$D/sizes"
od -An -v -w4 -t d4 "$D/rows_packed_input_ids_document.bin" | awk '
    NR == FNR { size[NR] = $1; next }
    { at++ }
    at == 1 { row++; if (row > 16) exit; s = "" }
    at <= 16 { s = s (at > 1 ? ", " : "") $1 }
    at == size[row] { print "{\"ids\": [" s "]}"; at = 0 }' "$D/sizes" - >"$D/lines"
tuned="--stage sft --data-path $D/rows --no-shuffle --lr 0 --min-lr 0 --moe-aux-loss-coeff 0"
# shellcheck disable=SC2086
{
    job tuned 1 $tuned --save "$D/ck7" --moe-routing-record "$D/t7"
    job taught 1 $tuned --seed 8 --save "$D/ck8" --moe-routing-record "$D/t8"
    score free --load "$D/ck7"
    score led --load "$D/ck7" --moe-routing-replay "$D/t7"
    same "$D/free.scores" "$D/led.scores"
    score taught --load "$D/ck8" --moe-routing-record "$D/s8"
    score led8 --load "$D/ck7" --moe-routing-replay "$D/t8"
    score led8s --load "$D/ck7" --moe-routing-replay "$D/s8"
    same "$D/led8.scores" "$D/led8s.scores"
    checks=$((checks + 1))
    ! cmp -s "$D/led8.scores" "$D/free.scores" || wrong "choices of another model change nothing: nothing was tried"
    job by-training 1 $tuned --moe-routing-replay "$D/t8"
    job by-scoring 1 $tuned --moe-routing-replay "$D/s8"
    alike by-scoring by-training 1
    checks=$((checks + 1))
    [ "$(numbers by-scoring)" != "$(numbers tuned)" ] || wrong "what was scored leads nothing"
    job twice 1 $tuned --moe-routing-replay "$D/s8" --recompute-granularity full
    alike twice by-training 1
    echo '{"ids": [1, 2]}' >>"$D/lines"
    expect 2 "it has 16 sequences, and here is one more" "$T" score --load "$D/ck7" --input "$D/lines" --moe-routing-replay "$D/t8"
    head -n 16 "$D/lines" | sed '3s/]/, 1, 2]/; 3s/\[/[4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /' >"$D/long"
    expect 2 "sequence 3 has 16 tokens, and here " "$T" score --load "$D/ck7" --input "$D/long" --moe-routing-replay "$D/t8"
}
# of pairs each answer is a row, of verdicts each sample
"$3" "$D/pairs" pairs 41 5
"$3" "$D/verdicts" kto 41 5
for stage in "simpo pairs" "kto verdicts"; do
    # shellcheck disable=SC2086
    {
        set -- $stage
        few="--stage $1 --data-path $D/$2 --moe-aux-loss-coeff 0 --train-iters 2 --ref-model $D/ck7"
        job "$1" 1 $few --moe-routing-record "$D/t"
        job "$1-led" 1 $few --moe-routing-replay "$D/t"
    }
    alike "$1-led" "$1" 1 0
done
checks=$((checks + 1))
[ "$(wc -c <"$D/t")" = $((64 + 2 * 4 * 3 * 16 * 2 * 2)) ] || wrong "a record of $(wc -c <"$D/t") bytes"
refused "sequence 1 has " --global-batch-size 1 --moe-routing-replay "$D/s8"

have_mpi || finish
# shellcheck disable=SC2086
job led-data 2 $tuned --moe-routing-replay "$D/s8"
alike led-data by-training 1
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
