#!/usr/bin/env python3
"""Order of includes, as src/layers.txt declares it. A file includes only what stands below its own row, or its
own folder; folders of one row, and sub-folders of one folder, use each other in one direction only. A public
header is included from its folder on; an inner folder by itself, and by the files that stand after it. No
file, a .c and its .h taken as one, is part of a circle.
layers.py [SOURCE]; exit 1 on a violation."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


class Layers:
    def __init__(self, root):
        self.rank, self.home, self.inner, self.circles, self.bad = {}, {}, {}, set(), []
        for line in (root / "src" / "layers.txt").read_text().splitlines():
            word = line.split("#")[0].split()
            if not word:
                continue
            if word[0] == "row":
                self.rank.update({folder: len(set(self.rank.values())) for folder in word[1:]})
            elif word[0] == "public" and len(word) > 2:
                self.home.update({"tessera/" + header: word[1] for header in word[2:]})
            elif word[0] == "inner" and len(word) > 1:
                self.inner[word[1]] = set(word[2:])
            elif word[0] == "circle" and len(word) > 2:
                self.circles.add(tuple(sorted(word[1:])))
            else:
                self.bad.append(f"src/layers.txt: not understood: {line}")
        folders = {p.name for p in (root / "src").iterdir() if p.is_dir()}
        headers = {"tessera/" + p.name for p in (root / "include" / "tessera").glob("*.h")}
        self.compare(folders, set(self.rank), "the folder src/")
        self.compare(headers, set(self.home), "the public header ")
        inner = {folder for folder in self.inner if (root / "src" / folder).is_dir()}
        self.compare(inner, set(self.inner), "the inner folder src/")
        self.compare(set(self.home.values()), folders & set(self.home.values()), "the home of public headers ")

    def compare(self, there, named, what):
        self.bad += [f"{what}{name} has no place in src/layers.txt" for name in sorted(there - named)]
        self.bad += [f"{what}{name} stands in src/layers.txt and is not there" for name in sorted(named - there)]

    def judge(self, name, folder, target):
        """One include of src/<folder>/... or, with folder None, of a public header."""
        other = self.home.get(target) if target.startswith("tessera/") else target.split("/")[0]
        own = self.home.get(name[len("include/"):]) if folder is None else folder
        for inner, guests in self.inner.items():
            if target.startswith(inner + "/") and not name.startswith(f"src/{inner}/") and name not in guests:
                self.bad.append(f"{name} includes {target}, which is for src/{inner} alone")
        if folder is None and not target.startswith("tessera/"):
            self.bad.append(f"{name} is public and includes {target}")
        elif other in self.rank and own in self.rank and other != own:
            if self.rank[other] > self.rank[own]:
                self.bad.append(f"{name} includes {target}, which stands above it")
            elif self.rank[other] == self.rank[own] and target in self.home:
                self.bad.append(f"{name} includes {target}, which is that of {other}")


def circles(graph):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(tuple(sorted(part)))

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    layers, files, sideways, graph = Layers(root), 0, {}, {}
    for path in sorted(root.glob("src/**/*.[ch]")) + sorted(root.glob("include/**/*.h")):
        name = path.relative_to(root).as_posix()
        files += 1
        parts = name.split("/")
        for target in INCLUDE.findall(path.read_text(errors="replace")):
            layers.judge(name, parts[1] if parts[0] == "src" else None, target)
            if parts[0] != "src" or not (root / "src" / target).exists():
                continue
            graph.setdefault("/".join(parts[1:])[:-2], set()).add(target[:-2])
            own, other = parts[1:-1], target.split("/")[:-1]
            level = next((i for i, (a, b) in enumerate(zip(own, other)) if a != b), None)
            if level is not None and (level or layers.rank.get(own[0]) == layers.rank.get(other[0])):
                key = "/".join(own[:level + 1]), "/".join(other[:level + 1])
                sideways.setdefault(key, name)
    bad = layers.bad
    for (one, two), name in sorted(sideways.items()):
        if one < two and (two, one) in sideways:
            bad.append(f"{one} and {two} include each other ({name}, {sideways[(two, one)]})")
    found = circles({node: others - {node} for node, others in graph.items()})
    bad += ["a circle of includes: " + " ".join(c) for c in found if c not in layers.circles]
    bad += ["a circle that is none any more, take it out of src/layers.txt: " + " ".join(c)
            for c in sorted(layers.circles) if c not in found]
    for line in bad:
        print(line)
    print(f"{files} files, {len(bad)} includes out of order")
    return 1 if bad or not files else 0


sys.exit(main())
