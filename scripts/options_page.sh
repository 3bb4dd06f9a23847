#!/bin/sh
# Makes docs/options.md from the program's own help.
# usage: scripts/options_page.sh [build/tessera]
set -e
cd "$(dirname "$0")/.."
t=${1:-build/tessera}
{
    echo "# Options"
    echo
    echo "Made by \`scripts/options_page.sh\` from the tables in the source: do not edit."
    for c in $($t help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
        printf '\n## %s\n\n```\n' "$c"
        "$t" help "$c"
        echo '```'
    done
} > docs/options.md
