"""Work that takes long, as it can be seen by others: what, who, since when, how far, and how it ended.

    STATE_DIR/tasks/*.json   a store of documents (kimchictl.store), one a task, by id; root's may be read by the group
                             libvirt, a user's by the user alone; written by the process that does the work, once a
                             second at most

Work that ends within a second leaves no record; what has ended is kept for a week. A process is told from another with
the same number by the time it was started and the boot it was started in. One that was killed leaves its record as
running: whoever reads it sees that the process is gone, and calls the task lost.
"""

import contextlib
import os
import pwd
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kimchictl.actions.processes import can_tell, identity, is_alive
from kimchictl.actions.state import make_state_directory
from kimchictl.errors import Failed, KimchiError, NotFound, TimedOut, WrongState
from kimchictl.progress import SILENT, Progress
from kimchictl.store import Document, FileStore, Layer
from kimchictl.units import format_time

PATIENCE = 1.0  # seconds that work may take without leaving a record
INTERVAL = 1.0  # seconds between two writes of its progress
KEPT = 7 * 86400.0  # seconds that what has ended is kept
MOST = 1000  # ended tasks that are kept
_LONGEST = 500  # characters of a message

RUNNING, FINISHED, FAILED, CANCELLED, LOST = "running", "finished", "failed", "cancelled", "lost"


@dataclass(frozen=True, slots=True)
class Advance:
    """How far it is: `done` of `total` `unit` ("bytes", "directories"); None: not known."""

    done: int | None
    total: int | None
    unit: str | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `who` is a user's name, `host` the connection it works on, `message` where it is or why it ended."""

    id: str
    what: str
    who: str
    host: str | None
    state: str
    started: str | None
    finished: str | None
    progress: Advance
    message: str | None
    pid: int | None


def task_store(state_dirs: Sequence[str], lock_timeout: float = 10.0) -> FileStore:
    """The tasks in `state_dirs`, lowest layer first; the last one is written."""
    paths = [os.path.join(state_dir, "tasks") for state_dir in state_dirs]
    layers = [Layer(path, "system", False) for path in paths[:-1]]
    return FileStore("tasks", [*layers, Layer(paths[-1], "own", True)], lock_timeout)


# ---- doing -----------------------------------------------------------------------------------------------------------


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


def _sweep(session: Any, now: float) -> None:
    """Deletes what ended over a week ago, and the oldest of too many."""
    own = [document for document in session.listing.documents.values() if document.origin == "own"]
    ended = sorted((_ended(document), document.name) for document in own if _state(document.data) != RUNNING)
    for number, (when, name) in enumerate(ended):
        if when < now - KEPT or number < len(ended) - MOST:
            session.delete(name)


def _ended(document: Document) -> float:
    return _time(document.data.get("finished")) or _time(document.data.get("started")) or 0.0


# ---- looking ---------------------------------------------------------------------------------------------------------


def tasks(store: FileStore) -> tuple[list[Task], list[str]]:
    """(all tasks, the oldest first; sentences about records that cannot be read)."""
    listing = store.read()
    ordered = sorted(listing.documents.values(), key=lambda document: _time(document.data.get("started")) or 0.0)
    own = [damaged for damaged in listing.damaged if damaged.path.startswith(store.own.path)]
    return [_to_task(document) for document in ordered], [str(damaged) for damaged in own]


def task(store: FileStore, name: str) -> Task:
    """The task whose id is, or begins with, `name`. Raises NotFound, Damaged."""
    return _to_task(_document(store, name))


def _document(store: FileStore, name: str) -> Document:
    listing = store.read()
    if name in listing.documents:
        return listing.documents[name]
    meant = [document for full, document in listing.documents.items() if name and full.startswith(name)]
    if len(meant) > 1:
        raise NotFound(f"several tasks begin with {name!r}", ", ".join(document.name for document in meant))
    return meant[0] if meant else listing.get(name)


def _state(data: Mapping[str, Any]) -> str:
    """The state as it is now: running only while the process is there."""
    state, process = data.get("state"), data.get("process")
    if state != RUNNING:
        return state if state in (FINISHED, FAILED, CANCELLED) else LOST
    if not isinstance(process, dict):
        return LOST
    return RUNNING if is_alive(process) or not can_tell(process) else LOST


def _to_task(document: Document) -> Task:
    data = document.data
    done, total = _whole(data.get("done")), _whole(data.get("total"))
    percent = round(100 * min(done, total) / total, 1) if done is not None and total else None
    process = data.get("process")
    return Task(
        id=document.name,
        what=_text(data.get("what")) or "",
        who=_text(data.get("who")) or "",
        host=_text(data.get("host")),
        state=_state(data),
        started=format_time(_time(data.get("started"))),
        finished=format_time(_time(data.get("finished"))),
        progress=Advance(done, total, _text(data.get("unit")), percent),
        message=_text(data.get("message")),
        pid=_whole(process.get("pid")) if isinstance(process, dict) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _time(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else None


# ---- waiting and cancelling ------------------------------------------------------------------------------------------


def wait(store: FileStore, name: str, timeout: float | None, pause: float = 0.25) -> Task:
    """The task when it is over. Raises TimedOut after `timeout` s, Failed unless it finished, NotFound."""
    over = _until_over(store, name, timeout, pause)
    if over.state != FINISHED:
        why = over.message if over.state == FAILED else None
        raise Failed(f"task {over.id!r} ({over.what}) {_ENDED[over.state]}", why)
    return over


_ENDED = {FAILED: "failed", CANCELLED: "was cancelled", LOST: "is lost: its process is gone"}


def _until_over(store: FileStore, name: str, timeout: float | None, pause: float) -> Task:
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    while (now := task(store, name)).state == RUNNING:
        if time.monotonic() >= deadline:
            raise TimedOut(f"task {now.id!r} ({now.what}) is still running", f"process {now.pid} does it")
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
    return now


def cancel(store: FileStore, name: str, timeout: float, note: Callable[[str], None], pause: float = 0.1) -> Task:
    """Ends the task with SIGTERM, on which its process undoes what is half done, and waits for that up to `timeout` s.

    The task as it ended: it may have finished just before. One that is cancelled already is a note. Raises WrongState
    when it is over otherwise, Failed when the process is another's or cannot be seen from here, TimedOut.
    """
    document = _document(store, name)
    now = _to_task(document)
    if now.state == CANCELLED:
        note(f"task {now.id!r} is cancelled already")
        return now
    if now.state != RUNNING:
        why = _ENDED.get(now.state, "has finished")
        raise WrongState(f"task {now.id!r} ({now.what}) cannot be cancelled: it {why}")
    left = _terminate(now, document.data["process"], timeout)
    ended = _until_over(store, document.name, left, pause)
    if ended.state == LOST:
        raise Failed(f"task {now.id!r} ({now.what}) has ended, but its process did not say that it undid its work")
    return ended


def _terminate(task: Task, process: Mapping[str, Any], timeout: float) -> float:
    """Sends SIGTERM to the very process and waits for its end; the seconds left of `timeout`.

    Raises Failed, TimedOut.
    """
    if not is_alive(process):
        raise Failed(f"task {task.id!r} runs where its process cannot be seen from here", "cancel it there")
    end = time.monotonic() + timeout
    try:
        fd = os.pidfd_open(process["pid"])
        try:
            if is_alive(process):  # else it ended a moment ago, and the number may be another's
                signal.pidfd_send_signal(fd, signal.SIGTERM)
            poll = select.poll()
            poll.register(fd, select.POLLIN)  # readable when it has ended: pidfd_open(2)
            if not poll.poll(int(timeout * 1000)):
                raise TimedOut(f"task {task.id!r} ({task.what}) is still undoing what is half done")
        finally:
            os.close(fd)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise Failed(f"task {task.id!r} is {task.who}'s", f"become {task.who} to cancel it") from None
    return max(0.0, end - time.monotonic())
