#!/bin/bash
# A model on several processes as its users see it: texts as they come, talks, forms, benchmarks; what cannot be is refused.
. "$(dirname "$0")/lib.sh"
needs_mpi
G=$(dirname "$0")/../golden
M=$G/evaluate/model
two="--tensor-model-parallel-size 2" stages="--pipeline-model-parallel-size 2"
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
# alike RANKS CUT COMMAND...: the standard output of one process and of several
alike() {
    ranks=$1 cut=$2
    shift 2
    "$T" "$@" --load "$M" --threads 1 >"$D/want" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
    # shellcheck disable=SC2086
    on "$ranks" "$T" "$@" --load "$M" --threads 1 $cut >"$D/got" 2>"$D/err" </dev/null || wrong "$* $cut: $(grep error "$D/err")"
    is "$* $cut" "$(cat "$D/want")" "$(cat "$D/got")"
}
for i in 1 2 3 4 5; do echo "{\"text\": \"Which word is $i\"}"; done >"$D/in.jsonl"
greedy="--greedy --max-new-tokens 24"
# shellcheck disable=SC2086
{
    alike 2 "$two" infer $greedy --prompt "The quick"
    alike 2 "$stages" infer $greedy --prompt "The quick" --stop orchard
    alike 4 "$two $stages" infer $greedy --prompt "A word" --regex '[a-z ]{5,12}\.'
    alike 2 "$two" infer $greedy --prompt "Which word" --draft-model "$M" --num-speculative-tokens 2
    alike 4 "$two" infer $greedy --input "$D/in.jsonl" --json
    # a talk from a pipe, which the first process alone has
    cp -r "$M" "$D/model"
    cp "$G/chat/chatml.jinja" "$D/model/chat_template.jinja"
    talk="chat --load $D/model --greedy --max-new-tokens 12 --threads 1"
    printf 'Who?\nAnd why?\n' | "$T" $talk >"$D/want" 2>"$D/err"
    printf 'Who?\nAnd why?\n' | on 2 "$T" $talk $stages >"$D/got" 2>"$D/err"
    is chat "$(cat "$D/want")" "$(cat "$D/got")"
    # what a line may not be is told once, and the others end with it
    echo '{"ids": [3, 9999]}' >"$D/bad.jsonl"
    expect 2 "is no token id: 0 to 443" on 2 "$T" infer --load "$M" --input "$D/bad.jsonl" $two
    is "the times that it is told" 1 "$(grep -c "no token id" "$D/err")"
    expect 2 "--input -: of several processes one alone has the standard input" on 2 "$T" score --load "$M" --input -
    expect 2 "chat has one model, and 2 processes would have 2" on 2 "$T" chat --load "$M"
    expect 2 "1 process: --tensor-model-parallel-size 2 times" "$T" infer --load "$M" --prompt a $two
    expect 2 "this model has no experts" on 2 "$T" infer --load "$M" --prompt a --expert-model-parallel-size 2
    expect 2 "cannot be shared out evenly over 3 stages" on 3 "$T" infer --load "$M" --prompt a --pipeline-model-parallel-size 3
    expect 2 "are recorded and replayed by one process" on 2 "$T" score --load "$M" --input "$D/in.jsonl" --moe-routing-record "$D/r" $two
    expect 2 "reads the keys and values that layer" on 2 "$T" infer --load "$G/families/gemma3n" --prompt a $stages --num-layer-list 4,1
}
# benchmarks: log-likelihoods and texts, by pairs of processes
judge() { # judge NAME COMMAND...
    name=$1
    shift
    "$@" evaluate --load "$M" --threads 1 --task mmlu --task-data-path "$G/evaluate/data/mmlu/test" --num-fewshot 2 --output "$D/$name.jsonl" >"$D/$name.table" 2>"$D/err" ||
        wrong "$name: $(tail -n 1 "$D/err")"
    sed 's/"loglikelihoods":\[[^]]*\]//' "$D/$name.jsonl" >"$D/$name.words"
}
judge one "$T"
# shellcheck disable=SC2086
cut_judge() { on 4 "$T" "$@" $two; }
judge four cut_judge
same "$D/one.words" "$D/four.words"
same "$D/one.table" "$D/four.table"
finish
