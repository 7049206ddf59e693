#!/usr/bin/env python3
"""Hostile answers of web servers: none may crash a probe, hang it, or get its own words onto the terminal.

usage: bench/fuzz_http.py [-n NUMBER] [--seed FIRST]

Each seed is an answer of its own, over a real connection to a server in this process. Every seed that went wrong is
printed, and the longest probe; exit status 1 if there is any.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lab.answers import examine
from lab.images import make_image
from lab.web import WebServer


def main() -> int:
    options = argparse.ArgumentParser(description="Probe images behind hostile servers.")
    options.add_argument("-n", type=int, default=10_000, help="how many (10000)")
    options.add_argument("--seed", type=int, default=0, help="the first one (0)")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        content = make_image(Path(directory) / "a.iso").read_bytes()
    wrong, longest, began = 0, 0.0, time.perf_counter()
    with WebServer() as server:
        for seed in range(given.seed, given.seed + given.n):
            start = time.perf_counter()
            said = examine(server, seed, content)
            longest = max(longest, time.perf_counter() - start)
            if said:
                wrong += 1
                print(f"seed {seed}: {said}", flush=True)
    took = time.perf_counter() - began
    print(f"{given.n} answers in {took:.0f} s, {wrong} went wrong; the longest took {longest:.2f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
