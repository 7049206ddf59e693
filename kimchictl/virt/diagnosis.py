"""Why a connection could not be opened, in one sentence, and what to do about it.

libvirt passes on what ssh, GnuTLS, SASL or a socket said, some of it long, some of it nothing: what it leaves out is
looked up here. It looks, and asks for nothing: no password, no key.
"""

import grp
import os
import pwd
import re
import shutil
import socket
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from kimchictl.errors import without_password

_PATIENCE = 5.0
_TLS_PORT = 16514
_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock", "/var/run/libvirt/libvirt-sock")

_SBIN = "/usr/sbin:/sbin"  # a user's PATH leaves them out
_DAEMONS = (("libvirtd", "libvirtd"), ("virtqemud", "virtqemud.socket"))  # the program, and what systemd starts
_NO_BUS = "system bus"
CREDENTIALS = "check the user name and the password"

# What ssh says, and what helps.
_SSH = (
    ("Cannot find 'ssh'", "there is no ssh here", "apt install openssh-client, or dnf install openssh-clients"),
    ("IDENTIFICATION HAS CHANGED", "the key of the host is another one than the known one",
     "if the host was set up anew: ssh-keygen -R {host}, then log in once by hand with ssh"),
    ("Host key verification failed", "the key of the host is not known",
     "log in once by hand with ssh, so that it is, or put it into known_hosts"),
    ("Permission denied", "ssh was refused",
     "ssh-copy-id {host}, or ssh-add the key it knows; keyfile=PATH in the URI names another one"),
    ("Could not resolve", "the name of the host is not known", "check the name"),
    ("Connection refused", "nobody listens for ssh there", "is sshd running on the host? another port: {host}:PORT"),
)  # fmt: skip


def explain(uri: str, message: str, auth_refused: bool) -> tuple[str, str]:
    """(reason, hint) for the host `uri`, which could not be opened with libvirt's `message`."""
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2]
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    first = without_password(message.strip().splitlines()[0]) if message.strip() else "no reason given"
    if problem := _auth_file_problem(query):
        return problem, "its format: https://libvirt.org/auth.html#client-configuration-file"
    if transport == "ssh" and (found := _ssh(message, parts.hostname or "HOST")):
        return found
    if auth_refused and "credentials" in message:
        return "it asks for a password, and there is nobody to ask for it", (
            "give it with --password-fd N, or in ~/.config/libvirt/auth.conf"
        )
    if transport == "tls" or (not transport and parts.hostname):
        return _tls(parts.hostname or "", parts.port or _TLS_PORT, query, first)
    if auth_refused:
        return first, CREDENTIALS
    return first, _local(query.get("socket"), first.lower())


def _ssh(message: str, host: str) -> tuple[str, str] | None:
    for sign, reason, hint in _SSH:
        if sign in message:
            lines = [line for line in re.split(r"[\r\n]+|: Connection reset by peer", message) if sign in line]
            said = lines[-1].removeprefix("Cannot recv data: ").strip(" @")
            return f"{reason} (ssh: {said.removeprefix('ssh: ')})", hint.format(host=host)
    return None


def _auth_file_problem(query: Mapping[str, str]) -> str | None:
    """libvirt gives no reason at all where its file of credentials is missing or damaged."""
    path = query.get("authfile") or os.environ.get("LIBVIRT_AUTH_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file.read(1 << 20).splitlines()]
    except OSError as error:
        return f"the file of credentials {path} cannot be read: {error.strerror}"
    for number, line in enumerate(lines, 1):
        if line and line[0] not in "#[" and "=" not in line:
            return f"the file of credentials {path} is damaged in line {number}"
    return None


# ---- TLS -------------------------------------------------------------------------------------------------------------


def _tls(host: str, port: int, query: Mapping[str, str], reason: str) -> tuple[str, str]:
    pki = query.get("pkipath")
    files = pki_files(pki)
    if "confirmation" in reason:
        missing = [path for path in files[1:] if not os.path.exists(path)]
        if missing:
            return f"the host wants to see a client certificate, and {', '.join(missing)} is missing", (
                "put certificate and key there, or name their directory with pkipath= in the URI"
            )
        return f"the host does not accept the client certificate {files[1]}", (
            "is it of an authority that the host knows, and in its tls_allowed_dn_list?"
        )
    if "CA certificate" in reason:
        return reason, "put the certificate of the host's authority there, or name its directory with pkipath="
    if "has expired" in reason or "not yet active" in reason:
        return reason, "have the certificate renewed; is this machine's clock right?"
    if "known issuer" in reason:
        return reason, "the client certificate is of another authority than cacert.pem"
    if "do not match" in reason or ("Unable to" in reason and ".pem" in reason):
        return reason, "certificate and key belong together, in PEM form"
    if "verify peer" in reason:
        return f"the host's certificate is not accepted: {_why_not_trusted(host, port, files)}", (
            "its name must be the one in the URI, and its authority in cacert.pem"
        )
    return reason, "is libvirtd listening for TLS there (listen_tls, libvirtd-tls.socket)?"


def pki_files(pki: str | None) -> tuple[str, str, str]:
    """(authority, certificate, key) as libvirt looks for them: below pkipath, the user's, the machine's."""
    if pki:
        return f"{pki}/cacert.pem", f"{pki}/clientcert.pem", f"{pki}/clientkey.pem"
    own = os.path.expanduser("~/.pki/libvirt")
    if os.geteuid() != 0 and os.path.exists(f"{own}/clientcert.pem"):
        return f"{own}/cacert.pem", f"{own}/clientcert.pem", f"{own}/clientkey.pem"
    machine = "/etc/pki/libvirt"
    return "/etc/pki/CA/cacert.pem", f"{machine}/clientcert.pem", f"{machine}/private/clientkey.pem"


def _why_not_trusted(host: str, port: int, files: tuple[str, str, str]) -> str:
    """libvirt does not say which of the possible reasons it was: the same handshake, and OpenSSL's word on it."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=files[0])
        if os.path.exists(files[1]) and os.path.exists(files[2]):
            context.load_cert_chain(files[1], files[2], password="")
        with socket.create_connection((host, port), _PATIENCE) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return f"{error.verify_message}".rstrip(".")
    except (OSError, ValueError) as error:
        return f"why could not be found out ({error})"
    return "GnuTLS does not trust it, OpenSSL does"


# ---- this machine's sockets ------------------------------------------------------------------------------------------


def _local(path: str | None, lowered: str) -> str:
    if _NO_BUS in lowered:
        return 'libvirtd asks polkit over D-Bus: start dbus on the host, or set auth_unix_rw = "none" in libvirtd.conf'
    if "no such file" in lowered or "connection refused" in lowered:
        return f"{_how_to_start()}, or try without one: -c test:///default"
    if is_refused(lowered):
        return f"{join_group(path)}; or use -c qemu:///session"
    return "see what libvirtd says, or name another host with -c"


def _how_to_start() -> str:
    """The command that would give this machine a running libvirtd."""
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    daemon = next((pair for pair in _DAEMONS if shutil.which(pair[0], path=path)), None)
    if daemon is None:
        return "install libvirt's daemon (on Debian: apt install libvirt-daemon-system)"
    # sd_booted(3): the directory is there where systemd is the init system.
    start = f"systemctl start {daemon[1]}" if os.path.isdir("/run/systemd/system") else f"{daemon[0]} -d"
    return f"start libvirt's daemon ({start})"


def join_group(path: str | None = None) -> str:
    """The command that would let this user in, to libvirt's socket at `path` or where it usually is."""
    group = _group_of(path) or "libvirt"
    return f"become a member of the group {group}: usermod -aG {group} {_user()}"


def is_refused(message: str) -> bool:
    """Whether the host is there and does not let this user in, by its socket's permissions or by polkit."""
    lowered = message.lower()
    return any(sign in lowered for sign in ("permission denied", "polkit", "access denied", "not authorized", _NO_BUS))


def _group_of(path: str | None) -> str | None:
    """The group that may write to libvirt's socket, if it is one that helps."""
    for candidate in (path,) if path else _SOCKETS:
        try:
            status = os.stat(candidate)
            if status.st_gid and status.st_mode & 0o020:
                return grp.getgrgid(status.st_gid).gr_name
        except (OSError, KeyError):
            continue
    return None


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
