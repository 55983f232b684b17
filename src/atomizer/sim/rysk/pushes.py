"""What the server pushes: RFQs (as asked, or wrong on purpose), outbid notices, confirmations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from atomizer.domain.rfq import OnchainTerms
from atomizer.sim.rysk.auction import Auction, LiveQuote
from atomizer.sim.rysk.behaviour import RfqFault
from atomizer.sim.rysk.messages import encode
from atomizer.sim.rysk.settings import FOREIGN, PRICE_UNIT, QUANTITY_UNIT, STRIKE_UNIT, TwinAsset

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
WEEK_S = 7 * 86_400
YEAR_S = 365 * 86_400
FOREIGN_CHAIN_ID = 1
HUGE_QUANTITY = 10**6 * QUANTITY_UNIT
RFQ_LIFE_S = 60

# Terms that no maker may sign; a quote on one of them is counted against it.
TRAPS = frozenset(
    {
        RfqFault.FOREIGN_DOMAIN,
        RfqFault.FOREIGN_USD,
        RfqFault.FOREIGN_CHAIN,
        RfqFault.FOREIGN_COLLATERAL,
        RfqFault.STRIKE_OFF,
        RfqFault.HUGE_QUANTITY,
        RfqFault.EXPIRED,
    }
)


def spoiled(terms: OnchainTerms, fault: RfqFault, now_ns: int) -> OnchainTerms:
    """The terms with one trap in them; unchanged for faults of the message rather than of the terms."""
    changes: dict[str, Any]
    if fault is RfqFault.FOREIGN_DOMAIN:
        changes = {"domain_name": "rysk", "domain_version": "0.0.0", "verifying_contract": FOREIGN}
    elif fault is RfqFault.FOREIGN_USD:
        changes = {"premium_token": FOREIGN}
    elif fault is RfqFault.FOREIGN_CHAIN:
        changes = {"chain_id": FOREIGN_CHAIN_ID}
    elif fault is RfqFault.FOREIGN_COLLATERAL:
        changes = {"collateral_token": FOREIGN}
    elif fault is RfqFault.STRIKE_OFF:
        changes = {"strike_e8": terms.strike_e8 * 10 if terms.is_put else terms.strike_e8 // 10}
    elif fault is RfqFault.HUGE_QUANTITY:
        changes = {"quantity_e18": HUGE_QUANTITY}
    elif fault is RfqFault.EXPIRED:
        late_s = terms.expiry_s - now_ns // NS_PER_S
        changes = {"expiry_s": terms.expiry_s - (late_s // WEEK_S + 1) * WEEK_S}
    else:
        changes = {}
    return msgspec.structs.replace(terms, **changes)


def rfq_fields(auction: Auction, asset: TwinAsset, contract: str) -> dict[str, Any]:
    """The push's `result`. Odd numbers come in the older form, which has no side: the taker sells."""
    terms = auction.terms
    fields: dict[str, Any] = {
        "asset": terms.asset,
        "assetName": asset.symbol,
        "chainId": terms.chain_id,
        "expiry": terms.expiry_s,
        "isPut": terms.is_put,
        "quantity": str(terms.quantity_e18),
        "strike": str(terms.strike_e8),
        "taker": auction.taker,
        "usd": terms.premium_token,
        "collateralAsset": terms.collateral_token,
    }
    if auction.number % 2 and not terms.is_taker_buy and not terms.verifying_contract:
        return fields
    opened_s = auction.opened_ns // NS_PER_S
    fields.update(
        id=auction.rfq_id,
        createdAt=opened_s,
        validUntil=(opened_s + RFQ_LIFE_S) * 1000,
        makers=[],
        isTakerBuy=terms.is_taker_buy,
        auctionDeadline=auction.closes_ns // NS_PER_MS,
        isPremium=False,
        premiumAsset=terms.premium_token,
        isEIP1271=False,
        typeDataDomain={
            "name": terms.domain_name or "rysk",
            "version": terms.domain_version or "0.0.0",
            "chainId": hex(terms.chain_id) if auction.number % 4 else terms.chain_id,
            "verifyingContract": terms.verifying_contract or contract,
        },
    )
    return fields


def rfq_frame(auction: Auction, asset: TwinAsset, contract: str) -> bytes:
    return encode({"jsonrpc": "2.0", "id": auction.rfq_id, "result": rfq_fields(auction, asset, contract)})


def malformed_frame(random: np.random.Generator, auction: Auction, asset: TwinAsset, contract: str) -> bytes:
    """An RFQ that is none: cut off, a field missing, a wrong type, a negative number, or no object."""
    fields = rfq_fields(auction, asset, contract)
    kind = int(random.integers(6))
    if kind == 0:
        whole = rfq_frame(auction, asset, contract)
        return whole[: len(whole) // 2]
    if kind == 1:
        return b'["rfq"]'
    if kind == 2:
        del fields["strike"]
    elif kind == 3:
        fields["quantity"] = "-" + fields["quantity"]
    elif kind == 4:
        fields["expiry"] = "next friday"
    else:
        fields["asset"] = "0x123"
    return encode({"jsonrpc": "2.0", "id": auction.rfq_id, "result": fields})


def outbid_notice(auction: Auction, yours: LiveQuote) -> dict[str, Any]:
    """QuoteNotification: what the best is now, and what yours is."""
    best = auction.best or yours
    return {
        "rfqId": auction.rfq_id,
        "assetAddress": auction.terms.asset,
        "chainId": auction.terms.chain_id,
        "newBest": str(best.price_e18),
        "yours": str(yours.price_e18),
    }


def shown_apr(terms: OnchainTerms, price_e18: int, index: float, now_ns: int) -> float:
    """Premium / collateral x 365 days / time to expiry; collateral: a call's index, a put's strike."""
    collateral = Decimal(terms.strike_e8) / STRIKE_UNIT if terms.is_put else Decimal(index)
    left_s = max(1, terms.expiry_s - now_ns // NS_PER_S)
    return float(Decimal(price_e18) / PRICE_UNIT / collateral * YEAR_S / left_s)


def confirmation_fields(
    auction: Auction, quote: LiveQuote, taker_nonce: int, taker_signature: str, apr: float, now_ns: int
) -> dict[str, Any]:
    """The fields of one confirmation as captured in 2025; the price is not among them."""
    terms = auction.terms
    return {
        "maker": quote.maker,
        "assetAddress": terms.asset,
        "chainId": terms.chain_id,
        "expiry": terms.expiry_s,
        "isPut": terms.is_put,
        "isTakerBuy": terms.is_taker_buy,
        "strike": str(terms.strike_e8),
        "quantity": str(terms.quantity_e18),
        "taker": auction.taker,
        "nonce": str(taker_nonce),
        "quoteNonce": str(quote.nonce),
        "quoteValidUntil": quote.valid_until_s,
        "quoteSignature": quote.signature,
        "signature": taker_signature,
        "validUntil": now_ns // NS_PER_S + RFQ_LIFE_S,
        "createdAt": now_ns // NS_PER_S,
        "apr": apr,
    }


def confirmation_frame(fields: dict[str, Any], *, as_method: bool) -> bytes:
    """Either of the two envelopes that were observed."""
    if as_method:
        return encode({"jsonrpc": "2.0", "method": "rfq_confirmation", "params": fields})
    return encode({"jsonrpc": "2.0", "id": "trade", "result": fields})
