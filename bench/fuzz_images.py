#!/usr/bin/env python3
"""Hostile images by the hundred thousand: none may crash the reader, make it read more than it means to, or take long.

usage: bench/fuzz_images.py [-n NUMBER] [--seed FIRST] [IMAGE]...

Mutants of images that pycdlib wrote, of ones laid out by hand and of the IMAGEs given are read and named like a scan
does, one seed each. Printed are how many were still images, the dearest one in CPU and in bytes, and every seed that
went wrong; exit status 1 if there is any. A seed that took more than 10 ms is tried again twice, and the least counts:
the machine may have been busy.

With -n 1000000, three published images among the originals and an osinfo-db installed, a run of three minutes found
nothing: the dearest image took 7.3 ms of CPU, and 638 KiB of it were read, 64 KiB for its descriptors and the rest for
the file inside that says which system it is.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from kimchictl.media.naming.identify import installed_namer
from lab.mutations import MAX_CPU, Verdict, examine, mutant, originals


def main() -> int:
    options = argparse.ArgumentParser(description="Read hostile images.")
    options.add_argument("-n", type=int, default=100_000, help="how many (100000)")
    options.add_argument("--seed", type=int, default=0, help="the first one (0)")
    options.add_argument("images", metavar="IMAGE", type=Path, nargs="*")
    given = options.parse_args()
    namer = installed_namer()
    with tempfile.TemporaryDirectory() as directory:
        bases = originals(Path(directory), given.images)
    cpu, asked, accepted, wrong, began = 0.0, 0, 0, 0, time.perf_counter()

    def tried(seed: int) -> Verdict:
        return examine(mutant(seed, bases), namer)

    for seed in range(given.seed, given.seed + given.n):
        verdict = tried(seed)
        if verdict.cpu > MAX_CPU:
            verdict = min((verdict, tried(seed), tried(seed)), key=lambda one: one.cpu)
        cpu, asked, accepted = max(cpu, verdict.cpu), max(asked, verdict.asked), accepted + verdict.accepted
        if verdict.wrong or verdict.cpu > MAX_CPU:
            wrong += 1
            print(f"seed {seed}: {verdict.wrong or f'{verdict.cpu * 1000:.1f} ms'}", flush=True)
    print(
        f"{given.n} images in {time.perf_counter() - began:.0f} s, {accepted} of them still images, {wrong} went wrong"
    )
    print(f"the dearest took {cpu * 1000:.2f} ms of CPU; the most that was read of one are {asked / 1024:.0f} KiB")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
