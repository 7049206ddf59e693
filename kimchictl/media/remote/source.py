"""What the sources of both protocols have in common; light, so that it can be a type where nothing is opened."""

from kimchictl.media.source import Source


class RemoteSource(Source):
    """An image behind a URL.

    `ranges` is whether the server gives parts of a file, None before the first read; `chain` the URLs that redirects
    led through, the last one being where the image really is.
    """

    __slots__ = ("chain", "ranges")

    def __init__(self, url: str) -> None:
        super().__init__(url, "url", None)
        self.ranges: bool | None = None
        self.chain: tuple[str, ...] = ()
