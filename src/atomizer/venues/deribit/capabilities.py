"""What Deribit can do, as data."""

from __future__ import annotations

import msgspec

from atomizer.domain.capabilities import Capabilities, DisconnectScope, RateBudget, Replace

# The lowest tier of the matching engine: 5 requests a second, burst 20. Higher tiers come from settings.
DERIBIT = Capabilities(
    venue="deribit",
    orders=True,
    replace=Replace.AMEND,
    request_deadline_ms=1000,
    query_after_ms=3000,
    cancel_on_disconnect=DisconnectScope.CONNECTION,
    label=True,
    averaging_window_s=1800,
    cash_told=True,
    settling_ms=1_800_000,
    rate=RateBudget(per_s=5.0, burst=20.0, reserve=5.0),
)


def capabilities(venue: str) -> Capabilities:
    """The same under the name of one connection."""
    return msgspec.structs.replace(DERIBIT, venue=venue)
