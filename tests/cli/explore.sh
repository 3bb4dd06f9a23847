#!/bin/sh
# Answers that are chosen of several: the same whatever is beside them, all of them on demand, and what does not go together.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
M=$G/evaluate/model
printf '{"text": "Question: He has 12 candles and"}\n{"text": "harbour 7"}\n{"text": "Which word begins with h?"}\n' >"$D/in.jsonl"
explore() { # explore OUT OPTIONS...
    out=$1
    shift
    "$T" infer --load "$M" --input "$D/in.jsonl" --max-new-tokens 24 --output "$D/$out" --candidates "$D/$out.all" "$@" 2>"$D/err" || wrong "$* $(tail -n 1 "$D/err")"
}
reward="--reward-model $G/explore/labels --step-tokens 6 --n 4"
for how in "cot_decoding --n 5" "self_consistency --n 6 --seed 5" "best_of_n $reward" "beam_search --beam-width 2 $reward" \
    "dvts --beam-width 2 $reward" "rebase $reward"; do
    # shellcheck disable=SC2086
    {
        explore one --approach $how --threads 1
        explore two --approach $how --batch-size 2 --threads 2
    }
    same "$D/one" "$D/two"
    same "$D/one.all" "$D/two.all"
    checks=$((checks + 2))
    [ "$(grep -c '"chosen": true' "$D/one.all")" = 3 ] || wrong "$how: one of each line's answers is chosen"
    grep '"chosen": true' "$D/one.all" | sed 's/.*"ids": \(\[[^]]*\]\).*/\1/' >"$D/chosen"
    sed 's/.*"ids": \(\[[^]]*\]\).*/\1/' "$D/one" | cmp -s - "$D/chosen" || wrong "$how: what is chosen is not the result"
done

# one draw is the draw that a line makes alone; the budget holds; a grammar and a stop text go with steps
explore one --approach self_consistency --n 1 --seed 9 --top-k 0
"$T" infer --load "$M" --input "$D/in.jsonl" --max-new-tokens 24 --do-sample --seed 9 --top-k 0 --output "$D/plain" 2>/dev/null
sed 's/, "answer".*/}/' "$D/one" >"$D/bare"
same "$D/plain" "$D/bare"
# shellcheck disable=SC2086
explore budget --approach beam_search --beam-width 2 $reward --max-total-tokens 30
checks=$((checks + 2))
awk -F'"ids": ' '{ split($2, a, "]"); n += gsub(/,/, ",", a[1]) + 1 } END { exit n > 3 * 30 * 2 }' "$D/budget.all" || wrong "too many tokens"
# shellcheck disable=SC2086
explore grammar --approach rebase $reward --regex '[a-z ]{3,18}' --step-tokens 2
! sed 's/.*"text": "\([^"]*\)".*/\1/' "$D/grammar" | grep -qv '^[a-z ]\{1,18\}$' || wrong "no answers of the grammar: $(cat "$D/grammar")"
# shellcheck disable=SC2086
expect 0 '"finish_reason": "stop"' "$T" infer --load "$M" --prompt "Which word" --max-new-tokens 24 --approach best_of_n $reward --stop o --json
expect 0 "\"candidate\": 3" "$T" infer --load "$M" --prompt "harbour" --max-new-tokens 4 --approach cot_decoding --n 4 --candidates -

infer() { code=$1 text=$2; shift 2; expect "$code" "$text" "$T" infer --load "$M" --prompt a --max-new-tokens 4 "$@"; }
infer 2 "--approach needs --reward-model" --approach best_of_n
infer 2 "leave --greedy out" --approach self_consistency --greedy
infer 2 "leave --do-sample out" --approach cot_decoding --do-sample
infer 2 "branches at 20 first tokens at most" --approach cot_decoding --n 21
infer 2 "--beam-width 4 does not divide --n 6" --approach beam_search --n 6 --reward-model "$G/explore/reward"
infer 2 "does not go with beams of tokens" --approach self_consistency --num-beams 2
infer 2 "do not go with --approach" --approach self_consistency --prompt-lookup-num-tokens 2
infer 2 "less than a token for each" --approach self_consistency --max-total-tokens 3
infer 2 "a language model judges by --reward-tokens" --approach best_of_n --reward-model "$M"
infer 2 "has a head of its own and tells no words" --approach best_of_n --reward-model "$G/explore/reward" --reward-tokens a
infer 2 "expected one number, or a bad and a good one" --approach best_of_n --reward-model "$G/classes/qwen3"
infer 2 "--vote best and weighted go by scores" --approach self_consistency --vote weighted
infer 2 "--answer-regex: cannot use the regular expression" --approach self_consistency --answer-regex "("
infer 2 "--candidates goes with --approach" --candidates "$D/none"
infer 2 "there is no such" --approach best_of_n --reward-model "$D/none"
infer 0 "--beam-width" --beam-width 2
absent "$D/none"
finish
