"""What a check found: one thing, how bad it is, and what helps."""

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about what `name` says: `status` ok, warn or fail; `fix` the command or step that helps, or None."""

    name: str
    status: str
    message: str
    fix: str | None = None
