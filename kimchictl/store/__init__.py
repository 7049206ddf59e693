"""JSON documents on disk: templates, known distros, rules. Each kind has its own store, and its own lock.

    /usr/share/kimchi/KIND/*.json            a layer: read-only to us
    /etc/kimchi/KIND/*.json                  a later layer overrides documents of the same name
    ~/.config/kimchi/KIND/                   the last one is one's own, made at the first write
        .lock  .lock.turn                    held exclusively by a session (kimchictl.locks)
        .tmp-PID-HEX                         a file being written; the next session removes what a killed one left
        debian-12.json                       one object: the `name` key is the name, the file's name only follows it
        others.json                          or a list of objects; a changed entry stays in its list

Readers take no lock (kimchictl.store.layers says how); only when writers never pause they share it for a moment.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kimchictl.errors import Failed, Locked
from kimchictl.files import make_directory
from kimchictl.store.documents import DamagedFile, Document, Layer, Listing, file_name, singular
from kimchictl.store.layers import NOTHING, must_be_readable, read_layers

if TYPE_CHECKING:  # only who writes needs them
    from kimchictl.store.session import Session

__all__ = ["DamagedFile", "Document", "FileStore", "Layer", "Listing", "file_name"]

LOCK = ".lock"

_UNLOCKED_TRIES = 12
_PAUSE = 0.002


class FileStore:
    """The documents of one `kind` ("templates") in `layers`, lowest first; the last one may be writable.

    `lock_timeout` is in seconds.
    """

    def __init__(self, kind: str, layers: Sequence[Layer], lock_timeout: float = 10.0) -> None:
        if any(layer.writable for layer in layers[:-1]):
            raise ValueError("only the last layer can be writable: what is above it would hide what is written")
        self.kind, self.layers, self.lock_timeout = kind, tuple(layers), lock_timeout

    @property
    def own(self) -> Layer:
        """The layer that is written. Raises Failed when there is none."""
        if not self.layers or not self.layers[-1].writable:
            raise Failed(f"there is no place where {self.kind} can be written")
        return self.layers[-1]

    def read(self, known: Mapping[bytes, str] = NOTHING) -> Listing:
        """All documents as they are at one moment; waits for no lock holder. Raises Locked if none comes.

        `known` holds names by content: documents that were read before and need not be decoded again.
        """
        deadline = time.monotonic() + self.lock_timeout
        tries = 0
        while True:
            with contextlib.ExitStack() as stack:
                locked = [] if tries < _UNLOCKED_TRIES else self._share(stack)
                reading = read_layers(self.kind, self.layers, locked, settle=tries < _UNLOCKED_TRIES, known=known)
            if reading:
                return reading.listing()
            tries += 1
            if time.monotonic() > deadline:
                raise Locked(f"the {self.kind} were changed by others all the time, for {self.lock_timeout:g} seconds")
            time.sleep(_PAUSE)

    def get(self, name: str) -> Document:
        """Raises NotFound, Damaged, Locked."""
        return self.read().get(name)

    def _share(self, stack: contextlib.ExitStack) -> list[Layer]:
        """The layers whose lock could be shared at once: those of others, where one may not open it, are not."""
        from kimchictl import locks

        shared = [(layer, stack.enter_context(locks.shared(os.path.join(layer.path, LOCK)))) for layer in self.layers]
        return [layer for layer, held in shared if held]

    @contextlib.contextmanager
    def session(self) -> "Iterator[Session]":
        """The critical section: nobody else writes this kind until the block is left.

        A change is on the disk when its call returns. Never wait here for an editor, the network or libvirt. Raises
        Locked after the timeout, and Failed when the directory cannot be written.
        """
        from kimchictl import locks
        from kimchictl.store.session import Session

        own = self.own
        make_directory(own.path)
        what = f"the {singular(self.kind)} store {own.path}"
        with locks.Lock(os.path.join(own.path, LOCK), what, self.lock_timeout) as lock:
            yield Session(self.kind, self.layers, lock, self._read_locked)

    def _read_locked(self) -> Listing:
        """What a session stands on: its own layer is locked, the lower ones have to stand still for a moment."""
        deadline = time.monotonic() + self.lock_timeout
        tries = 0
        while (reading := read_layers(self.kind, self.layers, [self.own], settle=tries < _UNLOCKED_TRIES)) is None:
            tries += 1
            if time.monotonic() > deadline:
                raise Locked(f"the {self.kind} were changed by others all the time, for {self.lock_timeout:g} seconds")
            time.sleep(_PAUSE)
        must_be_readable(self.own, reading)
        own = os.path.join(self.own.path, "")
        for leftover in reading.leftovers:
            if leftover.startswith(own):
                with contextlib.suppress(OSError):  # it is in nobody's way
                    os.unlink(leftover)
        return reading.listing()
