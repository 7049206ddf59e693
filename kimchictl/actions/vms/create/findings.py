"""What a look at a host brings: all that is wrong, not only the first of it, and what a person should know."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from kimchictl.errors import Invalid, KimchiError

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Findings:
    """What a look at the host brought: what is wrong, and what a person should know."""

    problems: list[KimchiError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ask(self, look: Callable[[], Answer]) -> Answer | None:
        """What `look` gives; None where it raises an error, which is kept."""
        try:
            return look()
        except KimchiError as error:
            if str(error) not in map(str, self.problems):
                self.problems.append(error)
            return None

    def check(self, look: Callable[[], object]) -> None:
        """Keep the error that `look` raises."""
        self.ask(look)

    def add(self, others: "Findings") -> None:
        """What was found elsewhere, too."""
        self.problems += others.problems
        self.notes += others.notes

    def raise_all(self, what: str) -> None:
        """Raise what is wrong, all in one sentence."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            kinds = {type(problem) for problem in self.problems}
            kind = kinds.pop() if len(kinds) == 1 else Invalid
            hints = dict.fromkeys(problem.hint for problem in self.problems if problem.hint)
            raise kind(f"{what} cannot be created: {'; '.join(map(str, self.problems))}", "; ".join(hints) or None)
