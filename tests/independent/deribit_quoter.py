"""A market maker's raw client for Deribit, written from the protocol page: judges mass quotes and protection.

No public client sends mass quotes, so this one asks the venue and holds every answer against the page.
What the page leaves open is not judged but reported (`Findings`).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from atomizer.net.transport import Transport
from tests.independent.wire import JudgeError, Wire, dial, exact_json

DEADLINE_S = 5.0
PACE_S = 0.12  # mass quotes have a rate of their own, below which a client must stay
GROUP = "judge"
INTERVAL_S, FROZEN_S, QUANTITY, LARGEST = 60, 2, Decimal(10), Decimal(12)
CHANNELS = ("user.orders.any.any.raw", "user.trades.any.any.raw", "user.mmp_trigger.eth_usd")


class RefusedError(JudgeError):
    """The venue answered with an error object."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error}")
        self.code = error["code"]


@dataclass
class Findings:
    """What was seen; `refused_side` is the venue's reading of a side with an error."""

    refusals: dict[str, int] = field(default_factory=dict)
    refused_side: dict[str, bool] = field(default_factory=dict)
    trades: list[Decimal] = field(default_factory=list)
    frozen_for_ms: Decimal = Decimal(0)
    left_after_disconnect: int = -1


class Client:
    """One socket. Replies by id, notifications by channel."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._last_id = 0
        self.told: dict[str, list[Any]] = {}

    async def call(self, method: str, **params: Any) -> Any:
        """The result of a request.

        Raises:
            RefusedError: the venue refused.
        """
        if method == "private/mass_quote":
            await asyncio.sleep(PACE_S)
        self._last_id += 1
        wanted = self._last_id
        await self._wire.send({"jsonrpc": "2.0", "id": wanted, "method": method, "params": params})
        while True:
            body = exact_json(await asyncio.wait_for(self._wire.receive(), DEADLINE_S))
            if body.get("id") == wanted:
                if "error" in body:
                    raise RefusedError(method, body["error"])
                return body["result"]
            self._note(body)

    async def listen(self, channel: str) -> Any:
        """The next message of a channel that was not looked at yet."""
        while not self.told.get(channel):
            self._note(exact_json(await asyncio.wait_for(self._wire.receive(), DEADLINE_S)))
        return self.told[channel].pop(0)

    async def code(self, method: str, **params: Any) -> int:
        """The error code that a request must get."""
        try:
            result = await self.call(method, **params)
        except RefusedError as error:
            return int(error.code)
        raise JudgeError(f"{method} {json.dumps(params, default=str)}: expected an error, found {result}")

    async def login(self, client_id: str, client_secret: str) -> None:
        await self.call(
            "public/auth", grant_type="client_credentials", client_id=client_id, client_secret=client_secret
        )

    async def close(self) -> None:
        await self._wire.close()

    def _note(self, body: dict[str, Any]) -> None:
        if body.get("method") == "subscription":
            self.told.setdefault(body["params"]["channel"], []).append(body["params"]["data"])


def expect(what: str, found: Any, wanted: Any) -> None:
    """Hold one fact against the page."""
    if found != wanted:
        raise JudgeError(f"{what}: expected {wanted}, found {found}")


class Judge:
    """A quoting account and one that takes, on one option near the money."""

    def __init__(self, maker: Client, taker: Client) -> None:
        self.maker = maker
        self.taker = taker
        self.findings = Findings()
        self.name = ""
        self.step = Decimal(0)

    async def quote(self, bid: Any = None, ask: Any = None, **more: Any) -> Any:
        """A detailed mass quote of one instrument; a side is (price, amount), None in it leaves that out."""
        entry: dict[str, Any] = {"instrument_name": self.name, "quote_set_id": "set"}
        for side, given in (("bid", bid), ("ask", ask)):
            if given is not None:
                keys = ("price", "amount")
                entry[side] = {k: float(v) for k, v in zip(keys, given, strict=True) if v is not None}
        params = {"quote_id": "q", "mmp_group": GROUP, "quotes": [entry], "detailed": True, **more}
        return await self.maker.call("private/mass_quote", **params)

    async def touch(self) -> tuple[Decimal, Decimal]:
        book = await self.maker.call("public/get_order_book", instrument_name=self.name, depth=5)
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])

    async def quotes(self) -> list[dict[str, Any]]:
        """Open quotes by direction."""
        orders = await self.maker.call("private/get_open_orders")
        return sorted((one for one in orders if one.get("quote")), key=lambda one: str(one["direction"]))

    async def choose(self) -> None:
        """A call near the money and the step of its price."""
        index = await self.maker.call("public/get_index_price", index_name="eth_usd")
        options = await self.maker.call("public/get_instruments", currency="ETH", kind="option")
        calls = [one for one in options if one["option_type"] == "call"]
        best = min(calls, key=lambda one: (abs(Decimal(one["strike"]) - index["index_price"]),
                                           one["expiration_timestamp"]))  # fmt: skip
        self.name = best["instrument_name"]
        self.step = Decimal(best["tick_size_steps"][-1]["tick_size"])
        await self.maker.call("public/subscribe", channels=[f"book.{self.name}.100ms"])

    # --- what is judged ---

    async def preconditions(self) -> None:
        """13042 without cancel-on-disconnect, 13040 without a group; the configuration comes back."""
        sides = {"instrument_name": self.name, "quote_set_id": "s", "bid": {"price": 0.001, "amount": 1}}
        params = {"quote_id": "q", "mmp_group": GROUP, "quotes": [sides]}
        maker, refusals = self.maker, self.findings.refusals
        refusals["no cancel-on-disconnect"] = await maker.code("private/mass_quote", **params)
        await maker.call("private/enable_cancel_on_disconnect", scope="connection")
        refusals["no group"] = await maker.code("private/mass_quote", **params)
        given = {"index_name": "eth_usd", "mmp_group": GROUP, "interval": INTERVAL_S, "frozen_time": FROZEN_S,
                 "quantity_limit": float(QUANTITY), "max_quote_quantity": float(LARGEST)}  # fmt: skip
        (config,) = await maker.call("private/set_mmp_config", **given)
        expect("set_mmp_config", {key: config[key] for key in given}, given)
        granted = await maker.call("private/subscribe", channels=list(CHANNELS))
        expect("private/subscribe", sorted(granted), sorted(CHANNELS))
        too_many = {**params, "quotes": [{**sides, "bid": {"price": 0.001, "amount": 11}}]}
        answer = await maker.call("private/mass_quote", **too_many, detailed=True)
        expect("a quote above quantity_limit", [one["side"] for one in answer["errors"]], ["bid"])
        refusals["over 100 quotes"] = await maker.code(
            "private/mass_quote", **{**params, "quotes": [sides] * 101}
        )

    async def two_sides(self) -> None:
        """Two sides rest, are pushed, listed and seen; partial sides amend; amount 0 cancels."""
        bid, ask = await self.touch()
        low, high = bid - 2 * self.step, ask + 2 * self.step
        answer = await self.quote((low, 3), (high, 4))
        expect("errors", answer["errors"], [])
        for order, (direction, price, amount) in zip(
            answer["orders"], (("buy", low, 3), ("sell", high, 4)), strict=True
        ):
            named = {"direction": direction, "order_state": "open", "price": price, "amount": amount,
                     "quote": True, "quote_id": "q", "quote_set_id": "set", "mmp": True, "mmp_group": GROUP,
                     "time_in_force": "good_til_cancelled", "filled_amount": 0}  # fmt: skip
            expect("order of a quote", {key: order.get(key) for key in named}, named)
            pushed = await self.maker.listen(CHANNELS[0])
            expect("pushed order", pushed["order_id"], order["order_id"])
        ids = [order["order_id"] for order in answer["orders"]]
        await self.quote((low - self.step, None), (None, 2))
        buy, sell = await self.quotes()
        expect("amended", [buy["order_id"], sell["order_id"]], ids)
        expect("amended sides", [buy["price"], buy["amount"], sell["price"], sell["amount"]],
               [low - self.step, 3, high, 2])  # fmt: skip
        refused = await self.maker.code("private/edit", order_id=ids[0], amount=1, price=float(low))
        self.findings.refusals["edit of a quote"] = refused
        await self.quote((None, 0), (None, 0))
        expect("quotes after amount 0", await self.quotes(), [])

    async def refused_side(self) -> None:
        """What a refused side does to its resting quote and to the other: reported. Then the safe way."""
        bid, ask = await self.touch()
        await self.quote((bid - 2 * self.step, 3), (ask + 2 * self.step, 3))
        wrong = bid - 2 * self.step + self.step / 3
        answer = await self.quote((round(wrong, 6), 3), (ask + 3 * self.step, 3))
        expect("refused side", {one["side"] for one in answer["errors"]} >= {"bid"}, True)
        left = {one["direction"]: one["price"] for one in await self.quotes()}
        self.findings.refused_side = {
            "old quote stays": "buy" in left,
            "other side refused too": left.get("sell") != ask + 3 * self.step,
        }
        count = await self.maker.call(
            "private/cancel_quotes", cancel_type="instrument", instrument_name=self.name
        )
        expect("cancel_quotes", count, len(left))
        expect("quotes after cancel_quotes", await self.quotes(), [])

    async def protection(self) -> None:
        """Fills carry the quote's names; the limit cancels, tells, freezes, and ends by time."""
        maker = self.maker
        for amount in (6, 4):
            bid, ask = await self.touch()
            price = bid + self.step if bid + self.step < ask else bid
            await self.quote((price, 6), (ask + 2 * self.step, 2))
            await self.taker.call(
                "private/sell", instrument_name=self.name, amount=amount, price=float(price),
                time_in_force="immediate_or_cancel",
            )  # fmt: skip
            for trade in await maker.listen(CHANNELS[1]):
                expect("trade of a quote", (trade["quote_id"], trade["quote_set_id"], trade["direction"]),
                       ("q", "set", "buy"))  # fmt: skip
                self.findings.trades.append(Decimal(trade["amount"]))
        trigger = await maker.listen(CHANNELS[2])
        expect("mmp_trigger", (trigger["index_name"], trigger["mmp_group"]), ("eth_usd", GROUP))
        now = await maker.call("public/get_time")
        self.findings.frozen_for_ms = Decimal(trigger["frozen_until"] - now)
        expect("quotes after the trigger", await self.quotes(), [])
        expect("get_mmp_status", await maker.call("private/get_mmp_status"), [trigger])
        sides = {"instrument_name": self.name, "quote_set_id": "s", "bid": {"price": 0.001, "amount": 1}}
        params = {"quote_id": "q", "mmp_group": GROUP, "quotes": [sides]}
        self.findings.refusals["frozen"] = await maker.code("private/mass_quote", **params)
        expect(
            "reset_mmp", await maker.call("private/reset_mmp", index_name="eth_usd", mmp_group=GROUP), "ok"
        )
        expect("errors after reset", (await self.quote((Decimal("0.001"), 1)))["errors"], [])
        await maker.call("private/cancel_quotes", cancel_type="all", freeze_quotes=True)
        self.findings.refusals["after freeze_quotes"] = await maker.code("private/mass_quote", **params)
        await asyncio.sleep(1.1)
        expect("errors a second later", (await self.quote((Decimal("0.001"), 1)))["errors"], [])


async def judge_quoting(
    transport: Transport | None, url: str, maker: tuple[str, str], taker: tuple[str, str]
) -> Findings:
    """Judge a venue from empty accounts; credentials are (client id, secret).

    Raises:
        JudgeError: something contradicts the page.
    """
    quoting, taking = Client(await dial(transport, url)), Client(await dial(transport, url))
    judge = Judge(quoting, taking)
    try:
        await quoting.login(*maker)
        await taking.login(*taker)
        await judge.choose()
        await judge.preconditions()
        await judge.two_sides()
        await judge.refused_side()
        await judge.protection()
        expect("open quotes before the socket is closed", len(await judge.quotes()), 1)
    finally:
        await quoting.close()
        await taking.close()
    await asyncio.sleep(0.5)
    again = Client(await dial(transport, url))
    try:
        await again.login(*maker)
        judge.findings.left_after_disconnect = len(await again.call("private/get_open_orders"))
    finally:
        await again.close()
    return judge.findings
