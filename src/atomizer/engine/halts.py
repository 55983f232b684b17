"""What is stopped, and by what."""

from __future__ import annotations

import msgspec

from atomizer.domain.refusals import Reason


class Halts(msgspec.Struct):
    """Kept by the engine, read by the gate."""

    kill_level: int = 0
    stopping: bool = False
    journal: str = "ok"
    paused: dict[str, Reason] = {}
    unreconciled: dict[tuple[str, str], str] = {}
    quote_not_before_ns: dict[tuple[str, str], int] = {}
    naked: dict[str, str] = {}
    paused_until: dict[str, int] = {}

    def quiet(self) -> bool:
        """Nothing is stopped anywhere: the common case, asked first."""
        return self.journal == "ok" and not (
            self.kill_level
            or self.stopping
            or self.paused
            or self.unreconciled
            or self.quote_not_before_ns
            or self.naked
        )
