"""Certificates made on the spot, for both sides of a libvirt connection over TLS; the keys guard nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """One that signs certificates; all its files lie in `directory`."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self.directory = directory
        self.certificate, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        subject = ["-subj", f"/CN=the {name} of a test", "-days", "3650"]
        files = ["-keyout", str(self.key), "-out", str(self.certificate)]
        _openssl("req", "-x509", *_CURVE, *files, *subject, *extensions)

    def sign(self, name: str, host: str = "localhost", days: int = 3650) -> tuple[Path, Path]:
        """(certificate, key) of `host`, good for both ends; below 0 `days` it has expired."""
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        _openssl("req", *_CURVE, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        extensions.write_text(
            f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n"
        )
        signer = ["-CA", str(self.certificate), "-CAkey", str(self.key), "-CAcreateserial"]
        files = ["-in", str(request), "-out", str(certificate), "-extfile", str(extensions)]
        _openssl("x509", "-req", *files, *signer, "-days", str(days))
        return certificate, key

    def settings(self, certificate: Path, key: Path) -> str:
        """Lines of libvirtd.conf: it listens for TLS, and wants certificates of this authority."""
        files = f'ca_file = "{self.certificate}"\ncert_file = "{certificate}"\nkey_file = "{key}"\n'
        return "listen_tls = 1\ntls_no_sanity_certificate = 1\n" + files


def pki(directory: Path, authority: Path | None, certificate: Path | None, key: Path | None) -> Path:
    """A directory for pkipath= with what is given."""
    directory.mkdir()
    for file, name in ((authority, "cacert.pem"), (certificate, "clientcert.pem"), (key, "clientkey.pem")):
        if file is not None:
            shutil.copy(file, directory / name)
    return directory


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)
