"""The last half hour: where options fix on an average while others fix on a print.

The engine counts every option as if it fixed on a print. Inside the averaging window that is wrong for
averaged ones, whose delta runs off with the share of the average that is fixed, and for futures that expire
into the same average. The hedger trades the difference, so that the book is flat against the print at the
fixing.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.pricing import NoPriceError
from atomizer.models.black import black76_greeks
from atomizer.models.fixing import run_off_hedge

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

S = 1_000_000_000
YEAR_S = 365.0 * 86_400.0


class Terms(NamedTuple):
    """Options that end together: strike and type."""

    expiry_ns: int
    strike: Decimal
    is_call: bool


class RunOff:
    """What to add to the engine's delta of one underlying, coins. Keeps the running average of each
    fixing."""

    def __init__(self, underlying: str) -> None:
        self._underlying = underlying
        self._sums: dict[int, tuple[float, int]] = {}
        self._vols: dict[str, float] = {}

    def correction(self, engine: Engine) -> float:
        """Coins by which the book's delta differs from what the engine counts; 0 outside the windows."""
        index = engine.exposure.index(self._underlying)
        if index is None:
            return 0.0
        units: dict[Terms, list[float]] = {}
        vols: dict[Terms, float] = {}
        total, window_s = 0.0, 0
        widest = max(item.averaging_window_s for item in engine.capabilities.values())
        for holding, instrument, size in engine.ledger.held():
            left_s = ((instrument.expiry_ns or 0) - engine.now_ns) / S
            if instrument.underlying != self._underlying or left_s <= 0.0:
                continue
            if left_s > widest:
                continue
            known = engine.capabilities.get(holding.venue)
            # What was booked by hand carries a listed contract's name, and those fix on the average.
            own_s = widest if known is None else known.averaging_window_s
            if instrument.kind is Kind.FUTURE and own_s:
                unit = engine.exposure.last_unit(instrument, engine.now_ns).delta
                total += float(size) * unit * (min(left_s / own_s, 1.0) - 1.0)
            elif instrument.kind is Kind.OPTION:
                terms = Terms(
                    instrument.expiry_ns or 0, instrument.strike or Decimal(0), bool(instrument.is_call)
                )
                held = units.setdefault(terms, [0.0, 0.0])
                held[1 if own_s else 0] += float(size)
                window_s = max(window_s, own_s)
                vols[terms] = self._vol(engine, instrument)
        if units:
            self._sample(engine, index, {terms.expiry_ns for terms in units}, widest)
        for terms, (printed, averaged) in units.items():
            if averaged:
                total += self._difference(engine, index, terms, vols[terms], printed, averaged, window_s)
        return total

    def _vol(self, engine: Engine, instrument: Instrument) -> float:
        """The option's vol, or the last one known: near its end the surface may have none."""
        try:
            found = engine.exposure.price_option(instrument, engine.now_ns).vol
        except NoPriceError:
            return self._vols.get(instrument.key, math.nan)
        self._vols[instrument.key] = found
        return found

    def _sample(self, engine: Engine, index: float, expiries: set[int], window_s: int) -> None:
        """One more print of each running average."""
        for expiry_ns in sorted(expiries):
            if engine.now_ns >= expiry_ns - window_s * S:
                total, count = self._sums.get(expiry_ns, (0.0, 0))
                self._sums[expiry_ns] = (total + index, count + 1)
        for expiry_ns in [at for at in self._sums if at <= engine.now_ns]:
            del self._sums[expiry_ns]

    def _difference(
        self,
        engine: Engine,
        index: float,
        terms: Terms,
        vol: float,
        printed: float,
        averaged: float,
        window_s: int,
    ) -> float:
        """What the pair's run-off delta is beyond the delta that the engine counts for it."""
        left_s = (terms.expiry_ns - engine.now_ns) / S
        total, count = self._sums.get(terms.expiry_ns, (0.0, 0))
        if math.isnan(vol):
            return 0.0
        strike = float(terms.strike)
        hedge = run_off_hedge(
            forward=index,
            strike=strike,
            sigma=vol,
            seconds_left=left_s,
            running_average=total / count if count else math.nan,
            is_call=terms.is_call,
            print_units=printed,
            averaged_units=averaged,
            window_seconds=float(window_s),
        )
        counted = black76_greeks(index, strike, left_s / YEAR_S, vol, 0.0, terms.is_call)[1]
        return -hedge - (printed + averaged) * counted
