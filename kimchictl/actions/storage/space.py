"""Whether a pool has room for what is to be made in it."""

from collections.abc import Callable

from kimchictl.errors import Failed
from kimchictl.units import format_size


def require_space(pool: str, needed: int, available: int | None, block: bool, note: Callable[[str], None]) -> None:
    """Raises Failed for more bytes than a pool of devices has; one of files, which grow, may only run full: a note."""
    if available is None or needed <= available:
        return
    short = f"{format_size(needed)} for disks, and {format_size(available)} are available"
    if block:
        raise Failed(f"pool {pool!r} needs {short}", "choose another one with --pool")
    note(f"pool {pool!r} may run full: it may need {short}")
