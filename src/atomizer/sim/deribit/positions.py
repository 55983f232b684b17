"""A position in one instrument: what it cost, what it made in this session, and the funding it paid.

Money is exact at eight decimals, halves to even: profit is rounded where it is realised or settled, so that
what one account makes in a trade the other loses to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from atomizer.sim.deribit.listings import QUANTUM, ZERO, Listing


def coin(amount: Decimal) -> Decimal:
    """Round to the venue's quantum."""
    return amount.quantize(QUANTUM, rounding=ROUND_HALF_EVEN)


@dataclass(slots=True)
class Position:
    """Signed size of one account in one instrument.

    Attributes:
        size: USD of a future, coins of an option.
        cost: what it cost when it was entered: coins (size / price), or premium (size x price).
        basis: the same against which this session's profit counts: the last settlement, where there was one.
        session: realised in this session, funding included; coin.
        funding: received in this session (negative: paid); coin.
        unlogged: funding since the last row of the transaction log.
        realised: realised over the position's whole life, without funding.
        funded_at: the perpetual's funding index when funding was last taken.
        settled_at: last settlement price, 0 before the first.
    """

    listing: Listing
    size: Decimal = ZERO
    cost: Decimal = ZERO
    basis: Decimal = ZERO
    session: Decimal = ZERO
    funding: Decimal = ZERO
    unlogged: Decimal = ZERO
    realised: Decimal = ZERO
    funded_at: Decimal = ZERO
    settled_at: Decimal = ZERO

    @property
    def is_option(self) -> bool:
        return self.listing.option is not None

    @property
    def average(self) -> Decimal:
        """Average entry price, 0 when flat."""
        if not self.size or not self.cost:
            return ZERO
        return self.cost / self.size if self.is_option else self.size / self.cost

    def worth(self, signed: Decimal, price: Decimal) -> Decimal:
        """Coins of a size at a price, not rounded."""
        return signed * price if self.is_option else signed / price

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Move the position; returns the profit realised against this session's basis, in coin."""
        value = self.worth(signed, price)
        if not self.size or (self.size > 0) == (signed > 0):
            self.size += signed
            self.cost += value
            self.basis += value
            return ZERO
        closed = min(abs(signed), abs(self.size))
        back = value if closed == abs(signed) else value * closed / abs(signed)
        cost, basis = self._released(self.cost, closed), self._released(self.basis, closed)
        self.size += signed
        self.cost += value - back - cost
        self.basis += value - back - basis
        # `back` has the sign of the trade: what the closed part brings, against what it cost.
        sign = -1 if self.is_option else 1
        self.realised += coin(sign * (cost + back))
        gain = coin(sign * (basis + back))
        self.session += gain
        return gain

    def _released(self, held: Decimal, closed: Decimal) -> Decimal:
        return held if closed == abs(self.size) else held * closed / abs(self.size)

    def due(self, funding_index: Decimal) -> Decimal:
        """Funding received since it was last taken; the index counts coins paid per USD of a long."""
        if not self.listing.is_perpetual:
            return ZERO
        return -coin(self.size * (funding_index - self.funded_at))

    def accrue(self, funding_index: Decimal) -> None:
        """Take the funding that is due. Only trades and settlements do: what is rounded is rounded there."""
        received = self.due(funding_index)
        self.session += received
        self.funding += received
        self.unlogged += received
        self.funded_at = funding_index

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit against the entry price in coin, not rounded."""
        return self._against(self.cost, mark)

    def session_unrealised(self, mark: Decimal) -> Decimal:
        """Profit of this session that is not realised, in coin."""
        return coin(self._against(self.basis, mark))

    def _against(self, held: Decimal, mark: Decimal) -> Decimal:
        if not self.size:
            return ZERO
        return self.size * mark - held if self.is_option else held - self.size / mark

    def settle(self, price: Decimal) -> Decimal:
        """End the session at a price; returns its profit in coin, realised and not."""
        gain = self.session_unrealised(price)
        self.basis = self.worth(self.size, price)
        total = self.session + gain
        self.session = self.funding = self.unlogged = ZERO
        self.settled_at = price
        return total

    def take_unlogged(self) -> Decimal:
        """Funding since the last row of the log."""
        taken, self.unlogged = self.unlogged, ZERO
        return taken
