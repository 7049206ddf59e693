#!/usr/bin/env python3
"""Hostile templates, distros, rules, patterns and osinfo-db files: none may crash what reads it, or take a second.

usage: bench/fuzz_documents.py [-n NUMBER] [--seed FIRST]

NUMBER of each kind, a tenth of it of the database's XML and of regular expressions, which are asked in a rule and in a
database about the labels that they take longest for. Every seed that went wrong is printed; exit status 1 if there is
any.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lab.documents import KINDS, examine_json, examine_pattern, examine_xml


def main() -> int:
    options = argparse.ArgumentParser(description="Read hostile documents.")
    options.add_argument("-n", type=int, default=100_000, help="how many of each kind (100000)")
    options.add_argument("--seed", type=int, default=0, help="the first one (0)")
    given = options.parse_args()
    seeds = range(given.seed, given.seed + given.n)
    wrong = sum(run(kind, partial(examine_json, kind), seeds) for kind in KINDS)
    with tempfile.TemporaryDirectory() as directory:
        wrong += run("database", partial(examine_xml, Path(directory)), seeds[: given.n // 10])
        wrong += run("pattern", partial(examine_pattern, Path(directory)), seeds[: given.n // 10])
    return 1 if wrong else 0


def run(kind: str, examine: Callable[[int], str | None], seeds: range) -> int:
    """How many seeds went wrong."""
    wrong, longest = 0, 0.0
    for seed in seeds:
        began = time.thread_time()
        said = examine(seed)
        took = time.thread_time() - began
        longest = max(longest, took)
        if said or took > 1:
            wrong += 1
            print(f"{kind}, seed {seed}: {said or f'{took:.1f} s'}", flush=True)
    print(f"{kind}: {len(seeds)} documents, {wrong} went wrong; the dearest took {longest * 1000:.0f} ms")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
