#!/bin/bash
# Runs fuzz targets for a long time, one after the other, with the real files of ../shared/data among the seeds where they are.
# What is found stays in BUILD/corpus/TARGET, inputs that fail in BUILD/failed/TARGET-*. Exit 1 if any did.
# usage: scripts/fuzz_long.sh SECONDS [TARGET ...]      seconds of each target; without names all of them. BUILD=build-fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz_long.sh SECONDS [TARGET ...]}
shift
build=${BUILD:-build-fuzz}
[ -f "$build/build.ninja" ] || cmake -G Ninja -S . -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTESSERA_FUZZ=ON -DTESSERA_MPI=OFF >/dev/null
targets=("$@")
[ $# -gt 0 ] || for f in tests/fuzz/fuzz_*.c; do f=${f##*/fuzz_}; targets+=("${f%.c}"); done
cmake --build "$build" --target "${targets[@]/#/fuzz_}" >/dev/null
mkdir -p "$build/failed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
real=../shared/data
[ ! -d "$real" ] || python3 scripts/fuzz_corpus.py "$real" "$work/real" || echo "no seeds from $real"

# Until the time is over: a run ends at the first input that fails, and the next goes on beside it.
run() {
    local target=$1 until=$((SECONDS + seconds)) log=$work/$1.log seeds=() dict=()
    mkdir -p "$build/corpus/$target"
    for d in "tests/fuzz/corpus/$target" "$work/real/$target"; do [ ! -d "$d" ] || seeds+=("$d"); done
    [ ! -f "tests/fuzz/$target.dict" ] || dict=("-dict=tests/fuzz/$target.dict")
    : >"$log"
    while [ $SECONDS -lt $until ] && [ "$(grep -c '^Test unit written' "$log" || true)" -lt 10 ]; do
        nice -n 19 tests/fuzz/run.sh "$build/tests/fuzz_$target" "$build/failed/$target-" \
            -max_total_time=$((until - SECONDS)) "${dict[@]}" "$build/corpus/$target" "${seeds[@]}" >>"$log" 2>&1 || true
    done
    awk -v t="$target" -v f="$(grep -c 'Test unit written' "$log" || true)" '
        /number_of_executed_units/ { n += $2 }
        match($0, /cov: [0-9]+/) { c = substr($0, RSTART + 5, RLENGTH - 5); if (c + 0 > cov) cov = c + 0 }
        match($0, /corp: [0-9]+/) { corp = substr($0, RSTART + 6, RLENGTH - 6) }
        END { printf "%-16s %12d executions  %6d edges  %6d inputs  %3d failures\n", t, n, cov, corp, f }' "$log"
    grep -h -E '^SUMMARY|Test unit written' "$log" | sed 's/^/    /' || true
    ! grep -q 'Test unit written' "$log"
}

failed=0
for target in "${targets[@]}"; do run "$target" || failed=1; done
exit $failed
