"""A run of the venue in virtual time repeats to the byte; its books stay consistent under any requests."""

from __future__ import annotations

import asyncio
import hashlib
import random
from decimal import Decimal
from typing import Any

import pytest

from atomizer.sim.deribit import DeribitTwinSettings
from atomizer.sim.deribit.books import BUY, SELL
from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run

REFUSALS = {10003, 10004, 10005, 10007, 10009, 10021, 10043, 11030, 11044, 11054, 13888}


class Recorder(RawClient):
    """Keeps a digest of every byte that came."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def message(self, data: bytes, last: bool) -> None:
        self.digest.update(data)
        super().message(data, last)


async def act(client: RawClient, rng: random.Random, fair: float, known: list[str]) -> None:
    """One random request, sane or not."""
    side = rng.choice(["buy", "sell"])
    price = on_grid(fair + rng.choice([-30, -2, -0.3, 0.3, 2, 30]) + rng.uniform(-1, 1))
    kind = rng.random()
    if kind < 0.55 or not known:
        more: dict[str, Any] = {
            "time_in_force": rng.choice(["good_til_cancelled", "immediate_or_cancel", "fill_or_kill"]),
            "reduce_only": rng.random() < 0.2,
        }
        if more["time_in_force"] == "good_til_cancelled":
            more["post_only"] = rng.random() < 0.5
            more["reject_post_only"] = rng.random() < 0.5
        result = await client.order_(side, rng.randint(1, 40_000), price, **more)
        known.append(result["order"]["order_id"])
    elif kind < 0.8:
        amount = rng.randint(1, 40_000)
        await client.call("private/edit", order_id=rng.choice(known), amount=amount, price=price)
    else:
        await client.call("private/cancel", order_id=rng.choice(known))


def check(world: World) -> None:
    """Everything the venue says about itself agrees."""
    exchange = world.twin.exchange
    for book in exchange.books.values():
        bid, ask = book.matching.best(BUY), book.matching.best(SELL)
        assert bid is None or ask is None or bid[0] < ask[0]
    for account in exchange.accounts.values():
        bought = {name: Decimal(0) for name in account.positions}
        fees = Decimal(0)
        for trade in account.trades:
            sign = 1 if trade["direction"] == "buy" else -1
            bought[trade["instrument_name"]] += sign * Decimal(str(trade["amount"]))
            fees += Decimal(str(trade["fee"]))
        assert bought == {name: position.size for name, position in account.positions.items()}
        assert account.wallets["ETH"].fees == fees
        realised = sum(Decimal(str(trade["profit_loss"])) for trade in account.trades)
        session = sum(position.session for position in account.positions.values())
        funding = sum(position.funding for position in account.positions.values())
        wallet = account.wallets["ETH"]
        assert wallet.balance + session == wallet.deposit + realised + funding - fees
        for order in account.orders.values():
            filled = [t for t in account.trades if t["order_id"] == order.order_id]
            assert sum(Decimal(str(t["amount"])) for t in filled) == order.filled_lots * order.listing.lot
            book = exchange.books[order.listing.name]
            assert book.matching.left(order.matching_id) == (order.left_lots if order.is_open else 0)
            assert (order.order_id in account.open_orders) == order.is_open


@pytest.mark.parametrize("seed", range(4))
def test_books_accounts_and_orders_agree_after_random_requests(seed: int) -> None:
    async def scenario(world: World) -> None:
        rng = random.Random(seed)
        clients = [(await world.connect(number), []) for number in (1, 2)]
        refused = set()
        for _ in range(250):
            client, known = rng.choice(clients)
            try:
                await act(client, rng, await world.fair(), known)
            except RefusedError as error:
                refused.add(error.code)
            if rng.random() < 0.2:
                await asyncio.sleep(0.1)
            check(world)
        assert refused <= REFUSALS
        assert sum(len(a.trades) for a in world.twin.exchange.accounts.values()) > 50

    run(scenario, DeribitTwinSettings(limits=False))


def test_the_same_seed_and_requests_bring_the_same_bytes() -> None:
    digests = []

    async def scenario(world: World) -> None:
        client, rng, known = Recorder(), random.Random(9), []
        await world.network.connect("ws://127.0.0.1:8001/ws/api/v2", client)
        await client.login(1)
        options = [f"ticker.{option.name}.100ms" for option in world.market.options]
        channels = [f"book.{PERP}.raw", "user.changes.any.any.raw", "user.portfolio.any", *options]
        await client.call("private/subscribe", channels=channels)
        for _ in range(60):
            try:
                await act(client, rng, await world.fair(), known)
            except RefusedError:
                continue
            await asyncio.sleep(0.25)
        digests.append(client.digest.hexdigest())

    for _ in range(2):
        run(scenario, DeribitTwinSettings(limits=False))
    assert digests[0] == digests[1]
