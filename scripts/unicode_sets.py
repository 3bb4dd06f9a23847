#!/usr/bin/env python3
"""Makes src/text/regex/unicode_sets.h: the characters of every property name that patterns of tokenizer.json may have.

usage: unicode_sets.py NAMES [SUMS] > src/text/regex/unicode_sets.h
NAMES lists the names, one a line (Oniguruma's page UNICODE_PROPERTIES does). The library `tokenizers` is asked for the characters
of each. A set is written as general categories and the ranges where it differs from them: from the end of one range to the
beginning of the next, and the length less 1, in digits of five bits, the lowest first; a digit plus 32 is followed by another.
"""
import re
import sys

from tokenizers import Regex, normalizers

CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split()  # utf8proc's numbers
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
TEXT = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
CHUNKS = [TEXT[i:i + 65536] for i in range(0, len(TEXT), 65536)]
STANDARD = "Alnum Alpha Blank Cntrl Digit Graph Lower Newline PosixPunct Print Punct Space Upper Word XDigit ASCII".split()


def members(name):
    keep = normalizers.Replace(Regex(r"[^\p{%s}]+" % name), "")  # in brackets: \p{Word} alone has more
    return {ord(c) for chunk in CHUNKS for c in keep.normalize_str(chunk)}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def number(n):
    out = ""
    while True:
        out += DIGITS[n & 31 | (32 if n > 31 else 0)]
        n >>= 5
        if not n:
            return out


def encode(points):
    out, end = "", 0
    for lo, hi in ranges(points):
        out += number(lo - end) + number(hi - lo)
        end = hi + 1
    return out


def best(points, category):
    """The categories that leave the shortest rest."""
    mask, rest = 0, set(points)
    for i, name in enumerate(CATEGORIES):
        own = category[name]
        if own and len(own & points) * 2 > len(own):
            other = rest ^ own
            if len(encode(other)) < len(encode(rest)):
                mask, rest = mask | 1 << i, other
    return mask, encode(rest)


def main():
    names = [line.strip() for line in open(sys.argv[1]) if re.fullmatch(r"\w+\n?", line)] + STANDARD
    sets = {}
    for name in names:
        sets.setdefault(frozenset(members(name)), []).append(re.sub("_", "", name).lower())
    if len(sys.argv) > 2:  # tests/golden/patterns/properties.txt: how many characters, and the sum of their numbers
        with open(sys.argv[2], "w") as out:
            for points, own in sorted(sets.items(), key=lambda x: x[1]):
                out.write("%s %d %d\n" % (own[0], len(points), sum(points)))
    category = {c: next((s for s, n in sets.items() if c.lower() in n), frozenset()) for c in CATEGORIES}
    print('''/* The characters of properties of Unicode 16.0, made by scripts/unicode_sets.py, which says how they are written.
 * Names are in lower case, without blanks, hyphens and underlines. Data for charset_names.c. */
#ifndef TS_TEXT_UNICODE_SETS_H
#define TS_TEXT_UNICODE_SETS_H
#include <stdint.h>

static const struct property {
    const char *names;   /* with a comma behind each */
    uint32_t categories; /* bits of UTF8PROC_CATEGORY_ values */
    const char *differs;
} properties[] = {'''.replace("/* The characters of properties of Unicode 16.0, made by scripts/unicode_sets.py, which says how they are written.",
                             "/* The characters of properties of Unicode 16.0, made by scripts/unicode_sets.py, which says how\n * they are written."))
    line = "   "
    for points, own in sorted(sets.items(), key=lambda x: x[1]):
        mask, rest = best(points, category)
        words = ["{", '"%s,",' % ",".join(dict.fromkeys(own)), "0x%x," % mask] + \
            ['"%s"' % rest[i:i + 90] for i in range(0, max(1, len(rest)), 90)] + ["},"]
        for w in words:
            if len(line) + 1 + len(w) > 100:
                print(line)
                line = "   "
            line += " " + w
    print(line + "\n};\n#endif")


if __name__ == "__main__":
    main()
