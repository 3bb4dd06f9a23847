#!/bin/bash
# A server of several processes: answers are one process's, a signal to whoever leads ends all with 0, and who dies or
# stands still takes the others along.
. "$(dirname "$0")/lib.sh"
needs_mpi
command -v curl >/dev/null 2>&1 || { echo "SKIPPED: no curl; on Debian: apt-get install curl"; exit 77; }
G=$(dirname "$0")/../golden
M=$G/evaluate/model
two="--tensor-model-parallel-size 2" stages="--pipeline-model-parallel-size 2"
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
# up OPTIONS...: a server of two processes at $U, whose first is $leader
up() {
    : >"$D/log" # of the one before, whose address may else be read
    on 2 "$T" serve --load "$M" --port 0 --threads 1 "$@" >"$D/log" 2>&1 &
    job=$!
    U=
    for _ in $(seq 200); do
        U=$(sed -n 's/.* at \(http:.*\)/\1/p' "$D/log")
        [ -z "$U" ] || break
        sleep 0.05
    done
    [ -n "$U" ] || wrong "the server does not come up: $(cat "$D/log")"
    pids=$(pgrep -P "$(pgrep -P "$job" mpirun || echo "$job")" tessera | sort -n)
    leader=$(echo "$pids" | head -n 1) other=$(echo "$pids" | tail -n 1)
}
ask() { curl -sS -m 20 "$U/v1/completions" -d "$1"; }
for cut in "$two" "$stages"; do
    # shellcheck disable=SC2086
    up $cut
    "$T" infer --load "$M" --greedy --max-new-tokens 20 --prompt "The quick" --json >"$D/line" 2>"$D/err"
    for _ in 1 2 3; do ask '{"prompt": "The quick", "max_tokens": 20, "temperature": 0}' >"$D/answer$_" & asks="${asks-} $!"; done
    # shellcheck disable=SC2086
    wait $asks
    asks=
    for i in "$D"/answer*; do
        is "serve $cut" "$(sed 's/.*"text": \("[^"]*"\).*/\1/' "$D/line")" "$(sed 's/.*"text": \("[^"]*"\).*/\1/' "$i")"
    done
    kill -TERM "$leader"
    wait "$job"
    is "serve $cut ends" 0 $?
done
# shellcheck disable=SC2086
up $two
kill -KILL "$other"
wait "$job"
is "a server that lost a process goes on" no "$([ $? = 0 ] && echo yes || echo no)"
checks=$((checks + 1))
grep -q "signal 9" "$D/log" || wrong "nobody tells who died: $(cat "$D/log")"
# one that stands still while a pass is wanted, and not before, ends the job with its name
# shellcheck disable=SC2086
up $two --distributed-timeout-minutes 0.02
sleep 2
kill -STOP "$other"
ask '{"prompt": "The quick", "max_tokens": 2}' >/dev/null 2>&1
wait "$job"
is "a server whose process stands still ends" 1 $?
kill -CONT "$other" 2>/dev/null
checks=$((checks + 1))
grep -q "rank 1 on .* has not come: it has stopped; ending the job" "$D/log" || wrong "nobody tells who stands still: $(cat "$D/log")"
finish
