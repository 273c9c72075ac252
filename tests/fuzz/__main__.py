"""``python -m tests.fuzz [--seed S] [--count N] [target …]``: mutated input of every kind, and the faults it finds."""

from __future__ import annotations

import argparse
import importlib
import math
import sys

TARGETS = ("bundles", "exports", "settings", "sqlite_pages", "streams")
RUN_FILES = "run_files"
"""A target that brings processes of its own: a damaged file may take the library that reads it down."""


def main(arguments: list[str]) -> int:
    """Try the targets; return the number of faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other mutations (default: 0)")
    parser.add_argument("--count", type=int, default=10_000, help="mutations of each target (default: 10000)")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS, RUN_FILES], help="which (default: all)")
    told = parser.parse_args(arguments)
    faults = 0
    for name in told.targets or (*TARGETS, RUN_FILES):
        from tests.fuzz import run_files
        from tests.fuzz.trial import tried

        if name == RUN_FILES:
            kinds = list(run_files.MAKERS)
            faults += run_files.main(math.ceil(told.count / len(kinds)), told.seed * 1_000_000, kinds)
            continue
        found = tried(importlib.import_module(f"tests.fuzz.{name}").target, told.seed, told.count)
        print(f"{name}: {told.count} mutations, {len(found)} faults", *found, sep="\n", flush=True)
        faults += len(found)
    return min(faults, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
