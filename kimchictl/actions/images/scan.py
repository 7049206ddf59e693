"""Find images: the trees below some places, or the storage pools of a host, into the index.

deep_scan       directory trees, without libvirt
shallow_scan    what lies in the active storage pools of a host
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.images.scan_records import Change, Problem, ScanOptions, ScanResult
from kimchictl.actions.images.settle import settle, summarise
from kimchictl.actions.images.surveys import PoolSurvey, Survey, TreeSurvey, place_name
from kimchictl.errors import Failed, Invalid, KimchiError, NotFound, TimedOut, WrongState
from kimchictl.media.scan.document import Document
from kimchictl.media.scan.index import Index
from kimchictl.media.scan.mounts import Mounts, answers
from kimchictl.progress import SILENT, Progress

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

__all__ = ["Change", "Problem", "ScanOptions", "ScanResult", "deep_scan", "shallow_scan"]


def deep_scan(
    places: Sequence[str], options: ScanOptions, index: Index, progress: Progress = SILENT, naming: str = ""
) -> ScanResult:
    """Scan the trees below `places` and put what is found into `index` in one transaction.

    `naming` differs when the rules that name images do: then known images are named anew. What is wrong with one of
    the places is in the result's `failures`, what is wrong inside them in its `problems`. That the index cannot be
    written is a note, unless the options need it. Raises Locked, Failed.
    """
    result = ScanResult()
    mounts = Mounts.read()
    tops = {os.fsdecode(top): top for top in _tops(places, options, mounts, result)}

    def survey(name: str, before: Document) -> Survey:
        given = (tops[name], before.places.get(name), options, mounts, index, naming)
        if not _may_stall(tops[name], options, mounts):
            return TreeSurvey(*given)
        from kimchictl.actions.images.far_tree import FarTreeSurvey

        return FarTreeSurvey(*given)

    return _scan(tuple(tops), survey, options, index, progress, result)


def _may_stall(top: bytes, options: ScanOptions, mounts: Mounts) -> bool:
    """May a scan of the tree below `top` touch what a server or a user process stands behind?"""
    if options.follow_symlinks:
        return mounts.may_hang()
    entered = mounts.below(top).values() if options.cross_filesystems else ()
    return any(not (mount.local or mount.virtual) for mount in (mounts.covering(top), *entered))


def shallow_scan(
    host: "Host",
    pools: Sequence[str],
    options: ScanOptions,
    index: Index,
    progress: Progress = SILENT,
    naming: str = "",
    seconds: float = 5.0,
) -> ScanResult:
    """Scan the active storage pools of `host`, those called `pools` or all, likewise.

    Pools that are inactive, or do not answer within `seconds`, are noted; that one of `pools` is not there, or
    inactive, is in the result's `failures`. Raises HostError, Locked, Failed.
    """
    from kimchictl.virt.storage.poolcontents import active_pools

    result = ScanResult()
    wanted = _active(host, pools, result)
    if pools and not wanted:
        return result
    contents = {place_name(host, pool.name): pool for pool in active_pools(host, progress, wanted, seconds)}
    if not contents:
        progress.note(f"no storage pool of {host.uri} is active; directories: kimchictl iso scan --deep PATH")

    def survey(name: str, before: Document) -> Survey:
        pool, old = contents[name], before.places.get(name)
        if pool.streamed:
            from kimchictl.actions.images.stream_survey import StreamSurvey

            return StreamSurvey(host, pool, old, options, naming)
        return PoolSurvey(host, pool, old, options, naming)

    return _scan(tuple(contents), survey, options, index, progress, result)


def _active(host: "Host", pools: Sequence[str], result: ScanResult) -> list[str]:
    """Those of `pools` that are active, each once."""
    from kimchictl.virt.storage.pools import find_active_pool

    active, failures = [], []
    for name in dict.fromkeys(pools):
        try:
            find_active_pool(host, name)
            active.append(name)
        except (NotFound, WrongState) as error:
            failures.append(error)
    result.failures = tuple(failures)
    return active


def _scan(
    names: Sequence[str],
    survey: Callable[[str, Document], Survey],
    options: ScanOptions,
    index: Index,
    progress: Progress,
    result: ScanResult,
) -> ScanResult:
    """Survey each of the places `names`, kept from other scans meanwhile, and settle them together."""
    result.places = tuple(names)
    surveys: list[Survey] = []
    with ExitStack() as locks:
        before = _known(names, locks, options, index, result)
        for name in names:
            surveys.append(survey(name, before))
            surveys[-1].run(progress)
            if surveys[-1].interrupted:
                result.interrupted = True
                break
        settle(surveys, before, options, index, result)
    summarise(surveys, index, result, progress)
    return result


def _known(names: Sequence[str], locks: ExitStack, options: ScanOptions, index: Index, result: ScanResult) -> Document:
    """What the last scans found, with the places locked; where no index can be kept there is no one to lock out."""
    try:
        for name in sorted(names):
            locks.enter_context(index.place_lock(name))
        return index.read()
    except Failed as error:
        result.forgo(error, options)
    with suppress(Failed):
        return index.read()  # one may read what one may not write
    return Document()


def _tops(places: Sequence[str], options: ScanOptions, mounts: Mounts, result: ScanResult) -> list[bytes]:
    """The real paths of `places`, each once, in order; what is wrong with one goes to the result's failures."""
    tops, failures = set(), []
    for place in places:
        try:
            tops.add(_real_directory(place, options.deadline, mounts))
        except KimchiError as error:
            failures.append(error)
    result.failures = tuple(failures)
    return sorted(tops)


def _real_directory(place: str, deadline: float, mounts: Mounts) -> bytes:
    """The real path of the directory `place`. Raises NotFound, Invalid, Failed, TimedOut."""
    if mounts.may_hang() and not answers(lambda: os.listdir(place), deadline):
        raise TimedOut(f"{place!r} did not answer within {deadline:g} s", "is the server that it is mounted from up?")
    try:
        real = os.path.realpath(os.fsencode(place), strict=True)
        if not os.path.isdir(real):
            raise Invalid(f"{place!r} is not a directory", f"kimchictl iso probe {quote(place)}")
        os.close(os.open(real, os.O_RDONLY | os.O_DIRECTORY))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{place!r} does not exist") from error
    except (OSError, ValueError) as error:
        raise Failed(f"{place!r} cannot be read: {getattr(error, 'strerror', error)}") from error
    return real
