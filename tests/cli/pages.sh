#!/bin/bash
# Manual pages and completion scripts: made from the same rows as --help, and what their readers accept.
. "$(dirname "$0")/lib.sh"
commands=$("$T" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')
have() { command -v "$1" >/dev/null || { echo "skipped: no $1"; return 1; }; }

expect 0 ".TH TESSERA 1" "$T" --help=man
for c in $commands; do
    name=$(printf %s "tessera-$c" | tr a-z A-Z)
    expect 0 ".TH $name 1" "$T" "$c" --help=man
    cp "$D/out" "$D/page.1"
    "$T" help "$c" | sed -n 's/^  --\([A-Za-z0-9_-]*\).*/\1/p' | while read -r option; do
        grep -qF "\\fB\\-\\-$(printf %s "$option" | sed 's/-/\\-/g')\\fR" "$D/page.1" || echo "$option"
    done >"$D/missing"
    checks=$((checks + 1))
    [ -s "$D/missing" ] && wrong "$c: not in the manual page: $(tr '\n' ' ' <"$D/missing")"
    if have groff; then
        checks=$((checks + 1))
        groff -man -ww -z -Tutf8 "$D/page.1" 2>"$D/err" && [ ! -s "$D/err" ] || wrong "$c: $(head -n 2 "$D/err")"
    fi
done

# answer WORD...: what bash would offer for the last word
answer() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _tessera
    got=" ${COMPREPLY[*]} "
}
offers() {
    checks=$((checks + 1))
    case $got in *" $1 "*) ;; *) wrong "bash offers $got, not $1" ;; esac
}
expect 0 "complete " "$T" completion bash
. "$D/out"
answer tessera pre
offers pretrain
offers preprocess
answer tessera help pl
offers plan
answer tessera pretrain --lr-decay-st
[ "$got" = " --lr-decay-style " ] || wrong "bash offers $got for --lr-decay-st"
answer tessera pretrain --lr-decay-style c
[ "$got" = " constant cosine " ] || wrong "bash offers $got for a choice"
answer tessera infer --greed
offers --greedy
expect 0 "_arguments" "$T" completion zsh
have zsh && { checks=$((checks + 1)); zsh -n "$D/out" 2>"$D/err" || wrong "zsh: $(head -n 1 "$D/err")"; }
expect 0 "-l 'lr-decay-style' -x -a 'constant linear" "$T" completion fish
have fish && { checks=$((checks + 1)); fish -n "$D/out" 2>"$D/err" || wrong "fish: $(head -n 1 "$D/err")"; }
expect 2 "expected bash, zsh or fish" "$T" completion
expect 2 "csh; expected bash, zsh or fish" "$T" completion csh
finish
