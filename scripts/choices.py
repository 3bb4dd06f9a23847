#!/usr/bin/env python3
"""Choices: a row of CHOICE has its words by TS_CHOICES(LIST), from the list that also makes the enum
(src/base/choice.h), and no code compares an option's choice with a number. choices.py [SOURCE]; exit 1 on a violation."""
import pathlib
import re
import sys

ROW = re.compile(r"\w+\((?:\s*[\w| ]+,)?\s*CHOICE\s*,")
OWN_ROW = re.compile(r"\{[^{}]*\.type\s*=\s*TS_OPTION_CHOICE\b[^{}]*\}")
WORDS = re.compile(r"\bTS_CHOICES\(\w+\)")


def without_texts(text):
    """The code without comments and with empty strings, lines kept."""
    token = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
    return token.sub(lambda m: '""' if m.group()[0] == '"' else "\n" * m.group().count("\n"), text)


def rows(code):
    """(place, text, field, whether it is an option's) of each row of CHOICE."""
    for m in ROW.finditer(code):
        depth, end = 1, m.end()
        while depth and end < len(code):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        args = code[m.end():end].split(",")
        macro = m.group().split("(")[0] # F, L, R: a field of a model's description, no option
        field = args[1] if macro.startswith("TS_") else args[0]
        yield m.start(), code[m.start():end], field.strip().split(".")[-1], macro not in ("F", "L", "R")
    for m in OWN_ROW.finditer(code):
        field = re.search(r"offsetof\([^,]*,\s*([\w.]+)", m.group())
        yield m.start(), m.group(), field.group(1).split(".")[-1] if field else "?", True


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    bad, fields, count = [], set(), 0
    sources = {p: without_texts(p.read_text()) for p in sorted((root / "src").glob("**/*.[ch]"))}

    def tell(path, code, place, what):
        bad.append(f"{path.relative_to(root)}:{code.count(chr(10), 0, place) + 1}: {what}")

    for path, code in sources.items():
        for place, row, field, is_option in rows(code):
            count += 1
            if is_option:
                fields.add(re.escape(field))
            if not WORDS.search(row):
                tell(path, code, place, f"the words of {field} are not TS_CHOICES of a list")
    number = re.compile(r"(?:->|\.)(%s)\s*(?:[=!]=|[<>]=?)\s*\d" % "|".join(sorted(fields)))
    for path, code in sources.items():
        for m in number.finditer(code):
            tell(path, code, m.start(), f"the choice {m.group(1)} is compared with a number")
    for line in bad:
        print(line)
    print(f"{count} choices, {len(bad)} by hand")
    return 1 if bad or not count else 0


sys.exit(main())
