"""From what a person types to a contract: names in Deribit's or Derive's style, in that style's own units.

A Deribit name means Deribit's contract: an inverse option is priced in coins, a perpetual counts in USD. A
Derive name means a linear one: prices in USD, amounts in coins. A linear wish can be brought to an inverse
market; then price and amount are translated here and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side, instrument_key
from atomizer.domain.names import InstrumentNameError, NameParts, parts_of
from atomizer.domain.trades import MANUAL
from atomizer.venues.deribit import names as deribit_names
from atomizer.venues.derive import names as derive_names

STYLES = (deribit_names.parse, derive_names.parse)
NS_PER_S = 1_000_000_000
FINEST = Decimal("1e-18")


class NotTradableError(ValueError):
    """No connected venue lists this, or not in this size. The text says what there is."""


class Wish(msgspec.Struct, frozen=True):
    """What a person's order means at a venue: price and size in the instrument's units; `note` tells what
    was translated."""

    instrument: Instrument
    price: Decimal
    size: Decimal
    note: str = ""


def contract_of(name: str) -> NameParts:
    """The contract a name means.

    Raises:
        InstrumentNameError: neither style has such a name.
    """
    faults = []
    for style in STYLES:
        try:
            return style(name)
        except InstrumentNameError as error:
            faults.append(str(error))
    raise InstrumentNameError("; ".join(faults))


def recorded_instrument(name: str, parts: NameParts) -> Instrument:
    """A contract as the venue of trades done elsewhere holds it. Nothing is ever ordered there."""
    inverse = parts.inverse
    option = parts.kind is Kind.OPTION
    return Instrument(
        key=instrument_key(MANUAL, name),
        venue=MANUAL,
        name=name,
        kind=parts.kind,
        underlying=parts.underlying,
        quote=parts.underlying if inverse and option else parts.quote,
        settlement=parts.underlying if inverse else parts.quote,
        grid=PriceGrid(FINEST),
        lot=FINEST,
        inverse=inverse,
        size_in_quote=inverse and not option,
        strike=parts.strike,
        is_call=parts.is_call,
        expiry_ns=None if parts.expiry_s is None else parts.expiry_s * NS_PER_S,
        open=False,
    )


def listed_as(
    name: str, listed: Mapping[str, Instrument], capabilities: Mapping[str, Capabilities]
) -> tuple[Instrument, bool]:
    """The instrument where this would be traded, and whether it is the very contract of the name.

    Raises:
        InstrumentNameError: no such name.
        NotTradableError: no venue that takes orders lists it.
    """
    if ":" in name:
        found = listed.get(name)
        if found is None or not _takes_orders(found, capabilities):
            raise NotTradableError(f"expected an instrument of a connected venue, found {name!r}")
        return found, True
    wanted = contract_of(name)
    candidates = [one for one in listed.values() if _takes_orders(one, capabilities) and _same(one, wanted)]
    exact = [one for one in candidates if parts_of(one) == _as_listed(wanted, one)]
    if exact:
        return min(exact, key=lambda one: one.key), True
    if not candidates:
        raise NotTradableError(
            f"{name}: expected a contract that a connected venue lists, found none like it;"
            " `atomizer markets` shows what there is"
        )
    return min(candidates, key=lambda one: one.key), False


def _as_listed(wanted: NameParts, one: Instrument) -> NameParts:
    """Venues write the quote of an inverse option as the coin, names as USD."""
    return msgspec.structs.replace(wanted, quote=one.quote) if one.inverse and wanted.inverse else wanted


def _takes_orders(one: Instrument, capabilities: Mapping[str, Capabilities]) -> bool:
    known = capabilities.get(one.venue)
    return known is not None and known.orders


def _same(one: Instrument, wanted: NameParts) -> bool:
    expiry_ns = None if wanted.expiry_s is None else wanted.expiry_s * NS_PER_S
    return (one.underlying, one.kind, one.strike, one.is_call, one.expiry_ns) == (
        wanted.underlying,
        wanted.kind,
        wanted.strike,
        wanted.is_call,
        expiry_ns,
    )


def wish(
    instrument: Instrument, *, exact: bool, price: Decimal, amount: Decimal, index: float | None
) -> Wish:
    """Price and amount in the instrument's units.

    Raises:
        NotTradableError: not a whole number of lots, too few of them, or no index to translate by.
    """
    notes = []
    if not exact and instrument.inverse:
        if instrument.size_in_quote:
            usd = amount * price
            amount = usd - usd % instrument.lot
            notes.append(f"{usd:f} {instrument.quote} rounded down to {amount:f}")
        elif instrument.kind is Kind.OPTION:
            if index is None:
                raise NotTradableError(
                    f"{instrument.key}: expected an index to turn USD into coins, found none"
                )
            price /= Decimal(str(index))
            notes.append(f"{price:.6f} {instrument.settlement} at an index of {index:g}")
    lots = amount / instrument.lot
    if lots != int(lots) or lots < instrument.min_lots:
        raise NotTradableError(
            f"{instrument.key}: expected at least {instrument.lot * instrument.min_lots} in steps"
            f" of {instrument.lot}, found {amount:f}"
        )
    return Wish(instrument, price, instrument.size(int(lots)), "; ".join(notes))


def flags(
    side: Side, price: Decimal, size: Decimal, value: float | None, position: float, limit: float
) -> Iterable[str]:
    """What looks odd about a trade that was done all the same. None of it keeps it from being booked."""
    if value is None:
        yield "cannot be valued now: its delta is not known until there is a price"
    elif value > 0.0 and abs(float(price) / value - 1.0) > 0.1:
        yield f"price {price} is more than 10 % from our value {value:.6g}"
    after = position + side * float(size)
    if abs(after) > limit:
        yield f"the position is {after:g} now, beyond the limit of {limit:g}"
