"""An RFQ frame to the signed quote's bytes on the wire, beside the same with eth_account as the signer.

Everything between is the node itself: Rysk's decoding, driver, journal on disk, gate, ledger, responder over
a live chain of 96 options, EIP-712. Ours and the peer answer alternating groups of one stream, first shown to
sign the same bytes; positions are held and about fifty signed quotes are live all the time. The peer is
`Account.sign_typed_data` with coincurve as its curve. The clock stops when the transport is given the bytes;
what the node does in the same turn after that (folds, counters, the next timer) is in rows of their own.

A ratio of p50 is the median over pairs of groups, one after the other, of the groups' own p50: a machine that
its host slows down for a while, in the middle of a run, slows both of a pair. The times are of all requests.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from operator import truediv
from typing import Any

from eth_account import Account

from atomizer.domain.commands import SendQuote
from atomizer.strategies.responder_settings import ResponderSettings
from atomizer.strategies.rfq_responder import RfqResponder
from atomizer.venues.ethereum import EthereumKey
from atomizer.venues.rysk import auth, quotes
from bench.node import ASSET, CHAIN_ID, CONTRACT, DOMAIN, KEY, STABLE, Bench, run_node
from bench.venue import Wire, encode

SECRET = "0x" + "17" * 32
OURS = quotes.sign
PER_GROUP = 20
GROUP_EVERY_S = 30.0
FITTED_S = 0.1  # tickers, then the refit that they ask for
TYPES = {
    "Quote": [
        {"name": name, "type": kind}
        for kind, name in (
            field.split(" ") for field in auth.QUOTE_TYPE.type_string[len("Quote(") : -1].split(",")
        )
    ]
}


def peer_sign(_form: auth.QuoteForm, command: SendQuote, _key: EthereumKey) -> bytes:
    """`quotes.sign` as a user of eth_account writes it."""
    terms = command.terms
    named = {
        "name": DOMAIN.name,
        "version": DOMAIN.version,
        "chainId": DOMAIN.chain_id,
        "verifyingContract": CONTRACT.wire,
    }
    message = {
        "assetAddress": terms.asset,
        "chainId": terms.chain_id,
        "isPut": terms.is_put,
        "strike": terms.strike_e8,
        "expiry": terms.expiry_s,
        "maker": KEY.address.wire,
        "nonce": command.nonce,
        "price": command.price_e18,
        "quantity": terms.quantity_e18,
        "isTakerBuy": terms.is_taker_buy,
        "validUntil": command.valid_until_s,
        "usd": terms.premium_token,
        "collateralAsset": terms.collateral_token,
    }
    return bytes(Account.sign_typed_data(SECRET, named, TYPES, message).signature)


def compared(form: auth.QuoteForm, command: SendQuote, key: EthereumKey) -> bytes:
    """Both signers on one quote; they must agree."""
    ours, peer = OURS(form, command, key), peer_sign(form, command, key)
    if ours != peer:
        raise AssertionError(f"expected the peer's signature {peer.hex()}, found {ours.hex()}")
    return ours


def rfq_frame(bench: Bench, number: int) -> bytes:
    """A request on one of the listed options, in the venue's newer form."""
    options = [listed for listed in bench.listing if listed["kind"] == "option"]
    option = options[(number * 7) % len(options)]
    is_put = option["option_type"] == "put"
    now_s = bench.clock.now_ns() // 10**9
    terms = {
        "asset": ASSET.wire,
        "assetName": "WETH",
        "chainId": CHAIN_ID,
        "expiry": option["expiration_timestamp"] // 1000,
        "isPut": is_put,
        "quantity": str(2 * 10**18),
        "strike": str(option["strike"] * 10**8),
        "taker": f"0x{number:040x}",
        "usd": STABLE.wire,
        "collateralAsset": STABLE.wire if is_put else ASSET.wire,
        "id": f"rfq-{number}",
        "createdAt": now_s,
        "validUntil": (now_s + 60) * 1000,
        "makers": [],
        "isTakerBuy": is_put and bool(number % 3),  # calls are sold to us: no coins are held to cover them
        "auctionDeadline": (now_s + 3) * 1000,
        "isPremium": False,
        "premiumAsset": STABLE.wire,
        "isEIP1271": False,
        "typeDataDomain": {
            "name": DOMAIN.name,
            "version": DOMAIN.version,
            "chainId": hex(CHAIN_ID),
            "verifyingContract": CONTRACT.wire,
        },
    }
    return encode({"jsonrpc": "2.0", "id": f"rfq-{number}", "result": terms})


def stamped(wire: Wire) -> list[int]:
    """When the wire is given something to send, from now on: `perf_counter_ns`."""
    times, send = list[int](), wire.send

    def stamp(data: bytes) -> None:
        times.append(time.perf_counter_ns())
        send(data)

    wire.send = stamp  # type: ignore[method-assign]
    return times


async def measure(bench: Bench, groups: int) -> dict[str, list[float]]:
    """Microseconds per answered RFQ, ours and the peer's: until it is on the wire, and its whole turn."""
    rfqs, maker = bench.venues.wire("/rfqs/"), bench.venues.wire("/maker")
    sent_at = stamped(maker)
    signers: dict[str, Callable[..., bytes]] = {"ours": OURS, "peer": peer_sign}
    taken: dict[str, list[float]] = {"ours": [], "peer": [], "ours turn": [], "peer turn": []}
    number = 0
    quotes.sign = compared
    for group in range(-4, groups):
        await asyncio.sleep(GROUP_EVERY_S)
        bench.tickers()
        await asyncio.sleep(FITTED_S)
        which = "ours" if group % 2 else "peer"
        if group >= 0:
            quotes.sign = signers[which]
        for _ in range(PER_GROUP):
            number += 1
            frame = rfq_frame(bench, number)
            hear = rfqs.handler.message
            started = time.perf_counter_ns()
            hear(frame, True)
            ended = time.perf_counter_ns()
            if len(maker.last) != 1:
                raise AssertionError(
                    f"expected one quote on the wire, found {len(maker.last)}: {bench.node.status()}"
                )
            maker.last.clear()
            if group >= 0:
                taken[which].append((sent_at[-1] - started) / 1000)
                taken[f"{which} turn"].append((ended - started) / 1000)
            sent_at.clear()
    return taken


def run(quick: bool) -> list[dict[str, Any]]:
    groups = 40 if quick else 100
    settings = ResponderSettings(edge_usd=0.0, mark_distance_points=1e9, skew_delta_usd_per_coin=0.0)

    async def work(bench: Bench) -> dict[str, list[float]]:
        return await measure(bench, groups)

    try:
        taken = run_node(work, [], {"rysk": RfqResponder(settings)})
    finally:
        quotes.sign = OURS
    rows = []
    for what, key, share, target in (
        ("signed quote beside eth_account, p50", "", 50, "<= 0.25"),
        ("signed quote beside eth_account, p99", "", 99, "report"),
        ("the end of its turn beside eth_account, p50", " turn", 50, "report"),
    ):
        both = taken[f"ours{key}"], taken[f"peer{key}"]
        ours, peer = (statistics.quantiles(side, n=100)[share - 1] for side in both)
        rows.append(
            {
                "name": f"RFQ frame to {what}",
                "ours": ours,
                "peer": peer,
                "ratio": statistics.median(map(truediv, *map(_groups, both))) if share == 50 else ours / peer,
                "unit": "us",
                "target": target,
            }
        )
    return rows


def _groups(values: list[float]) -> list[float]:
    """The median of each group."""
    return [statistics.median(group) for group in zip(*[iter(values)] * PER_GROUP, strict=True)]
