"""Binance symbols: `BTCUSDT` (perpetual and spot alike), dated `BTCUSDT_260327`, streams in lower case.

A symbol does not say whether it is spot, nor where the base ends: the caller names the market, and
the quote is the known currency at the end. Where the venue's listing is at hand, its
`baseAsset` and `quoteAsset` decide. All USD-M contracts are linear.
"""

from __future__ import annotations

import re
from enum import StrEnum

from atomizer.domain.instruments import Kind
from atomizer.domain.names import InstrumentNameError, NameParts
from atomizer.venues.naming import check_listing, date_of, expiry_of, unknown_name

__all__ = ["Market", "parse", "render", "stream_symbol"]

# None ends in another, so a symbol has one reading.
QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "USD1", "BTC", "ETH", "BNB", "EUR", "TRY")
FORMS = "BTCUSDT or BTCUSDT_260327"
_SYMBOL = re.compile(r"([A-Z0-9]+)(?:_([0-9]{2})([0-9]{2})([0-9]{2}))?", re.ASCII)


class Market(StrEnum):
    """Which of Binance's two markets a symbol belongs to."""

    SPOT = "spot"
    USDM = "usdm"


def parse(name: str, market: Market) -> NameParts:
    """What a symbol says on a market.

    Raises:
        InstrumentNameError: not a symbol, an unknown quote currency, or a date on spot.
    """
    matched = _SYMBOL.fullmatch(name)
    if matched is None or (matched[2] and market is Market.SPOT):
        raise unknown_name(f"binance {market}", name, FORMS)
    underlying, quote = _split(matched[1], name)
    if matched[2]:
        expiry_s = expiry_of(2000 + int(matched[2]), int(matched[3]), int(matched[4]), name)
        return NameParts(underlying=underlying, quote=quote, kind=Kind.FUTURE, expiry_s=expiry_s)
    kind = Kind.SPOT if market is Market.SPOT else Kind.PERPETUAL
    return NameParts(underlying=underlying, quote=quote, kind=kind)


def render(parts: NameParts) -> str:
    """The symbol of a contract on Binance.

    Raises:
        InstrumentNameError: an option, an inverse contract, an unknown quote, or other than letters and
            digits in the underlying.
    """
    check_listing("binance", parts, quotes=QUOTES, inverse=False)
    if parts.kind is Kind.OPTION:
        raise InstrumentNameError(
            "binance: expected spot, a perpetual or a future, found an option; not traded here"
        )
    pair = f"{parts.underlying}{parts.quote}"
    if _SYMBOL.fullmatch(pair) is None:
        raise InstrumentNameError(
            f"binance: expected upper-case letters and digits, found {pair!r:.40}; "
            "take the symbol from the venue's listing"
        )
    if parts.kind is Kind.FUTURE:
        return f"{pair}_{date_of(parts.expiry_s).strftime('%y%m%d')}"
    return pair


def stream_symbol(name: str) -> str:
    """A symbol as stream names write it."""
    return name.lower()


def _split(pair: str, name: str) -> tuple[str, str]:
    for quote in QUOTES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return pair.removesuffix(quote), quote
    raise InstrumentNameError(
        f"binance: expected a quote currency of {', '.join(QUOTES)} at the end, found {name!r:.40}; "
        "take base and quote from the venue's listing"
    )
