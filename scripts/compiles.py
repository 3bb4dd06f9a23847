"""Whether Python can compile the tree's scripts: what makes goldens needs packages that no test has, so nothing else
would see that one of them is broken.

    python scripts/compiles.py [root]
"""
import sys
from pathlib import Path


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    files = sorted(f for part in ("scripts", "tests", "bench", "examples", "findings") for f in (root / part).rglob("*.py"))
    broken = []
    for file in files:
        try:
            compile(file.read_bytes(), str(file), "exec")
        except (SyntaxError, ValueError) as e:
            broken.append(f"{file}: {e}")
    print("\n".join(broken) or f"{len(files)} scripts compile")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
