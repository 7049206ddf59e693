#!/usr/bin/env python3
"""What kimchictl's small commands cost whole, next to a bare Python, `import click` and `virt-install --version`.

usage: bench/startup.py [ROUNDS]

Every line is a process of its own, started by the `kimchictl` beside this Python; all take turns, and the medians of
the processor's time and of the clock's count. There are 20 templates, whose image is there, and an empty index. What
completes does so among 1000: templates, known images, and what libvirt's test driver has, which reads it first.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from listing import fill

COMMAND = os.path.join(os.path.dirname(sys.executable), "kimchictl")
PYTHON, CLICK, VIRT_INSTALL = "python -c pass", "import click", "virt-install --version"
ASKED = {
    "--version": "--version",
    "--help": "--help",
    "template list -o json": "template list -o json",
    "template list": "template list",
    "iso list -o json": "iso list -o json",
}
COMPLETED = {
    "completion of a verb": "template sh",
    "... of the distros": "distro show ",
    "... of 1000 templates": "template show ",
    "... of 1000 images": "iso forget ",
    "... of 1000 vms": "-c test://{}/vms.xml vm show ",
    "... of 1000 pools": "-c test://{}/pools.xml pool show ",
    "... of 1000 volumes": "-c test://{}/volumes.xml volume show isos ",
    "... of 1000 sources": "-c test://{}/volumes.xml iso probe pool:",
}
VM = '<domain type="test"><name>{}</name><memory>8192</memory><os><type>hvm</type></os></domain>'
POOL = '<pool type="dir"><name>{}</name><target><path>/{}</path></target>{}</pool>'
VOLUME = "<volume><name>{}.iso</name><capacity>1</capacity></volume>"

Run = tuple[list[str], dict[str, str]]


def took_ms(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(of a processor, of the clock)"""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, clock * 1000


def places(top: str, templates: int) -> dict[str, str]:
    """Places of their own, below `top`, with so many templates."""
    found = {f"KIMCHI_{what}_DIR": os.path.join(top, what) for what in ("CONFIG", "STATE", "CACHE", "DATA")}
    os.makedirs(directory := os.path.join(found["KIMCHI_CONFIG_DIR"], "templates"))
    image = Path(top, "debian.iso")
    with image.open("wb") as file:
        file.truncate(658505728)
    fill(directory, templates, cdrom=str(image))
    return found


def make_thousands(top: str) -> dict[str, str]:
    """Places with 1000 templates and an index of 1000 images, beside files of the test driver's."""
    environment = os.environ | places(top, 1000)
    del environment["KIMCHI_DATA_DIR"]  # the distros are the package's own
    # ECMA-119 8: a volume descriptor and the end of them; what else is in an image nobody asks.
    image = bytes(32768) + b"\1CD001\1".ljust(2048, b"\0") + b"\xffCD001\1".ljust(2048, b"\0") + bytes(4096)
    os.mkdir(images := os.path.join(top, "images"))
    for number in range(1000):
        Path(images, f"{number}.iso").write_bytes(image)
    subprocess.run([COMMAND, "-q", "iso", "scan", "--deep", "--all", images], env=environment, check=True)
    volumes = "".join(map(VOLUME.format, range(1000)))
    for name, content in {
        "vms": "".join(VM.format(f"vm{number}") for number in range(1000)),
        "pools": "".join(POOL.format(f"pool{number}", number, "") for number in range(1000)),
        "volumes": VM.format("vm") + POOL.format("isos", "isos", volumes),
    }.items():
        Path(top, f"{name}.xml").write_text(f"<node>{content}</node>")
    return environment


def runs(few: dict[str, str], many: dict[str, str], top: str) -> dict[str, Run]:
    found = {PYTHON: ([sys.executable, "-c", "pass"], few), CLICK: ([sys.executable, "-c", "import click"], few)}
    if installed := shutil.which("virt-install"):
        found[VIRT_INSTALL] = ([installed, "--version"], few)
    found |= {name: ([COMMAND, *line.split()], few) for name, line in ASKED.items()}
    for name, line in COMPLETED.items():
        words = f"kimchictl {line.format(top)}"
        asked = {"_KIMCHICTL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        found[name] = ([COMMAND], many | asked)
    return found


def main(rounds: int = 30) -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(few := os.path.join(top, "few"))
        commands = runs(os.environ | places(few, 20), make_thousands(top), top)
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(rounds + 1):
            for name, (command, environment) in commands.items():
                took = took_ms(command, environment)
                measured[name] += [took] if turn else []  # the first round fills the caches
    median = {name: [statistics.median(each) for each in zip(*took, strict=True)] for name, took in measured.items()}
    others = [name for name in (PYTHON, CLICK, VIRT_INSTALL) if name in median]
    print(f"{'':<24}{'CPU ms':>8}{'ms':>7}" + "".join(f"{name:>24}" for name in others))
    for name, (used, clock) in median.items():
        print(f"{name:<24}{used:8.1f}{clock:7.1f}" + "".join(f"{used / median[each][0]:>22.2f} x" for each in others))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
