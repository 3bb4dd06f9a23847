#!/bin/sh
# Runs a fuzz target with the limits that all runs have, its files in a folder of its own that is gone
# afterwards, however the target ends. What fails is kept in FOUND.
# usage: tests/fuzz/run.sh PROGRAM FOUND/ [libFuzzer's options and corpora]
program=$1 found=$2
shift 2
base=${TMPDIR:-/tmp}
[ -n "$TMPDIR" ] || [ ! -w /dev/shm ] || base=/dev/shm
TMPDIR=$(mktemp -d "$base/tessera-fuzz-run-XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'kill "$child" 2>/dev/null' INT TERM
# Memory that cannot be had is an answer; what is lost is a fault.
export ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=1:malloc_context_size=12:quarantine_size_mb=32:$ASAN_OPTIONS"
"$program" -artifact_prefix="$found" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=2560 -print_final_stats=1 "$@" &
child=$!
wait "$child"
