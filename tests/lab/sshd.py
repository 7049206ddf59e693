"""A way to a private host over ssh: an sshd on this machine's loopback whose sessions are on that host."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from lab.host import PrivateHost

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

# StrictModes: the keys lie below a directory that everybody may write to. UsePAM: there is none on the private host.
SSHD_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/key.pub
PidFile none
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
"""

# What a user's own configuration says must not count, nor may anything be written to it.
SSH = """\
#!/bin/sh
exec ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={directory}/known_hosts "$@"
"""


class SshServer:
    """`uri` leads to the private host's libvirtd for as long as the `with` block lasts."""

    def __init__(self, host: PrivateHost) -> None:
        self._host = host
        self._directory = Path(tempfile.mkdtemp(prefix="kimchi-ssh-"))
        self._port = _free_port()
        user = pwd.getpwuid(os.geteuid()).pw_name
        query = f"keyfile={self._directory}/key&command={self._directory}/ssh"
        self.uri = f"qemu+ssh://{user}@127.0.0.1:{self._port}/system?{query}"

    def __enter__(self) -> Self:
        for name in ("host_key", "key"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._directory / name)]
            subprocess.run(make, check=True)
        public = (self._directory / "host_key.pub").read_text()
        (self._directory / "known_hosts").write_text(f"[127.0.0.1]:{self._port} {public}")
        (self._directory / "ssh").write_text(SSH.format(directory=self._directory))
        (self._directory / "ssh").chmod(0o700)
        config = self._directory / "sshd_config"
        config.write_text(SSHD_CONFIG.format(port=self._port, directory=self._directory))
        self._host.run(["mkdir", "-p", "/run/sshd"], check=True)  # where it puts its helper away
        with open(self._directory / "log", "wb") as log:
            self._process = self._host.serve([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._directory)

    def _wait(self) -> None:
        until = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self._port)):
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"sshd did not start: {(self._directory / 'log').read_text()}")
            time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        return int(chosen.getsockname()[1])
