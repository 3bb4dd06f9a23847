#!/bin/sh
# Benchmarks as a user runs them: files that are wrong, runs that are cut off, several processes, the other rule, programs
# that a model writes. What the figures are: golden/evaluate.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden/evaluate
evaluate() { "$T" evaluate --load "$G/model" --threads 1 --log-level warning "$@" 2>"$D/err"; }
refused() { # refused TEXT OPTION...
    text=$1
    shift
    expect 2 "$text" "$T" evaluate --load "$G/model" "$@"
}
cp -r "$G/data/mmlu" "$D/mmlu"
M=$D/mmlu/test
refused "--task is missing" --task-data-path "$M"
refused "--task-data-path is missing" --task mmlu
refused "there is no such task; there are" --task mmmlu --task-data-path "$M"
refused "expected a folder" --task mmlu --task-data-path "$D/nowhere"
refused "the file of questions is not in --task-data-path" --task gsm8k --task-data-path "$M"
refused "mmlu is named twice" --task mmlu mmlu --task-data-path "$M"
refused "has 3 records for examples, and --num-fewshot is 5" --task mmlu --task-data-path "$M" --num-fewshot 5
refused "mmlu_ppl has no rule of --eval-rule lm-eval" --task mmlu_ppl --task-data-path "$M"
refused "give one" --task mmlu --task-data-path "$M" --fewshot-as-multiturn --no-fewshot-as-multiturn
rm "$D/mmlu/dev/hand_tools_dev.csv"
refused "expected ../dev/hand_tools_dev, hand_tools_dev" --task mmlu --task-data-path "$M" --num-fewshot 1
printf 'What?,a,b,c,d,A\n"A\nB",a,b,c\n' >"$M/hand_tools_test.csv"
refused "hand_tools_test.csv:2: 4 cells, expected 6" --task mmlu --task-data-path "$M"
printf 'What?,a,b,c,d,A\n"What,a,b,c,d,A\n' >"$M/hand_tools_test.csv"
refused "hand_tools_test.csv:2: a quote that begins here does not end" --task mmlu --task-data-path "$M"
mkdir "$D/bad"
printf '{"passage": "p", "question": "q", "answer": true}\n{"passage": "p", "Question": "q"}\n' >"$D/bad/dev.jsonl"
refused 'dev.jsonl:2: there is no "question"; the record has passage, Question' --task boolq --task-data-path "$D/bad"
printf 'nonsense\n' >"$D/bad/dev.jsonl"
refused "dev.jsonl:1" --task boolq --task-data-path "$D/bad"
printf 'task: t\noutput_type: multiple_choice\ndoc_to_text: "{{ a"\ndoc_to_target: b\ndoc_to_choice: [x, y]\n' >"$D/t.yaml"
refused "task t, doc_to_text" --task "$D/t.yaml" --task-data-path "$D/bad"

# a run that was cut off in the middle of a line (the file's size is limited) ends as one that was not
set -- --task gsm8k --task-data-path "$G/data/gsm8k" --num-fewshot 1 --max-new-tokens 24 --output
evaluate "$@" "$D/whole.jsonl" --json >"$D/whole" || wrong "$(cat "$D/err")"
absent "$D/whole.jsonl.part"
(ulimit -c 0; ulimit -f 4; evaluate "$@" "$D/cut.jsonl" >/dev/null)
[ -s "$D/cut.jsonl.part" ] && [ ! -e "$D/cut.jsonl" ] || wrong "nothing of a run that was cut off is kept"
tail -c 1 "$D/cut.jsonl.part" | grep -q . || wrong "the run was to be cut off within a line"
refused "is of a run with another model, tasks or options" "$@" "$D/cut.jsonl" --max-eval-samples 3
expect 0 "samples of it are judged, the run goes on" "$T" evaluate --load "$G/model" "$@" "$D/cut.jsonl" --json
cp "$D/out" "$D/got"
same "$D/whole" "$D/got"
same "$D/whole.jsonl" "$D/cut.jsonl"
absent "$D/cut.jsonl.part"

# speed alone
M=$G/data/mmlu/test
near() { # near A B: lines that are the same but for rounding of log-likelihoods
    checks=$((checks + 1))
    sed 's/\(\.[0-9]\{3\}\)[0-9]*/\1/g' "$1" >"$D/a.near"
    sed 's/\(\.[0-9]\{3\}\)[0-9]*/\1/g' "$2" >"$D/b.near"
    cmp -s "$D/a.near" "$D/b.near" || wrong "$1 and $2 differ by more than rounding"
}
evaluate --task mmlu --task-data-path "$M" --num-fewshot 2 --output "$D/mmlu.jsonl" >"$D/table" || wrong "$(cat "$D/err")"
grep -q "hand_tools  *4  acc  *0\.[0-9]* +- 0\." "$D/table" || wrong "the table has no subject: $(cat "$D/table")"
evaluate --task mmlu --task-data-path "$M" --num-fewshot 2 --batch-size 3 --output "$D/mmlu3.jsonl" >/dev/null
near "$D/mmlu.jsonl" "$D/mmlu3.jsonl"
if have_mpi; then
    two() { on 2 "$T" evaluate --load "$G/model" --threads 1 --output "$D/two.jsonl" "$@" >"$D/out" 2>"$D/err" || wrong "$(cat "$D/err")"; }
    two --task mmlu --task-data-path "$M" --num-fewshot 2
    near "$D/mmlu.jsonl" "$D/two.jsonl"
    two --task gsm8k --task-data-path "$G/data/gsm8k" --num-fewshot 1 --max-new-tokens 24 --json
    same "$D/whole.jsonl" "$D/two.jsonl"
    same "$D/whole" "$D/out"
else
    echo "skipped: several processes (no mpirun)"
fi

# MindSpeed LLM's rule, prompt types, several tasks
evaluate --task mmlu mmlu_ppl --eval-rule original --task-data-path "$M" --num-fewshot 2 --max-eval-samples 2 --json >"$D/out" ||
    wrong "$(cat "$D/err")"
grep -q '"acc_tokens"' "$D/out" && grep -q '"letter"' "$D/out" || wrong "the rule original: $(cat "$D/out")"
evaluate --task mmlu --task-data-path "$M" --max-eval-samples 1 --prompt-type default --output "$D/typed.jsonl" >/dev/null ||
    wrong "$(cat "$D/err")"
grep -q '"conversation":{"messages":\[{"role":"system","content":"The following' "$D/typed.jsonl" || wrong "--prompt-type"

# programs: a model that writes nothing, and an answer that stands in the prompt
mkdir "$D/code" "$D/path"
cat >"$D/code/HumanEval.jsonl" <<'END'
{"task_id": "a/0", "prompt": "def f(x):\n    return x + 1\n#", "entry_point": "f", "test": "def check(f):\n    assert f(1) == 2\n"}
{"task_id": "a/1", "prompt": "def f(x):\n    return x\n#", "entry_point": "f", "test": "def check(f):\n    assert f(1) == 2\n"}
END
set -- --task human_eval --task-data-path "$D/code" --max-new-tokens 1 --output "$D/code.jsonl"
if command -v python3 >/dev/null; then
    evaluate "$@" >/dev/null || wrong "$(cat "$D/err")"
    grep -o '"pass@1":[01]' "$D/code.jsonl" | paste -sd, >"$D/got"
    echo '"pass@1":1,"pass@1":0' >"$D/want"
    same "$D/want" "$D/got"
else
    echo "skipped: programs (no python3)"
fi
expect 2 "there is no python3 in PATH" env PATH="$D/path" "$T" evaluate --load "$G/model" "$@"

# a needle: found where the model says its keyword, which an empty one is not
printf '{"needle": "The key is red.", "question": "What is the key?", "keyword": "e", "haystack": "Grass. ", "length": 80, "depth": 0.5}\n' \
    >"$D/code/needles.jsonl"
evaluate --task needle --task-data-path "$D/code" --output "$D/needle.jsonl" >/dev/null || wrong "$(cat "$D/err")"
grep -q 'Grass. Grass The key is red. . Grass. ' "$D/needle.jsonl" || wrong "the needle does not stand in the middle: $(cat "$D/needle.jsonl")"
finish
