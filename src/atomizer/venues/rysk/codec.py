"""Bytes to events and commands to bytes, pure. Signing is part of encoding a quote."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import SendQuote
from atomizer.domain.events import (
    Event,
    InstrumentListed,
    PositionReport,
    QuoteBest,
    QuoteOutbid,
    QuoteRefused,
)
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side, instrument_key
from atomizer.domain.names import InstrumentNameError
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.venues.eip712 import Domain, DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import names, wire
from atomizer.venues.rysk.auth import QuoteMessage, sign_quote

VENUE = "rysk"
NS_PER_S = 1_000_000_000
QUANTUM = Decimal("1e-18")
STRIKE_IN_POSITIONS = 10**10
PREMIUM_CURRENCY = "USD"


class WireError(ValueError):
    """A message that is not what the protocol says; the text names the field."""


class Codec:
    """For one maker. `assets` maps token addresses (lower case) to underlyings."""

    def __init__(
        self,
        account: str,
        maker: Address,
        assets: dict[str, str],
        domains: DomainAllowList,
        key: EthereumKey | None,
    ) -> None:
        self._account = account
        self._maker = maker
        self._assets = assets
        self._domains: dict[int, Domain] = {domain.chain_id: domain for domain in domains}
        self._key = key
        self._listed: set[str] = set()

    # --- in ---

    def rfq(self, frame: wire.Frame, now_ns: int) -> list[Event]:
        """An RFQ push in either envelope, preceded by its option when that is new.

        Raises:
            WireError: no RFQ, or a field that cannot be read.
        """
        body = frame.result if frame.result is not None else frame.params
        if body is None or frame.id is None:
            raise WireError("expected an RFQ with an id, found neither result nor params")
        push = _decode(wire.RFQ, body)
        quantity, strike = _uint(push.quantity, "quantity"), _uint(push.strike, "strike")
        asset = push.asset.lower()
        underlying = self._assets.get(asset, "")
        terms = OnchainTerms(
            chain_id=push.chain_id,
            asset=asset,
            premium_token=_premium_token(push),
            collateral_token=push.collateral_asset.lower(),
            strike_e8=strike,
            quantity_e18=quantity,
            expiry_s=push.expiry,
            is_put=push.is_put,
            is_taker_buy=push.is_taker_buy,
            **_named_domain(push),
        )
        events: list[Event] = []
        name = f"unknown-{asset}"
        if underlying:
            instrument = self._instrument(underlying, push.expiry, strike, is_put=push.is_put)
            name = instrument.name
            if instrument.key not in self._listed:
                self._listed.add(instrument.key)
                events.append(InstrumentListed(instrument))
        events.append(
            Rfq(
                rfq_id=str(frame.id),
                venue=VENUE,
                account=self._account,
                instrument=instrument_key(VENUE, name),
                underlying=underlying,
                side=Side.SELL if push.is_taker_buy else Side.BUY,
                size=Decimal(quantity).scaleb(-18),
                strike=Decimal(strike).scaleb(-8),
                is_call=not push.is_put,
                expiry_ns=push.expiry * NS_PER_S,
                taker=push.taker.lower(),
                terms=terms,
                closes_ns=(push.auction_deadline or 0) * 1_000_000,
                ts_ns=now_ns,
            )
        )
        return events

    def _instrument(self, underlying: str, expiry_s: int, strike_e8: int, *, is_put: bool) -> Instrument:
        try:
            parts = names.parts_of_terms(underlying, names.OptionTerms(expiry_s, strike_e8, is_put))
            name = names.render(parts)
        except InstrumentNameError as error:
            raise WireError(str(error)) from error
        return Instrument(
            key=instrument_key(VENUE, name),
            venue=VENUE,
            name=name,
            kind=Kind.OPTION,
            underlying=underlying,
            quote=PREMIUM_CURRENCY,
            settlement=PREMIUM_CURRENCY,
            grid=PriceGrid(tick=QUANTUM),
            lot=QUANTUM,
            strike=parts.strike,
            is_call=parts.is_call,
            expiry_ns=expiry_s * NS_PER_S,
        )

    def maker_message(self, frame: wire.Frame, now_ns: int) -> list[Event]:
        """A quote's answer, an outbid notice or a confirmation; queries are answered elsewhere.

        Raises:
            WireError: a message of a known kind with a field that cannot be read.
        """
        if frame.error is not None:
            return [QuoteRefused(VENUE, str(frame.id), str(frame.error.code), frame.error.message, now_ns)]
        if frame.method == "rfq_confirmation" and frame.params is not None:
            return self._confirmation(frame.params, now_ns)
        if frame.result is None:
            return []
        body = bytes(frame.result)
        if body == b'"OK"':
            return [QuoteBest(VENUE, str(frame.id), now_ns)]
        if b'"newBest"' in body:
            notice = _decode(wire.NOTIFICATION, frame.result)
            best, ours = _uint(notice.new_best, "newBest"), _uint(notice.yours, "yours")
            return [QuoteOutbid(VENUE, notice.rfq_id, best, ours, now_ns)]
        if b'"quoteNonce"' in body:
            return self._confirmation(frame.result, now_ns)
        return []

    def _confirmation(self, body: msgspec.Raw, now_ns: int) -> list[Event]:
        told = _decode(wire.CONFIRMATION, body)
        if told.maker.lower() != self._maker.wire:
            return []
        underlying = self._assets.get(told.asset_address.lower(), "")
        if not underlying:
            raise WireError(f"confirmation of nonce {told.quote_nonce}: asset {told.asset_address} unknown")
        strike = _uint(told.strike, "strike")
        instrument = self._instrument(underlying, told.expiry, strike, is_put=told.is_put)
        trade = RfqTrade(
            venue=VENUE,
            account=self._account,
            instrument=instrument.key,
            nonce=_uint(told.quote_nonce, "quoteNonce"),
            side=Side.SELL if told.is_taker_buy else Side.BUY,
            price=None,
            size=Decimal(_uint(told.quantity, "quantity")).scaleb(-18),
            premium_currency=PREMIUM_CURRENCY,
            taker=told.taker.lower(),
            ts_ns=told.created_at * NS_PER_S or now_ns,
        )
        return [*self.listed(instrument), trade]

    def listed(self, instrument: Instrument) -> list[Event]:
        """The listing of an option not seen before."""
        if instrument.key in self._listed:
            return []
        self._listed.add(instrument.key)
        return [InstrumentListed(instrument)]

    def positions(self, result: msgspec.Raw, now_ns: int) -> list[Event]:
        """Option tokens held, each preceded by its listing when new.

        Raises:
            WireError: not a list of positions.
        """
        events: list[Event] = []
        for item in _decode(wire.POSITIONS, result):
            underlying = self._assets.get(item.underlying.lower(), "")
            if not underlying:
                raise WireError(f"position in an option on {item.underlying}, an asset not configured")
            strike, rest = divmod(_uint(item.strike, "strike"), STRIKE_IN_POSITIONS)
            if rest:
                raise WireError(f"position: expected a strike in steps of 1e-8, found {item.strike}")
            instrument = self._instrument(underlying, item.expiry, strike, is_put=item.is_put)
            size = Decimal(_uint(item.balance, "balance")).scaleb(-18)
            signed = -size if item.premium.startswith("-") else size
            events += self.listed(instrument)
            events.append(PositionReport(VENUE, self._account, instrument.key, signed, now_ns))
        return events

    # --- out ---

    def quote(self, command: SendQuote) -> bytes:
        """The signed frame of a quote.

        Raises:
            SigningError: no key here, a chain without an allowed domain, or a field that does not fit.
        """
        if self._key is None:
            raise WireError("expected a maker key, found none: this process cannot sign")
        terms = command.terms
        domain = self._domains.get(terms.chain_id)
        if domain is None:
            raise WireError(f"expected an allowed signing domain of chain {terms.chain_id}, found none")
        signature = sign_quote(
            domain,
            QuoteMessage(
                asset_address=Address.parse(terms.asset),
                chain_id=terms.chain_id,
                is_put=terms.is_put,
                strike=terms.strike_e8,
                expiry=terms.expiry_s,
                maker=self._maker,
                nonce=command.nonce,
                price=command.price_e18,
                quantity=terms.quantity_e18,
                is_taker_buy=terms.is_taker_buy,
                valid_until=command.valid_until_s,
                usd=Address.parse(terms.premium_token),
                collateral_asset=Address.parse(terms.collateral_token),
            ),
            self._key,
        )
        params = wire.QuoteParams(
            asset_address=terms.asset,
            chain_id=terms.chain_id,
            expiry=terms.expiry_s,
            is_put=terms.is_put,
            is_taker_buy=terms.is_taker_buy,
            maker=self._maker.wire,
            nonce=str(command.nonce),
            price=str(command.price_e18),
            quantity=str(terms.quantity_e18),
            strike=str(terms.strike_e8),
            signature=signature,
            valid_until=command.valid_until_s,
            usd=terms.premium_token,
            collateral_asset=terms.collateral_token,
        )
        return wire.ENCODER.encode(wire.Request(command.rfq_id, "quote", params))

    def query(self, method: str, request_id: str) -> bytes:
        """A `balances` or `positions` query."""
        return wire.ENCODER.encode(wire.Request(request_id, method, {"account": self._maker.wire}))


def stable_balance(result: Any, tokens: dict[str, int]) -> Decimal | None:
    """The deposit in the allowed stable tokens (address -> decimals) from any shape that names them.

    The shape is not documented: addresses may be keys over amounts or values beside them, at any depth.
    None: none of the tokens is named.
    """
    found: list[Decimal] = []
    _collect(result, tokens, found)
    return sum(found, Decimal(0)) if found else None


def _collect(value: Any, tokens: dict[str, int], found: list[Decimal]) -> None:
    if isinstance(value, dict):
        named = next(
            (
                str(item).lower()
                for item in value.values()
                if isinstance(item, str) and item.lower() in tokens
            ),
            None,
        )
        amount = next((value[key] for key in ("balance", "amount", "total") if key in value), None)
        if named is not None and isinstance(amount, str | int):
            found.append(Decimal(amount).scaleb(-tokens[named]))
            return
        for key, item in value.items():
            if str(key).lower() in tokens and isinstance(item, str | int):
                found.append(Decimal(item).scaleb(-tokens[str(key).lower()]))
            else:
                _collect(item, tokens, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, tokens, found)


def _decode(decoder: msgspec.json.Decoder[Any], body: msgspec.Raw) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from error


def _uint(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise WireError(f"{what}: expected an unsigned decimal integer as text, found {text[:40]!r}")
    return int(text)


def _premium_token(push: wire.RfqPush) -> str:
    """The token of the premium; two that differ become a name that no allow-list holds."""
    usd = push.usd.lower()
    other = (push.premium_asset or usd).lower()
    return usd if other == usd else f"{usd} or {other}"


def _named_domain(push: wire.RfqPush) -> dict[str, str]:
    """The signing domain an RFQ names; one of another chain becomes a name that no allow-list holds."""
    domain = push.type_data_domain
    if domain is None:
        return {}
    chain = domain.chain_id
    try:
        number = int(chain, 0) if isinstance(chain, str) else chain
    except ValueError:
        number = -1
    name = domain.name if number == push.chain_id else f"{domain.name} of chain {chain}"
    return {
        "domain_name": name,
        "domain_version": domain.version,
        "verifying_contract": domain.verifying_contract.lower(),
    }
