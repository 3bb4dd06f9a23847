#!/bin/sh
# exports.sh BUILD: an object compiled for more than the plain machine exports exactly one function and
# no data. Otherwise the linker may give the program another file's copy of a shared function, and with it
# instructions that the CPU does not have.
build=${1:-build}
bad=0 n=0
for object in $(find "$build" -path '*ts_device*' -name '*.o' | grep -E '_(avx2|avx512|bf16|vnni|amx)\.c\.o$' | sort); do
    n=$((n + 1))
    symbols=$(nm -g --defined-only "$object" | awk '{ print $2 $3 }')
    count=$(printf '%s\n' "$symbols" | grep -c .)
    others=$(printf '%s\n' "$symbols" | grep -vc '^T')
    writable=$(size -A "$object" | awk '$1 ~ /^\.(data|bss)(\.|$)/ && $1 !~ /rel\.ro/ { n += $2 } END { print n + 0 }')
    if [ "$count" -ne 1 ] || [ "$others" -ne 0 ] || [ "$writable" -ne 0 ]; then
        echo "$object exports $count symbols (wanted: one function), has $writable writable bytes:" $symbols
        bad=$((bad + 1))
    fi
done
if [ "$n" -eq 0 ]; then
    echo "skipped: no objects with instruction sets under $build"
    exit 77
fi
echo "$n objects, $bad with more than their one function"
[ "$bad" -eq 0 ]
