#!/usr/bin/env python3
"""What naming images costs next to other tools that can, in one run: ratios, not absolute times.

usage: bench/peers.py [COUNT]

Makes COUNT small images (default 20), and names them with one `kimchictl iso probe`, and one after another with
osinfo-detect (libosinfo-bin) and isoinfo (genisoimage), where these are installed. isoinfo only prints the descriptors.
The median of five runs counts; the first run of kimchictl, which compiles the database, is left out.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from lab.images import make_image

LABELS = (
    "Debian 12.5.0 amd64 n",
    "Ubuntu-Server 22.04.1 LTS amd64",
    "Fedora-S-dvd-x86_64-37",
    "RHEL-9-1-0-BaseOS-x86_64",
)
ROUNDS = 5


def median_of(work: Callable[[], object]) -> float:
    """The median of some runs, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(count: int = 20) -> None:
    with tempfile.TemporaryDirectory() as top:
        paths = [os.path.join(top, f"{number:03}.iso") for number in range(count)]
        for number, path in enumerate(paths):
            make_image(path, LABELS[number % len(LABELS)])
        places = {f"KIMCHI_{what}_DIR": os.path.join(top, what) for what in ("CONFIG", "STATE", "CACHE")}
        environment = {
            name: value for name, value in {**os.environ, **places}.items() if name != "PYTHONDONTWRITEBYTECODE"
        }

        def run(*command: str) -> None:
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)

        def kimchictl() -> None:
            run(sys.executable, "-m", "kimchictl", "iso", "probe", "-o", "json", *paths)

        kimchictl()
        ours = median_of(kimchictl)
        print(f"{count} images; kimchictl iso probe, all at once: 1")
        for command in (["osinfo-detect"], ["isoinfo", "-d", "-i"]):
            if shutil.which(command[0]):
                theirs = median_of(lambda command=command: [run(*command, path) for path in paths])
                print(f"{count} images; {command[0]}, one after another: {theirs / ours:.1f}")
            else:
                print(f"{command[0]} is not installed")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
