"""Whether the deposit covers a quote: the premium of what we buy, the collateral of what we sell.

A live signature and an option sold speak for their part of it. Premiums are compared as integers on the scale
that price times quantity has (1e-36 USD), so nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from atomizer.domain.events import BalanceReport
from atomizer.domain.instruments import Side
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.accounts import Purse
from atomizer.engine.exposure import Exposure
from atomizer.engine.ledger import Ledger
from atomizer.engine.settings import AllowedAsset
from atomizer.engine.strategy import NoQuote, QuoteTarget

E36 = 10**36
_BUY = Side.BUY
ZERO = Decimal(0)


class Deposits:
    """Reads ledger and exposure; `most` is the largest premium of one quote, USD."""

    def __init__(
        self,
        ledger: Ledger,
        exposure: Exposure,
        assets: Mapping[tuple[int, str], AllowedAsset],
        most: float,
    ) -> None:
        self._ledger = ledger
        self._exposure = exposure
        self._assets = assets
        self._most = most
        self._most_e36 = _e36(most) if most < float("inf") else most
        # Cash by purse, 1e-36, and the two records it was made from: good for as long as both are the same.
        self._cash_e36: dict[Purse, tuple[Decimal, BalanceReport, int]] = {}

    def refuse(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        """Why the deposit does not cover this quote, or None."""
        premium_e36 = target.price_e18 * rfq.terms.quantity_e18
        if premium_e36 > self._most_e36:
            return NoQuote(
                reason=Reason.PREMIUM_TOO_LARGE,
                text=f"premium {_usd(premium_e36):.2f} USD, the most is {self._most:g}",
            )
        if rfq.side is not _BUY:
            return self._collateralised(rfq)
        purse = Purse(rfq.venue, rfq.account, "USD")
        cash_e36 = self._exact_cash(purse)
        if cash_e36 is None:
            return NoQuote(reason=Reason.ACCOUNT_DATA_STALE, text=f"no balance of {rfq.venue} read yet")
        above, below = self._spoken_for(purse).as_integer_ratio()
        if (cash_e36 - premium_e36) * below < above * E36:
            return NoQuote(
                reason=Reason.DEPOSIT_TOO_SMALL,
                text=f"premium {_usd(premium_e36):.2f} USD, of the deposit {self._available(purse):.2f} is "
                "not spoken for",
            )
        return None

    def _exact_cash(self, purse: Purse) -> int | None:
        """As `_cash`, in 1e-36; both records are values, so the same objects mean the same number."""
        reported = self._ledger.reported_balances.get(purse)
        if reported is None:
            return None
        booked, report = self._ledger.accounts.cash.get(purse, ZERO), reported[0]
        kept = self._cash_e36.get(purse)
        if kept is not None and kept[0] is booked and kept[1] is report:
            return kept[2]
        found = _e36(min(booked, report.cash))
        self._cash_e36[purse] = (booked, report, found)
        return found

    def _spoken_for(self, purse: Purse) -> float:
        """Premiums of live bids, collateral of live offers and of options sold, in the purse's currency."""
        signed = self._exposure.signed
        spoken = signed.collateral(purse) + self._exposure.locked(purse)
        return spoken + signed.premium(purse) if purse.currency == "USD" else spoken

    def _available(self, purse: Purse) -> Decimal:
        """What nothing speaks for, of the smaller of our count and the venue's; 0 before the first read."""
        reported = self._ledger.reported_balances.get(purse)
        if reported is None:
            return ZERO
        booked = self._ledger.accounts.cash.get(purse, ZERO)
        return min(booked, reported[0].cash) - Decimal(self._spoken_for(purse))

    def _collateralised(self, rfq: Rfq) -> NoQuote | None:
        """An option sold locks its collateral: coins of q tokens for a call, K q of the stable for a put."""
        terms = rfq.terms
        asset = self._assets[terms.chain_id, terms.asset]
        held = self._ledger.accounts.size(rfq.venue, rfq.account, rfq.instrument)
        offered = Decimal(self._exposure.signed.on(rfq.instrument, rfq.side)[1])
        uncovered = rfq.size - max(ZERO, held - offered)
        if uncovered <= 0:
            return None
        if terms.is_put:
            currency, needed = "USD", rfq.strike * uncovered
        else:
            currency, needed = rfq.underlying, uncovered * (asset.ratio or 1)
            if not asset.deliverable:
                return NoQuote(
                    reason=Reason.COLLATERAL_TOO_SMALL, text=f"token {terms.asset} cannot be delivered"
                )
        available = self._available(Purse(rfq.venue, rfq.account, currency))
        if needed > available:
            return NoQuote(
                reason=Reason.COLLATERAL_TOO_SMALL,
                text=f"selling this locks {needed:.6g} {currency}, {available:.6g} of the deposit is free",
            )
        return None


def _e36(amount: Decimal | float) -> int:
    """Whole units of 1e-36, the rest cut off: what has no more decimals is exact."""
    above, below = amount.as_integer_ratio()
    return above * E36 // below


def _usd(amount_e36: int) -> Decimal:
    return Decimal(amount_e36).scaleb(-36)
