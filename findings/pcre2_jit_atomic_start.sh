#!/bin/bash
# PCRE2 10.42 (Debian 12): a pattern that begins with an atomic group with alternatives matches where it must not, once it is compiled
# by the JIT. (?>\S+|)- on "ab-x": at each place \S+ takes all that follows, the group gives nothing back, and no "-" is left, so there
# is no match; the interpreter says so. The JIT finds "-" at 2. PCRE2_NO_START_OPTIMIZE makes both agree. Tokenizers' patterns have such
# groups, and what cuts a text with the JIT and without it gives other ids.
# Pinned: libpcre2-8-0==10.42-1+deb12u2.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -qq libpcre2-8-0=10.42-1+deb12u2 libpcre2-dev=10.42-1+deb12u2 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
lib=$(dirname "$(find root -name 'libpcre2-8.so.0')")
cat >try.c <<'C'
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
static int match(uint32_t options, int with_jit)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)"(?>\\S+|)-", PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
    if (!re || (with_jit && pcre2_jit_compile(re, PCRE2_JIT_COMPLETE)))
        return -100;
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(re, NULL);
    const int rc = pcre2_match(re, (PCRE2_SPTR)"ab-x", 4, 0, 0, m, NULL);
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m);
    return rc > 0 ? (int)(v[0] * 10 + v[1]) : rc;
}
int main(void)
{
    char version[64];
    pcre2_config(PCRE2_CONFIG_VERSION, version);
    const int plain = match(0, 0), jit = match(0, 1), careful = match(PCRE2_NO_START_OPTIMIZE, 1);
    printf("%s: interpreter %d, JIT %d, JIT without start optimization %d (-1: no match, 23: from 2 to 3)\n",
           version, plain, jit, careful);
    return !(plain == -1 && jit == 23 && careful == -1);
}
C
cc -Iroot/usr/include try.c -o try "$lib/libpcre2-8.so.0" -Wl,-rpath,"$dir/$lib"
./try
