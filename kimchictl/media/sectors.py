"""Reading an image by its sectors, and never more of it than was meant."""

from kimchictl.media.source import Source

SECTOR = 2048  # ECMA-119 6.1.2, as on every disc; a volume's logical blocks may be smaller


class Sectors:
    """Whole sectors of `source`, until `budget` bytes were asked for; from then on nothing, as after the end."""

    def __init__(self, source: Source, budget: int) -> None:
        self.source = source
        self.left = budget // SECTOR

    def read(self, sector: int, count: int = 1) -> bytes:
        """The sectors from `sector` on, at most `count`; a last one that is cut short is left out."""
        count = min(count, self.left)
        if count <= 0:
            return b""
        self.left -= count
        data = self.source.read(sector * SECTOR, count * SECTOR)
        return data[: len(data) // SECTOR * SECTOR]
