"""Are the images of known distributions where they are said to be, and what they are said to be.

check_distros   all of them at once, each within a deadline -> a DistroCheck each, in the order given
contradiction   what an image is, against what an entry claims
"""

import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from kimchictl.actions.images.mirrors import first_answer
from kimchictl.catalog.distros import addresses
from kimchictl.catalog.records import Template
from kimchictl.errors import Failed, KimchiError
from kimchictl.media.naming.arches import canonical_arch
from kimchictl.media.probe import probe
from kimchictl.media.records import Image
from kimchictl.media.remote import NetSettings, open_url
from kimchictl.media.remote.checksums import find_sum, parse_checksum
from kimchictl.progress import SILENT, Progress

AT_ONCE = 64  # threads; they mostly wait
_GRACE = 5.0  # seconds after its deadline that a check may take to notice


class System(Protocol):
    """What an Image and an Identity have in common."""

    @property
    def os_distro(self) -> str: ...
    @property
    def os_version(self) -> str: ...
    @property
    def os_arch(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class DistroCheck:
    """What was found out about one entry.

    `status` is ok, warn or fail, `message` why it is not ok, all of it. `url` is the address that answered, else the
    first that was asked; `moved_to` where redirects led from it. `size` is bytes, `ranges` whether parts of the image
    can be read. `os_distro`, `os_version` and `os_arch` are what the first sectors say; `checksum` is given (in the
    entry), found (in its sums file), missing, or None where the entry has none.
    """

    name: str
    status: str = "ok"
    message: str | None = None
    url: str | None = None
    moved_to: str | None = None
    reachable: bool = False
    size: int | None = None
    ranges: bool | None = None
    os_distro: str | None = None
    os_version: str | None = None
    os_arch: str | None = None
    checksum: str | None = None


@dataclass(slots=True)
class _Findings:
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def judge(self, check: DistroCheck) -> DistroCheck:
        status = "fail" if self.failures else "warn" if self.warnings else "ok"
        return replace(check, status=status, message="; ".join(self.failures + self.warnings) or None)


def check_distros(
    distros: Sequence[Template],
    preference: Mapping[str, str],
    net: NetSettings,
    timeout: float,
    progress: Progress = SILENT,
) -> list[DistroCheck]:
    """Check all `distros` at once, each within `timeout` seconds; `preference` is the site's map of mirrors."""
    progress.begin("checking distributions", len(distros), "distributions")
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, DistroCheck, list[str]]] = queue.SimpleQueue()
    for index in range(len(distros)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            said = _Said()
            done.put((index, _check(distros[index], preference, net, timeout, said), said.lines))

    workers = min(AT_ONCE, len(distros))
    for number in range(workers):
        # Daemons: whoever interrupts the command does not wait for the last server.
        threading.Thread(target=work, daemon=True, name=f"distro check {number}").start()
    rounds = -(-len(distros) // max(workers, 1))
    found = _collect(done, len(distros), time.monotonic() + rounds * (timeout + _GRACE), progress)
    progress.end()
    late = f"it was not checked within {timeout:g} seconds"
    return [
        found.get(index) or DistroCheck(distro.name, "fail", late, distro.cdrom) for index, distro in enumerate(distros)
    ]


def _collect(
    done: "queue.SimpleQueue[tuple[int, DistroCheck, list[str]]]", count: int, deadline: float, progress: Progress
) -> dict[int, DistroCheck]:
    found: dict[int, DistroCheck] = {}
    while len(found) < count:
        try:
            index, check, lines = done.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        found[index] = check
        for line in lines:
            progress.detail(line)
        progress.advance(len(found), check.name)
    return found


class _Said(Progress):
    """Keeps what a thread has to say, for the thread that may say it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def detail(self, message: str) -> None:
        self.lines.append(message)


def _check(
    distro: Template, preference: Mapping[str, str], net: NetSettings, timeout: float, progress: Progress
) -> DistroCheck:
    """One entry; never raises one of our errors."""
    deadline = time.monotonic() + timeout
    findings = _Findings()
    check = DistroCheck(distro.name, url=distro.cdrom)
    try:
        urls = [url for url in addresses(distro, preference) if "://" in url]
        if not urls:
            findings.warnings.append("its image is not on the network")
            return findings.judge(check)
        (image, ranges, moved), url = first_answer(urls, lambda url: _look(url, _within(net, deadline)), progress)
    except KimchiError as error:
        findings.failures.append(str(error))
        return findings.judge(check)
    check = replace(
        check,
        url=url,
        moved_to=moved,
        reachable=True,
        size=image.size,
        ranges=ranges,
        os_distro=image.os_distro,
        os_version=image.os_version,
        os_arch=image.os_arch,
        checksum=_checksum(distro, (url, moved), net, deadline, findings),
    )
    _judge(distro, image, ranges, url != urls[0], findings)
    return findings.judge(check)


def _look(url: str, net: NetSettings) -> tuple[Image, bool | None, str | None]:
    with open_url(url, net) as source:
        image = probe(source)
        return image, source.ranges, source.chain[-1] if source.chain else None


def _within(net: NetSettings, deadline: float) -> NetSettings:
    """`net` with no more time than is left. Raises Failed when there is none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Failed("there was no time left to ask")
    return replace(net, timeout=min(net.timeout, left))


def _judge(distro: Template, image: Image, ranges: bool | None, mirrored: bool, findings: _Findings) -> None:
    if mirrored:
        findings.warnings.append("the first address did not answer, a mirror did")
    if image.error is not None:
        findings.failures.append(f"the image is {image.error}")
    if not image.bootable:
        findings.failures.append("the image cannot boot")
    if image.os_distro == "unknown" and distro.os_distro != "unknown":
        findings.warnings.append(f"the label {image.volume_id!r} does not tell the system")
    elif wrong := contradiction(distro, image):
        findings.failures.append(wrong)
    if not ranges:
        findings.warnings.append("the server gives no parts of a file: it cannot be streamed")


def contradiction(distro: Template, found: System) -> str | None:
    """How what was `found` is not what `distro` claims, or None. Unknown on either side contradicts nothing."""
    if "unknown" in (distro.os_distro, found.os_distro):
        return None
    claimed = f"{distro.os_distro} {distro.os_version}"
    if distro.os_distro != found.os_distro or not _same_release(distro.os_version, found.os_version):
        return f"it is {found.os_distro} {found.os_version}, not {claimed}"
    wanted, has = distro.os_arch and canonical_arch(distro.os_arch), found.os_arch and canonical_arch(found.os_arch)
    if wanted and has and wanted != has:
        return f"it is for {found.os_arch}, not {distro.os_arch}"
    return None


def _same_release(claimed: str, found: str) -> bool:
    """12 and 12.5.0 are one release, 12 and 1 are not."""
    if "unknown" in (claimed, found) or claimed == found:
        return True
    short, long = sorted((claimed, found), key=len)
    return long.startswith(short + ".")


def _checksum(
    distro: Template, urls: Iterable[str | None], net: NetSettings, deadline: float, findings: _Findings
) -> str | None:
    """given, found, missing or None; see DistroCheck."""
    if distro.checksum is None:
        return None
    if parse_checksum(distro.checksum) is not None:
        return "given"
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.body import read_text

    try:
        names = [parse_address(url).file_name for url in (distro.cdrom, *urls) if url and "://" in url]
        text, own_names = read_text(distro.checksum, _within(net, deadline))
    except KimchiError as error:
        findings.failures.append(f"its checksum file: {error}")
        return "missing"
    if find_sum(text, names, own_names[0]) is None:
        findings.failures.append(f"its checksum file {distro.checksum} does not name the image")
        return "missing"
    return "found"
