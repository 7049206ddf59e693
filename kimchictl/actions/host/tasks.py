"""Work that takes long, as it can be seen by others: what, who, since when, how far, and how it ended.

    STATE_DIR/tasks/*.json   a store of documents (kimchictl.store), one a task, by id; root's may be read by the group
                             libvirt, a user's by the user alone; written by the process that does the work, once a
                             second at most

Work that ends within a second leaves no record; what has ended is kept for a week. A process is told from another with
the same number by the time it was started and the boot it was started in. One that was killed leaves its record as
running: whoever reads it sees that the process is gone, and calls the task lost.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kimchictl.actions.host.processes import can_tell, is_alive
from kimchictl.errors import Failed, NotFound, TimedOut, WrongState
from kimchictl.store import Document, FileStore, Layer
from kimchictl.units import format_time

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


def state_of(data: Mapping[str, Any]) -> str:
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
        state=state_of(data),
        started=format_time(_time(data.get("started"))),
        finished=format_time(_time(data.get("finished"))),
        progress=Advance(done, total, _text(data.get("unit")), percent),
        message=_text(data.get("message")),
        pid=_whole(process.get("pid")) if isinstance(process, dict) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def ended_at(document: Document) -> float:
    """Seconds since the epoch; of a lost task when it began."""
    return _time(document.data.get("finished")) or _time(document.data.get("started")) or 0.0


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
