#!/usr/bin/env python3
"""Lengths: a file has at most 600 lines and a function at most 60, unless scripts/sizes_exceptions.txt
names it with a reason; with a reason 1000 and 120. sizes.py [SOURCE]; exit 1 on a violation."""
import pathlib
import re
import sys

FILE, FILE_EVER, FUNCTION, FUNCTION_EVER = 600, 1000, 60, 120


def blank(text):
    """The code with comments, strings and preprocessor lines blanked, lines kept."""
    token = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
    text = token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.M)


def functions(code):
    """(name, lines) of each function: a brace at the outermost level behind a parameter list."""
    depth, head, start, name, line = 0, "", None, "", 1
    for char in code:
        if char == "\n":
            line += 1
        if char == "{":
            if depth == 0:
                found = re.findall(r"([A-Za-z_]\w*)\s*\(", head)
                is_function = found and not re.search(r"=\s*$", head) and "=" not in head.split("(")[0]
                start, name = (line, found[-1] if found[0] == "__attribute__" else found[0]) if is_function \
                    else (None, "")
            depth += 1
        elif char == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if start is not None:
                    yield name, line - start + 1
                start, head = None, ""
        elif depth == 0:
            head = "" if char == ";" else head + char


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    listed, used, bad, files = {}, set(), [], 0
    names = root / "scripts" / "sizes_exceptions.txt"
    for row in names.read_text().splitlines() if names.exists() else []:
        if row.strip() and not row.startswith("#"):
            key, _, reason = row.partition(" ")
            listed[key] = reason.strip()

    def judge(key, lines, limit, ever, what):
        if lines <= limit:
            return
        used.add(key)
        if lines > ever:
            bad.append(f"{key}: {lines} lines; {ever} is too many for any {what}")
        elif not listed.get(key):
            bad.append(f"{key}: {lines} lines; a {what} has {limit} (or a reason in {names.name})")

    for pattern in ("src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]"):
        for path in sorted(root.glob(pattern)):
            text = path.read_text(errors="replace")
            name = path.relative_to(root).as_posix()
            files += 1
            judge(name, text.count("\n"), FILE, FILE_EVER, "file")
            for function, lines in functions(blank(text)):
                judge(f"{name}:{function}", lines, FUNCTION, FUNCTION_EVER, "function")
    for key in sorted(set(listed) - used):
        bad.append(f"{key}: named in {names.name}, but it is short enough: take it out")
    for line in bad:
        print(line)
    print(f"{files} files, {len(bad)} too long or wrongly excused")
    return 1 if bad or not files else 0


sys.exit(main())
