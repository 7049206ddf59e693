"""Is a remote image streamed to the guest by the hypervisor, or fetched into a pool first? And why.

A pure decision over what was asked before: the server (`media.remote.facts`) and the host's qemu (`virt`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kimchictl.media.remote.facts import UrlFacts

MEDIA = ("auto", "stream", "fetch")


@dataclass(frozen=True, slots=True)
class Choice:
    """`media` is stream or fetch; `reasons` why, each a clause for a person: what stands against streaming, if any.

    `forced` is whether the caller asked for it: what stands in the way of a stream that was asked for is the caller's
    to refuse or to say.
    """

    media: str
    reasons: tuple[str, ...]
    forced: bool = False


def stream_or_fetch(wanted: str, facts: UrlFacts | None, missing: str | None, remote_host: bool = False) -> Choice:
    """Decide for `wanted` (auto, stream, fetch).

    `facts` None: the server was not asked (it is not up yet). `missing` says why this host's qemu cannot open the
    scheme ("qemu has no driver for https: install qemu-block-extra"), None when it can. `remote_host`: the guest will
    run elsewhere than the server was asked from.
    """
    if wanted == "fetch":
        return Choice("fetch", ("as asked",), forced=True)
    against = tuple(_obstacles(facts, missing))
    if wanted == "stream":
        return Choice("stream", against or ("as asked",), forced=True)
    if against:
        return Choice("fetch", against)
    where = ", as asked from here and not from the host" if remote_host else ""
    return Choice("stream", (f"the server gives parts of a file and qemu can read them{where}",))


def _obstacles(facts: UrlFacts | None, missing: str | None) -> Iterator[str]:
    if missing is not None:
        yield missing
    if facts is None:
        yield "the server could not be asked what it can do"
        return
    if not facts.head:
        yield facts.problem or "the server does not answer HEAD"
    elif facts.length is None:
        yield "the server does not tell the length of the image"
    elif not facts.ranges:
        yield "the server does not give parts of a file"
    if facts.trusted is False:
        yield "the server's certificate is not valid by the system's bundle, and qemu knows no other"
    left = [url for url in facts.chain if not url.startswith("https://")]
    if facts.url.startswith("https://") and left:
        yield f"a redirect leads from https to {left[0]}"
