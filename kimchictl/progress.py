"""What long work reports to. It knows nothing of who shows it; `render` has the implementations that do.

Work calls `begin`, then `advance` as often as it likes (the receiver thins it out), then `end`. `note` is a sentence
for a person: a file that was skipped, a mirror that was passed over. This base class swallows all of it, so that a
function can take `progress: Progress = SILENT`.
"""


class Progress:
    """The silent receiver, and the interface."""

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """Long work named `what` starts; `total` units of `unit` ("bytes", "directories") if known."""

    def advance(self, done: int, where: str = "") -> None:
        """`done` units so far, now at `where`."""

    def end(self, summary: str = "") -> None:
        """The work begun last is over."""

    def note(self, message: str) -> None:
        """A sentence for a person; never an error of the whole."""

    def detail(self, message: str) -> None:
        """A sentence for a person who asked for more (`-v`)."""


SILENT = Progress()
