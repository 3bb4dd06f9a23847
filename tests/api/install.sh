#!/bin/sh
# install.sh CMAKE BUILD SOURCE COMPILER: what is installed is enough to build and run a program, with pkg-config
# and with CMake, and has its manual pages, completion and list of parts.
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
cat >"$d/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(tessera 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE tessera::tessera)
END
cat >"$d/user.c" <<END
#include <stdio.h>
#include <string.h>
#include <tessera/tessera.h>
#if TESSERA_VERSION_NUMBER < TESSERA_MAKE_VERSION(0, 1, 0)
#error "the number of the version does not compare"
#endif
int main(void) { return puts(ts_version()) < 0 || strcmp(ts_version(), TESSERA_VERSION) != 0; }
END
"$cmake" -S "$d" -B "$d/user-build" -DCMAKE_PREFIX_PATH="$d/moved" -DCMAKE_C_COMPILER="$compiler" >/dev/null &&
    "$cmake" --build "$d/user-build" >/dev/null && "$d/user-build/user" || exit 1
for file in man/man1/tessera.1 man/man1/tessera-pretrain.1 bash-completion/completions/tessera \
    zsh/vendor-completions/_tessera fish/vendor_completions.d/tessera.fish doc/tessera/tessera.spdx.json \
    doc/tessera/SECURITY.md doc/tessera/LICENSE; do
    [ -s "$d/moved/share/$file" ] || { echo "share/$file is missing or empty"; exit 1; }
done
