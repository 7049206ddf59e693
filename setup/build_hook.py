"""Makes the manual and the completions when a wheel is built, so that they cannot differ from the commands."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Manual(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fills build/share, which the wheel installs as share; an editable installation has neither."""
        share = Path(self.root, "build/share")
        share.mkdir(parents=True, exist_ok=True)
        if version == "standard":
            sys.path.insert(0, str(Path(self.root, "setup")))
            import manpages

            manpages.write(share)
