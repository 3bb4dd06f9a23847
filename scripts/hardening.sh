#!/bin/sh
# hardening.sh FILE...: the protections that cmake/hardening.cmake asks for are in these programs and
# libraries.
bad=0
want() { # FILE WHAT TEXT COMMAND...: the command's output holds the text
    file=$1 what=$2 text=$3
    shift 3
    "$@" "$file" 2>/dev/null | grep -q -- "$text" || { echo "$file: no $what"; bad=1; }
}
command -v readelf >/dev/null || { echo "skipped: no readelf"; exit 77; }
for file in "$@"; do
    want "$file" "position independence" "DYN" readelf -h
    want "$file" "read-only relocations" "GNU_RELRO" readelf -lW
    want "$file" "binding before main" "BIND_NOW\|Flags:.*NOW" readelf -dW
    want "$file" "stack canaries" "__stack_chk_fail" readelf -W --dyn-syms
    want "$file" "checked copies" "__[a-z]*_chk" readelf -W --dyn-syms
    readelf -lW "$file" | grep GNU_STACK | grep -q "RW " || { echo "$file: the stack may be executed"; bad=1; }
    readelf -lW "$file" | grep "LOAD" | grep -q "RWE" && { echo "$file: writable memory may be executed"; bad=1; }
done
[ "$bad" = 0 ] && echo "$# files"
exit "$bad"
