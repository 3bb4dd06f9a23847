#!/bin/bash
# tokenizers 0.23.3 (the regular expressions of tokenizer.json, by Oniguruma): which characters \w holds depends on where it stands.
# Outside brackets \w, \p{Word} and \b take the superscripts and fractions of Latin-1 (U+00B2, U+00B3, U+00B9, U+00BC to U+00BE)
# as parts of words; [\w] does not, and neither takes other numbers of that category (No), such as U+2461. So moving \w into a class
# changes how "x²y" is cut, and with it the ids.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q tokenizers==0.23.3
"$dir/venv/bin/python" - <<'PY'
import sys
from tokenizers import Regex, __version__
from tokenizers.pre_tokenizers import Split

def cut(pattern, text):
    return [piece for piece, _ in Split(Regex(pattern), "isolated").pre_tokenize_str(text)]

whole, parts = ["x{}y"], ["x", "{}", "y"]
seen = {}
for char in "²³¹¼½¾②Ⅷ":
    for pattern in (r"\w+", r"[\w]+", r"\p{Word}+"):
        seen[pattern, char] = len(cut(pattern, f"x{char}y"))
        print(__version__, pattern, char, cut(pattern, f"x{char}y"))
want = {(p, c): 3 if c == "②" or (p == r"[\w]+" and c in "²³¹¼½¾") else 1 for p, c in seen}
sys.exit(seen != want)
PY
