"""Signatures beside the libraries that make the same bytes: eth_account and derive_action_signing.

Each pair signs one message, is first compared byte for byte, and is timed in alternating batches; the
numbers are medians in microseconds. Both peers use libsecp256k1, as ours does. The Derive library
lives in its own environment, so its batches run in a subprocess between ours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_account import Account

from atomizer.venues.derive import auth as derive
from atomizer.venues.derive.networks import network
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import auth as rysk
from atomizer.venues.rysk.networks import allowed_domains
from tests.judges.environments import environment, run_client

SECRET = "0x" + "17" * 32
KEY = EthereumKey(SECRET)
TOKEN = Address(bytes(range(20)))
RYSK = allowed_domains("testnet").for_chain(84532)
DERIVE = network("v3", "testnet")
CLIENT = Path(__file__).parent / "clients" / "time_derive_signing.py"
QUOTE_TYPES = {
    "Quote": [
        {"name": name, "type": kind}
        for kind, name in (
            field.split(" ") for field in rysk.QUOTE_TYPE.type_string[len("Quote(") : -1].split(",")
        )
    ]
}


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of name, ours, peer, ratio (ours over peer), unit and target."""
    batches, loops = (5, 100) if quick else (15, 500)
    ours, peer = _alternating(_sign_quote, _eth_account_quote(), batches, loops)
    derive_ours, derive_peer = _derive(batches, loops)
    curve = _batch(lambda: KEY.sign_digest(bytes(32)), loops)
    return [
        _row("sign a Rysk quote beside eth_account", ours, peer, "<= 0.13"),
        _row("sign a Derive order beside derive_action_signing", derive_ours, derive_peer, "<= 0.06"),
        _row("of which the curve operation", curve, None, "report"),
    ]


def _row(name: str, ours: float, peer: float | None, target: str) -> dict[str, Any]:
    ratio = ours / peer if peer else None
    return {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": "us", "target": target}


def _sign_quote() -> str:
    quote = rysk.QuoteMessage(
        asset_address=TOKEN,
        chain_id=84532,
        is_put=False,
        strike=300000000000,
        expiry=1790000000,
        maker=KEY.address,
        nonce=1789000000123,
        price=125 * 10**18,
        quantity=10**18,
        is_taker_buy=False,
        valid_until=1789000030,
        usd=TOKEN,
        collateral_asset=TOKEN,
    )
    return rysk.sign_quote(RYSK, quote, KEY)


def _eth_account_quote() -> Callable[[], str]:
    domain = {
        "name": RYSK.name,
        "version": RYSK.version,
        "chainId": RYSK.chain_id,
        "verifyingContract": str(RYSK.verifying_contract),
    }

    def sign() -> str:
        message = {
            "assetAddress": str(TOKEN),
            "chainId": 84532,
            "isPut": False,
            "strike": 300000000000,
            "expiry": 1790000000,
            "maker": str(KEY.address),
            "nonce": 1789000000123,
            "price": 125 * 10**18,
            "quantity": 10**18,
            "isTakerBuy": False,
            "validUntil": 1789000030,
            "usd": str(TOKEN),
            "collateralAsset": str(TOKEN),
        }
        signed = Account.sign_typed_data(SECRET, domain, QUOTE_TYPES, message)
        return "0x" + bytes(signed.signature).hex()

    return sign


def _alternating(
    ours: Callable[[], str], peer: Callable[[], str], batches: int, loops: int
) -> tuple[float, float]:
    _require_equal(ours(), peer())
    pairs = [(_batch(ours, loops), _batch(peer, max(loops // 5, 20))) for _ in range(batches)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def _derive(batches: int, loops: int) -> tuple[float, float]:
    given = {
        "asset": str(TOKEN),
        "sub_id": 39614082545622357598565322368,
        "limit_price": "123.4",
        "amount": "1.5",
        "max_fee": "25.5",
        "subaccount_id": 30769,
        "owner": str(TOKEN),
        "signer": str(KEY.address),
        "expiry_s": 1790881617,
        "nonce": 1790871617000000000,
        "module": str(DERIVE.trade_module),
        "domain_separator": "0x" + DERIVE.domain.separator.hex(),
        "action_typehash": "0x" + derive.ACTION_TYPE.type_hash.hex(),
        "key": SECRET,
        "batches": batches,
        "loops": max(loops // 5, 20),
    }
    python = environment("derive")
    before = [_batch(_sign_order, loops) for _ in range(batches)]
    answer = run_client(python, CLIENT, given, timeout_s=300)
    after = [_batch(_sign_order, loops) for _ in range(batches)]
    _require_equal(_sign_order(), "0x" + answer["signature"].removeprefix("0x"))
    return statistics.median(before + after), statistics.median(answer["times"])


def _sign_order() -> str:
    order = derive.OrderMessage(
        asset=TOKEN,
        sub_id=39614082545622357598565322368,
        limit_price=1234 * 10**17,
        amount=15 * 10**17,
        max_fee=255 * 10**17,
        recipient_subaccount_id=30769,
        is_bid=True,
    )
    action = derive.order_action(DERIVE, order, 1790871617000000000, 1790881617, TOKEN, KEY.address)
    return derive.sign_action(DERIVE, action, KEY)


def _require_equal(ours: str, peer: str) -> None:
    if ours != peer:
        raise AssertionError(
            f"expected the peer's signature {peer}, found {ours}; the pair is not comparable"
        )


def _batch(work: Callable[[], object], loops: int) -> float:
    started = time.perf_counter()
    for _ in range(loops):
        work()
    return (time.perf_counter() - started) / loops * 1e6


if __name__ == "__main__":
    for row in run(quick=False):
        print(row)
