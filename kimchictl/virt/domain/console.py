"""A guest's serial console, over libvirt's stream: on a terminal, or in a pipe.

Two threads block on the same stream, one to read and one to write, which libvirt allows: no event loop is needed. What
the guest writes comes as the bytes they are.
"""

import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import Any, BinaryIO

from kimchictl.errors import InUse, WrongState
from kimchictl.virt.connection import Host, is_code, translate
from kimchictl.virt.domain.definition import read_definition
from kimchictl.virt.domain.power import require_running, resume

ESCAPE = b"\x1d"  # Ctrl-]
_CHUNK = 4096


def attach(host: Host, name: str, output: BinaryIO, force: bool = False, resumed: bool = False) -> None:
    """Show the console on `output` until the guest is off, somebody types Ctrl-], or `output` is closed.

    What comes on standard input goes to the guest; its end only ends that. `resumed`: the VM was started paused, and
    runs on once we listen. Raises WrongState for a VM that is off, InUse if somebody else has the console.
    """
    domain = require_running(host, name, "looked at through its console")
    device = _device(host, domain, name)
    stream = host.conn.newStream(0)
    flags = host.flag("DOMAIN_CONSOLE_FORCE") if force else host.flag("DOMAIN_CONSOLE_SAFE")
    try:
        domain.openConsole(device, stream, flags)
    except host.lib.libvirtError as error:
        if "Active console session" in error.get_error_message():  # it has no code of its own
            hint = "end the other one, or take it over with --force"
            raise InUse(f"somebody else has the console of vm {name!r}", hint) from None
        raise translate(error, f"vm {name!r}: console") from None
    if resumed:
        resume(host, name)
    with _raw_terminal() as typed:
        _Attachment(host, stream, output, typed).run()


def _device(host: Host, domain: Any, name: str) -> str | None:
    """The alias of the console, or of the serial port, that one can attach to. Raises WrongState if there is none."""
    root = read_definition(host, domain, live=True)
    found = [*root.findall("devices/console"), *root.findall("devices/serial")]
    device = next((each for each in found if each.get("type") == "pty" or host.is_test), None)
    if device is not None:
        alias = device.find("alias")
        return alias.get("name") if alias is not None else None
    if not found:
        raise WrongState(f"vm {name!r} has no console", f"kimchictl vm edit {quote(name)} --xml adds a serial port")
    source = found[0].find("source")
    written = source.get("path") if source is not None and found[0].get("type") == "file" else None
    raise WrongState(
        f"the console of vm {name!r} is of type {found[0].get('type')}, to which one cannot attach",
        f"what it says is written to {written}" if written else None,
    )


class _Attachment:
    """One console, from here to the end of it."""

    def __init__(self, host: Host, stream: Any, output: BinaryIO, typed: int | None) -> None:
        self._host, self._stream, self._output, self._typed = host, stream, output, typed
        self._over = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        threading.Thread(target=self._show, daemon=True).start()
        try:
            self._send()
            self._over.wait()
        finally:
            try:
                self._stream.abort()
            except self._host.lib.libvirtError:
                self._over.set()  # the guest ended it first
        if self._error is not None:
            raise self._error

    def _show(self) -> None:
        """Guest to output, until either ends."""
        try:
            while data := self._stream.recv(_CHUNK):
                self._output.write(data)
                self._output.flush()
        except self._host.lib.libvirtError:
            pass  # how a stream says that its guest is gone
        except (OSError, ValueError) as error:
            self._error = error
        finally:
            self._over.set()

    def _send(self) -> None:
        """Standard input to guest, until it ends, the console does, or Ctrl-] is typed."""
        while self._typed is not None and not self._over.is_set():
            if not select.select([self._typed], [], [], 0.1)[0]:
                continue
            data = os.read(self._typed, _CHUNK)
            before, escape, _ = data.partition(ESCAPE)
            self._write(before)
            if escape:
                self._over.set()
            if not data:
                return

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._stream.send(data) :]
            except self._host.lib.libvirtError as error:
                if is_code(error, "OPERATION_INVALID", "INTERNAL_ERROR", "RPC"):
                    return  # the guest is gone: reading ends, too
                raise


@contextmanager
def _raw_terminal() -> Iterator[int | None]:
    """The descriptor of standard input, None where there is none; a terminal passes every key on, and is restored."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        yield None
        return
    if not os.isatty(descriptor):
        yield descriptor
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
