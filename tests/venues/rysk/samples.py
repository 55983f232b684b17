"""Addresses, keys and messages as the venue's page writes them; the keys are public test keys."""

from typing import Any

from atomizer.domain.commands import SendQuote
from atomizer.domain.instruments import Side
from atomizer.domain.rfq import OnchainTerms
from atomizer.venues.eip712 import Domain, DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey

CHAIN = 31337
ASSET = "0xb67bfa7b488df4f2efa874f4e59242e9130ae61f"
STABLE = "0x98d56648c9b7f3cb49531f4135115b5000ab1733"
CONTRACT = "0x0ff34dd648b68f09b199b60b91442e750fd13fdc"
TAKER = "0x" + "7" * 40
KEY = EthereumKey("11" * 32)
MAKER = KEY.address
DOMAIN = Domain("rysk", "0.0.0", CHAIN, Address.parse(CONTRACT))
DOMAINS = DomainAllowList((DOMAIN,))
EXPIRY_S = 1_758_873_600  # 2025-09-26 08:00:00 UTC
E18 = 10**18


def rfq_terms(**changes: Any) -> dict[str, Any]:
    return {
        "asset": ASSET,
        "assetName": "ETH",
        "chainId": CHAIN,
        "expiry": EXPIRY_S,
        "isPut": False,
        "quantity": "1500000000000000000",
        "strike": "400000000000",
        "taker": TAKER,
        "usd": STABLE,
        "collateralAsset": ASSET,
        "somethingNew": [1, 2],
    } | changes


def rfq(rfq_id: str = "5f1c", **changes: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rfq_id, "result": rfq_terms(**changes)}


def send_quote(nonce: int = 1757289600123, **changes: Any) -> SendQuote:
    terms = {
        "chain_id": CHAIN,
        "asset": ASSET,
        "premium_token": STABLE,
        "collateral_token": ASSET,
        "strike_e8": 4000 * 10**8,
        "quantity_e18": 15 * 10**17,
        "expiry_s": EXPIRY_S,
        "is_put": False,
        "is_taker_buy": False,
    }
    return SendQuote(
        nonce=nonce,
        venue="rysk",
        account="maker",
        instrument="rysk:ETH-20250926-4000-C",
        rfq_id="5f1c",
        taker=TAKER,
        underlying="ETH",
        side=Side.BUY,
        terms=OnchainTerms(**(terms | changes)),
        price_e18=125 * E18,
        valid_until_s=1_757_289_630,
        delta=0.5,
        gamma=0.0,
        vega=0.0,
    )


def confirmation(nonce: int = 1757289600123, **changes: Any) -> dict[str, Any]:
    return {
        "maker": MAKER.wire,
        "assetAddress": ASSET,
        "chainId": CHAIN,
        "expiry": EXPIRY_S,
        "isPut": False,
        "isTakerBuy": False,
        "strike": "400000000000",
        "quantity": "1500000000000000000",
        "taker": TAKER,
        "nonce": "99",
        "quoteNonce": str(nonce),
        "createdAt": 1757289603,
        "apr": "0.1",
    } | changes


def position(**changes: Any) -> dict[str, Any]:
    return {
        "assetAddress": "0x" + "a" * 40,
        "balance": "1500000000000000000",
        "strike": "4000000000000000000000",
        "expiry": EXPIRY_S,
        "isPut": False,
        "underlying": ASSET,
        "premium": "125000000000000000000",
        "isOtoken": True,
    } | changes
