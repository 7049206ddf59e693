"""Reading by sectors, within a budget."""

from kimchictl.media.sectors import SECTOR, Sectors
from lab.images import InMemory


def test_reading_stops_at_the_budget() -> None:
    source = InMemory(bytes(20 * SECTOR))
    sectors = Sectors(source, 5 * SECTOR)
    assert [len(sectors.read(at, 4)) // SECTOR for at in (0, 4, 8)] == [4, 1, 0]
    assert [size for _, size in source.reads] == [4 * SECTOR, SECTOR]


def test_a_last_sector_that_is_cut_short_is_left_out() -> None:
    assert len(Sectors(InMemory(bytes(3 * SECTOR - 1)), 64 * SECTOR).read(0, 4)) == 2 * SECTOR
