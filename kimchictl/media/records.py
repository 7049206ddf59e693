"""The records that describe an image, from the raw descriptors to what is printed.

Named tuples: commands that print or scan ten thousand of them load this, and little else.
"""

from typing import NamedTuple


class Media(NamedTuple):
    """What the descriptors of one medium say (ECMA-119, El Torito, ECMA-167), text decoded and stripped of padding.

    `volume_size` is the descriptors' own claim in bytes; `size` the medium's real length in bytes.
    `boot` holds "bios" and "uefi" as the boot catalogue offers them; `platforms` El Torito's platform ids, in order.
    `error` is None, or why the medium cannot be used whole ("incomplete": shorter than its descriptors say).
    """

    size: int
    volume_id: str = ""
    system_id: str = ""
    volume_set_id: str = ""
    publisher_id: str = ""
    preparer_id: str = ""
    application_id: str = ""
    volume_size: int = 0
    block_size: int = 2048
    bootable: bool = False
    boot: tuple[str, ...] = ()
    platforms: tuple[int, ...] = ()
    joliet: bool = False
    udf: bool = False
    error: str | None = None


class Identity(NamedTuple):
    """Which system is on a medium, and how that is known.

    `os_distro` and `os_version` are "unknown" where nothing names it; `os_variant` is libosinfo's short id or None.
    `edition` is server, desktop, netinst, live, dvd... or None. `identified_by` is "taught:NAME", "osinfo:ID",
    "rule:NAME" or None.
    """

    os_distro: str = "unknown"
    os_version: str = "unknown"
    os_arch: str | None = None
    os_variant: str | None = None
    os_name: str | None = None
    edition: str | None = None
    live: bool | None = None
    identified_by: str | None = None


class Image(NamedTuple):
    """One image as every `iso` command prints it; the keys are the contract of the command line.

    `size` and `capacity` are bytes, `mtime` is RFC 3339 in UTC, `host` None means this machine.
    `readable` is for the caller; `error` is None or why the image could not be read.
    """

    location: str
    source: str
    host: str | None = None
    pool: str | None = None
    volume: str | None = None
    size: int | None = None
    capacity: int | None = None
    mtime: str | None = None
    volume_id: str | None = None
    system_id: str | None = None
    publisher_id: str | None = None
    application_id: str | None = None
    bootable: bool | None = None
    boot: tuple[str, ...] = ()
    os_distro: str = "unknown"
    os_version: str = "unknown"
    os_arch: str | None = None
    os_variant: str | None = None
    os_name: str | None = None
    edition: str | None = None
    identified_by: str | None = None
    live: bool | None = None
    used_by: tuple[str, ...] = ()
    readable: bool = True
    error: str | None = None
