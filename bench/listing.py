"""How much a listing of 2000 templates costs, next to just reading and decoding the files: `python bench/listing.py`.

Both are timed alternately in one process, warm; the best of each counts. The plain reading is what any program does:
the names in order, open, read, json.loads.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable

from kimchictl.store import FileStore, Layer

TEMPLATE = {
    "name": "",
    "os_distro": "debian",
    "os_version": "12.5.0",
    "os_arch": "x86_64",
    "cdrom": "/srv/iso/debian-12.5.0-amd64-netinst.iso",
    "memory": 2048,
    "vcpus": 2,
    "disks": [{"size": 20, "format": "qcow2", "pool": "default", "bus": "virtio"}],
    "networks": [{"type": "network", "name": "default", "model": "virtio"}],
    "graphics": {"type": "vnc", "listen": "127.0.0.1"},
    "firmware": "uefi",
    "made": {"by": "iso scan", "at": "2026-01-02T03:04:05Z", "image": {"size": 658505728, "volume_id": "Debian 12.5"}},
}


def fill(directory: str, count: int, **values: object) -> None:
    for number in range(count):
        name = f"debian-12-{number}"
        with open(os.path.join(directory, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(TEMPLATE | {"name": name, **values}, file, indent=2)


def plain(directory: str) -> dict[str, object]:
    """What reading and decoding costs, with nothing around it."""
    documents = {}
    for file in sorted(os.listdir(directory)):
        with open(os.path.join(directory, file), "rb") as opened:
            document = json.loads(opened.read())
        documents[document["name"]] = document
    return documents


def best_of(rounds: int, *works: Callable[[], object]) -> list[float]:
    """The shortest time of each of `works` in seconds, each done `rounds` times in turn."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            started = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - started)
    return best


def main(count: int = 2000) -> None:
    with tempfile.TemporaryDirectory() as directory:
        fill(directory, count)
        store = FileStore("templates", [Layer(directory, "site", True)])
        reading, listing = best_of(15, lambda: plain(directory), store.read)
    print(f"{count} documents: read and decoded in {reading * 1000:.1f} ms, listed in {listing * 1000:.1f} ms", end="")
    print(f" = {listing / reading:.2f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
