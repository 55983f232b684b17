"""Combos: several instruments traded as one. Their structures, names, and the prices of their legs.

The legs of a structure always stand the same way round; who wants the opposite sells it. Structures of two
legs of ratio 1 are offered: future spreads, call and put spreads, straddles, strangles, risk reversals.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from atomizer.sim.calendar import date_code, strike_code
from atomizer.sim.deribit.accounts import Marks
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.listings import COMBOS_FROM, OPTION_TICK, Leg, Listing

LEGS = 2


def canonical(legs: list[Leg]) -> tuple[str, tuple[Leg, ...]]:
    """(name, legs as the structure has them) of two legs, whichever way round they were given.

    Raises:
        DeribitError: not a structure of this venue.
    """
    if len(legs) != LEGS or abs(legs[0].ratio) != abs(legs[1].ratio):
        raise invalid_params("trades", "expected two legs of one size")
    first, second = sorted(legs, key=_order)
    listings = (first.listing, second.listing)
    if first.listing is second.listing or listings[0].coin != listings[1].coin:
        raise invalid_params("trades", "expected two instruments of one coin")
    opposite = first.ratio * second.ratio < 0
    if all(one.kind == "future" for one in listings):
        if not opposite:
            raise invalid_params("trades", "a future spread buys one and sells the other")
        return _future_spread(listings)
    if any(one.option is None for one in listings) or listings[0].expiry_ns != listings[1].expiry_ns:
        raise invalid_params("trades", "expected two futures, or two options of one expiry")
    return _options(listings, opposite=opposite)


def _order(leg: Leg) -> tuple[float, float, bool]:
    """Sooner, lower, puts before calls; a perpetual first."""
    option = leg.listing.option
    return (
        leg.listing.expiry_ns,
        option.strike if option else 0.0,
        bool(option and option.is_call),
    )


def _future_spread(listings: tuple[Listing, Listing]) -> tuple[str, tuple[Leg, ...]]:
    near, far = listings
    codes = [date_code(one.expiry_ns) if one.expiry_ns else "PERP" for one in (far, near)]
    return f"{near.coin}-FS-{codes[0]}_{codes[1]}", (Leg(near, -1), Leg(far, 1))


def _options(listings: tuple[Listing, Listing], *, opposite: bool) -> tuple[str, tuple[Leg, ...]]:
    low, high = listings
    assert low.option is not None
    assert high.option is not None
    head, day = low.coin, date_code(low.expiry_ns)
    strikes = f"{strike_code(low.option.strike)}_{strike_code(high.option.strike)}"
    calls = (low.option.is_call, high.option.is_call)
    if calls == (True, True) and opposite:
        return f"{head}-CS-{day}-{strikes}", (Leg(low, 1), Leg(high, -1))
    if calls == (False, False) and opposite:
        return f"{head}-PS-{day}-{strikes}", (Leg(high, 1), Leg(low, -1))
    if calls == (False, True) and low.option.strike == high.option.strike and not opposite:
        return f"{head}-STRD-{day}-{strike_code(low.option.strike)}", (Leg(high, 1), Leg(low, 1))
    if calls == (False, True) and low.option.strike < high.option.strike:
        kind = "RR" if opposite else "STRG"
        return f"{head}-{kind}-{day}-{strikes}", (Leg(low, -1 if opposite else 1), Leg(high, 1))
    raise invalid_params("trades", "expected a spread, straddle, strangle or risk reversal")


def combo_listing(name: str, legs: tuple[Leg, ...], count: int, now_ms: int) -> Listing:
    """A new combo; `count` numbers the combos of its coin."""
    first = legs[0].listing
    options = first.option is not None
    expiries = [leg.listing.expiry_ns for leg in legs if leg.listing.expiry_ns]
    return Listing(
        name=name,
        number=first.number // 100_000 * 100_000 + COMBOS_FROM + count,
        coin=first.coin,
        currency=first.currency,
        kind="option_combo" if options else "future_combo",
        quote=first.quote,
        tick=OPTION_TICK if options else first.tick,
        lot=max(leg.listing.lot for leg in legs),
        contract_size=first.contract_size,
        maker_fee=first.maker_fee,
        taker_fee=first.taker_fee,
        digits=first.digits,
        created_ms=now_ms,
        period=first.period or "week",
        expiry_ns=min(expiries),
        legs=legs,
    )


def leg_prices(combo: Listing, ticks: int, marks: Marks) -> list[tuple[Leg, Decimal]]:
    """Prices of the legs that add up to a combo's price: marks, moved by half the difference each.

    Raises:
        DeribitError: a leg would have no positive price.
    """
    price = combo.tick * ticks
    first, second = combo.legs
    grid = combo.tick
    mark = [_on_grid(Decimal(repr(marks.mark[leg.listing.name])), grid) for leg in combo.legs]
    gap = price - first.ratio * mark[0] - second.ratio * mark[1]
    half = _on_grid(gap / 2, grid)
    prices = [mark[0] + first.ratio * half, mark[1] + second.ratio * (gap - half)]
    for at, other in ((0, 1), (1, 0)):
        if prices[at] < grid:  # what one leg cannot give, the other does
            short = grid - prices[at]
            prices[at] = grid
            prices[other] -= combo.legs[at].ratio * combo.legs[other].ratio * short
    if min(prices) < grid:
        raise DeribitError("price_not_allowed", f"{combo.name} at {price} leaves a leg without a price")
    return list(zip(combo.legs, prices, strict=True))


def _on_grid(value: Decimal, grid: Decimal) -> Decimal:
    return (value / grid).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * grid


def render_combo(combo: Listing, state: str, state_ms: int) -> dict[str, Any]:
    """The combo object of public/get_combos."""
    return {
        "id": combo.name,
        "instrument_id": combo.number,
        "state": "active" if state == "open" else "inactive",
        "state_timestamp": state_ms,
        "creation_timestamp": combo.created_ms,
        "legs": [{"instrument_name": leg.listing.name, "amount": leg.ratio} for leg in combo.legs],
    }
