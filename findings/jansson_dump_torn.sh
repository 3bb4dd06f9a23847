#!/bin/bash
# jansson 2.14 (Debian 12): json_dumps, documented to return NULL on error, gives a text that lacks pieces where one growth of its
# buffer fails and a later one succeeds. What is written so (a configuration, a checkpoint's state) is no JSON or another value, and
# nobody is told. json_dump_callback with memory of one's own, whose first failure is kept, is the way around.
# Pinned: libjansson4==2.14-2.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -qq libjansson4=2.14-2 libjansson-dev=2.14-2 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
lib=$(dirname "$(find root -name 'libjansson.so.4')")
cat >try.c <<'C'
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int fails = -1, calls; /* the call that fails, counted from 0; -1: none */
static void *take(size_t n) { return calls++ == fails ? NULL : malloc(n); }
int main(void)
{
    json_set_alloc_funcs(take, free);
    json_t *o = json_object();
    for (int i = 0; i < 40; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%d", i);
        json_object_set_new(o, key, json_integer(i));
    }
    calls = 0;
    char *whole = json_dumps(o, 0);
    const int n = calls;
    int null = 0, torn = 0;
    for (int i = 0; i < n; i++) {
        fails = i, calls = 0;
        char *text = json_dumps(o, 0);
        fails = -1;
        null += !text;
        torn += text && strcmp(text, whole) != 0;
        free(text);
    }
    printf("jansson %s: %d allocations in one json_dumps; one of them fails: NULL %d times, a torn text %d times\n",
           jansson_version_str(), n, null, torn);
    return torn == 0;
}
C
cc -Iroot/usr/include try.c -o try "$lib/libjansson.so.4" -Wl,-rpath,"$dir/$lib"
./try
