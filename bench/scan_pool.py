#!/usr/bin/env python3
"""What `iso scan` of a storage pool of 1000 images costs, next to `virsh vol-list --details` of the same pool.

usage: bench/scan_pool.py [COUNT]

As root, on a libvirtd of its own (tests/lab/host.py); the images are small, and in the page cache. Whole commands take
turns, the best of twenty counts. Of both it is also told what they cost more than in an empty pool: the rest is the
start of Python, click and libvirt's library, which no number of images changes.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import libvirt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from scan import LABELS, image

from lab.host import PrivateHost

ROUNDS = 20
POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


def best_of(commands: dict[str, list[str]], environment: dict[str, str]) -> dict[str, float]:
    best = dict.fromkeys(commands, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            if turn:  # the first one is the first scan
                best[name] = min(best[name], time.perf_counter() - started)
    return best


def main(count: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as top, PrivateHost() as host:
        connection = libvirt.open(host.uri)
        for name, images in (("full", count), ("empty", 0)):
            path = Path(top, name)
            path.mkdir()
            for number in range(images):
                (path / f"{number}.iso").write_bytes(image(LABELS[number % len(LABELS)]))
            connection.storagePoolDefineXML(POOL.format(name=name, path=path)).create()
        places = {f"KIMCHI_{what}_DIR": os.path.join(top, what) for what in ("CONFIG", "STATE", "CACHE", "DATA")}
        environment = {**os.environ, **places, "LIBVIRT_DEFAULT_URI": host.uri}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        scan = [os.path.join(os.path.dirname(sys.executable), "kimchictl"), "iso", "scan", "--pool"]
        best = best_of(
            {f"virsh {name}": ["virsh", "vol-list", name, "--details"] for name in ("full", "empty")}
            | {f"scan {name}": [*scan, name] for name in ("full", "empty")},
            environment,
        )
        connection.close()
    virsh, ours = (best[f"{who} full"] - best[f"{who} empty"] for who in ("virsh", "scan"))
    for name, seconds in best.items():
        print(f"{name:<12}{seconds * 1000:6.0f} ms")
    print(f"{count} images, whole commands: {best['scan full'] / best['virsh full']:.2f} x virsh vol-list --details")
    print(f"{count} images, more than in an empty pool: {ours / virsh:.2f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
