"""What a guest of each system wants: memory, CPUs, disk, and the devices it has drivers for.

osinfo-db says it where it is installed and knows the system: its figures are searched along the systems that it derives
from. For the rest, and for what that database does not hold (TPM, machine), there is `data/settings.json`:

    kinds     settings of a kind of systems; one may build on another by its key `kind`
    systems   {distribution: [[first version, kind, end of life]]}; the entry with the highest version that is not above
              the image's counts, so that a release of next year is treated as this year's. Words must be equal
    likewise  {kind: [distributions]} for those where the version makes no difference
"""

import json
import os
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from kimchictl.config import find_places
from kimchictl.media.naming.osinfo import Database, System, installed_database
from kimchictl.media.records import Identity

_SMALL_DISK = 10  # GiB
MINIMUM_MEMORY = 512  # MiB; what a template has at least

_VIRTIO_BLOCK = ("pci/1af4/1001", "pci/1af4/1042")
_NICS = (
    ("virtio", ("pci/1af4/1000", "pci/1af4/1041")),
    ("e1000e", ("pci/8086/10d3",)),
    ("e1000", ("pci/8086/100e",)),
    ("rtl8139", ("pci/10ec/8139",)),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Recommended settings of a guest. `memory` and `min_memory` are MiB, `disk` GiB; `eol` whether its support ended.

    `disk_bus` is virtio, sata or ide; `nic_model` virtio, e1000e, e1000 or rtl8139; `machine` q35 or pc; `firmware`
    bios or uefi.
    """

    memory: int
    min_memory: int
    vcpus: int
    disk: int
    disk_bus: str
    nic_model: str
    machine: str
    firmware: str
    secure_boot: bool = False
    tpm: bool = False
    eol: bool = False


def settings_for(identity: Identity, boot: tuple[str, ...] = (), database: Database | None = None) -> Settings:
    """The settings for the system of `identity`; an unknown one gets what any system has drivers for.

    `boot` is how the medium boots ("bios", "uefi"): one that only UEFI can boot gets UEFI, on a q35 with SATA.
    `database` is osinfo-db, by default the installed one.
    """
    values = _from_table(identity)
    if identity.os_distro != "unknown":
        if database is None:
            database = installed_database(os.environ, find_places(os.environ).cache_dir)
        values.update(_from_database(identity, database, values))
    if boot and "bios" not in boot:
        values["firmware"] = "uefi"
    if values["firmware"] == "uefi":
        values["machine"] = "q35"
    if values["machine"] == "q35" and values["disk_bus"] == "ide":
        values["disk_bus"] = "sata"
    values["memory"] = max(values["memory"], MINIMUM_MEMORY)
    values["min_memory"] = min(values["min_memory"], values["memory"])
    return Settings(**values)


def _from_table(identity: Identity) -> dict[str, Any]:
    table = _table()
    values: dict[str, Any] = {**table["default"], "eol": False}
    entry = _entry(table["systems"].get(identity.os_distro, ()), identity.os_version)
    if entry is not None:
        values.update(_kind(entry[1]), eol=len(entry) > 2 and _is_past(entry[2]))
    else:
        kind = next((kind for kind, distros in table["likewise"].items() if identity.os_distro in distros), None)
        values.update(_kind(kind) if kind else {})
    return values


def _from_database(identity: Identity, database: Database, values: dict[str, Any]) -> dict[str, Any]:
    """What the database adds to or corrects in `values`."""
    system = _system(identity, database)
    if system is None:
        return {}
    lineage = list(database.lineage(system))
    found: dict[str, Any] = _figures(lineage, identity.os_arch)
    found |= _devices(lineage, values)
    firmware = next((system.firmware for system in lineage if system.firmware), {})
    if "no-bios" in (firmware.get(identity.os_arch or "x86_64") or firmware.get("all") or ()):
        found["firmware"] = "uefi"
    # A release that is newer than the database is treated as its newest, but for the end of its life.
    if system.eol and not _is_newer(identity.os_version, system.version):
        found["eol"] = values["eol"] or _is_past(system.eol)
    return found


def _system(identity: Identity, database: Database) -> System | None:
    """The database's entry for an identity, else the newest of its distribution."""
    distro = {"windows": "win", "arch": "archlinux"}.get(identity.os_distro, identity.os_distro)
    short_id = identity.os_variant or (windows_short_id(identity.os_version) if distro == "win" else None)
    system = database.system(short_id) if short_id else None
    if system is None and distro != "win":
        system = database.find(distro, identity.os_version)
        newest = database.newest(distro)
        if system is None and newest is not None and _is_newer(identity.os_version, newest.version):
            system = newest
    return system


def windows_short_id(version: str) -> str:
    """libosinfo's short id of a Windows: "2012r2" -> win2k12r2, "2000" -> win2k, "11" -> win11."""
    year = re.fullmatch(r"20(\d\d)(r2)?", version)
    return f"win2k{int(year[1]) or ''}{year[2] or ''}" if year else f"win{version}"


def _is_newer(version: str, than: str) -> bool:
    digits = version[:1].isdigit() and than[:1].isdigit()
    return digits and version_key(version)[: len(version_key(than))] > version_key(than)


def _figures(lineage: list[System], arch: str | None) -> dict[str, int]:
    """Memory, CPUs and disk, each recommended or else at least, from the nearest system that says so."""
    rows = [system.resources.get(arch or "x86_64") or system.resources.get("all") for system in lineage]
    found: dict[str, int] = {}
    for index, key, unit in ((0, "memory", 1 << 20), (1, "vcpus", 1), (2, "disk", 1 << 30)):
        for row in filter(None, rows):
            number = -(-(row[index] or row[index + 3]) // unit)
            if 0 < number < 1 << 20:
                # What is called the minimum of a disk leaves no room for anything but the system.
                found[key] = max(number, _SMALL_DISK) if key == "disk" and not row[index] else number
                break
    minimum = next((row[3] for row in rows if row and row[3]), 0) >> 20
    return {**found, "min_memory": minimum} if 0 < minimum <= found.get("memory", 0) else found


def _devices(lineage: list[System], values: dict[str, Any]) -> dict[str, str]:
    """The disk's and the network's device, where the database lists devices at all."""
    refused: set[str] = set()
    given: set[str] = set()
    for system in lineage:
        refused |= {_device(name) for name in system.refused} - given
        given |= {_device(name) for name in system.devices} - refused
    found = {}
    if given & set(_VIRTIO_BLOCK):
        found["disk_bus"] = "virtio"
    elif given and values["disk_bus"] == "virtio" and lineage[0].family != "linux":
        found["disk_bus"] = "sata"
    nic = next((model for model, names in _NICS if given & set(names)), None)
    if nic is not None:
        found["nic_model"] = nic
    return found


def _device(name: str) -> str:
    return "/".join(name.rsplit("/", 3)[-3:])


def _is_past(day: str) -> bool:
    return day < time.strftime("%Y-%m-%d", time.gmtime())


@cache
def _table() -> dict[str, Any]:
    with open(os.path.join(os.path.dirname(__file__), "../../data/settings.json"), "rb") as file:
        table: dict[str, Any] = json.load(file)
    return table


def _kind(name: str) -> dict[str, Any]:
    values = dict(_table()["kinds"][name])
    base = values.pop("kind", None)
    return {**_kind(base), **values} if base else values


def version_key(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: "12.5" -> (12, 5)."""
    return tuple(int(number) for number in re.findall(r"\d{1,9}", version)[:6])


def _entry(entries: list[list[str]], version: str) -> list[str] | None:
    """The entry for `version`: the equal one, else the highest that is not above; the newest for a rolling release."""
    exact = next((entry for entry in entries if entry[0] == version), None)
    if exact is not None or not entries:
        return exact
    if not re.match(r"\d", version):
        return entries[-1]
    below = [entry for entry in entries if version_key(entry[0]) <= version_key(version)]
    return max(below, key=lambda entry: version_key(entry[0]), default=entries[0])
