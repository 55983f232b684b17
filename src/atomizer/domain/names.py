"""What an instrument's name says, in terms no venue owns.

Each venue's `names` module reads its own names into `NameParts` and writes them back exactly; two
venues' names for one option differ in quote and margining only, which `relisted` changes. Names
never carry grids or fees: those come from the venue's listing.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.instruments import Instrument, Kind

NS_PER_S = 1_000_000_000


class InstrumentNameError(ValueError):
    """A name that a venue cannot have, or parts that its names cannot say."""


class NameParts(msgspec.Struct, frozen=True, kw_only=True):
    """The contract behind a name.

    `expiry_s` is the expiry in unix seconds; `strike` is in the quote currency per unit of the
    underlying, exact; `inverse` contracts settle in the underlying.

    Raises:
        InstrumentNameError: a part that the kind needs is missing, or one that it cannot have is set.
    """

    underlying: str
    quote: str
    kind: Kind
    expiry_s: int | None = None
    strike: Decimal | None = None
    is_call: bool | None = None
    inverse: bool = False

    def __post_init__(self) -> None:
        dated = self.kind in (Kind.FUTURE, Kind.OPTION)
        option = self.kind is Kind.OPTION
        if not self.underlying or not self.quote:
            raise InstrumentNameError(
                f"{self.kind}: expected an underlying and a quote currency, found {self.underlying!r} and "
                f"{self.quote!r}; name both"
            )
        if (self.expiry_s is not None) is not dated:
            raise InstrumentNameError(f"{self.kind}: {_rule(dated)} expiry_s, found {self.expiry_s!r}")
        if (self.strike is not None) is not option or (self.is_call is not None) is not option:
            raise InstrumentNameError(
                f"{self.kind}: {_rule(option)} strike and is_call, found {self.strike!r} and {self.is_call!r}"
            )
        if self.expiry_s is not None and type(self.expiry_s) is not int:
            raise InstrumentNameError(
                f"{self.kind}: expected expiry_s in whole unix seconds, "
                f"found {self.expiry_s!r}; convert it first"
            )
        if self.strike is not None and not _positive(self.strike):
            raise InstrumentNameError(
                f"option: expected a positive Decimal strike, found {self.strike!r}; read it as a Decimal"
            )
        if self.inverse and self.kind is Kind.SPOT:
            raise InstrumentNameError(
                "spot: expected inverse to be False, found True; a spot pair has no margin"
            )

    def relisted(self, *, quote: str, inverse: bool) -> NameParts:
        """The same contract as another venue lists it."""
        return msgspec.structs.replace(self, quote=quote, inverse=inverse)


def parts_of(instrument: Instrument) -> NameParts:
    """What an instrument's name must say.

    Raises:
        InstrumentNameError: its fields do not make a contract, or it expires within a second.
    """
    expiry_s = None
    if instrument.expiry_ns is not None:
        expiry_s, rest = divmod(instrument.expiry_ns, NS_PER_S)
        if rest:
            raise InstrumentNameError(
                f"{instrument.key}: expected an expiry on a whole second, found {instrument.expiry_ns} ns; "
                "take it from the venue's listing"
            )
    return NameParts(
        underlying=instrument.underlying,
        quote=instrument.quote,
        kind=instrument.kind,
        expiry_s=expiry_s,
        strike=instrument.strike,
        is_call=instrument.is_call,
        inverse=instrument.inverse,
    )


def _positive(strike: object) -> bool:
    return type(strike) is Decimal and strike.is_finite() and strike > 0


def _rule(needed: bool) -> str:
    return "expected" if needed else "expected no"
