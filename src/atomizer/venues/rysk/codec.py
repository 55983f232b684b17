"""Rysk bytes to events, queries to Rysk bytes. Pure: no clock, no socket. RFQs: `requests`, quotes: `quotes`.

What cannot be a listed option (another asset, an impossible strike or expiry) becomes an RFQ without an
underlying, which the core refuses.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import SendQuote
from atomizer.domain.events import QuoteBest, QuoteOutbid, QuoteRefused
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side, instrument_key
from atomizer.domain.names import InstrumentNameError
from atomizer.venues.ethereum import Address
from atomizer.venues.rysk import names, wire

VENUE = "rysk"
NS_PER_S, NS_PER_MS = 10**9, 10**6
QUANTUM = Decimal("1e-18")
PREMIUM_CURRENCY = "USD"
# Terms remembered. RFQs come from anybody: without a bound they could fill memory.
OPTIONS_KNOWN = 20_000
# Times beyond this are milliseconds: as seconds they would lie in the year 5138.
MILLISECONDS_FROM = 100_000_000_000

# What decoding raises for bytes of another shape: not JSON, not UTF-8, nested without end, no number.
MALFORMED = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)

decode_rfq = msgspec.json.Decoder(wire.RfqPush).decode
decode_maker = msgspec.json.Decoder(wire.MakerMessage).decode
decode_payload = msgspec.json.Decoder(wire.MakerPayload).decode
_encode = msgspec.json.Encoder().encode


class Options:
    """Option instruments by their terms, made once each.

    A token worth other than one coin (`ratios`) gives options of its own, named by its symbol: strike and
    size count tokens, and `per_token` says how many coins one is.
    """

    __slots__ = ("_known", "_ratios", "_symbols", "_underlyings")

    def __init__(
        self,
        underlyings: dict[str, str],
        ratios: dict[str, Decimal] | None = None,
        symbols: dict[str, str] | None = None,
    ) -> None:
        self._underlyings = underlyings
        self._ratios = {asset: ratio for asset, ratio in (ratios or {}).items() if ratio != 1}
        self._symbols = symbols or {}
        self._known: dict[tuple[str, int, int, bool], Instrument | None] = {}

    def underlying(self, asset: str) -> str:
        """The coin behind a token address in lower case; empty when it is not configured."""
        return self._underlyings.get(asset, "")

    def find(
        self, asset: str, expiry_s: int, strike_e8: int, *, is_put: bool
    ) -> tuple[Instrument | None, bool]:
        """The instrument of these terms (None: there can be none) and whether it was met just now."""
        key = (asset, expiry_s, strike_e8, is_put)
        if key in self._known:
            return self._known[key], False
        made = self._make(*key)
        self._known[key] = made
        if len(self._known) > OPTIONS_KNOWN:
            del self._known[next(iter(self._known))]
        return made, made is not None

    def _make(self, asset: str, expiry_s: int, strike_e8: int, is_put: bool) -> Instrument | None:
        underlying = self._underlyings.get(asset)
        if underlying is None:
            return None
        ratio = self._ratios.get(asset, Decimal(1))
        symbol = underlying if ratio == 1 else (self._symbols.get(asset) or f"{underlying}x{ratio}").upper()
        try:
            parts = names.parts_of_terms(symbol, names.OptionTerms(expiry_s, strike_e8, is_put))
            name = names.render(parts)
        except InstrumentNameError:
            return None
        return Instrument(
            key=instrument_key(VENUE, name),
            venue=VENUE,
            name=name,
            kind=Kind.OPTION,
            underlying=underlying,
            quote=PREMIUM_CURRENCY,
            settlement=PREMIUM_CURRENCY,
            grid=PriceGrid(QUANTUM),
            lot=QUANTUM,
            per_token=ratio,
            strike=parts.strike,
            is_call=not is_put,
            expiry_ns=expiry_s * NS_PER_S,
        )


def e18(value: int) -> Decimal:
    """An 18-decimal integer as an exact Decimal, however many digits it has."""
    return Decimal(f"{value}E-18")


def moment_ns(value: int) -> int:
    """A time the venue gives in seconds or, in newer messages, milliseconds."""
    return value * (NS_PER_MS if value >= MILLISECONDS_FROM else NS_PER_S)


# --- queries ---


def query(method: str, maker: Address) -> bytes:
    """`balances` or `positions`; the id is the method, as the venue's own client sends it."""
    return _encode(wire.Request(method, method, {"account": maker.wire}))


# --- answers ---


def quote_answer(message: wire.MakerMessage) -> QuoteBest | QuoteOutbid | QuoteRefused | None:
    """An answer to a quote, or a later notification that it was outbid; None for anything else."""
    rfq_id = "" if message.id is None else str(message.id)
    if message.error is not None:
        return QuoteRefused(VENUE, rfq_id, str(message.error.code), message.error.message)
    body = bytes(message.result) or bytes(message.params)
    if body == b'"OK"':
        return QuoteBest(VENUE, rfq_id)
    if body[:1] != b"{":
        return None
    payload = decode_payload(body)
    if payload.new_best is None or payload.quote_nonce is not None:
        return None
    ours = payload.yours if payload.yours is not None else 0
    return QuoteOutbid(VENUE, payload.rfq_id or rfq_id, int(payload.new_best), int(ours))


def confirmation(message: wire.MakerMessage) -> wire.MakerPayload | None:
    """A trade confirmation in either envelope, known by its `quoteNonce`."""
    body = bytes(message.result) or bytes(message.params)
    if message.error is not None or body[:1] != b"{":
        return None
    payload = decode_payload(body)
    return None if payload.quote_nonce is None else payload


def trade(
    payload: wire.MakerPayload, account: str, sent: SendQuote | None, options: Options
) -> tuple[RfqTrade, Instrument | None]:
    """The booking of a confirmation. Price, RFQ and option come from our own quote with this nonce; without
    it the price is left to the ledger. The confirmation itself names no price. With it the instrument, when
    that was not met before.

    Raises:
        ValueError: a number that is none.
    """
    nonce, asset = int(payload.quote_nonce or 0), payload.asset_address.lower()
    found, new = options.find(asset, payload.expiry, int(payload.strike), is_put=payload.is_put)
    instrument = found.key if found is not None else instrument_key(VENUE, asset)
    booked = RfqTrade(
        venue=VENUE,
        account=account,
        instrument=instrument,
        nonce=nonce,
        side=Side.SELL if payload.is_taker_buy else Side.BUY,
        price=e18(sent.price_e18) if sent is not None else None,
        size=e18(int(payload.quantity)),
        premium_currency=PREMIUM_CURRENCY,
        rfq_id=sent.rfq_id if sent is not None else payload.rfq_id,
        taker=payload.taker.lower(),
        ts_ns=moment_ns(payload.created_at),
    )
    return booked, found if new else None
