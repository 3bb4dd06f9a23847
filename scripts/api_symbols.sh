#!/bin/sh
# api_symbols.sh SOURCE LIBRARY: the shared library exports the functions that the public headers declare,
# and nothing else: what is inside may change, and may have the name of something in the caller's program.
source=$1 library=$2
declared=$(cat "$source"/include/tessera/*.h | tr '\n' ' ' | grep -o 'TS_API [a-z][^;{]*(' |
    sed 's/(.*//; s/.*[ *]//' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v '^__\(asan\|ubsan\|odr_asan\)' | sort -u)
bad=0
for name in $declared; do
    printf '%s\n' "$exported" | grep -qx "$name" || { echo "$name is declared and not exported"; bad=1; }
done
for name in $exported; do
    printf '%s\n' "$declared" | grep -qx "$name" || { echo "$name is exported and in no public header"; bad=1; }
done
count=$(printf '%s\n' "$declared" | grep -c .)
echo "$count public functions"
[ "$count" -gt 50 ] && [ "$bad" -eq 0 ]
