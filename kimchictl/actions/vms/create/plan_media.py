"""The image behind a URL that a VM is to boot from: streamed, or fetched into a pool first.

    plan_media   what is to happen, and why; asks the server and the host's qemu, and fetches nothing
    settle       does it: the request with an image in a pool, or with a URL and its login
    outlook      what it would come to, for who only looks

An image that was fetched stays when the VM cannot be made: it is found there the next time.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kimchictl.actions.images.fetch import expected_of, file_name_of
from kimchictl.actions.storage.fetch_volume import fetch_volume
from kimchictl.actions.vms.create.plan_vm import IMAGES, Login, Request, VmPlan
from kimchictl.actions.vms.create.stream_support import can_open, missing_driver
from kimchictl.actions.vms.create.streaming import Choice, stream_or_fetch
from kimchictl.catalog.records import Template
from kimchictl.errors import Exists, Failed, NotFound
from kimchictl.media.remote import NetSettings
from kimchictl.progress import SILENT, Progress
from kimchictl.virt.domain.domainplan import medium
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.poolrefresh import FILE_POOLS

if TYPE_CHECKING:
    from kimchictl.media.remote.facts import UrlFacts
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """`media` is stream or fetch, `reasons` are clauses, `location` what the guest's drive will hold; `size` bytes.

    `addresses` are those of the image, the one that is asked first in front; `pool` and `volume` are where a fetched
    image goes. `asked`: a server told what it can do.
    """

    media: str
    addresses: tuple[str, ...]
    reasons: tuple[str, ...]
    location: str
    pool: str | None = None
    volume: str | None = None
    size: int | None = None
    asked: bool = False

    @property
    def sentence(self) -> str:
        """For a note: "the image is to be fetched into pool 'default': the server does not give parts of a file"."""
        return f"the image is {'to be ' if self.media == 'fetch' else ''}{self._done}"

    @property
    def foreseen(self) -> str:
        """The same where nothing is done yet."""
        return f"the image would be {self._done}"

    @property
    def _done(self) -> str:
        done = f"fetched into pool {self.pool!r}" if self.media == "fetch" else f"streamed from {self.addresses[0]}"
        return f"{done}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class MediaWish:
    """`wanted` is auto, stream or fetch; `addresses` are those of the one image, the preferred one first.

    With `may_start` a guest may be started, paused, to ask the qemu of another host.
    """

    wanted: str
    addresses: tuple[str, ...]
    net: NetSettings
    cache_dir: str
    may_start: bool = True


def is_remote(request: Request) -> bool:
    """Whether the VM is to boot from a URL."""
    return "://" in (request.resolved.template.cdrom or "")


def plan_media(host: "Host", request: Request, plans: Sequence[VmPlan], wish: MediaWish) -> MediaPlan:
    """What is to happen. Raises NotFound for want of a pool.

    Raises Failed where a stream was asked for and cannot be, or where it could be either and no server gives the image.
    """
    if host.is_test:
        return MediaPlan("stream", wish.addresses, ("the guests of this host are made up",), wish.addresses[0])
    choice, facts, address = _choose(host, wish)
    size, asked = facts.length if facts else None, facts is not None
    if choice.media == "stream":
        proof = ("its checksum is not verified",) if request.resolved.template.checksum else ()
        addresses, reasons = _in_front(address, wish.addresses), (*choice.reasons, *proof)
        return MediaPlan("stream", addresses, reasons, address, size=size, asked=asked)
    addresses = _in_front(address, wish.addresses)
    pool, directory = _pool(host, request, plans)
    name = file_name_of(addresses[0])
    location = os.path.join(directory, name) if directory else f"pool:{pool}/{name}"
    return MediaPlan("fetch", addresses, choice.reasons, location, pool, name, size, asked)


def _in_front(address: str, addresses: Sequence[str]) -> tuple[str, ...]:
    return (address, *(other for other in addresses if other != address))


def _choose(host: "Host", wish: MediaWish) -> tuple[Choice, "UrlFacts | None", str]:
    """The first address that can be streamed, else the first that has the image, else the first. Raises Failed."""
    if wish.wanted == "fetch":
        return stream_or_fetch("fetch", None, None), None, wish.addresses[0]
    answers: list[tuple[Choice, UrlFacts | None, str]] = []
    failures = []
    for address in wish.addresses:
        try:
            choice, facts = _ask(host, wish, address)
        except Failed as error:
            failures.append(error)
            continue
        if choice.media == "stream" and (not choice.forced or choice.reasons == _ASKED):
            return choice, facts, address
        answers.append((choice, facts, address))
    if not answers:
        raise failures[0]
    choice, facts, address = next((answer for answer in answers if answer[1] is not None), answers[0])
    if choice.forced and (facts is not None or _missing(host, wish, address) is not None):
        hint = "install the driver on the host, or leave --media out and have the image fetched"
        raise Failed(f"{address} cannot be streamed: {'; '.join(choice.reasons)}", hint)
    return choice, facts, address


_ASKED = ("as asked",)


def _ask(host: "Host", wish: MediaWish, address: str) -> tuple[Choice, "UrlFacts | None"]:
    """Raises Failed where it could be either and the server does not give the image, which no fetch would change."""
    from kimchictl.media.remote.facts import url_facts

    missing = _missing(host, wish, address)
    if missing and wish.wanted == "auto":
        return Choice("fetch", (missing,)), None  # whatever the server can do
    try:
        facts = url_facts(address, wish.net)
    except Failed as error:
        if wish.wanted == "auto":
            raise
        choice = stream_or_fetch(wish.wanted, None, missing)
        return replace(choice, reasons=(*choice.reasons[:-1], f"{choice.reasons[-1]} ({error})")), None
    if facts.gone and wish.wanted == "auto":
        raise Failed(f"{address}: {facts.problem}")
    choice = stream_or_fetch(wish.wanted, facts, missing, remote_host=not host.is_local)
    if choice.media == "stream" and not choice.forced and _opens(host, wish, address) is None:
        choice = replace(choice, reasons=("the server gives parts of a file; not tried whether qemu can read them",))
    return choice, facts


def _opens(host: "Host", wish: MediaWish, address: str) -> bool | None:
    return can_open(host, urlsplit(address).scheme.lower(), wish.cache_dir, wish.may_start)


def _missing(host: "Host", wish: MediaWish, address: str) -> str | None:
    """Why the host's qemu cannot reach `address`, as a clause; None where it can, or nothing was found out."""
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.proxies import proxy_for

    scheme, opens = urlsplit(address).scheme.lower(), _opens(host, wish, address)
    if opens is False:
        return missing_driver(scheme, host)
    if opens is None and wish.may_start and wish.wanted == "auto":
        return f"it is not known whether the host's qemu can open {scheme}"
    if wish.wanted == "auto" and host.is_local and proxy_for(parse_address(address)) is not None:
        return "the server is reached through a proxy, and qemu knows of none"
    return None


def _pool(host: "Host", request: Request, plans: Sequence[VmPlan]) -> tuple[str, str | None]:
    """(name, directory) of the pool for an image: that of the first disk if it holds files, else one that does."""
    if request.pool is not None:
        preferred = [request.pool]
    else:
        preferred = [*(volume.pool for plan in plans[:1] for volume in plan.volumes), "default"]
    active = pools.names(host, active_only=True)
    outlines = {name: pools.outline(host, name)[:2] for name in dict.fromkeys([*preferred, *active]) if name in active}
    for name, (kind, directory) in outlines.items():
        if kind in FILE_POOLS or name == request.pool:
            return name, directory if kind in FILE_POOLS else None
    name = preferred[0]
    raise NotFound(
        "no storage pool is active that an image could be fetched into",
        f"kimchictl pool create {quote(name)} --type dir --path {IMAGES} --start",
    )


def settle(
    host: "Host",
    request: Request,
    plan: MediaPlan,
    net: NetSettings,
    progress: Progress = SILENT,
    state_dir: str | None = None,
) -> Request:
    """`request` with what the guest's drive is to hold; an image is fetched for it, or its server's login looked up.

    With `state_dir` there is a note of a fetch meanwhile. Raises what `fetch_volume` and `credentials_for` do.
    """
    template = request.resolved.template
    if plan.media == "stream":
        login = login_for(plan.addresses[0], net)
        template = replace(template, cdrom=plan.addresses[0])
        return replace(request, resolved=replace(request.resolved, template=template), login=login)
    location = _fetched(host, plan, template, net, progress, state_dir)
    return replace(request, resolved=replace(request.resolved, template=replace(template, cdrom=location)))


def login_for(url: str, net: NetSettings) -> Login | None:
    """Who a guest is at the server of `url`, by the credentials file. Raises Invalid for a URL with a password."""
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.credentials import credentials_for

    address = parse_address(url)
    found = credentials_for(address.host, net)
    return Login(address.place, found.user, found.password) if found else None


def _fetched(
    host: "Host", plan: MediaPlan, template: Template, net: NetSettings, progress: Progress, state_dir: str | None
) -> str:
    """Where the image is, as pool:POOL/VOLUME. Another image of that name, as `boot.iso` may well be, is left alone."""
    pool, name, checksum = plan.pool or "", plan.volume or "", template.checksum
    if there := _same_elsewhere(host, plan, checksum, net, progress):
        return there
    try:
        done = fetch_volume(host, pool, plan.addresses, checksum, net, name, progress, state_dir)
    except Exists:
        stem, suffix = os.path.splitext(name)
        other = f"{stem}-{sha256((template.cdrom or name).encode()).hexdigest()[:8]}{suffix}"
        progress.note(f"pool {pool!r} has another image called {name}: this one is called {other}")
        done = fetch_volume(host, pool, plan.addresses, checksum, net, other, progress, state_dir)
    return f"pool:{pool}/{done.volume.name}"


def _same_elsewhere(
    host: "Host", plan: MediaPlan, checksum: str | None, net: NetSettings, progress: Progress
) -> str | None:
    """The volume of the pool that is this image under another name: by its size, then by its checksum."""
    from kimchictl.media.remote.download import file_checksum

    pool = plan.pool or ""
    if checksum is None or not host.is_local or plan.volume in volumes.names(host, pool):
        return None
    size = plan.size if plan.size is not None else _size(plan.addresses[0], net)
    pools.list_pools(host, (pool,))
    for volume in volumes.list_volumes(host, pool) if size is not None else ():
        if volume.capacity != size or volume.path is None or not os.access(volume.path, os.R_OK):
            continue
        expected = expected_of(checksum, plan.addresses, net)
        if expected and file_checksum(volume.path, expected.algorithm, progress) == expected:
            progress.note(f"pool {pool!r} has the image already, as {volume.name}: its checksum is right")
            return f"pool:{pool}/{volume.name}"
    return None


def _size(url: str, net: NetSettings) -> int | None:
    from kimchictl.media.remote.facts import url_facts

    try:
        return url_facts(url, net).length
    except Failed:
        return None  # which is told where it is fetched from


def with_medium(plan: VmPlan, media: MediaPlan) -> VmPlan:
    """`plan` as it would be, for who only looks: with an image that may not be there yet."""
    return replace(plan, domain=replace(plan.domain, media=(medium(media.location), *plan.domain.media[1:])))


def outlook(host: "Host", request: Request, plans: Sequence[VmPlan], wish: MediaWish) -> tuple[list[VmPlan], str]:
    """`plans` with the drive as it would be, and a sentence; an image whose server cannot be asked now is streamed.

    Nothing is started for it. Raises Failed where a stream was asked for and cannot be.
    """
    try:
        media = plan_media(host, request, plans, replace(wish, may_start=False))
    except NotFound as error:
        return list(plans), str(error)
    except Failed as error:
        if wish.wanted != "auto":
            raise
        return list(plans), f"shown as streamed, though {error}"
    if media.media == "fetch" and wish.wanted == "auto" and not media.asked:
        return list(plans), f"shown as streamed, but {media.foreseen}"
    return [with_medium(plan, media) for plan in plans], media.foreseen
