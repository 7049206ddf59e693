#!/usr/bin/env python3
"""What a deep scan costs, as multiples of `find ROOT -iname '*.iso'` on the same tree in the same run.

    bench/scan.py [--dirs N --files N]... [--isos N] [--rounds N] [--keep DIR]

Makes trees of its own (30,000 directories with 300,000 files, and 100,000 with 1,000,000) and times whole commands:

    first     no index: every directory read, every image opened, the index written
    rescan    nothing changed
    cold      a rescan with the kernel's caches dropped before it, against a find with them dropped (root only)
    list      `iso list` of 10,000 images as a table and as JSON, whole commands, as multiples of a process of the same
              Python that reads the index, decodes it, makes a record of each image, and does nothing with them

and fd and updatedb where they are installed. The best of some rounds counts, the commands taking turns in each, so that
what else the machine does meets all of them. It needs two processors that have nothing else to do.
"""

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SECTOR = 2048
LABELS = (
    "Debian 12.5.0 amd64 n", "Ubuntu-Server 22.04.4 LTS amd64", "Fedora-S-dvd-x86_64-39",
    "openSUSE-Leap-15.5-DVD-x86_64",
    "RHEL-9-3-0-BaseOS-x86_64", "AlmaLinux-9-3-x86_64-dvd", "alpine-std 3.19.1 x86_64", "ARCH_202403", "MY_FILES",
)  # fmt: skip
SUFFIXES = (".txt", ".py", ".so.1", ".jpg", ".conf", "", ".tar.gz", ".qcow2", ".xml", ".log")


def both(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little") + number.to_bytes(size, "big")


def image(label: str) -> bytes:
    """An ISO 9660 image with an El Torito boot record: descriptors and catalogue, nothing behind them."""
    primary = bytearray(SECTOR)
    primary[:7] = b"\1CD001\1"
    primary[8:40], primary[40:72] = b" " * 32, label.encode().ljust(32)
    primary[80:88], primary[120:132] = both(24, 4), both(1, 2) + both(1, 2) + both(SECTOR, 2)
    primary[156:190] = (
        bytes([34, 0]) + both(21, 4) + both(SECTOR, 4) + bytes(7) + b"\2" + bytes(2) + both(1, 2) + b"\1\0"
    )
    record = (b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 20)).ljust(SECTOR, b"\0")
    catalogue = struct.pack("<BBH24xHBB", 1, 0, 0, 0x55AA, 0x55, 0xAA)
    catalogue += struct.pack("<BBHBBHI20x", 0x88, 0, 0, 0, 0, 4, 22)
    end = b"\xffCD001\1".ljust(SECTOR, b"\0")
    sectors = {16: bytes(primary), 17: record, 18: end, 20: catalogue.ljust(SECTOR, b"\0")}
    return b"".join(sectors.get(number, bytes(SECTOR)) for number in range(24))


def make_tree(top: Path, dirs: int, files: int, isos: int) -> None:
    """Directories below random earlier ones, mostly young ones, so that some chains are deep; most hold few files."""
    chance = random.Random(dirs)  # noqa: S311
    top.mkdir(parents=True)
    made, depth = [str(top)], [0]
    while len(made) < dirs:
        youngest = max(0, len(made) - 40) if chance.random() < 0.3 else 0
        above = chance.randrange(youngest, len(made))
        if depth[above] < 25:
            made.append(f"{made[above]}/{chance.choice(('src', 'data', 'v', 'home', 'x86'))}{len(made)}")
            depth.append(depth[above] + 1)
            os.mkdir(made[-1])
    left = files - isos
    while left:
        directory = chance.choice(made)
        some = min(left, int(chance.paretovariate(1.3) * 3))
        for number in range(some):
            os.close(os.open(f"{directory}/{left}-{number}{chance.choice(SUFFIXES)}", os.O_CREAT | os.O_WRONLY, 0o644))
        left -= some
    for number in range(isos):
        label = LABELS[number % len(LABELS)]
        Path(chance.choice(made), f"image-{number}{'.ISO' if number % 7 == 0 else '.iso'}").write_bytes(image(label))


class Bench:
    """Times whole commands; `state` is where kimchictl keeps its index meanwhile."""

    def __init__(self, work: Path) -> None:
        self.state = work / "state"
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "KIMCHI_STATE_DIR": str(self.state),
            "KIMCHI_CONFIG_DIR": str(work / "config"),
            "KIMCHI_CACHE_DIR": str(work / "cache"),
        }
        beside = Path(sys.executable).parent / "kimchictl"
        self.kimchictl = (
            str(beside) if beside.exists() else shutil.which("kimchictl") or sys.exit("kimchictl is missing")
        )

    def run(self, *argv: object) -> float:
        began = time.perf_counter()
        command = list(map(str, argv))
        subprocess.run(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    def scan(self, top: Path) -> float:
        return self.run(self.kimchictl, "iso", "scan", "--deep", top, "-q")

    def first(self, top: Path) -> float:
        shutil.rmtree(self.state, ignore_errors=True)
        return self.scan(top)

    def cold(self, command: Callable[[], float]) -> float:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
        return command()


def others(bench: Bench, top: Path, work: Path) -> dict[str, Callable[[], float]]:
    """What else is installed for the purpose."""
    found: dict[str, Callable[[], float]] = {}
    if fd := shutil.which("fdfind") or shutil.which("fd"):
        found["fd"] = lambda: bench.run(fd, "-u", "-i", r"\.iso$", top)
    if updatedb := shutil.which("updatedb"):
        found["updatedb"] = lambda: bench.run(updatedb, "-l", "0", "-U", top, "-o", work / "locate.db")
    return found


def measure(bench: Bench, top: Path, work: Path, rounds: int) -> dict[str, float]:
    """The best time of each command in seconds."""
    commands: dict[str, Callable[[], float]] = {
        "find": lambda: bench.run("find", top, "-iname", "*.iso"),
        "first": lambda: bench.first(top),
        "rescan": lambda: bench.scan(top),
        **others(bench, top, work),
    }
    for command in commands.values():
        command()
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _round in range(rounds):
        for name, command in commands.items():
            times[name].append(command())
    if os.geteuid() == 0 and os.access("/proc/sys/vm/drop_caches", os.W_OK):
        times["cold find"] = [bench.cold(commands["find"]) for _ in range(2)]
        times["cold rescan"] = [bench.cold(commands["rescan"]) for _ in range(2)]
    return {name: min(taken) for name, taken in times.items()}


def memory(bench: Bench, top: Path) -> float:
    """The most memory that a rescan or a first scan held at once, in MiB; children of it count on their own."""
    shutil.rmtree(bench.state, ignore_errors=True)
    command = [bench.kimchictl, "iso", "scan", "--deep", str(top), "-q"]
    most = 0
    for _turn in range(2):
        scan = os.posix_spawn(command[0], command, bench.environment)
        most = max(most, os.wait4(scan, 0)[2].ru_maxrss)
    return most / 1024


READ = """
import json
from kimchictl.media.records import Image
with open({index!r}, encoding="utf-8") as file:
    _sum, head, *lines = file.read().split("\\n")
json.loads(head)
images = [Image(**values) for values in json.loads("[" + ",".join(lines) + "]")]
"""


def listing(bench: Bench, work: Path, rounds: int) -> dict[str, float]:
    """`iso list` of 10,000 images as a multiple of reading their records."""
    top = work / "images"
    top.mkdir()
    for number in range(10_000):
        (top / f"{number}.iso").write_bytes(image(LABELS[number % len(LABELS)]))
    bench.first(top)
    commands: dict[str, list[object]] = {
        "reading": [sys.executable, "-c", READ.format(index=str(bench.state / "scan/images"))],
        **{form: [bench.kimchictl, "iso", "list", "-o", form] for form in ("table", "json")},
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _round in range(rounds):
        for name, command in commands.items():
            times[name].append(bench.run(*command))
    return {name: round(min(times[name]) / min(times["reading"]), 2) for name in ("table", "json")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dirs", type=int, action="append")
    parser.add_argument("--files", type=int, action="append")
    parser.add_argument("--isos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a directory for the trees, made once and used again")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sizes = list(zip(given.dirs or [30_000, 100_000], given.files or [300_000, 1_000_000], strict=True))
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-scan-", dir="/var/tmp") as temporary:
        work, trees = Path(temporary), given.keep or Path(temporary)
        bench = Bench(work)
        for dirs, files in sizes:
            top = trees / f"tree-{dirs}-{files}"
            if not top.exists():
                make_tree(top, dirs, files, given.isos)
                time.sleep(4)  # a directory just changed is not believed
            times = measure(bench, top, work, given.rounds)
            ratios = {name: round(taken / times["find"], 3) for name, taken in times.items() if "cold" not in name}
            if "cold find" in times:
                ratios["cold"] = round(times["cold rescan"] / times["cold find"], 3)
            results[f"{files} files in {dirs} directories"] = {**ratios, "memory_mib": round(memory(bench, top))}
        results["iso list of 10000 images"] = listing(bench, work, given.rounds)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
