"""Paths below a directory that has two names, as a pool's has whose path leads over a symbolic link."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from kimchictl.actions.vms.vm_usage import Users, find_users
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

Value = TypeVar("Value")


def links(directories: Iterable[str | None]) -> dict[str, str]:
    """The real paths of those of `directories` that are called otherwise. They must be known to answer."""
    found = {path: os.path.realpath(path) for path in directories if path}
    return {path: real for path, real in found.items() if real != path}


def in_all_spellings(named: Mapping[str, Iterable[Value]], linked: Mapping[str, str]) -> dict[str, set[Value]]:
    """`named`, whose keys are paths among others, with each below a directory of `linked` by its other names too."""
    found: dict[str, set[Value]] = {}
    for source, values in named.items():
        for spelled in _spellings(source, linked):
            found.setdefault(spelled, set()).update(values)
    return found


def users_of(host: "Host", listed: Iterable[Volume]) -> Users:
    """The VMs that use anything, by every way to write the paths of `listed`."""
    users = find_users(host)
    linked = _links_of(host, listed)
    raw, other = (set(in_all_spellings(dict.fromkeys(each, ()), linked)) for each in (users.raw, users.other))
    return replace(users, by_source=in_all_spellings(users.by_source, linked), raw=raw, other=other)


def by_real_paths(host: "Host", listed: Iterable[Volume], work: Callable[[list[Volume]], list[Volume]]) -> list[Volume]:
    """What `work` makes of each of `listed` while what is one file has one path; in the end they are as before."""
    before = list(listed)
    pairs = zip(before, work(really(host, before)), strict=True)
    return [replace(new, path=old.path, backing=new.backing and old.backing) for old, new in pairs]


def really(host: "Host", listed: Iterable[Volume]) -> list[Volume]:
    """`listed` with their paths, and what backs them, as they really are: what is one file has one path."""
    every = list(listed)
    linked = _links_of(host, every)
    return [replace(each, path=_real(each.path, linked), backing=_real(each.backing, linked)) for each in every]


def _links_of(host: "Host", listed: Iterable[Volume]) -> dict[str, str]:
    """Those of the directories of `listed` that lead over links; what has no format was not looked at."""
    if not host.is_local or host.is_test:
        return {}
    return links({os.path.dirname(volume.path) for volume in listed if volume.path and volume.format})


def _real(path: str | None, linked: Mapping[str, str]) -> str | None:
    for link, real in linked.items():
        if path and path.startswith(f"{link}/"):
            return real + path[len(link) :]
    return path


def _spellings(path: str, linked: Mapping[str, str]) -> set[str]:
    """Every way to write `path` over those directories: at first as it really is, then by each name for that."""
    real = _real(path, linked) or path
    return {path, real} | {link + real[len(to) :] for link, to in linked.items() if real.startswith(f"{to}/")}
