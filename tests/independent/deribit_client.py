"""What a Deribit account holds, asked by a raw client: the judge of kill tests on that venue.

Sizes and prices are exact decimals as the venue wrote them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from atomizer.net.transport import Transport
from tests.independent.wire import JudgeError, Wire, ask, dial

PAGE = 1000
LOG_PAGE = 250


class DeribitJudge:
    """One authenticated socket. Read-only: it places and cancels nothing."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._last_id = 0

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        self._last_id += 1
        return await ask(
            self._wire, {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        )

    async def authenticate(self, client_id: str, client_secret: str) -> None:
        granted = await self.call(
            "public/auth",
            {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret},
        )
        if "access_token" not in granted:
            raise JudgeError("public/auth: expected an access_token in the result, found none")

    async def open_orders(self) -> list[dict[str, Any]]:
        """All open orders, by order id."""
        orders = await self.call("private/get_open_orders", {})
        return sorted(orders, key=lambda order: str(order["order_id"]))

    async def user_trades(self, currency: str) -> list[dict[str, Any]]:
        """Every own trade of the currency, oldest first, page after page; no page is counted twice."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        since = 0
        while True:
            page = await self.call(
                "private/get_user_trades_by_currency",
                {"currency": currency, "count": PAGE, "sorting": "asc", "start_timestamp": since},
            )
            before = len(found)
            for trade in page["trades"]:
                key = (trade["instrument_name"], str(trade["trade_id"]), str(trade["order_id"]))
                if found.setdefault(key, trade) != trade:
                    raise JudgeError(f"trade {key}: the same key came with different contents")
                since = max(since, trade["timestamp"])
            if not page["has_more"]:
                return list(found.values())
            if len(found) == before:
                raise JudgeError(f"user trades of {currency}: has_more is true, but the next page is empty")

    async def positions(self) -> dict[str, Decimal]:
        """Signed size by instrument; flat ones left out. The sign comes from `direction`."""
        held = {}
        for position in await self.call("private/get_positions", {"currency": "any"}):
            size = abs(Decimal(position["size"]))
            if size:
                held[position["instrument_name"]] = size if position["direction"] == "buy" else -size
        return dict(sorted(held.items()))

    async def funding(self) -> Decimal:
        """Funding of this session in all positions, flat ones too; it is not settled yet."""
        found = await self.call("private/get_positions", {"currency": "any"})
        return sum((Decimal(one.get("realized_funding") or 0) for one in found), Decimal(0))

    async def logged(self, currency: str) -> Decimal:
        """Sum of every change in the transaction log: what the balance must be."""
        changes: dict[int, Decimal] = {}
        params: dict[str, Any] = {
            "currency": currency,
            "start_timestamp": 0,
            "end_timestamp": 2**45,
            "count": LOG_PAGE,
        }
        while True:
            page = await self.call("private/get_transaction_log", params)
            for row in page["logs"]:
                if row["id"] in changes:
                    raise JudgeError(f"log row {row['id']} came on two pages")
                changes[row["id"]] = Decimal(row["change"])
            if page["continuation"] is None:
                return sum(changes.values(), Decimal(0))
            params |= {"continuation": page["continuation"]}

    async def account_summary(self, currency: str) -> dict[str, Any]:
        return await self.call("private/get_account_summary", {"currency": currency})

    async def close(self) -> None:
        await self._wire.close()


async def deribit_judge(
    transport: Transport | None, url: str, client_id: str, client_secret: str
) -> DeribitJudge:
    """A judge on an authenticated socket to `url`; without a transport on a real one."""
    judge = DeribitJudge(await dial(transport, url))
    try:
        await judge.authenticate(client_id, client_secret)
    except BaseException:
        await judge.close()
        raise
    return judge


async def deribit_truth(
    transport: Transport | None, url: str, client_id: str, client_secret: str, currency: str = "ETH"
) -> dict[str, Any]:
    """What the venue says of the account: `positions`, `trades`, `open_orders`, `equity`, `balance`,
    `logged` (the sum of the transaction log) and `realised`: the balance with what futures realised in this
    session, which moves it at the next settlement; funding is booked there. What options realised moved the
    balance with their premiums.

    Raises:
        JudgeError: the venue did not answer, or refused.
    """
    judge = await deribit_judge(transport, url, client_id, client_secret)
    try:
        summary = await judge.account_summary(currency)
        while True:  # funding runs on while we ask
            before, funding = summary["futures_session_rpl"], await judge.funding()
            summary = await judge.account_summary(currency)
            if summary["futures_session_rpl"] == before:
                break
        return {
            "positions": await judge.positions(),
            "trades": await judge.user_trades(currency),
            "open_orders": await judge.open_orders(),
            "equity": Decimal(summary["equity"]),
            "balance": Decimal(summary["balance"]),
            "logged": await judge.logged(currency),
            "realised": Decimal(summary["balance"]) + Decimal(summary["futures_session_rpl"]) - funding,
        }
    finally:
        await judge.close()
