"""The connection to a libvirt host, and the one place where libvirt's errors become ours.

    open_host(uri)   a Host, opened within a deadline; a context manager
    Host             .lib is the libvirt module, .conn its virConnect: for this package only
    asking(subject)  a context in which a libvirtError is raised again as ours, about `subject`

libvirt's Python library is imported here, on first use. It may be missing: all that needs no host works without.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kimchictl.errors import (
    Disconnected,
    Exists,
    Failed,
    HostError,
    InUse,
    Invalid,
    KimchiError,
    NotFound,
    TimedOut,
    Unconfirmed,
    UsageError,
    WrongState,
)
from kimchictl.virt.credentials import answer_with, ask_person, credential_types, interactive, refuse
from kimchictl.virt.deadlines import within

Note = Callable[[str], None]

LOCAL_TIMEOUT = 10.0
REMOTE_TIMEOUT = 30.0
CLOSE_TIMEOUT = 2.0

_lib: Any = None


def library() -> Any:
    """The libvirt module. Raises HostError where it is not installed."""
    global _lib
    if _lib is None:
        # It warns on stderr of certificates, ahead of the error itself: level 4 is errors, which we print.
        os.environ.setdefault("LIBVIRT_DEBUG", "4")
        try:
            import libvirt  # type: ignore[import-untyped]
        except ImportError as error:
            raise HostError(
                f"libvirt's Python library is not usable: {error}",
                "install it: apt install python3-libvirt, dnf install python3-libvirt, or pip install libvirt-python",
            ) from None
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints every error on stderr otherwise
        _lib = libvirt
    return _lib


class Host:
    """One open connection: `uri` as it was asked for, `driver` "qemu" or "test"; `note` takes sentences for people.

    `lock_timeout`: seconds to wait for another process that is at the same thing.
    """

    def __init__(self, lib: Any, conn: Any, uri: str, readonly: bool, note: Note) -> None:
        self.lib = lib
        self.conn = conn
        self.uri = uri
        self.readonly = readonly
        self.note = note
        self.stuck = False  # a call hangs in it, and others may behind that one
        self.driver: str = conn.getType().lower()
        self.lock_timeout = 10.0
        self._lost = False

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; one that is already dead is closed, too, and one that hangs is left alone."""
        if self.stuck:
            return
        try:
            within(CLOSE_TIMEOUT, self.uri, self.conn.close)
        except self.lib.libvirtError:
            self.note(f"the connection to {self.uri} was already broken")
        except TimedOut:
            self.note(f"the connection to {self.uri} could not be closed: it hangs")

    @property
    def is_alive(self) -> bool:
        """Whether the daemon at its other end is still there, as far as is known without asking it."""
        try:
            return bool(self.conn.isAlive())
        except self.lib.libvirtError:
            return False

    def reopen(self, seconds: float) -> None:
        """A new connection for one that broke, in its place, as soon as there is a daemon again. Raises HostError.

        After `seconds` it is given up, and for good.
        """
        end = time.monotonic() + seconds
        while not self._lost:
            try:
                self.conn = open_host(self.uri, readonly=self.readonly, prompt=False).conn
                return
            except HostError:
                self._lost = time.monotonic() > end
            time.sleep(0.2)
        raise Disconnected(f"the connection to {self.uri} broke")

    @property
    def is_test(self) -> bool:
        """libvirt's test driver: its pools, paths and guests are made up."""
        return self.driver == "test"

    @property
    def is_local(self) -> bool:
        """Whether the paths that this host speaks of are paths of this machine."""
        return is_local(self.uri)

    @property
    def is_session(self) -> bool:
        """Whether guests run as the user who asks."""
        return urlsplit(self.uri).path == "/session"

    def flag(self, name: str) -> int:
        """libvirt's constant VIR_`name`, 0 where this version of its library has none."""
        return int(getattr(self.lib, "VIR_" + name, 0))


def is_local(uri: str | None) -> bool:
    """Whether `uri` (None: libvirt's own default) names this machine. test:/// is local, though made up."""
    if not uri:
        return True
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2]
    return transport in ("", "unix") and not parts.netloc


def silent(_sentence: str) -> None:
    """The note taker where nobody listens."""


def open_host(
    uri: str | None = None,
    *,
    readonly: bool = False,
    reading: bool = False,
    timeout: float | None = None,
    note: Note = silent,
    prompt: bool = True,
    password: Sequence[str] = (),
) -> Host:
    """Open `uri` (None: libvirt's own default). Raises HostError, also when it takes more than `timeout` seconds.

    Somebody at a terminal may be typing a password for a remote host: then there is no deadline. Without `prompt`
    nothing is ever asked. `password`: (password) or (user, password), which goes before asking. `reading`: where one
    may not write, a connection that only reads will do.
    """
    lib = library()
    if uri and urlsplit(uri).password:
        raise UsageError("a password does not belong in a URI, which others can read", "see --password-fd")
    asks = prompt and not password and interactive()
    if timeout is None:
        timeout = LOCAL_TIMEOUT if is_local(uri) else None if asks else REMOTE_TIMEOUT
    answers = answer_with(lib, password, uri) if password else ask_person(lib) if asks else refuse
    target = uri if uri is None or asks else without_prompts(uri)
    if readonly:
        target = with_reading_socket(target)
    if uri and (missing := _missing_file(uri)):
        raise HostError(f"cannot connect to {uri}: {missing} does not exist", "test:///default is a host made up whole")
    credentials = [credential_types(lib), answers, None]
    try:
        flags = lib.VIR_CONNECT_RO if readonly else 0
        conn = within(timeout, uri or "libvirt", lambda: lib.openAuth(target, credentials, flags))
        return Host(lib, conn, uri or conn.getURI(), readonly, note)
    except lib.libvirtError as error:
        from kimchictl.virt.diagnosis import is_refused

        if reading and not readonly and is_local(uri) and is_refused(str(error)):
            host = open_host(uri, readonly=True, timeout=timeout, note=note, prompt=prompt, password=password)
            note("you may only read on this host: pools are not refreshed, volumes are not read")
            return host
        raise no_host(uri, error) from None
    except TimedOut as error:
        raise HostError(str(error), "is the host up? -c names another one") from None


def _missing_file(uri: str) -> str | None:
    """The file that describes a made-up host, if it is not there: libxml2 would say so on stderr, itself."""
    parts = urlsplit(uri)
    if parts.scheme != "test" or parts.netloc or parts.path in ("", "/default") or os.path.exists(parts.path):
        return None
    return parts.path


def with_reading_socket(uri: str | None) -> str | None:
    """`uri` with the socket for those who only read, where it names the other one; libvirt chooses its own itself."""
    parts = urlsplit(uri or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = query.get("socket", "")
    if not path.endswith("-sock") or not os.path.exists(f"{path}-ro"):
        return uri
    return urlunsplit(parts._replace(query=urlencode({**query, "socket": f"{path}-ro"}, safe="/")))


def without_prompts(uri: str) -> str:
    """`uri` with ssh told not to ask: it would do so on the terminal, behind our back, or hang in cron."""
    parts = urlsplit(uri)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if parts.scheme.partition("+")[2] != "ssh" or any(name == "no_tty" for name, _ in query):
        return uri
    return urlunsplit(parts._replace(query=urlencode([*query, ("no_tty", "1")])))


def no_host(uri: str | None, error: Any) -> HostError:
    """Why a connection could not be opened, with what to do about it."""
    from kimchictl.virt.diagnosis import explain

    message = error.get_error_message() or str(error)
    reason, hint = explain(uri or "", message, is_code(error, "AUTH_FAILED", "AUTH_CANCELLED"))
    return HostError(f"cannot connect to {uri or 'libvirt'}: {reason}", hint)


def _reason(error: Any) -> str:
    """The first line of what `error` says; of a schema's validation those behind it, as the first names only a file."""
    lines = _own_words(error.get_error_message() or str(error)).strip().splitlines()
    if len(lines) > 1 and is_code(error, "XML_INVALID_SCHEMA"):
        return f"libvirt's schema does not allow it: {'; '.join(lines[1:])}"
    return lines[0] if lines else "no reason given"


def _own_words(message: str) -> str:
    """Of a program that libvirt ran, as qemu-img, what it said itself: neither its command line nor its warnings."""
    said = re.match(
        r"(?:internal error: )?Child process \(.*?\) unexpected (?:exit|fatal) .*?: (.+)", message, re.DOTALL
    )
    if said is None:
        return message
    lines = [line.removeprefix("qemu-img: ") for line in said[1].strip().splitlines()]
    return next((line for line in lines if line and not line.startswith("warning:")), message)


# libvirt's error codes by our class. What is not here is Failed.
_CODES: dict[type[KimchiError], str] = {
    NotFound: "NO_DOMAIN NO_STORAGE_POOL NO_STORAGE_VOL NO_NETWORK NO_DOMAIN_SNAPSHOT NO_DOMAIN_METADATA NO_SECRET",
    Exists: "DOM_EXIST NETWORK_EXIST STORAGE_VOL_EXIST STORAGE_POOL_BUILT",
    WrongState: "OPERATION_INVALID SNAPSHOT_REVERT_RISKY",
    InUse: "RESOURCE_BUSY BLOCK_COPY_ACTIVE",
    Invalid: "XML_ERROR XML_DETAIL XML_INVALID_SCHEMA CONFIG_UNSUPPORTED INVALID_ARG INVALID_DOMAIN OS_TYPE",
    HostError: "OPERATION_DENIED ACCESS_DENIED AUTH_FAILED AUTH_CANCELLED AUTH_UNAVAILABLE NO_CONNECT INVALID_CONN RPC",
    TimedOut: "OPERATION_TIMEOUT AGENT_COMMAND_TIMEOUT",
}


def translate(error: Any, subject: str, hint: str | None = None) -> KimchiError:
    """The libvirtError `error` about `subject` ("vm 'web': start") as one of ours."""
    if error.get_error_domain() == library().VIR_FROM_RPC:  # our end of the connection says it, not the daemon
        return Disconnected(f"{subject}: the connection to libvirt broke: {_reason(error)}", hint)
    kind = next((kind for kind, names in _CODES.items() if is_code(error, *names.split())), Failed)
    reason = _reason(error)
    if is_code(error, "NO_SUPPORT", "OPERATION_UNSUPPORTED"):
        reason = f"the host's driver cannot do this ({reason})"
    if is_code(error, "OPERATION_DENIED"):
        hint = hint or "the connection is read-only, or your user lacks the permission"
    return kind(f"{subject}: {reason}", hint)


@contextmanager
def asking(subject: str, hint: str | None = None) -> Iterator[None]:
    """Raise a libvirtError from inside as our error about `subject`."""
    try:
        yield
    except library().libvirtError as error:
        raise translate(error, subject, hint) from None


@contextmanager
def once(host: Host) -> Iterator[None]:
    """For what must not be done twice, and what follows on it: where the connection breaks, Unconfirmed is raised."""
    try:
        yield
    except KimchiError as error:
        if isinstance(error, Disconnected) or not host.is_alive:
            raise Unconfirmed(str(error), error.hint) from None
        raise


def is_code(error: Any, *names: str) -> bool:
    """Whether the libvirtError `error` has one of the codes VIR_ERR_`names`."""
    return error.get_error_code() in {getattr(library(), "VIR_ERR_" + name, -1) for name in names}
