"""What is wrong with a configuration, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence


class ConfigError(Exception):
    """One or more faults, each saying what was expected, what was found and what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))
