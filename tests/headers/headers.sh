#!/bin/sh
# headers.sh SOURCE LANGUAGE COMPILER...: every header compiles alone; in C++ the public ones, since nobody includes the
# others from there. Passed over are parts that an instance includes in the middle (no guard of their own, or a
# vocabulary brought by the includer), and what needs a library that is not here.
source=$1 language=$2
shift 2
bad=0 n=0 passed=0 errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
cd "$source" || exit 1
case $language in c++) places=include ;; *) places="src include" ;; esac
for header in $(find $places -name '*.h' 2>/dev/null | sort); do
    grep -q '^#ifndef TS_\|^#ifndef TESSERA_' "$header" || continue
    flags=
    case $header in
    src/device/cpu/simd/row.h | src/device/cpu/simd/f32_math.h | src/device/cpu/simd/tile_*) continue ;;
    src/device/cpu/*avx2*) flags="-mavx2 -mfma -mf16c" ;;
    src/device/cpu/*avx512*) flags="-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c" ;;
    esac
    n=$((n + 1))
    printf '#include "%s"\n' "${header#*/}" | "$@" -x "$language" -D_GNU_SOURCE -Isrc -Iinclude $flags \
        -fsyntax-only - 2>"$errors" && continue
    needs=$("${CC:-cc}" -std=c17 -D_GNU_SOURCE -Isrc -Iinclude $flags -M -MG -x c "$header" 2>&1)
    case $needs in
    *" mpi.h"*) n=$((n - 1)) passed=$((passed + 1)); continue ;;
    esac
    cat "$errors"
    echo "$header does not compile alone as $language"
    bad=$((bad + 1))
done
echo "$n headers as $language, $bad do not compile alone, $passed passed over"
[ "$n" -gt 0 ] && [ "$bad" -eq 0 ]
