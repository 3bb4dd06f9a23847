#!/bin/sh
# Everything that judges the tree: installs what is needed, builds with warnings as errors, runs all tests.
# usage: scripts/check.sh
set -e
cd "$(dirname "$0")/.."
scripts/install.sh curl
cmake --preset release -DTESSERA_WERROR=ON -DTESSERA_TESTS=ON >/dev/null
cmake --build build
# One more than there are cores: tests of several processes wait for each other a quarter of their time.
ctest --test-dir build --output-on-failure -j "$(($(nproc) + 1))"
