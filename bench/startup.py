#!/usr/bin/env python3
"""What kimchictl's small commands cost whole, next to a bare Python, `import click` and `virt-install --version`.

usage: bench/startup.py [ROUNDS]

Every line is a process of its own, started by the `kimchictl` beside this Python; all take turns, and the processor
time of the median run counts. There are 20 templates, whose image is there, and an empty index.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

from listing import fill

COMMAND = os.path.join(os.path.dirname(sys.executable), "kimchictl")
PYTHON, CLICK, VIRT_INSTALL = "python -c pass", "import click", "virt-install --version"
ASKED = {
    "--version": ["--version"],
    "--help": ["--help"],
    "template list -o json": ["template", "list", "-o", "json"],
    "template list": ["template", "list"],
    "iso list -o json": ["iso", "list", "-o", "json"],
    "completion of a template": [],
}
COMPLETION = {"_KIMCHICTL_COMPLETE": "bash_complete", "COMP_WORDS": "kimchictl template show ", "COMP_CWORD": "3"}


def processor_ms(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def commands() -> dict[str, list[str]]:
    found = {PYTHON: [sys.executable, "-c", "pass"], CLICK: [sys.executable, "-c", "import click"]}
    if installed := shutil.which("virt-install"):
        found[VIRT_INSTALL] = [installed, "--version"]
    return found | {name: [COMMAND, *words] for name, words in ASKED.items()}


def main(rounds: int = 30) -> None:
    with tempfile.TemporaryDirectory() as top:
        places = {f"KIMCHI_{what}_DIR": os.path.join(top, what) for what in ("CONFIG", "STATE", "CACHE", "DATA")}
        directory = os.path.join(places["KIMCHI_CONFIG_DIR"], "templates")
        os.makedirs(directory)
        image = os.path.join(top, "debian.iso")
        with open(image, "wb") as file:
            file.truncate(658505728)
        fill(directory, 20, cdrom=image)
        environment = {**os.environ, **places}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measured: dict[str, list[float]] = {name: [] for name in commands()}
        for turn in range(rounds + 1):
            for name, command in commands().items():
                used = processor_ms(command, environment | (COMPLETION if not command[1:] else {}))
                measured[name] += [used] if turn else []  # the first round fills the caches
    median = {name: statistics.median(figures) for name, figures in measured.items()}
    others = [name for name in (PYTHON, CLICK, VIRT_INSTALL) if name in median]
    print(f"{'':<26}{'ms':>6}" + "".join(f"{name:>24}" for name in others))
    for name, used in median.items():
        print(f"{name:<26}{used:6.1f}" + "".join(f"{used / median[other]:>22.2f} x" for other in others))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
