#!/usr/bin/env python3
"""What it costs to name an image: loading the compiled osinfo-db, then one image after another.

usage: bench/naming.py [--osinfo DIR] [LABELS]

LABELS is a file with a volume id a line; by default the labels that our own rules were written for. Prints the size of
the database, the time to compile it, to load it from its cache (the best of ten: the machine may be busy), to name the
first image of a process and to name an image on average, in milliseconds.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_cache import load_or_compile
from kimchictl.media.naming.osinfo_files import directories, find_files
from kimchictl.media.records import Media


def best(times: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of some runs in milliseconds, and what the last one returned."""
    shortest, result = float("inf"), None
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        shortest = min(shortest, (time.perf_counter() - start) * 1000)
    return shortest, result


def example_labels() -> list[str]:
    """The volume ids of our rules' examples."""
    rules = Path(__file__).parent.parent / "kimchictl/data/rules.json"
    examples = [label for rule in json.loads(rules.read_text())["rules"] for label, _ in rule["examples"]]
    return [label for label in examples if isinstance(label, str)]


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to name an image.")
    parser.add_argument("labels", nargs="?", type=Path)
    parser.add_argument("--osinfo", help="a tree in osinfo-db's format instead of the installed ones")
    options = parser.parse_args()
    trees = (options.osinfo,) if options.osinfo else directories(os.environ)
    labels = options.labels.read_text().splitlines() if options.labels else example_labels()
    media = [Media(size=0, volume_id=label) for label in labels]
    with tempfile.TemporaryDirectory() as cache:
        compiling, document = best(1, lambda: load_or_compile(find_files(trees), cache))
        loading, database = best(10, lambda: Database(load_or_compile(find_files(trees), cache)))
    namer = Namer(database)
    first, _ = best(1, lambda: namer.identify(media[0]))
    each, _ = best(3, lambda: [namer.identify(medium) for medium in media])
    print(f"{len(database)} systems, {len(document['media'][0])} media")
    print(f"compile       {compiling:9.3f} ms")
    print(f"load          {loading:9.3f} ms")
    print(f"first image   {first:9.3f} ms")
    print(f"an image      {each / len(media):9.3f} ms over {len(media)}")


if __name__ == "__main__":
    main()
