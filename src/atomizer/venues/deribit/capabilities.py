"""What Deribit can do, as data."""

from __future__ import annotations

import msgspec

from atomizer.domain.capabilities import Capabilities, DisconnectScope, MassQuote, RateBudget, Replace
from atomizer.venues.deribit.settings import DeribitSettings

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
    settles_daily=True,
    settling_ms=1_800_000,
    rate=RateBudget(per_s=5.0, burst=20.0, reserve=5.0),
)
# An answer is awaited for as long as the venue may take its request.
REQUEST_S = DERIBIT.request_deadline_ms / 1000


# Below the venue's ten messages and five hundred sides a second; fewer sides than a message may hold.
MASS_RATE = RateBudget(per_s=5.0, burst=5.0, reserve=1.0)
MASS_SIDES = 100


def capabilities(settings: DeribitSettings) -> Capabilities:
    """The same under the name of one connection, with mass quotes where it has groups for them."""
    indices = tuple(group.index for group in settings.mmp_groups)
    in_mass = MassQuote(indices, MASS_SIDES, MASS_RATE) if indices else None
    return msgspec.structs.replace(DERIBIT, venue=settings.venue, mass_quote=in_mass)
