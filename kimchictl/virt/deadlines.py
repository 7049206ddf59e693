"""Work that must end in time, whatever hangs: on daemon threads, which do not keep the process from exiting.

A call into libvirt cannot be cancelled. Past its deadline it is left to itself: its thread goes on, its result is
thrown away, and the caller gets TimedOut.
"""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from kimchictl.errors import TimedOut

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Running(Generic[Result]):
    """One call on a thread of its own, started at once."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # handed to whoever waits for it
            self._error = error
        finally:
            self._done.set()

    @property
    def is_over(self) -> bool:
        """Whether there is a result, or an exception."""
        return self._done.is_set()

    def settle(self) -> None:
        """Come back when it is over."""
        self._done.wait()

    def wait(self, seconds: float | None, what: str) -> Result:
        """Its result, or its exception raised. TimedOut after `seconds` (None: never), saying `what` took so long."""
        if not self._done.wait(seconds):
            raise TimedOut(f"{what} did not answer in {seconds:g} s")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


def within(seconds: float | None, what: str, work: Callable[[], Result]) -> Result:
    """The result of `work()`. Raises TimedOut if it takes more than `seconds`."""
    return Running(work).wait(seconds, what)


MONITOR_PATIENCE = 30.0  # seconds; libvirt itself waits that long for a guest that somebody else asks something


def answered(name: str, work: Callable[[], Result], seconds: float | None = None) -> Result:
    """`work()`, for which the hypervisor of the VM `name` has to answer libvirt: it may hang, as on dead storage.

    Raises TimedOut.
    """
    from shlex import quote

    call = Running(work)
    try:
        return call.wait(MONITOR_PATIENCE if seconds is None else seconds, name)
    except TimedOut:
        raise TimedOut(
            f"the hypervisor of vm {name!r} does not answer", f"kimchictl vm stop {quote(name)} --force ends it"
        ) from None


def all_within(seconds: float, jobs: Mapping[Key, Callable[[], Result]]) -> dict[Key, Result | Exception]:
    """What each job returned or raised, all run at once; TimedOut for those not done `seconds` from now."""
    end = time.monotonic() + seconds
    running = {key: Running(work) for key, work in jobs.items()}
    results: dict[Key, Result | Exception] = {}
    for key, call in running.items():
        try:
            results[key] = call.wait(max(0.0, round(end - time.monotonic(), 3)), str(key))
        except TimedOut:
            results[key] = TimedOut(f"{key} did not answer in {seconds:g} s")
        except Exception as error:
            results[key] = error
    return results
