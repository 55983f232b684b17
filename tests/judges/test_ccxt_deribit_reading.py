"""ccxt (pro), which knows nothing of us, reads back what it did on `atomizer sim deribit`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges.environments import ask

pytestmark = pytest.mark.system

PROGRAM = str(Path(sys.executable).parent / "atomizer")
AMOUNTS = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """One session of the judge on a market that began three hours ago."""
    start = time.time_ns() - 3 * 3_600_000_000_000
    command = [PROGRAM, "sim", "deribit", "--port", "0", "--seed", "11", "--start", str(start)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        request = {"http": ready["http"], "ws": ready["ws"], **ready["credentials"]}
        yield ask("ccxt", "ccxt_deribit_reading.py", request)
    finally:
        process.terminate()
        process.communicate()


def test_positions_of_every_kind_and_spot_are_known(seen: dict[str, Any]) -> None:
    symbols = seen["symbols"]
    assert seen["positions"] == {
        "ETH/USD:ETH": ["long", 50.0],
        symbols["future"]: ["long", 70.0],
        symbols["option"]: ["short", 3.0],
    }
    assert seen["option position"] == "short"
    assert seen["spot"] == {"status": "closed", "filled": 0.5}
    assert seen["usdc"] > 1000
    assert seen["fill or kill"] == ["canceled", 0.0, "closed", 90.0]


def test_trades_come_page_by_page_and_by_order(seen: dict[str, Any]) -> None:
    assert seen["paged"]["pages"] == seen["paged"]["at once"]
    assert len(seen["paged"]["pages"]) >= len(AMOUNTS) + 1
    assert sum(seen["newest"]) > 0
    assert seen["since"] == [True, True]
    assert seen["of order"] == [40.0, True]


def test_ended_orders_are_found(seen: dict[str, Any]) -> None:
    assert seen["closed"] == sorted([*AMOUNTS, 90.0])
    assert seen["first closed is"] == "closed"


def test_every_way_to_cancel_leaves_what_it_should(seen: dict[str, Any]) -> None:
    assert seen["cancels"] == {
        "edited": [True, 20.0],
        "by label": 1,
        "second": "canceled",
        "by id": "canceled",
        "left": True,
        "after all": 0,
    }


def test_market_data_is_understood(seen: dict[str, Any]) -> None:
    assert seen["depths"] == [[1, 1], [5, 5], [12, 12]]
    assert 0.99 < seen["spot against perpetual"] < 1.01
    assert seen["chain"] == {"all": True, "vols": True}
    greeks = seen["greeks"]
    assert 0 < greeks["delta"] < 1
    assert greeks["gamma"] > 0
    assert greeks["vega"] > 0
    assert greeks["theta"] < 0
    assert 10 < greeks["markImpliedVolatility"] < 300
    assert abs(seen["funding"]) < 0.01
    assert seen["funding history"] == 0  # funding counts from the start of the process
    assert seen["interest"] >= 0
    assert seen["volatility"][0] >= 1
    assert seen["volatility"][1]


def test_the_socket_brings_tickers_trades_and_orders(seen: dict[str, Any]) -> None:
    assert set(seen["watched"].values()) == {True}
