from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain.events import Operator
from atomizer.runtime.control import SOCKET_NAME, ControlError, ControlServer, Request, ask

pytestmark = pytest.mark.system


def served(directory: Path, talk: Callable[[], Any]) -> tuple[Any, list[Operator]]:
    """Runs `talk` in a thread while a server listens; its result and what the node was told."""
    heard: list[Operator] = []

    async def run() -> Any:
        server = ControlServer(directory / SOCKET_NAME, heard.append, lambda: {"mode": "sim", "orders": 2})
        await server.start()
        try:
            return await asyncio.to_thread(talk)
        finally:
            await server.stop()

    return asyncio.run(run()), heard


def test_a_word_reaches_the_node_and_is_acknowledged(tmp_path: Path) -> None:
    request = Request(word="kill", level=2, scope="ETH", request_id="r-1")
    answer, heard = served(tmp_path, lambda: ask(tmp_path, request))
    assert answer == {"ok": True, "request_id": "r-1"}
    assert heard == [Operator("kill", 2, "ETH", "r-1")]


def test_status_is_answered_without_telling_the_core(tmp_path: Path) -> None:
    answer, heard = served(tmp_path, lambda: ask(tmp_path, Request(word="status")))
    assert answer["status"] == {"mode": "sim", "orders": 2}
    assert heard == []


def test_the_socket_is_open_to_its_owner_only(tmp_path: Path) -> None:
    mode, _ = served(tmp_path, lambda: (tmp_path / SOCKET_NAME).stat().st_mode)
    assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / SOCKET_NAME).exists()


def test_a_socket_left_by_a_dead_node_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
    answer, _ = served(tmp_path, lambda: ask(tmp_path, Request(word="status")))
    assert answer["ok"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(word="dance"), "expected one of status, kill"),
        (Request(word="kill"), "expected a kill level from 1 to 4, found 0"),
        (Request(word="kill", level=5), "found 5"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused(tmp_path: Path, request_: Request, reason: str) -> None:
    def talk() -> None:
        with pytest.raises(ControlError, match=reason):
            ask(tmp_path, request_)

    _, heard = served(tmp_path, talk)
    assert heard == []


@pytest.mark.parametrize(
    ("line", "reason"), [(b"hello\n", b"expected a request"), (b"x" * 70_000 + b"\n", b"at most 65536 bytes")]
)
def test_a_line_that_is_no_request_is_answered(tmp_path: Path, line: bytes, reason: bytes) -> None:
    def talk() -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(tmp_path / SOCKET_NAME))
            connection.sendall(line)
            return connection.recv(1000)

    answer, _ = served(tmp_path, talk)
    assert reason in answer


def test_no_node_and_a_silent_node_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="expected a node to listen"):
        ask(tmp_path, Request(word="status"))
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / SOCKET_NAME))
        frozen.listen()
        with pytest.raises(ControlError, match=r"expected an answer within 0\.05 s, found none"):
            ask(tmp_path, Request(word="status"), timeout_s=0.05)


def test_a_path_too_long_for_a_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="choose a shorter --data-dir"):
        ask(tmp_path / ("x" * 100), Request(word="status"))
