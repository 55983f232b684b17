"""A person at the command line and a node as a real process: words, manual trades, letters, restarts."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atomizer.cli.exits import Exit
from atomizer.domain.events import Operator
from atomizer.engine.ledger import Ledger
from atomizer.runtime.node import fold
from atomizer.storage.journal import read
from tests.system.stage import Stage, stage, wait_until

pytestmark = pytest.mark.system
QUIET = "rysk.acceptance=never"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path, 21, rysk=QUIET) as made:
        yield made


def settled(running: Stage) -> None:
    def agreed() -> bool:
        status = running.status()
        return status is not None and not status["unreconciled"]

    wait_until("both accounts agree", agreed, 30.0)


def said(running: Stage, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `atomizer ARGUMENTS`."""
    ran = subprocess.run(
        [sys.executable, "-m", "atomizer", *arguments, "--data-dir", str(running.directory)],
        capture_output=True,
        text=True,
        timeout=60.0,
        env={**os.environ, **running.environment, **environment},
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def json_of(text: str) -> Any:
    return json.loads(text.strip().splitlines()[-1])


ORDER = ("--instrument", "ETH-PERP", "--side", "buy", "--amount", "0.1")
DONE = ("--instrument", "ETH-PERP", "--side", "sell", "--price", "3500", "--amount", "2")


def test_a_desk_by_hand_from_the_first_word_to_a_restart(running: Stage) -> None:
    node = running.node()
    settled(running)
    index = float(running.command("status")["node"]["index"]["ETH"])

    # A word, who said it, and what came of it.
    code, out, _ = said(running, "pause", "--scope", "ETH")
    assert (code, out) == (0, "ETH paused\n")
    assert "ETH" in running.command("status")["node"]["paused"]
    said(running, "resume", "--scope", "ETH")
    words = [record.body for record in read(running.directory) if isinstance(record.body, Operator)]
    assert [(item.word, item.by) for item in words] == [("pause", me()), ("resume", me())]

    # A trade done elsewhere is booked and hedged.
    code, out, _ = said(running, "manual-trade", "record", *DONE, "--request-id", "otc-1", "--json")
    assert code == 0
    assert json_of(out)["trade"]["state"] == "executed"
    wait_until("its delta is hedged", lambda: trade(running, "otc-1")["state"] == "hedged", 20.0)
    code, out, _ = said(running, "manual-trade", "record", *DONE, "--request-id", "otc-1")
    assert (code, out) == (0, "otc-1 was booked before\n")

    # A trade asked for goes through the gate, is filled and booked.
    price = f"{index * 1.005:.2f}"[:-1] + "5"
    code, out, said_err = said(
        running, "manual-order", *ORDER, "--price", price, "--ioc", "--request-id", "man-1", "--json"
    )
    assert code == 0, said_err
    assert json_of(out)["trade"]["state"] in ("executed", "hedged")
    code, _, err = said(running, "manual-order", *ORDER, "--price", f"{index * 2:.0f}", "--ioc")
    assert (code, "price_collar" in err) == (Exit.RISK, True)

    # The accounts agree.
    code, out, err = said(running, "reconcile", "--json")
    assert (code, json_of(out)["differences"]) == (0, []), err

    # After a kill everything is there again, and asked for nothing twice.
    node.kill()
    node.wait()
    running.node()
    settled(running)
    states = {item["trade_id"]: item["state"] for item in listed(running)}
    assert states["otc-1"] == "hedged"
    assert states["man-1"] in ("executed", "hedged")
    ledger = fold(running.directory, Ledger())
    assert str(ledger.accounts.size("manual", "manual", "manual:ETH-PERP")) == "-2"


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def trade(running: Stage, trade_id: str) -> Any:
    return {item["trade_id"]: item for item in listed(running)}[trade_id]


def listed(running: Stage) -> list[Any]:
    code, out, err = said(running, "manual-trade", "list", "--json")
    assert code == 0, err
    found: list[Any] = json_of(out)
    return found


def test_a_request_from_the_environment_is_withdrawn_and_words_without_a_node_are_told(
    running: Stage,
) -> None:
    node = running.node()
    settled(running)
    index = float(running.command("status")["node"]["index"]["ETH"])
    environment = {
        "ORDER_INSTRUMENT": "ETH-PERPETUAL",
        "ORDER_SIDE": "buy",
        "ORDER_PRICE": f"{index * 0.999:.0f}",
        "ORDER_AMOUNT": "10",
    }
    ran = subprocess.run(
        [
            str(ROOT / "scripts" / "manual_order.sh"),
            *("--for", "30s", "--wait", "0s", "--json", "--request-id", "man-9"),
            *("--data-dir", str(running.directory)),
        ],
        capture_output=True,
        text=True,
        timeout=60.0,
        env={**os.environ, **running.environment, **environment},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json_of(ran.stdout)["trade"]["state"] == "quoted"
    code, out, _ = said(running, "manual-trade", "withdraw", "man-9")
    assert (code, "withdrawn by" in out) == (0, True)
    wait_until("it is cancelled", lambda: trade(running, "man-9")["state"] == "cancelled", 10.0)
    code, out, _ = said(running, "dead-letters", "list")
    assert (code, out) == (0, "no dead letters\n")
    code, _, err = said(running, "dead-letters", "retry", "dl-1")
    assert (code, "expected a dead letter" in err) == (Exit.FAILURE, True)
    node.send_signal(signal.SIGTERM)
    node.wait(40.0)
    code, _, err = said(running, "dead-letters", "discard", "dl-1")
    assert (code, "expected a node to listen" in err) == (Exit.NETWORK, True)
