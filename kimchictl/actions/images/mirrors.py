"""Several addresses of one image: the first that answers is used, in the order that a site prefers."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from kimchictl.errors import Damaged, Failed
from kimchictl.media.probe import probe
from kimchictl.media.records import Image
from kimchictl.media.remote import NetSettings, open_url
from kimchictl.progress import SILENT, Progress

Answer = TypeVar("Answer")


def first_answer(
    addresses: Sequence[str], ask: Callable[[str], Answer], progress: Progress = SILENT
) -> tuple[Answer, str]:
    """What `ask` says of the first address that does not fail, and that address.

    An address fails with an error of the network, with a time-out, or when what it has is no image. With one address
    its own error is raised, with several a Failed that begins with the first one's.
    """
    problems: list[Failed | Damaged] = []
    for address in addresses:
        try:
            answer = ask(address)
        except (Failed, Damaged) as error:
            problems.append(error)
            progress.detail(f"{error}; the next mirror is asked" if len(problems) < len(addresses) else str(error))
            continue
        if problems:
            progress.detail(f"{address} answered")
        return answer, address
    if len(problems) == 1:
        raise problems[0]
    if not problems:
        raise Failed("there is no address to ask")
    raise Failed(f"{problems[0]}; {len(problems) - 1} more mirrors failed, too", "give -v to see why each of them did")


def probe_mirrors(addresses: Sequence[str], net: NetSettings, progress: Progress = SILENT) -> tuple[Image, str]:
    """The image behind the first address that answers, under the name of the first address, and where it was found.

    Raises Failed, Damaged.
    """

    def look(address: str) -> Image:
        with open_url(address, net) as source:
            return probe(source)

    image, address = first_answer(addresses, look, progress)
    return image._replace(location=addresses[0]), address
