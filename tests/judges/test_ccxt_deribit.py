"""ccxt (pro), which knows nothing of us, trades on `atomizer sim deribit`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges.environments import ask

pytestmark = pytest.mark.system

PROGRAM = str(Path(sys.executable).parent / "atomizer")


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """One session of the judge; every test looks at a part of it."""
    command = [PROGRAM, "sim", "deribit", "--port", "0", "--seed", "11"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield ask(
            "ccxt", "ccxt_deribit.py", {"http": ready["http"], "ws": ready["ws"], **ready["credentials"]}
        )
    finally:
        process.terminate()
        process.communicate()


def test_markets_have_their_grids(seen: dict[str, Any]) -> None:
    assert seen["markets"] == {"options": 90, "tick": 0.05, "inverse": True, "contract_size": 1.0}


def test_book_by_socket_is_uncrossed_and_moves(seen: dict[str, Any]) -> None:
    books = seen["books"]
    assert len(books) == 4
    for book in books:
        assert book["bid"][0] < book["ask"][0]
        assert min(book["levels"]) >= 5
    assert len({book["timestamp"] for book in books}) > 1


def test_order_is_placed_found_edited_and_cancelled(seen: dict[str, Any]) -> None:
    placed, asked = seen["placed"], seen["asked"]
    assert (placed["status"], placed["price"], placed["amount"]) == ("open", asked["price"], 100)
    assert placed["label"] == "judge-1"
    assert [order["id"] for order in seen["open"]] == [placed["id"]]
    for name in ("edited", "fetched"):
        assert (seen[name]["id"], seen[name]["price"], seen[name]["amount"]) == (
            placed["id"],
            asked["lower"],
            70,
        )
    assert seen["cancelled"]["status"] == "canceled"


def test_trades_positions_and_balance_agree(seen: dict[str, Any]) -> None:
    assert seen["bought"]["status"] == seen["sold"]["status"] == "closed"
    trades = seen["trades"]
    assert sum(trade["amount"] for trade in trades if trade["side"] == "buy") == 500
    assert sum(trade["amount"] for trade in trades if trade["side"] == "sell") == 200
    assert {trade["order"] for trade in trades} == {seen["bought"]["id"], seen["sold"]["id"]}
    assert all(trade["takerOrMaker"] == "taker" and trade["fee"] > 0 for trade in trades)
    assert {trade["currency"] for trade in trades} == {"ETH"}
    assert seen["public_trades"] > 0
    perpetual, option = seen["positions"]["ETH/USD:ETH"], seen["positions"][seen["option"]]
    assert (perpetual["side"], perpetual["contracts"]) == ("long", 300)
    assert (option["side"], option["contracts"]) == ("long", 2)
    before, after = seen["balance"]["before"]["total"], seen["balance"]["after"]["total"]
    assert before == 500
    assert 499 < after < 500
    assert 0 < seen["greeks"]["delta"] < 1
    assert seen["greeks"]["vega"] > 0


def test_socket_tells_of_order_trade_and_balance(seen: dict[str, Any]) -> None:
    pushed = seen["pushed"]
    assert [order["id"] for order in pushed["orders"]] == [pushed["made"]]
    assert pushed["orders"][0]["status"] == "closed"
    assert sum(trade["amount"] for trade in pushed["trades"]) == 30
    assert 490 < pushed["equity"] < 510


def test_refusals_become_the_errors_ccxt_knows(seen: dict[str, Any]) -> None:
    assert seen["errors"] == {
        "unknown order": "OrderNotFound",
        "too large": "InsufficientFunds",
        "post only": "InvalidOrder",
        "wrong secret": "AuthenticationError",
    }


def test_cancel_all_leaves_nothing(seen: dict[str, Any]) -> None:
    assert (seen["resting"], seen["left"]) == (2, 0)
