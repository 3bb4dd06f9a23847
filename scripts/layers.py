#!/usr/bin/env python3
"""Include order of the layers: a file includes only what stands below its own row, or its own folder;
folders of one row may use each other in one direction only. layers.py [SOURCE]; exit 1 on a violation."""
import pathlib
import re
import sys

# From the bottom up; folders of one row stand side by side.
ROWS = [
    ["base"],
    ["dist"],
    ["io"],
    ["ckpt"],
    ["data", "text", "media"],
    ["device"],
    ["tensor"],
    ["ops"],
    ["nn"],
    ["model"],
    ["parallel"],
    ["train", "align", "infer", "eval", "plan", "convert"],
    ["api"],
    ["cli"],
]
RANK = {folder: rank for rank, row in enumerate(ROWS) for folder in row}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    bad, files, sideways = [], 0, {}
    for path in sorted(root.glob("src/**/*.[ch]")) + sorted(root.glob("include/**/*.h")):
        name = path.relative_to(root).as_posix()
        files += 1
        folder = name.split("/")[1]
        public = name.startswith("include/")
        for target in INCLUDE.findall(path.read_text(errors="replace")):
            other = target.split("/")[0]
            if public and not target.startswith("tessera/"):
                bad.append(f"{name} is public and includes {target}")
            elif public or other not in RANK or other == folder:
                continue
            elif folder not in RANK:
                bad.append(f"{name}: the folder {folder} has no place in scripts/layers.py")
            elif RANK[other] > RANK[folder]:
                bad.append(f"{name} includes {target}, which stands above it")
            elif RANK[other] == RANK[folder]:
                sideways.setdefault((folder, other), name)
    for (one, two), name in sorted(sideways.items()):
        if one < two and (two, one) in sideways:
            bad.append(f"{one} and {two} include each other ({name}, {sideways[(two, one)]})")
    for line in bad:
        print(line)
    print(f"{files} files, {len(bad)} includes out of order")
    return 1 if bad or not files else 0


sys.exit(main())
