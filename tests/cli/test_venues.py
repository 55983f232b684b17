"""Commands that talk to a venue without a node, against simulated venues as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomizer.cli.exits import Exit
from tests.system.stage import Stage, stage

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("venues"), 5) as made:
        yield made


def said(running: Stage, *arguments: str, **environment: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "atomizer", *arguments],
        capture_output=True,
        text=True,
        timeout=60.0,
        env={**os.environ, **running.environment, **environment},
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_a_connection_is_tried_with_login_clock_and_subscription(running: Stage) -> None:
    code, out, err = said(running, "test-connection", "--exchange", "deribit", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["authenticated"]) == (0, True, True), err
    assert abs(found["clock_offset_ms"]) < 250.0
    assert found["instruments"] > 50
    assert found["tickers"] > 0
    code, out, err = said(running, "test-connection", "--exchange", "rysk", "--json")
    assert (code, json.loads(out)["feeds"]) == (0, {"rysk/maker": True}), err


def test_a_venue_that_does_not_answer_or_know_us_is_4_and_one_not_built_is_3(running: Stage) -> None:
    gone = {"ATOMIZER_DERIBIT__WS_URL": "ws://127.0.0.1:1/"}
    code, out, err = said(running, "test-connection", "--exchange", "deribit", "--timeout", "2", **gone)
    assert (code, "deribit/market: down" in out, "cannot connect" in err) == (Exit.NETWORK, True, True)
    wrong = {"DERIBIT_API_SECRET": "not-the-secret"}
    code, _, err = said(running, "test-connection", "--exchange", "deribit", "--timeout", "4", **wrong)
    assert code == Exit.NETWORK
    assert "not-the-secret" not in err
    code, _, err = said(running, "test-connection", "--exchange", "derive")
    assert (code, "deribit, deribit2, rysk" in err) == (Exit.CONFIG, True)


def test_markets_are_read_from_the_venue_where_no_node_runs(running: Stage, tmp_path: Path) -> None:
    code, out, err = said(
        running, "markets", "--kind", "option", "--format", "json", "--data-dir", str(tmp_path)
    )
    found = json.loads(out)
    assert code == 0, err
    assert "no node answers" in found["seen_by"]
    assert any(row["mark_vol"] for row in found["instruments"])
    assert found["index"]["eth_usd"] > 0


def test_makers_are_asked_for_a_price_and_the_time_is_measured(running: Stage, tmp_path: Path) -> None:
    _, out, _ = said(running, "markets", "--kind", "option", "--format", "csv", "--data-dir", str(tmp_path))
    names = [line.split(",")[0].partition(":")[2] for line in out.splitlines()[1:]]
    name = names[len(names) // 2]
    code, out, err = said(
        running, "send-quote", "--instrument", name, "--side", "sell", "--size", "1", "--json"
    )
    (row,) = json.loads(out)
    assert code == 0, err
    assert row["refused"] or float(row["price"]) > 0.0
    assert row["response_ms"] > 0.0
    code, out, _ = said(
        running,
        "send-quote",
        "--instrument",
        name,
        "--side",
        "sell",
        "--size",
        "1",
        "--measure-response-time",
    )
    assert (code, " ms" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--side", "buy", "--size", "1"), "Give --instrument or --from-inventory"),
        (("--side", "buy", "--size", "none", "--instrument", "ETH-PERP"), "expected a number above zero"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(running: Stage, arguments: tuple[str, ...], text: str) -> None:
    code, _, err = said(running, "send-quote", *arguments)
    assert (code, text in err) == (Exit.USAGE, True)


def test_on_the_live_network_a_request_needs_the_word(running: Stage) -> None:
    live = {
        "ATOMIZER_NETWORK": "live",
        "ATOMIZER_MODE": "dry-run",
        "ATOMIZER_DERIBIT__WS_URL": "wss://127.0.0.1:1/",
        "RYSK_WS_URL": "wss://127.0.0.1:1/",
    }
    arguments = ("--instrument", "ETH-20250530-3000-C", "--side", "buy", "--size", "1")
    code, _, err = said(running, "send-quote", *arguments, **live)
    assert (code, "pass --live" in err) == (Exit.USAGE, True)


def test_the_answer_of_a_market_is_read_strictly() -> None:
    from atomizer.venues.rysk.taker import TakerError, answered

    refusal = b'{"jsonrpc":"2.0","id":"1","error":{"code":-32000,"message":"no quotes"}}'
    assert answered(refusal).refused == "no quotes"
    for data in (b"{}", b"[]", b'{"result":{"maker":"0x","price":"x","validUntil":1}}', b"nonsense"):
        with pytest.raises(TakerError, match="expected a quote"):
            answered(data)
