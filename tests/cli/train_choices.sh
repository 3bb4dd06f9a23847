#!/bin/bash
# Options of training with something behind them: another rate for embedding and output layer, evaluation alone, gradients
# that travel as bf16, the signal that ends a run, how many checkpoints are kept.
. "$(dirname "$0")/lib.sh"
make_data
losses() { sed 's/.*"lm_loss": \([^,]*\),.*/\1/' "$1"; }
# alike A B: the same losses, step by step
alike() {
    checks=$((checks + 1))
    [ -s "$1" ] && [ "$(losses "$1")" = "$(losses "$2")" ] || wrong "$1 and $2: $(losses "$1" | tail -n 1), $(losses "$2" | tail -n 1)"
}
unlike() {
    checks=$((checks + 1))
    [ "$(losses "$1")" != "$(losses "$2")" ] || wrong "$1 and $2 have the same losses"
}
quiet() { "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "exit $?: $*: $(tail -n 1 "$D/err")"; }

# ---- --decoupled-lr: 0 is no training of these two, as --freeze; that of the others is none of its own
both="--untie-embeddings-and-output-weights --clip-grad 0"
quiet train $both --metrics-jsonl "$D/plain"
quiet train $both --decoupled-lr 1e-3 --metrics-jsonl "$D/same"
alike "$D/plain" "$D/same"
quiet train $both --min-lr 0 --freeze embedding output_layer --metrics-jsonl "$D/frozen"
quiet train $both --min-lr 0 --decoupled-lr 0 --metrics-jsonl "$D/still"
alike "$D/frozen" "$D/still"
own="$both --decoupled-lr 4e-3 --decoupled-min-lr 2e-3"
quiet train $own --metrics-jsonl "$D/own" --log-interval 1
unlike "$D/plain" "$D/own"
checks=$((checks + 2))
grep -q 'learning rate: 1.000000E-03 | decoupled learning rate: 4.000000E-03 |' "$D/err" || wrong "the log has no decoupled rate"
# warmed up to 4e-3 in 3 steps, then a cosine down to 2e-3 at the end of 8
[ "$(sed 's/.*"decoupled_learning_rate": \([^,]*\),.*/\1/' "$D/own" | awk '{ printf "%.4g ", $1 }')" = \
    "0 0.001333 0.002667 0.004 0.003809 0.003309 0.002691 0.002191 " ] ||
    wrong "rates: $(sed 's/.*"decoupled_learning_rate": \([^,]*\),.*/\1/' "$D/own" | tr '\n' ' ')"
quiet train $own --save "$D/ck" --exit-interval 4 --metrics-jsonl "$D/halves"
quiet train $own --save "$D/ck" --load "$D/ck" --metrics-jsonl "$D/halves"
alike "$D/own" "$D/halves"
expect 0 "--decoupled-lr 0.002 (was 0.004" train $both --decoupled-lr 2e-3 --load "$D/ck" --train-iters 9
expect 2 "--decoupled-min-lr 0.01 is above --decoupled-lr 0.004" train --decoupled-lr 4e-3 --decoupled-min-lr 1e-2
expect 2 "--decoupled-lr -0.5: a rate from 0 on" train --decoupled-lr -0.5
expect 0 "--decoupled-min-lr has no effect without --decoupled-lr" train --decoupled-min-lr 1e-5
checks=$((checks + 1))
[ "$(grep -c 'decoupled-min-lr has no effect' "$D/err")" = 1 ] || wrong "the warning is said more than once"

# ---- --skip-train: the numbers of the run's own last evaluation, and nothing written
eval="--split 60,20,20 --eval-iters 2 --eval-interval 4"
quiet train $eval --save "$D/ev"
grep -o 'loss at iteration .*' "$D/err" | tail -n 2 >"$D/want"
ls -R "$D/ev" | cksum >"$D/before"
quiet train $eval --skip-train --load "$D/ev" --save "$D/ev" --save-hf "$D/evhf" --metrics-jsonl "$D/evlog" --tensorboard-dir "$D/evtb"
grep -o 'loss at iteration .*' "$D/err" >"$D/got"
same "$D/want" "$D/got"
checks=$((checks + 2))
[ "$(wc -l <"$D/got")" = 2 ] || wrong "--skip-train evaluates $(wc -l <"$D/got") times"
[ "$(ls -R "$D/ev" | cksum)" = "$(cat "$D/before")" ] || wrong "--skip-train changed the checkpoints"
absent "$D/evhf"
absent "$D/evlog"
absent "$D/evtb"
# shellcheck disable=SC2086
quiet "$T" pretrain $shape --seq-length 16 --micro-batch-size 2 --global-batch-size 8 --data-path "$D/data_text_document" $eval --skip-train --seed 5
expect 2 "--skip-train: there is nothing to evaluate on" train --skip-train

# ---- --exit-signal, --most-recent-k
(
    # shellcheck disable=SC2086
    exec "$T" pretrain $shape $batch --data-path "$D/data_text_document" --seed 5 --train-iters 1000000 --exit-signal SIGUSR1 \
        --save "$D/stop" --save-interval 5 --most-recent-k 2 >"$D/out" 2>"$D/err" </dev/null
) &
pid=$!
for i in $(seq 200); do [ -d "$D/stop/iter_0000010" ] && break; sleep 0.1; done
kill -USR1 $pid
wait $pid || wrong "--exit-signal SIGUSR1: exit $?"
checks=$((checks + 3))
grep -q "asked to stop by signal 10" "$D/err" || wrong "no word of the signal: $(tail -n 1 "$D/err")"
[ "$(ls -d "$D"/stop/iter_* | wc -l)" = 2 ] || wrong "--most-recent-k 2 keeps $(ls -d "$D"/stop/iter_* | wc -l)"
quiet train --save "$D/all" --save-interval 2 --most-recent-k -1
[ "$(ls -d "$D"/all/iter_* | wc -l)" = 4 ] || wrong "--most-recent-k -1 keeps $(ls -d "$D"/all/iter_* | wc -l)"
expect 2 "SIGNONE" train --exit-signal SIGNONE

# ---- --grad-reduce-in-bf16
expect 2 "--grad-reduce-in-bf16 goes with --bf16" train --grad-reduce-in-bf16
expect 2 "--grad-reduce-in-bf16 contradicts --deterministic-mode" train --grad-reduce-in-bf16 --deterministic-mode --bf16
expect 0 "--grad-reduce-in-bf16 has no effect without several processes" train --grad-reduce-in-bf16 --bf16
# planned: half the bytes
# shellcheck disable=SC2086
for how in "" --grad-reduce-in-bf16; do
    "$T" plan $shape $batch --train-iters 8 --bf16 --world-size 4 --json $how 2>"$D/err" | sed -n 's/.*"bytes": \([0-9]*\).*/\1/p' | head -n 1
done | paste -s -d ' ' | awk '{ if (!($2 > 0.49 * $1 && $2 < 0.55 * $1)) { print "FAIL bytes in bf16 and fp32: " $2, $1; exit 1 } }' || failed=$((failed + 1))
checks=$((checks + 1))
expect 2 "no step of training to plan" "$T" plan $shape $batch --train-iters 8 --skip-train
if have_mpi; then
    two() {
        # shellcheck disable=SC2086
        quiet on 2 "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 8 --seed 5 --bf16 "$@"
    }
    two --metrics-jsonl "$D/fp32"
    two --grad-reduce-in-bf16 --metrics-jsonl "$D/half"
    two --grad-reduce-in-bf16 --ddp-bucket-size 300 --metrics-jsonl "$D/half2"
    alike "$D/half" "$D/half2"
    unlike "$D/half" "$D/fp32"
    checks=$((checks + 1))
    paste <(losses "$D/half") <(losses "$D/fp32") | awk '{ d = $1 - $2; if (d * d > 1e-4) exit 1 }' || wrong "bf16 gradients: other losses"
fi
finish
