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
_replaced = msgspec.structs.replace


class Requests:
    """Reads the RFQs of one account. What requests on the same terms share is worked out once, and kept as a
    request without what is its own."""

    def __init__(self, account: str, options: Options) -> None:
        self._account = account
        self._options = options
        self._known: dict[tuple[object, ...], Rfq] = {}

    def read(self, push: wire.RfqPush) -> tuple[Rfq | None, Instrument | None]:
        """The RFQ and, when its option was not met before, the instrument to list first.

        Raises:
            ValueError: a number that is none, a domain that cannot be read.
        """
        terms = push.result or push.params
        if terms is None:
            return None, None
        asset, strike, stable, domain = terms.asset, terms.strike, terms.usd, bytes(terms.type_data_domain)
        collateral, premium = terms.collateral_asset, terms.premium_asset
        key = (
            asset,
            terms.chain_id,
            terms.expiry,
            terms.is_put,
            strike,
            stable,
            collateral,
            premium,
            domain,
        )
        like, new = self._known.get(key), None
        if like is None:
            like, new = self._worked_out(terms)
            texts = len(asset) + len(str(strike)) + len(stable) + len(collateral) + len(premium) + len(domain)
            if texts <= LONGEST_TEXT:
                self._remember(key, like)
        quantity, is_taker_buy = int(terms.quantity), terms.is_taker_buy
        event = _replaced(
            like,
            rfq_id=str(push.id or terms.id),
            side=_SELL if is_taker_buy else _BUY,
            size=e18(quantity),
            taker=terms.taker.lower(),
            terms=_replaced(like.terms, quantity_e18=quantity, is_taker_buy=is_taker_buy),
            closes_ns=terms.auction_deadline * NS_PER_MS,
            ts_ns=moment_ns(terms.created_at),
        )
        return event, new

    def _remember(self, key: tuple[object, ...], like: Rfq) -> None:
        self._known[key] = like
        if len(self._known) > TERMS_KNOWN:
            del self._known[next(iter(self._known))]

    def _worked_out(self, terms: wire.RfqTerms) -> tuple[Rfq, Instrument | None]:
        """A request on these terms, without what is its own; the instrument when it was not met before."""
        asset, strike_e8 = terms.asset.lower(), int(terms.strike)
        found, new = self._options.find(asset, terms.expiry, strike_e8, is_put=terms.is_put)
        text = bytes(terms.type_data_domain)
        domain = _decode_domain(text) if text else None
        like = Rfq(
            rfq_id="",
            venue=VENUE,
            account=self._account,
            instrument=found.key if found is not None else instrument_key(VENUE, asset),
            underlying=found.underlying if found is not None else "",
            side=_BUY,
            size=Decimal(0),
            strike=Decimal(f"{strike_e8}E-8"),
            is_call=not terms.is_put,
            expiry_ns=terms.expiry * NS_PER_S,
            taker="",
            terms=OnchainTerms(
                chain_id=terms.chain_id,
                asset=asset,
                premium_token=_premium_token(terms),
                collateral_token=terms.collateral_asset.lower(),
                strike_e8=strike_e8,
                quantity_e18=0,
                expiry_s=terms.expiry,
                is_put=terms.is_put,
                is_taker_buy=False,
                domain_name=_domain_name(domain, terms.chain_id) if domain is not None else "",
                domain_version=domain.version if domain is not None else "",
                verifying_contract=domain.verifying_contract.lower() if domain is not None else "",
            ),
        )
        return like, found if new else None


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
