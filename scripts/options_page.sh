#!/bin/sh
# Makes docs/options.md from the program's own help; or says whether the page is what it would make.
# usage: scripts/options_page.sh [build/tessera [--check]]
set -e
t=$(realpath "${1:-build/tessera}")
cd "$(dirname "$0")/.."
page() {
    echo "# Options"
    echo
    echo "Made by \`scripts/options_page.sh\` from the tables in the source: do not edit."
    for c in $("$t" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
        printf '\n## %s\n\n```\n' "$c"
        "$t" help "$c"
        echo '```'
    done
}
if [ "$2" = --check ]; then
    page | diff docs/options.md - && exit 0
    echo "docs/options.md is not what the program says: run scripts/options_page.sh $1"
    exit 1
fi
page >docs/options.md
