#!/usr/bin/python3
"""A libvirt host of one's own, on a machine whose real one must not notice: for the tests and for setup/demo.

    python3 tests/lab/host.py [--qemu-user USER] ROOT COMMAND...    runs COMMAND on it, keeps its exit status
    with PrivateHost() as host: libvirt.open(host.uri)              from a test, outside of it

libvirt compiles its paths in, so a second system libvirtd needs a second view of the file system. One set of
namespaces gives it; the kernel ends everything in it (libvirtd, qemu, dnsmasq, servers) when COMMAND ends:

    mount   ROOT/run    over /run/libvirt        sockets and pids; `ROOT/run/libvirt-sock` is seen from outside, too
            ROOT/etc    over /etc/libvirt        a network `default` (NAT, stopped) is defined in it, nothing else
            ROOT/lib    over /var/lib/libvirt    ROOT/log, ROOT/cache likewise
            a new tmpfs on /run                  hides the machine's D-Bus: libvirtd would tell systemd-machined of
                                                 its guests and have firewalld load rules
            a new sysfs on /sys                  the interfaces of this network namespace; no control groups, so
                                                 none are left over
            a new devpts on /dev/pts             consoles work in a chroot, too
            a new tmpfs on /dev                  only where it lacks /dev/net/tun, as in a chroot
    net     nothing but its own loopback and the bridges that libvirt makes: install first, start test servers inside
    pid uts

All other paths are the machine's, so a pool in a temporary directory has the same path inside and outside.
Needs root and the packages that setup/machine.py names, but nothing outside of Python's own library.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

NEEDED = ("unshare", "nsenter", "tini", "ip", "libvirtd", "dnsmasq", "qemu-system-x86_64", "qemu-img")
READY_WITHIN = 30.0  # seconds; a fifth of one is usual
ENDS_WITHIN = 20.0  # likewise

# unshare(1) cannot set the propagation of a root that is no mount point (a chroot): own_root() does it.
NAMESPACES = ["--mount", "--net", "--pid", "--uts", "--propagation=unchanged", "--fork", "--kill-child"]

# mount(2)
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
MNT_DETACH = 2  # umount2(2)
CLONE_NEWNET = 0x40000000  # setns(2)

BOUND = {
    "run": "/run/libvirt",
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}

LIBVIRTD_CONF = """\
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

# stdio_handler: without virtlogd, which nobody starts here, every guest's start would wait for it for a minute.
# namespaces: a guest's own /dev cannot be made in a chroot.
# user: as root qemu can always open /dev/kvm; if it cannot, libvirt asks qemu what it can do anew at each start.
QEMU_CONF = """\
user = "{user}"
group = "{group}"
security_driver = "none"
stdio_handler = "file"
remember_owner = 0
namespaces = []
"""

DEFAULT_NETWORK = """\
<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
"""

_libc = ctypes.CDLL(None, use_errno=True)


class HostUnavailable(Exception):
    """This machine cannot have a private host, or its libvirtd did not start: one sentence why."""


def why_not() -> str | None:
    """Why a private host cannot be had here, or None."""
    if os.geteuid() != 0:
        return "a private libvirt host needs root"
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    if missing:
        return f"a private libvirt host needs {', '.join(missing)} (setup/check installs the packages)"
    tried = subprocess.run(["unshare", *NAMESPACES, "true"], stderr=subprocess.PIPE, text=True)
    return f"no namespaces can be had here: {tried.stderr.strip()}" if tried.returncode else None


class PrivateHost:
    """A private host that lives as long as the `with` block, and no longer than the process that made it."""

    def __init__(self, root: Path | None = None, qemu_user: str = "root", settings: str = "") -> None:
        """`settings` are further lines of libvirtd.conf; with "listen_tls = 1" among them it listens."""
        self._own = root is None
        # Short on purpose: a socket's path has 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="kimchi-host-")) if root is None else root
        self.uri = f"qemu+unix:///system?socket={self.root}/run/libvirt-sock"
        self.qemu_user = qemu_user
        self.settings = settings
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        reason = why_not()
        if reason:
            raise HostUnavailable(reason)
        prepare(self.root, self.qemu_user, self.settings)
        # It ends when our end of its stdin is closed, be it by a kill -9.
        self._process = subprocess.Popen(
            command_line(self.root, ["sh", "-c", "echo ready; exec cat"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            _, said = self._process.communicate()
            raise HostUnavailable(said.strip() or "the private host did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            end(self._process)
            self._process = None
        if self._own:
            shutil.rmtree(self.root)

    def run(self, argv: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.CompletedProcess[Any]:
        """subprocess.run, but on the private host."""
        return subprocess.run(self._entering(argv), **options)

    def popen(self, argv: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[Any]:
        """subprocess.Popen, but on the private host: for a server that its guests shall reach."""
        return subprocess.Popen(self._entering(argv), **options)

    def serve(self, argv: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[Any]:
        """The same, but on this machine's network: for a server through which the host is reached from outside.

        It is one of this machine's processes, too, so that it gets the signals that are sent to what this returns.
        """
        return subprocess.Popen(self._entering(argv, files_only=True), **options)

    def listen(self, port: int = 0) -> socket.socket:
        """A listening socket on the host's own loopback, served by this process: for a test's server that counts.

        What a socket reaches is settled when it is made, so a thread that is there for a moment is enough.
        """
        made: list[socket.socket | OSError] = []

        def enter_and_listen() -> None:
            try:
                with open(f"/proc/{self._pid}/ns/net") as net:
                    _check(_libc.setns(net.fileno(), CLONE_NEWNET), "setns")
                made.append(socket.create_server(("127.0.0.1", port)))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=enter_and_listen)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def log(self) -> str:
        """What libvirtd and the guests' qemu wrote so far."""
        return "".join(file.read_text(errors="replace") for file in sorted((self.root / "log").rglob("*.log")))

    @property
    def _pid(self) -> int:
        assert self._process, "the private host is not running"
        return self._process.pid

    def _entering(
        self, argv: Sequence[str | os.PathLike[str]], files_only: bool = False
    ) -> list[str | os.PathLike[str]]:
        # unshare(1) itself stays in the pid namespace it came from; its children are in the new one.
        # --root: in a chroot, entering the mount namespace alone would lead out of it.
        pid = self._pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--root"]
        if not files_only:
            enter += ["--net", "--uts", f"--pid=/proc/{pid}/ns/pid_for_children"]
        return [*enter, "--", "sh", "-c", 'cd "$0" && exec "$@"', os.getcwd(), *argv]


def end(process: subprocess.Popen[str]) -> None:
    """Ends the host of unshare(1)'s process; its pipes are closed."""
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:  # a child that a test forked, and that hangs, has our end of its stdin, too
        process.kill()  # the namespaces go with it
        process.wait()
    process.stdout.close()
    process.stderr.close()


def prepare(root: Path, qemu_user: str = "root", settings: str = "") -> None:
    """Makes what libvirtd finds at its start; of a host that was here before all is kept but what ran on it."""
    if str(root).startswith("/run/"):
        raise HostUnavailable(f"{root} would be hidden on the private host, which has a /run of its own")
    if (root / "etc/libvirtd.conf").exists():
        # As when a machine boots: what a killed libvirtd left there tells of networks and guests that are gone.
        shutil.rmtree(root / "run", ignore_errors=True)
    for directory in ("run", "etc/qemu/networks", "lib/images", "log", "cache"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    for searched in (root, root / "lib", root / "lib/images"):
        searched.chmod(0o711)
    group = "root" if qemu_user == "root" else "kvm"
    (root / "etc/libvirtd.conf").write_text(settings + LIBVIRTD_CONF)  # the first of two counts
    (root / "etc/qemu.conf").write_text(QEMU_CONF.format(user=qemu_user, group=group))
    network = root / "etc/qemu/networks/default.xml"
    if not network.exists():
        network.write_text(DEFAULT_NETWORK)


def command_line(root: Path, argv: Sequence[str]) -> list[str]:
    """The command line which runs `argv` on a private host at `root`."""
    # An init that reaps: else libvirt waits 2 s for each qemu that it ended.
    init = ["tini", "-s", "--"]
    return ["unshare", *NAMESPACES, *init, sys.executable, str(Path(__file__).resolve()), "--inside", str(root), *argv]


def enter(root: Path) -> None:
    """Called in the new namespaces: makes their view of the file system, and starts libvirtd."""
    own_root()
    mount("proc", "/proc", "proc")
    detach("/sys")  # covered only, its control groups would still be listed in /proc/mounts, and looked for
    mount("sysfs", "/sys", "sysfs")
    mount("tmpfs", "/run", "tmpfs", data="mode=755")
    os.mkdir("/run/lock")  # the other end of /var/lock, where libvirt locks a console that is open
    if not os.path.exists("/dev/net/tun"):
        make_devices(root / "dev")
    own_terminals()
    for own, shared in BOUND.items():
        os.makedirs(shared, exist_ok=True)
        mount(str(root / own), shared, flags=MS_BIND)
    socket.sethostname("private-host")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    start_libvirtd(root)


def own_root() -> None:
    """Keeps the mounts of this new namespace from the machine; makes of a chroot a root like any other.

    A chroot cannot name the mount that it lies on, so this walks out of it and back: one can leave a root directory
    that one's working directory is not below. What has no mount for its root cannot make namespaces in turn, nor does
    any table tell which file system it is.
    """
    root, here = os.open("/", os.O_RDONLY | os.O_DIRECTORY), os.getcwd()
    os.chdir("/")
    os.chroot("/usr")
    while not os.path.samefile(".", ".."):
        os.chdir("..")
    os.chroot(".")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    if not os.path.samefile(root, "/"):
        os.fchdir(root)
        tree = os.getcwd()
        mount(tree, tree, flags=MS_BIND | MS_REC)
        os.chdir(tree)
        mount(".", "/", flags=MS_MOVE)
        os.chroot(".")
    os.close(root)
    os.chdir(here)


def own_terminals() -> None:
    """New terminals: a chroot tends to have none, and a guest's console is one."""
    mount("devpts", "/dev/pts", "devpts", data="newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("/dev/pts/ptmx", "/dev/ptmx", flags=MS_BIND)


def make_devices(place: Path) -> None:
    """A /dev with the nodes that are there and the one that a guest's network needs; a chroot tends to lack it."""
    place.mkdir(exist_ok=True)
    mount("tmpfs", str(place), "tmpfs", data="mode=755")
    for directory in ("pts", "shm", "net"):
        (place / directory).mkdir()
    for entry in os.scandir("/dev"):
        info = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            (place / entry.name).symlink_to(os.readlink(entry))
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            make_node(place / entry.name, info.st_mode, info.st_rdev)
    make_node(place / "net/tun", stat.S_IFCHR | 0o666, os.makedev(10, 200))
    mount(str(place), "/dev", flags=MS_BIND)


def make_node(path: Path, mode: int, device: int) -> None:
    os.mknod(path, mode, device)
    path.chmod(stat.S_IMODE(mode))  # whatever the umask is


def start_libvirtd(root: Path) -> None:
    listens = "listen_tls = 1" in (root / "etc/libvirtd.conf").read_text()
    options = ["--config", "/etc/libvirt/libvirtd.conf", "--pid-file", "/run/libvirt/libvirtd.pid"]
    subprocess.run(
        ["libvirtd", "--daemon", *options, *(["--listen"] if listens else [])],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    until = time.monotonic() + READY_WITHIN
    while not os.path.exists("/run/libvirt/libvirt-sock"):
        if time.monotonic() > until:
            raise HostUnavailable(f"libvirtd did not start: see {root}/log/libvirtd.log")
        time.sleep(0.02)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    _check(_libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount {source} on {target}")


def detach(target: str) -> None:
    """Takes off everything mounted at and below `target`, if anything is."""
    while _libc.umount2(target.encode(), MNT_DETACH) == 0:
        pass


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def run_inside(root: Path, argv: Sequence[str]) -> int:
    try:
        enter(root)
    except (OSError, subprocess.CalledProcessError, HostUnavailable) as error:
        print(f"private host: {error}", file=sys.stderr)
        return 125
    # A Ctrl-C is COMMAND's to answer. (A handler, not SIG_IGN, which COMMAND would inherit.)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.run(argv).returncode
    except OSError as error:
        print(f"private host: {error}", file=sys.stderr)
        return 127
    return 128 - status if status < 0 else status


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description="Run COMMAND on a private libvirt host.")
    options.add_argument("--qemu-user", default="root", help="the user that guests run as")
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("root", metavar="ROOT", type=Path, help="the directory for all that the host keeps")
    options.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run, with its arguments")
    given = options.parse_args(argv)
    if not given.command:
        options.error("a COMMAND is missing")
    root = given.root.resolve()
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    if given.inside:
        return run_inside(root, given.command)
    reason = why_not()
    if reason:
        print(f"private host: {reason}", file=sys.stderr)
        return 125
    prepare(root, given.qemu_user)
    os.execvp("unshare", command_line(root, given.command))  # noqa: S606 - no shell, on purpose
    raise AssertionError("execvp returned")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
