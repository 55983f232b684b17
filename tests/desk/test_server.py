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

pytestmark = pytest.mark.system


def asked(address: str, path: str, token: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data=data, headers={"Authorization": f"Bearer {token}"})
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


@pytest.mark.parametrize("path", ["/status", "/explain/rfq-1", "/kill", "/elsewhere"])
def test_nothing_is_served_without_the_token(story: Path, path: str) -> None:
    body = {} if path == "/kill" else None
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
