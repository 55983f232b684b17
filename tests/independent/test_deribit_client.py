"""The Deribit judge against scripted answers: what it asks, and what it makes of the replies."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from atomizer.net.memory import MemoryNetwork
from atomizer.net.transport import HttpRequest, HttpResponse
from atomizer.net.virtual import VirtualClock, run_virtual
from tests.independent.deribit_client import deribit_truth
from tests.independent.wire import JudgeError

URL = "ws://127.0.0.1:9001/ws/api/v2"


def trade(number: int, timestamp: int, **changes: Any) -> dict[str, Any]:
    fields = {"trade_id": f"ETH-{number}", "instrument_name": "ETH-PERPETUAL", "order_id": "ETH-7"}
    return fields | {"timestamp": timestamp, "amount": 1.0, "direction": "buy"} | changes


class Scripted:
    """A venue of fixed answers; replies come after an unrelated notification, as they may."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.pages = [
            {"trades": [trade(1, 10), trade(2, 20)], "has_more": True},
            {"trades": [trade(2, 20), trade(3, 20)], "has_more": False},
        ]
        self.log = [
            {"logs": [{"id": 9, "change": -0.5}, {"id": 8, "change": 0.25}], "continuation": 7},
            {"logs": [{"id": 7, "change": 10.25}], "continuation": None},
        ]
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "public/auth": lambda params: {"access_token": "t", "expires_in": 900},
            "private/get_open_orders": lambda params: [{"order_id": "ETH-9"}, {"order_id": "ETH-8"}],
            "private/get_user_trades_by_currency": lambda params: self.pages.pop(0),
            "private/get_transaction_log": lambda params: self.log.pop(0),
            "private/get_positions": lambda params: [
                {
                    "instrument_name": "ETH-PERPETUAL",
                    "size": -120.0,
                    "direction": "sell",
                    "realized_funding": 0.05,
                },
                {"instrument_name": "ETH-12SEP25-4000-C", "size": 2.5, "direction": "buy"},
                {"instrument_name": "BTC-PERPETUAL", "size": 0.0, "direction": "zero"},
            ],
            "private/get_account_summary": lambda params: {
                "equity": 10.123456789,
                "balance": 10,
                "futures_session_rpl": 0.25,
            },
        }

    def accept(self, target: str, headers: Any) -> Scripted | None:
        return self if target == "/ws/api/v2" else None

    def http(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404, b"")

    def opened(self, connection: Any) -> None:
        self.connection = connection

    def closed(self, reason: str) -> None:
        self.connection = None

    def message(self, data: bytes, last: bool) -> None:
        request = json.loads(data)
        self.asked.append((request["method"], request["params"]))
        heartbeat = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "heartbeat"}}
        self.connection.send(json.dumps(heartbeat).encode())
        answer = self.answers[request["method"]](request["params"])
        reply = answer if isinstance(answer, dict) and "error" in answer else {"result": answer}
        self.connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}).encode())


def truth(venue: Scripted) -> dict[str, Any]:
    async def main(clock: VirtualClock) -> dict[str, Any]:
        network = MemoryNetwork(random.Random(1))
        await network.serve("127.0.0.1", 9001, venue)
        return await deribit_truth(network, URL, "key", "hidden")

    return run_virtual(main)


def test_truth_is_exact_signed_and_complete():
    venue = Scripted()
    found = truth(venue)
    assert found["positions"] == {"ETH-12SEP25-4000-C": Decimal("2.5"), "ETH-PERPETUAL": Decimal(-120)}
    assert [one["trade_id"] for one in found["trades"]] == ["ETH-1", "ETH-2", "ETH-3"]
    assert [one["order_id"] for one in found["open_orders"]] == ["ETH-8", "ETH-9"]
    assert found["equity"] == Decimal("10.123456789")
    assert found["balance"] == 10
    assert found["logged"] == 10
    assert found["realised"] == Decimal("10.2")
    method, params = venue.asked[0]
    assert method == "public/auth"
    assert params == {"grant_type": "client_credentials", "client_id": "key", "client_secret": "hidden"}
    starts = [params["start_timestamp"] for method, params in venue.asked if "user_trades" in method]
    assert starts == [0, 20]


def test_same_trade_with_other_contents_is_an_alarm():
    venue = Scripted()
    venue.pages[1]["trades"][0] = trade(2, 20, amount=9.0)
    with pytest.raises(JudgeError, match="different contents"):
        truth(venue)


def test_log_row_on_two_pages_is_an_alarm():
    venue = Scripted()
    venue.log[1]["logs"][0]["id"] = 8
    with pytest.raises(JudgeError, match="log row 8"):
        truth(venue)


def test_pages_that_do_not_advance_are_an_alarm():
    venue = Scripted()
    venue.pages = [{"trades": [trade(1, 10)], "has_more": True}] * 2
    with pytest.raises(JudgeError, match="has_more"):
        truth(venue)


def test_refusal_is_raised_without_the_secret():
    venue = Scripted()
    refused = {"error": {"code": 13004, "message": "invalid_credentials"}}
    venue.answers["public/auth"] = lambda params: refused
    with pytest.raises(JudgeError, match="13004") as caught:
        truth(venue)
    assert "hidden" not in str(caught.value)


def test_silence_is_an_error_not_a_wait():
    venue = Scripted()
    venue.message = lambda data, last: None  # type: ignore[method-assign]
    with pytest.raises(JudgeError, match="no answer within"):
        truth(venue)
