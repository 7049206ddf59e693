"""What every test may ask for; the parts of a real host are in tests/host/conftest.py."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType

import pytest

from lab import host as private_host
from lab.run import Run, run

# setup/check sets it where it has made sure that a private host can be had: then a test without one fails.
HOST_REQUIRED = "KIMCHI_TEST_HOST"


def reason_without_host() -> str | None:
    """Why tests that need a host are to be left out, or None."""
    return None if os.environ.get(HOST_REQUIRED) == "1" else private_host.why_not()


# Files whose tests take or wait for seconds. Where several processes share the files, none shall begin with such a one
# when the others have come to their end.
FIRST = [
    "test_linux_guest",
    "test_stress",
    "test_bare_environment",
    "test_remote",
    "test_stats",
    "test_wheel",
    "test_keys",
    "test_scan",
]


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # newer pytest-xdist goes by the number of tests, which tells nothing


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests that need a host where none can be had; pytest_terminal_summary says so."""
    items.sort(key=lambda item: item.path.stem not in FIRST)
    wanting = [item for item in items if item.get_closest_marker("host")]
    if wanting and reason_without_host():
        items[:] = [item for item in items if item not in wanting]
        config.hook.pytest_deselected(items=wanting)


def pytest_collection_finish() -> None:
    """What lives as long as the run is not searched for garbage: many tests begin with a collection of it."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if (reason := reason_without_host()) and "host" not in config.option.markexpr:
        terminalreporter.write_line(f"the tests that need a libvirt host were left out: {reason}", yellow=True)


TOO_LONG = 120  # seconds; the slowest test takes a few


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """A test that hangs fails, and the others go on."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took more than {TOO_LONG} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TOO_LONG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


NO_HOST = "qemu+unix:///system?socket=/nonexistent"


@pytest.fixture(scope="session", autouse=True)
def working_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test writes without saying where does not end in the checkout, and is noticed."""
    before, own = os.getcwd(), tmp_path_factory.mktemp("cwd")
    os.chdir(own)
    yield
    os.chdir(before)
    assert os.listdir(own) == [], "a test wrote into its working directory"


@pytest.fixture(scope="session")
def all_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for each test, made by whoever needs it: making thousands takes longer than many of the tests."""
    top = tmp_path_factory.mktemp("places")
    return (top / str(number) for number in count())


@pytest.fixture(autouse=True)
def places(all_places: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what belongs to the user who runs it."""
    for name in [name for name in os.environ if name.startswith(("KIMCHI", "LIBVIRT", "VIRSH"))]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    for tree in ("SYSTEM", "LOCAL", "USER"):  # what is installed here must not decide; a test of it names its own
        monkeypatch.setenv(f"OSINFO_{tree}_DIR", "/nonexistent")
    # Nor is the libvirt of this machine asked, which as a user would even start; a test of the default deletes it.
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", NO_HOST)
    own = next(all_places)
    for what in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"KIMCHI_{what}_DIR", str(own / what.lower()))


@pytest.fixture
def kimchi(capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Runs one command line in this process: `kimchi("iso", "list").json`; see tests/lab/run.py."""
    return lambda *argv, status=None: run(capfd, *argv, status=status)
