#!/bin/sh
# install.sh CMAKE BUILD SOURCE COMPILER: what is installed is enough to build and run a program.
cmake=$1 build=$2 source=$3 compiler=$4
d=$(mktemp -d "${TMPDIR:-/tmp}/tessera-install-XXXXXX") || exit 1
trap 'case "$d" in */tessera-install-??????) rm -rf "$d" ;; esac' EXIT
"$cmake" --install "$build" --prefix "$d/first" >/dev/null || exit 1
mv "$d/first" "$d/moved" # the tree may be put elsewhere
pc=$(find "$d/moved" -name tessera.pc)
lib=$(dirname "$(find "$d/moved" -name libtessera.so)")
"$d/moved/bin/tessera" info >/dev/null || exit 1
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs tessera) || exit 1
# shellcheck disable=SC2086
"$compiler" -std=c17 -Wall -Wextra -Werror "$source/examples/encode.c" -o "$d/encode" $flags || exit 1
LD_LIBRARY_PATH=$lib "$d/encode" "$source/tests/golden/text/byte_level" "as installed" | grep "of .*: as installed"
