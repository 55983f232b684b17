"""Rysk bytes to events, commands to signed Rysk bytes. Pure: no clock, no socket.

Whatever an RFQ says, a quote is signed only for a domain of the allow-list. What cannot be a listed option
(another asset, an impossible strike or expiry) becomes an RFQ without an underlying, which the core refuses.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import SendQuote
from atomizer.domain.events import QuoteBest, QuoteOutbid, QuoteRefused
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side, instrument_key
from atomizer.domain.names import InstrumentNameError
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.venues.eip712 import Domain, DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import names, wire
from atomizer.venues.rysk.auth import QuoteMessage, sign_quote

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


def rfq(push: wire.RfqPush, account: str, options: Options) -> tuple[Rfq | None, Instrument | None]:
    """The RFQ and, when its option was not met before, the instrument to list first.

    Raises:
        ValueError: a number that is none.
    """
    terms = push.result or push.params
    if terms is None:
        return None, None
    asset = terms.asset.lower()
    strike_e8, quantity = int(terms.strike), int(terms.quantity)
    found, new = options.find(asset, terms.expiry, strike_e8, is_put=terms.is_put)
    domain = terms.type_data_domain
    event = Rfq(
        rfq_id=str(push.id or terms.id),
        venue=VENUE,
        account=account,
        instrument=found.key if found is not None else instrument_key(VENUE, asset),
        underlying=found.underlying if found is not None else "",
        side=Side.SELL if terms.is_taker_buy else Side.BUY,
        size=e18(quantity),
        strike=Decimal(f"{strike_e8}E-8"),
        is_call=not terms.is_put,
        expiry_ns=terms.expiry * NS_PER_S,
        taker=terms.taker.lower(),
        terms=OnchainTerms(
            chain_id=terms.chain_id,
            asset=asset,
            premium_token=_premium_token(terms),
            collateral_token=terms.collateral_asset.lower(),
            strike_e8=strike_e8,
            quantity_e18=quantity,
            expiry_s=terms.expiry,
            is_put=terms.is_put,
            is_taker_buy=terms.is_taker_buy,
            domain_name=_domain_name(domain, terms.chain_id) if domain is not None else "",
            domain_version=domain.version if domain is not None else "",
            verifying_contract=domain.verifying_contract.lower() if domain is not None else "",
        ),
        closes_ns=terms.auction_deadline * NS_PER_MS,
        ts_ns=moment_ns(terms.created_at),
    )
    return event, found if new else None


def _premium_token(terms: wire.RfqTerms) -> str:
    """The token that is signed; one that differs from a named premium asset is on nobody's allow-list."""
    signed, named = terms.usd.lower(), terms.premium_asset.lower()
    return signed if not named or named == signed else f"{signed} (premium paid in {named})"


def _domain_name(domain: wire.SigningDomain, chain_id: int) -> str:
    """The domain's name; one of another chain than the RFQ's is on nobody's allow-list."""
    text = str(domain.chain_id)
    try:
        named = int(text, 16 if text[:2] in ("0x", "0X") else 10)
    except ValueError:
        named = -1
    return domain.name if named == chain_id else f"{domain.name} (chain {text:.20})"


def moment_ns(value: int) -> int:
    """A time the venue gives in seconds or, in newer messages, milliseconds."""
    return value * (NS_PER_MS if value >= MILLISECONDS_FROM else NS_PER_S)


# --- quotes ---


def domain_of(terms: OnchainTerms, allowed: DomainAllowList) -> Domain:
    """The allowed domain to sign for.

    Raises:
        SigningError: the RFQ names another, or its chain is not allowed.
    """
    if not terms.verifying_contract:
        return allowed.for_chain(terms.chain_id)
    contract = Address.parse(terms.verifying_contract)
    return allowed.require(terms.domain_name, terms.domain_version, terms.chain_id, contract)


def quote(command: SendQuote, maker: Address, key: EthereumKey, allowed: DomainAllowList) -> bytes:
    """The signed quote. From here on its signature is a bearer order.

    Raises:
        SigningError: domain not allowed, a term out of range; nothing was signed.
    """
    terms = command.terms
    signature = sign_quote(
        domain_of(terms, allowed),
        QuoteMessage(
            asset_address=Address.parse(terms.asset),
            chain_id=terms.chain_id,
            is_put=terms.is_put,
            strike=terms.strike_e8,
            expiry=terms.expiry_s,
            maker=maker,
            nonce=command.nonce,
            price=command.price_e18,
            quantity=terms.quantity_e18,
            is_taker_buy=terms.is_taker_buy,
            valid_until=command.valid_until_s,
            usd=Address.parse(terms.premium_token),
            collateral_asset=Address.parse(terms.collateral_token),
        ),
        key,
    )
    return _encode(
        wire.Request(
            command.rfq_id,
            "quote",
            wire.QuoteParams(
                asset_address=terms.asset,
                chain_id=terms.chain_id,
                expiry=terms.expiry_s,
                is_put=terms.is_put,
                is_taker_buy=terms.is_taker_buy,
                maker=maker.wire,
                nonce=str(command.nonce),
                price=str(command.price_e18),
                quantity=str(terms.quantity_e18),
                strike=str(terms.strike_e8),
                signature=signature,
                valid_until=command.valid_until_s,
                usd=terms.premium_token,
                collateral_asset=terms.collateral_token,
            ),
        )
    )


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
