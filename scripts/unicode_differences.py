#!/usr/bin/env python3
"""Characters that the Hugging Face `tokenizers` library and utf8proc see differently.

Prints, for every general category, the ranges where the library's pattern engine (\\p{..}) disagrees with a
list of categories, one a line for U+0000 to U+10FFFF, as utf8proc_category_string gives them (first
argument: a file with that list). The result is src/text/unicode_diff.h, arranged by hand: look through what
this prints when either library changes its version of Unicode.
"""
import sys

from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def engine_categories():
    out = {}
    for name in CATEGORIES:
        keep = pre_tokenizers.Split(Regex(r"\p{%s}" % name), "removed", invert=True)
        for i in range(0, len(POINTS), 4096):
            for text, _ in keep.pre_tokenize_str("".join(map(chr, POINTS[i:i + 4096]))):
                out.update((ord(c), name) for c in text)
    return out


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def show(title, points):
    print(title, " ".join("%X-%X" % tuple(r) for r in ranges(points)))


def main():
    ours = open(sys.argv[1]).read().split()
    engine = engine_categories()
    for name in CATEGORIES:
        show(name, [c for c in POINTS if engine[c] == name and ours[c] != name])
    isolated = pre_tokenizers.Punctuation()
    show("no punctuation", [c for c in POINTS if engine[c][0] == "P" and len(isolated.pre_tokenize_str("a" + chr(c) + "a")) < 3])
    marks, bert = normalizers.StripAccents(), normalizers.BertNormalizer(False, False, True, False)
    show("kept marks", [c for c in POINTS if engine[c][0] == "M" and marks.normalize_str(chr(c))])
    show("kept accents", [c for c in POINTS if engine[c] == "Mn" and bert.normalize_str(chr(c))])
    clean = normalizers.BertNormalizer(True, False, False, False)
    show("kept controls", [c for c in POINTS if engine[c] in ("Cf", "Co") and clean.normalize_str("a" + chr(c) + "a") != "aa"])


if __name__ == "__main__":
    main()
