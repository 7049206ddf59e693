#!/usr/bin/env python3
"""What `kimchictl template list` of 2000 templates costs whole, next to a process that reads and decodes them.

usage: bench/template_list.py [COUNT]

Both are processes of their own with the same modules loaded; what counts is the processor time of the best of ten. The
second and later listings profit from what the first one kept in the cache directory.
"""

import os
import resource
import subprocess
import sys
import tempfile

from listing import fill

READ = "import kimchictl.cli, kimchictl.commands.template.list\nfrom kimchictl.app import App\nApp().templates.read()"
LIST = [sys.executable, "-m", "kimchictl", "template", "list", "-o"]


def best_of(rounds: int, command: list[str], environment: dict[str, str]) -> float:
    """Processor milliseconds of the cheapest run."""
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, used * 1000)
    return best


def main(count: int = 2000) -> None:
    with tempfile.TemporaryDirectory() as top:
        places = {f"KIMCHI_{what}_DIR": os.path.join(top, what) for what in ("CONFIG", "STATE", "CACHE", "DATA")}
        environment = {**os.environ, **places}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        directory = os.path.join(places["KIMCHI_CONFIG_DIR"], "templates")
        os.makedirs(directory)
        fill(directory, count)
        read = best_of(10, [sys.executable, "-c", READ], environment)
        print(f"reading and decoding {count}: {read:.0f} ms")
        for form in ("name", "table", "json"):
            used = best_of(10, [*LIST, form], environment)
            print(f"template list -o {form:<6}{used:6.0f} ms  {used / read:.2f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
