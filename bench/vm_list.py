#!/usr/bin/env python3
"""What `kimchictl vm list` costs whole, next to `virsh list --all`, with 1000 domains of which a few run.

usage: bench/vm_list.py [-c URI] [COUNT]

As root, on a libvirtd of its own (tests/lab/host.py) in which COUNT domains are defined; with -c on a host as it is, of
which it only reads. Both ask over the same socket, in processes of their own, in turns; the best of twenty counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lab.host import PrivateHost

COMMAND = os.path.join(os.path.dirname(sys.executable), "kimchictl")
ROUNDS = 20
RUNNING = 4
DOMAIN = """<domain type='qemu'><name>guest-{number}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><graphics type='vnc' port='-1'/></devices></domain>"""


@contextmanager
def filled(count: int) -> Iterator[str]:
    """The URI of a host of one's own with `count` domains."""
    with PrivateHost() as host:
        connection = libvirt.open(host.uri)
        domains = [connection.defineXML(DOMAIN.format(number=number)) for number in range(count)]
        for domain in domains[:RUNNING]:
            domain.create()
        yield host.uri
        for domain in domains[:RUNNING]:
            domain.destroy()
        connection.close()


def measure(uri: str) -> None:
    environment = {**os.environ, "LIBVIRT_DEFAULT_URI": uri}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ours = [COMMAND, "vm", "list", "-o"]
    commands = {"virsh list --all": ["virsh", "list", "--all"]}
    commands |= {f"vm list -o {form}": [*ours, form] for form in ("table", "json", "name")}
    best = dict.fromkeys(commands, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            if turn:  # the first one warms up
                best[name] = min(best[name], time.perf_counter() - started)
    for name, seconds in best.items():
        print(f"{name:<18}{seconds * 1000:6.0f} ms  {seconds / best['virsh list --all']:.2f} x")


def main() -> None:
    options = argparse.ArgumentParser(description="vm list next to virsh list --all")
    options.add_argument("-c", "--connect", metavar="URI", help="a host as it is, instead of one's own")
    options.add_argument("count", nargs="?", type=int, default=1000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as top:
        for what in ("CONFIG", "STATE", "CACHE", "DATA"):
            os.environ[f"KIMCHI_{what}_DIR"] = os.path.join(top, what)
        if given.connect:
            measure(given.connect)
            return
        with filled(given.count) as uri:
            measure(uri)


if __name__ == "__main__":
    main()
