"""What Rysk can do, as data: quotes only, and nothing that is signed can be taken back."""

from __future__ import annotations

from atomizer.domain.capabilities import Capabilities, RateBudget

RYSK = Capabilities(
    venue="rysk",
    rfq=True,
    quote_query=False,
    settlement_margin_ms=60_000,
    rate=RateBudget(per_s=50.0, burst=100.0, reserve=0.0),
)
