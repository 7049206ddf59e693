"""The sampler: one for a host and all its domains, a round every few seconds into the journal.

    RUN_DIR/collect-HOST     held by the one collector of that host, from its first round to its last
    STATE_DIR/stats/HOST/    its journal; see kimchictl.actions.host.journal

Readers need neither it nor its lock.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from kimchictl import files
from kimchictl.actions.host import rates
from kimchictl.actions.host.journal import Journal, Writer
from kimchictl.actions.host.rounds import Connect, Rounds, unheard
from kimchictl.actions.host.samples import Sample
from kimchictl.actions.host.state import make_state_directory
from kimchictl.errors import KimchiError, Locked
from kimchictl.locks import Lock
from kimchictl.virt.connection import Host
from kimchictl.virt.stats import Counters, Round

FIRST_PAUSE = 1.0  # seconds between the first two rounds, which give the first rates
COUNTERS = "counters.json"

Note = Callable[[str], None]


def collect(connect: Connect, state_dirs: Sequence[str], run_dir: str, interval: float, once: bool, note: Note) -> None:
    """Samples the host that `connect` opens, every `interval` s, until a signal ends it; with `once` one sample.

    Where another collector is at work already there is nothing to do, and `note` is told. Raises HostError when the
    host cannot be reached and Failed when the journal cannot be written, at first; later it tries again.
    """
    host = connect()
    with ExitStack() as stack:
        collector = stack.enter_context(contextlib.closing(Collector(host, connect, note)))
        if _another_is_at_work(host.uri, state_dirs[:-1], run_dir, stack, note):
            return
        directory = journal_directory(state_dirs[-1], host.uri)
        make_state_directory(os.path.dirname(directory))
        make_state_directory(directory)
        collector.begin(stack.enter_context(Writer(directory)), min(interval, FIRST_PAUSE))
        stack.push(collector.save_at_exit)
        if not once:
            note(f"collecting from {host.uri} every {interval:g} s into {directory}")
            collector.run(interval)


def _another_is_at_work(uri: str, others: Sequence[str], run_dir: str, stack: ExitStack, note: Note) -> bool:
    """Whether somebody collects from `uri` already, which is said; if not, `stack` holds the lock now."""
    for state_dir in others:
        if is_current(Journal(journal_directory(state_dir, uri)).newest()):
            note(f"the system's collector is at work on {uri} already: there is nothing to do")
            return True
    files.make_directory(run_dir)
    lock = Lock(os.path.join(run_dir, f"collect-{host_slug(uri)}"), f"the journal of {uri}", 0.0)
    try:
        stack.enter_context(lock)
    except Locked as error:
        note(f"{error}: it collects already, there is nothing to do")
        return True
    return False


def host_slug(uri: str) -> str:
    """A file name for the host `uri`: readable, and different for every URI."""
    readable = re.sub(r"[^a-z0-9]+", "-", uri.lower()).strip("-")[:40]
    return f"{readable}-{hashlib.sha256(uri.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def journal_directory(state_dir: str, uri: str) -> str:
    """Where the journal of the host `uri` lies."""
    return os.path.join(state_dir, "stats", host_slug(uri))


def is_current(sample: Sample | None) -> bool:
    """Whether a collector that is still at work took `sample`."""
    return sample is not None and -5 < time.time() - sample.at < 2 * sample.seconds + 5


class Collector:
    """Takes the rounds and writes what they tell."""

    def __init__(self, host: Host, connect: Connect, note: Note) -> None:
        self.note = note
        self.writer: Writer
        self._rounds = Rounds(connect, host)
        self._before: Round | None = None
        self._said = ""

    def begin(self, writer: Writer, pause: float) -> None:
        """The first sample: since the last collector's last round, or else over `pause` seconds. Raises KimchiError."""
        self.writer = writer
        self._before = load_round(os.path.join(writer.directory, COUNTERS))
        newest = writer.newest()
        if newest and self._before and abs(self._before.at - newest.at) > 0.01:  # it died, and left older counters
            self._before = None
        now = self._rounds.take()
        if not rates.elapsed(self._before, now):
            self._before = now
            time.sleep(pause)
            now = self._rounds.take()
        self._write(now)

    def run(self, interval: float) -> None:
        """Round after round, until a signal's exception ends it."""
        due = time.monotonic()
        while True:
            now = time.monotonic()
            due += interval * max(1, -(-(now - due) // interval))  # rounds that were missed are left out
            time.sleep(max(0.0, due - now))
            try:
                self._write(self._rounds.take())
            except KimchiError as error:
                self._tell(f"{error}; trying again every {interval:g} s")

    def save_at_exit(self, *_exception: object) -> None:
        """Keeps the last counters for the next collector; without them it would begin with two rounds."""
        if self._before is not None:
            with contextlib.suppress(KimchiError):
                path = os.path.join(self.writer.directory, COUNTERS)
                files.replace_file(path, encode_round(self._before), 0o640)

    def close(self) -> None:
        self._rounds.close()

    def _write(self, now: Round) -> None:
        before, self._before = self._before, now
        if rates.elapsed(before, now):
            self.writer.append(rates.sample(before, now))
        self._tell(unheard(now))

    def _tell(self, message: str) -> None:
        """Says it once, however often it happens in a row; "" ends the row."""
        if message and message != self._said:
            self.note(message)
        self._said = message


# ---- the counters that the next collector begins with ----------------------------------------------------------------


def encode_round(last: Round) -> bytes:
    """A round as JSON."""
    return json.dumps(asdict(last), separators=(",", ":")).encode() + b"\n"


def load_round(path: str) -> Round | None:
    """The round kept in `path`; None where there is none that can be used."""
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(1 << 26))
        subjects = {str(key): _counters(**value) for key, value in content["subjects"].items()}
        return Round(float(content["at"]), float(content["clock"]), str(content["boot"]), subjects)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _counters(
    name: Any, run: Any, cpu: Any = None, cpus: Any = None, memory: Any = None, disks: Any = None, nics: Any = None
) -> Counters:
    """Raises ValueError, TypeError or AttributeError for what are no counters."""
    whole = [None if value is None else int(value) for value in (cpu, cpus, memory)]
    pairs = [
        None if devices is None else {str(key): (int(first), int(second)) for key, (first, second) in devices.items()}
        for devices in (disks, nics)
    ]
    return Counters(str(name), str(run), whole[0], whole[1], whole[2], pairs[0], pairs[1])
