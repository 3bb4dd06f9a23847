#!/bin/sh
# Installs the Debian 12 packages that Tessera is built from (as root, or with sudo).
# usage: scripts/install.sh [PACKAGE ...]      further packages to install with them
set -e
packages="build-essential cmake ninja-build pkg-config libjansson-dev libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev libdeflate-dev libsnappy-dev liblapacke-dev
libyaml-dev libmicrohttpd-dev libprotobuf-c-dev protobuf-c-compiler libopenmpi-dev openmpi-bin libcmocka-dev
libjpeg62-turbo-dev libpng-dev libwebp-dev libavformat-dev libavcodec-dev libswscale-dev libavutil-dev libsoxr-dev"
missing=
for p in $packages "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
echo "installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
