"""What a guest of each system wants: memory, CPUs, disk, and the devices it has drivers for.

`data/settings.json` holds `kinds` of systems (one may build on another by its key `kind`) and, per distribution, a
list of [first version, kind, end of life]: the entry with the highest version that is not above the image's counts, so
that a release of next year is treated as this year's. Words for versions (Windows) must be equal.
"""

import json
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kimchictl.media.records import Identity


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


def settings_for(identity: Identity, boot: tuple[str, ...] = ()) -> Settings:
    """The settings for the system of `identity`; an unknown one gets what any system has drivers for.

    `boot` is how the medium boots ("bios", "uefi"): one that only UEFI can boot gets UEFI, on a q35 with SATA.
    """
    table = _table()
    found = _entry(table["systems"].get(identity.os_distro, ()), identity.os_version)
    values: dict[str, Any] = dict(table["default"])
    if found is not None:
        values.update(_kind(found[1]))
        values["eol"] = len(found) > 2 and found[2] < time.strftime("%Y-%m-%d", time.gmtime())
    if boot and "bios" not in boot:
        values.update(firmware="uefi", machine="q35")
        if values["disk_bus"] == "ide":
            values["disk_bus"] = "sata"
    return Settings(**values)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data/settings.json").read_text("utf-8"))
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
