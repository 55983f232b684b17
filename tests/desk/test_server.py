from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomizer.desk.server import TOKEN_NAME, DeskServer
from atomizer.net.sockets import SocketTransport
from atomizer.runtime.control import SOCKET_NAME, ControlServer
from atomizer.runtime.words import Request

pytestmark = pytest.mark.system


def asked(
    address: str, path: str, token: str, body: dict[str, Any] | None = None, key: str = ""
) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
    request = urllib.request.Request(address + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def with_server(story: Path, talk: Callable[[str, str], Any]) -> Any:
    async def run() -> Any:
        server = DeskServer(story, venues=dict, transport=SocketTransport)
        port = await server.start(0)
        try:
            token = (story / TOKEN_NAME).read_text().strip()
            return await asyncio.to_thread(talk, f"http://127.0.0.1:{port}", token)
        finally:
            await server.stop()

    return asyncio.run(run())


def test_status_and_explain_are_served(story: Path) -> None:
    code, found = with_server(story, lambda address, token: asked(address, "/status", token))
    assert (code, found["journal"]["live_signatures"]) == (200, 2)
    code, found = with_server(story, lambda address, token: asked(address, "/explain/rfq-2", token))
    assert (code, found["steps"][0]["fields"]["reason"]) == (200, "terms_cap")


def test_an_unknown_subject_is_a_404(story: Path) -> None:
    code, found = with_server(story, lambda address, token: asked(address, "/explain/none", token))
    assert code == 404
    assert "nothing named 'none'" in found["detail"]


@pytest.mark.parametrize(
    "path", ["/status", "/explain/rfq-1", "/kill", "/trades", "/trades/record", "/elsewhere"]
)
def test_nothing_is_served_without_the_token(story: Path, path: str) -> None:
    body = {} if path in ("/kill", "/trades/record") else None
    code, found = with_server(story, lambda address, _: asked(address, path, "wrong", body))
    assert code == 401
    assert "wrong" not in found["detail"]


def test_the_token_is_readable_by_its_owner_only_and_stays(story: Path) -> None:
    DeskServer(story, venues=dict, transport=SocketTransport)
    path = story / TOKEN_NAME
    before = path.read_text()
    DeskServer(story, venues=dict, transport=SocketTransport)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == before
    assert len(before) > 40


def test_kill_is_done_and_reported(story: Path) -> None:
    code, report = with_server(story, lambda address, token: asked(address, "/kill", token, {"level": 1}))
    assert code == 200
    assert (report["level"], report["acknowledged"]) == (1, False)
    assert len(report["live"]["signatures"]) == 2


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"level": 9}, "expected a level from 1 to 4, found 9"),
        ({"level": "two"}, "expected {"),
        ({"level": 4}, 'expected "confirm": true for level 4'),
    ],
)
def test_a_kill_that_makes_no_sense_is_refused(story: Path, body: dict[str, Any], detail: str) -> None:
    code, found = with_server(story, lambda address, token: asked(address, "/kill", token, body))
    assert code == 400
    assert detail in found["detail"]


def test_the_desk_as_a_process_says_where_it_is_and_stops_on_sigterm(story: Path) -> None:
    command = [sys.executable, "-m", "atomizer.cli.main", "desk", "--data-dir", str(story)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        ready = json.loads(desk.stdout.readline())
        token = Path(ready["token_file"]).read_text().strip()
        assert asked(ready["desk"], "/status", token)[0] == 200
        os.kill(desk.pid, signal.SIGTERM)
        assert desk.wait(10) == 0


TRADE = {"instrument": "ETH-PERP", "side": "sell", "price": "3500", "amount": "2"}


class Told:
    """A node's ear that remembers; it answers what it was made with."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.heard: list[tuple[Request, str]] = []

    def __call__(self, request: Request, by: str) -> dict[str, Any]:
        self.heard.append((request, by))
        return self.answer


def traded(story: Path, answer: dict[str, Any], path: str, body: Any, key: str) -> tuple[int, Any, Told]:
    """POST a manual trade with a node that listens."""
    told = Told(answer)

    async def run() -> tuple[int, Any]:
        node = ControlServer(story / SOCKET_NAME, told)
        await node.start()
        server = DeskServer(story, venues=dict, transport=SocketTransport)
        port = await server.start(0)
        try:
            token = (story / TOKEN_NAME).read_text().strip()
            address = f"http://127.0.0.1:{port}"
            return await asyncio.to_thread(asked, address, path, token, body, key)
        finally:
            await server.stop()
            await node.stop()

    return (*asyncio.run(run()), told)


def test_a_manual_trade_is_passed_on_with_its_key(story: Path) -> None:
    code, found, told = traded(story, {"done": "booked as otc-1"}, "/trades/record", TRADE, "otc-1")
    assert (code, found["done"], found["request_id"]) == (200, "booked as otc-1", "otc-1")
    ((request, by),) = told.heard
    assert (request.word, request.request_id, request.args) == ("record", "otc-1", TRADE)
    assert by.endswith(" via http")


def test_what_the_node_did_not_do_is_a_conflict_with_its_reason(story: Path) -> None:
    answer = {"ok": False, "error": "the queue is full", "reason": "full"}
    code, found, _ = traded(story, answer, "/trades/execute", {**TRADE, "for_s": 5}, "m-1")
    assert (code, found["reason"]) == (409, "full")


@pytest.mark.parametrize(
    ("path", "body", "key", "detail"),
    [
        ("/trades/record", TRADE, "", "expected an Idempotency-Key header"),
        ("/trades/record", {**TRADE, "price": "-1"}, "k", "expected a number above zero, found '-1'"),
        ("/trades/record", {"side": "buy"}, "k", "record: expected instrument, found none"),
        ("/trades/execute", [1], "k", "expected {"),
    ],
)
def test_a_trade_that_makes_no_sense_reaches_no_node(
    story: Path, path: str, body: Any, key: str, detail: str
) -> None:
    code, found, told = traded(story, {"done": ""}, path, body, key)
    assert (code, told.heard) == (400, [])
    assert detail in found["detail"]


def test_without_a_node_a_trade_can_be_asked_again(story: Path) -> None:
    code, found = with_server(
        story, lambda address, token: asked(address, "/trades/record", token, TRADE, "k")
    )
    assert (code, "expected a node to listen" in found["detail"]) == (503, True)
