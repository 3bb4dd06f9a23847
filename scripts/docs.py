#!/usr/bin/env python3
"""Paths that the pages name in `backticks` are there: src/, tests/, scripts/, bench/, include/, docs/ and, without
src/, the folders below it.

usage: docs.py ROOT     a line for each that is not; exit 1 if there is one"""
import os
import re
import sys

root = sys.argv[1]
tops = ("src", "tests", "scripts", "bench", "include", "docs")
folders = set(os.listdir(os.path.join(root, "src")))
coming = re.compile(r"\(new\b")  # "`src/media/` (new: ...)": named as what is to come


def pages():
    yield "README.md"
    for name in sorted(os.listdir(os.path.join(root, "docs"))):
        if name.endswith(".md"):
            yield os.path.join("docs", name)


def is_there(path):
    full = os.path.join(root, path)
    return os.path.exists(full) or os.path.exists(full + ".c")  # a program, by its source


def missing(text):
    for m in re.finditer(r"`([A-Za-z_]+/[A-Za-z0-9_./-]*)`", text):
        path = m.group(1).rstrip("/")
        top = path.split("/")[0]
        if coming.match(text[m.end():].lstrip()):
            continue
        if (top in tops and not is_there(path)) or (
                top not in tops and top in folders and not is_there(os.path.join("src", path))):
            yield text.count("\n", 0, m.start()) + 1, path


bad = [f"{page}:{line}: there is no {path}" for page in pages()
       for line, path in missing(open(os.path.join(root, page), encoding="utf-8").read())]
print("\n".join(bad) if bad else f"{len(list(pages()))} pages")
sys.exit(bool(bad))
