#!/bin/sh
# share.sh TESSERA FOLDER: the manual pages and completion scripts that are installed with the program, made
# by the program itself.
set -e
tessera=$1 out=$2
rm -f "$out/made"
mkdir -p "$out/man" "$out/bash" "$out/zsh" "$out/fish"
"$tessera" --help=man >"$out/man/tessera.1"
for command in $("$tessera" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
    "$tessera" "$command" --help=man >"$out/man/tessera-$command.1"
done
"$tessera" completion bash >"$out/bash/tessera"
"$tessera" completion zsh >"$out/zsh/_tessera"
"$tessera" completion fish >"$out/fish/tessera.fish"
: >"$out/made"
