"""Installs a built wheel below DESTDIR, for distributions: `make install DESTDIR=/tmp/root PREFIX=/usr`.

    setup/install.py WHEEL PREFIX [DESTDIR]

    PREFIX/bin/kimchictl                          runs the Python that ran this
    PREFIX/lib/python3.*/site-packages/kimchictl  or where else that Python looks below PREFIX (Debian: dist-packages)
    PREFIX/share/...                              manual, completions, distros
    PREFIX/lib/systemd/system                     units, with the command's own path

Nothing but Python's own library: pip would ask the network for what a distribution installs itself.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import zipfile
from pathlib import Path

LAUNCHER = """\
#!{python}
import sys
{path}
from kimchictl.__main__ import main

sys.exit(main())
"""


def main(wheel: str, prefix: str, destdir: str = "") -> None:
    packages = packages_below(prefix)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            below, data, rest = member.filename.partition(".data/data/")
            target = os.path.join(prefix, rest) if data else os.path.join(packages, below)
            write(Path(destdir + target), archive.read(member))
    for unit in Path(destdir + prefix, "lib/systemd/system").glob("*.service"):
        unit.write_text(unit.read_text().replace("/usr/bin/kimchictl", f"{prefix}/bin/kimchictl"))
    command = Path(f"{destdir}{prefix}/bin/kimchictl")
    found = packages in sys.path or packages.startswith(("/usr/lib/", "/usr/local/lib/"))
    extra = "" if found else f"\nsys.path.insert(0, {packages!r})"
    write(command, LAUNCHER.format(python=sys.executable, path=extra).encode())
    command.chmod(0o755)


def packages_below(prefix: str) -> str:
    """Where the running Python looks for modules below `prefix`."""
    schemes = sysconfig.get_scheme_names()
    if prefix == "/usr/local" and "posix_local" in schemes:  # Debian's scheme, which says `local` by itself
        return sysconfig.get_path("purelib", "posix_local", {"base": "/usr"})
    scheme = "deb_system" if prefix == "/usr" and "deb_system" in schemes else "posix_prefix"
    return sysconfig.get_path("purelib", scheme, {"base": prefix})


def write(file: Path, data: bytes) -> None:
    """A file as others may read it, whatever the umask of who installs."""
    for parent in reversed(file.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)
    if file.is_symlink() or file.exists():
        file.unlink()  # never through a link, never into a file that is being read
    file.write_bytes(data)
    file.chmod(0o644)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or not sys.argv[2].startswith("/"):
        sys.exit("usage: install.py WHEEL PREFIX [DESTDIR], PREFIX an absolute path")
    main(*sys.argv[1:])
