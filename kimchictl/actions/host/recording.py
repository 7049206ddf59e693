"""Work that takes long records itself while it runs: see kimchictl.actions.host.tasks for the records.

recording   a context around the work, which gives the Progress that the work reports to
"""

import contextlib
import os
import pwd
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from kimchictl.actions.host.processes import identity
from kimchictl.actions.host.state import make_state_directory
from kimchictl.actions.host.tasks import CANCELLED, FAILED, FINISHED, RUNNING, ended_at, state_of
from kimchictl.errors import KimchiError
from kimchictl.progress import SILENT, Progress
from kimchictl.store import Document, FileStore
from kimchictl.store.session import Session

PATIENCE = 1.0  # seconds that work may take without leaving a record
INTERVAL = 1.0  # seconds between two writes of its progress
KEPT = 7 * 86400.0  # seconds that what has ended is kept
MOST = 1000  # ended tasks that are kept
_LONGEST = 500  # characters of a message


@contextlib.contextmanager
def recording(
    store: FileStore, what: str, inner: Progress = SILENT, host: str | None = None, patience: float = PATIENCE
) -> Iterator[Progress]:
    """`with recording(store, "deep scan of /srv", app.progress) as progress:` records the work in the block.

    Pass on the Progress it gives. An exception ends the task as failed; a signal's (SIGTERM, Ctrl-C), or any other that
    is no Exception, as cancelled. That a record cannot be written is a note to `inner` and stops no work.
    """
    record = _Record(store, what, host, inner)
    record.start(patience)
    try:
        yield record
    except Exception as error:
        record.finish(FAILED, str(error))
        raise
    except BaseException:
        record.finish(CANCELLED, "cancelled")
        raise
    record.finish(FINISHED, None)


class _Record(Progress):
    """Passes progress on and keeps what the record says; a thread writes it: the work never waits for a disk."""

    def __init__(self, store: FileStore, what: str, host: str | None, inner: Progress) -> None:
        self._store, self._inner = store, inner
        self._data: dict[str, Any] = {
            "what": what[:_LONGEST],
            "who": _user(),
            "host": host,
            "state": RUNNING,
            "started": time.time(),
            "process": identity(os.getpid()),
        }
        self._id = ""
        self._failure: KimchiError | None = None
        self._over = threading.Event()

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self._data |= {"message": what[:_LONGEST], "done": 0, "total": total, "unit": unit}
        self._inner.begin(what, total, unit)

    def advance(self, done: int, where: str = "") -> None:
        self._data["done"] = done
        if where:
            self._data["message"] = where[:_LONGEST]
        self._inner.advance(done, where)

    def end(self, summary: str = "") -> None:
        if summary:
            self._data["message"] = summary[:_LONGEST]
        self._inner.end(summary)

    def note(self, message: str) -> None:
        self._inner.note(message)

    def detail(self, message: str) -> None:
        self._inner.detail(message)

    def start(self, patience: float) -> None:
        self._thread = threading.Thread(target=self._keep_writing, args=(patience,), daemon=True)
        self._thread.start()

    def finish(self, state: str, message: str | None) -> None:
        """The last write, if there was a first one."""
        self._over.set()
        self._thread.join()
        self._data |= {"state": state, "finished": time.time()}
        if message is not None:
            self._data["message"] = message[:_LONGEST]
        if self._id:
            self._write()
        if self._failure:
            self._inner.note(f"this task is not recorded: {self._failure}")

    def _keep_writing(self, patience: float) -> None:
        written: dict[str, Any] = {}
        wait = patience
        while not self._over.wait(wait) and not self._failure:
            wait = INTERVAL
            if self._data != written:
                written = dict(self._data)
                self._write()

    def _write(self) -> None:
        data = {key: _encodable(value) for key, value in dict(self._data).items()}
        try:
            make_state_directory(self._store.own.path)
            with self._store.session() as session:
                if not self._id:
                    _sweep(session, time.time())
                    self._id = _free_id(session.listing.documents)
                session.put(self._id, data)
        except KimchiError as error:
            self._failure = error


def _encodable(value: Any) -> Any:
    """A file name that is not UTF-8 must not keep the record from being written."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _free_id(taken: Mapping[str, Document]) -> str:
    while (new := os.urandom(3).hex()) in taken:
        pass
    return new


def _sweep(session: Session, now: float) -> None:
    """Deletes what ended over a week ago, and the oldest of too many."""
    own = [document for document in session.listing.documents.values() if document.origin == "own"]
    ended = sorted((ended_at(document), document.name) for document in own if state_of(document.data) != RUNNING)
    for number, (when, name) in enumerate(ended):
        if when < now - KEPT or number < len(ended) - MOST:
            session.delete(name)
