"""Rysk's RFQs to events. Pure: no clock, no socket.

Whatever an RFQ names reaches the core, which refuses what its allow-lists do not hold; what contradicts
itself here (two chains, two premium tokens) becomes a name that no allow-list holds.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.instruments import Instrument, Side, instrument_key
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.venues.rysk import wire
from atomizer.venues.rysk.codec import NS_PER_MS, NS_PER_S, VENUE, Options, e18, moment_ns

# Terms remembered, and how long their texts may be: RFQs come from anybody and could fill memory.
TERMS_KNOWN = 20_000
LONGEST_TEXT = 1_000

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_BUY, _SELL = Side.BUY, Side.SELL
_decode_domain = msgspec.json.Decoder(wire.SigningDomain | None).decode


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What every request with the same terms shares; `instrument` is a key, addresses are lower case."""

    instrument: str
    underlying: str
    strike: Decimal
    expiry_ns: int
    asset: str
    premium_token: str
    collateral_token: str
    strike_e8: int
    domain_name: str
    domain_version: str
    verifying_contract: str


class Requests:
    """Reads the RFQs of one account. What requests with the same terms share is worked out once."""

    def __init__(self, account: str, options: Options) -> None:
        self._account = account
        self._options = options
        self._known: dict[tuple[object, ...], Asked] = {}

    def read(self, push: wire.RfqPush) -> tuple[Rfq | None, Instrument | None]:
        """The RFQ and, when its option was not met before, the instrument to list first.

        Raises:
            ValueError: a number that is none, a domain that cannot be read.
        """
        terms = push.result or push.params
        if terms is None:
            return None, None
        key = (
            terms.asset,
            terms.chain_id,
            terms.expiry,
            terms.is_put,
            terms.strike,
            terms.usd,
            terms.collateral_asset,
            terms.premium_asset,
            bytes(terms.type_data_domain),
        )
        asked, new = self._known.get(key), None
        if asked is None:
            asked, new = self._worked_out(terms)
            if sum(len(part) for part in key if isinstance(part, (str, bytes))) <= LONGEST_TEXT:
                self._remember(key, asked)
        quantity, is_put, is_taker_buy = int(terms.quantity), terms.is_put, terms.is_taker_buy
        event = Rfq(
            rfq_id=str(push.id or terms.id),
            venue=VENUE,
            account=self._account,
            instrument=asked.instrument,
            underlying=asked.underlying,
            side=_SELL if is_taker_buy else _BUY,
            size=e18(quantity),
            strike=asked.strike,
            is_call=not is_put,
            expiry_ns=asked.expiry_ns,
            taker=terms.taker.lower(),
            terms=OnchainTerms(
                chain_id=terms.chain_id,
                asset=asked.asset,
                premium_token=asked.premium_token,
                collateral_token=asked.collateral_token,
                strike_e8=asked.strike_e8,
                quantity_e18=quantity,
                expiry_s=terms.expiry,
                is_put=is_put,
                is_taker_buy=is_taker_buy,
                domain_name=asked.domain_name,
                domain_version=asked.domain_version,
                verifying_contract=asked.verifying_contract,
            ),
            closes_ns=terms.auction_deadline * NS_PER_MS,
            ts_ns=moment_ns(terms.created_at),
        )
        return event, new

    def _remember(self, key: tuple[object, ...], asked: Asked) -> None:
        self._known[key] = asked
        if len(self._known) > TERMS_KNOWN:
            del self._known[next(iter(self._known))]

    def _worked_out(self, terms: wire.RfqTerms) -> tuple[Asked, Instrument | None]:
        """What these terms say, and their instrument when it was not met before."""
        asset, strike_e8 = terms.asset.lower(), int(terms.strike)
        found, new = self._options.find(asset, terms.expiry, strike_e8, is_put=terms.is_put)
        text = bytes(terms.type_data_domain)
        domain = _decode_domain(text) if text else None
        asked = Asked(
            instrument=found.key if found is not None else instrument_key(VENUE, asset),
            underlying=found.underlying if found is not None else "",
            strike=Decimal(f"{strike_e8}E-8"),
            expiry_ns=terms.expiry * NS_PER_S,
            asset=asset,
            premium_token=_premium_token(terms),
            collateral_token=terms.collateral_asset.lower(),
            strike_e8=strike_e8,
            domain_name=_domain_name(domain, terms.chain_id) if domain is not None else "",
            domain_version=domain.version if domain is not None else "",
            verifying_contract=domain.verifying_contract.lower() if domain is not None else "",
        )
        return asked, found if new else None


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
