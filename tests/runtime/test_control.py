from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomizer.runtime.control import SOCKET_NAME, ControlError, ControlServer, RefusedError, Request, ask
from atomizer.runtime.control import user_name as name_of

pytestmark = pytest.mark.system


def served(
    directory: Path,
    talk: Callable[[], Any],
    answer: dict[str, Any] | None = None,
    owner: int | None = None,
) -> tuple[Any, list[tuple[Request, str]]]:
    """Runs `talk` in a thread while a server listens; its result and what the node was told by whom."""
    heard: list[tuple[Request, str]] = []

    def hear(request: Request, by: str) -> dict[str, Any]:
        heard.append((request, by))
        return answer or {"done": "it"}

    async def run() -> Any:
        server = ControlServer(directory / SOCKET_NAME, hear, owner)
        await server.start()
        try:
            return await asyncio.to_thread(talk)
        finally:
            await server.stop()

    return asyncio.run(run()), heard


ME = name_of(os.getuid())


def test_a_word_reaches_the_node_with_its_author_and_the_answer_comes_back(tmp_path: Path) -> None:
    request = Request(word="pause", scope="eth", request_id="r-1", for_s=60.0)
    answer, heard = served(tmp_path, lambda: ask(tmp_path, request))
    assert answer == {"ok": True, "request_id": "r-1", "done": "it"}
    assert heard == [(Request(word="pause", scope="ETH", request_id="r-1", for_s=60.0), ME)]


def test_who_passes_a_word_on_says_how_it_came(tmp_path: Path) -> None:
    _, heard = served(tmp_path, lambda: ask(tmp_path, Request(word="reconcile", via="http")))
    assert heard[0][1] == f"{ME} via http"


def test_a_word_that_was_not_done_is_an_error_that_carries_the_answer(tmp_path: Path) -> None:
    def talk() -> Any:
        with pytest.raises(RefusedError, match="the queue is full") as caught:
            ask(tmp_path, Request(word="status"))
        return caught.value.answer

    answer, _ = served(tmp_path, talk, {"ok": False, "error": "the queue is full", "reason": "full"})
    assert answer["reason"] == "full"


OTHER = 65_534
AS_OTHER = (
    "import os, socket, sys; os.setgid(65534); os.setuid(65534);"
    "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(1000).decode())"
)


def test_another_user_is_turned_away_by_what_the_kernel_says_of_him(tmp_path: Path) -> None:
    root = os.getuid() == 0

    def talk() -> str:
        path = tmp_path / SOCKET_NAME
        if not root:  # nobody else can be played: the node belongs to somebody else then
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                return connection.recv(1000).decode()
        for directory in [tmp_path, *tmp_path.parents[:-1]]:
            directory.chmod(directory.stat().st_mode | 0o011)
        path.chmod(0o666)  # as if the file's mode had been opened by mistake
        ran = subprocess.run([sys.executable, "-c", AS_OTHER, str(path)], capture_output=True, text=True)
        return ran.stdout + ran.stderr

    said, heard = served(tmp_path, talk, owner=None if root else os.getuid() + 1)
    assert f"expected the node's own user, found user id {OTHER if root else os.getuid()}" in said
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
        (Request(word="dance"), "expected one of status, trades"),
        (Request(word="kill"), "expected a kill level from 1 to 4, found 0"),
        (Request(word="kill", level=5), "found 5"),
        (Request(word="pause", level=1), "expected no level"),
        (Request(word="pause", for_s=-1.0), "expected a time up to"),
        (Request(word="resume", for_s=5.0), "expected no time"),
        (Request(word="pause", scope="venue/"), "expected an underlying, venue/NAME or taker/ADDRESS"),
        (Request(word="pause", scope="taker/0x12"), "expected an underlying"),
        (Request(word="reconcile", scope="ETH"), "expected no scope"),
        (Request(word="retry"), "expected the id of a trade or dead letter"),
        (Request(word="widen", scope="ETH"), "widen: expected factor, found none"),
        (Request(word="widen", args={"factor": 0.0}), "expected factor above 0, found 0.0"),
        (Request(word="one_sided", args={"side": "left"}), "expected one of buy, sell, both"),
        (
            Request(word="vol", scope="ETH", args={"kind": "shift", "points": 1.0}),
            "expected a time at which it lapses",
        ),
        (Request(word="pause", args={"factor": 2.0}), "expected no values, found 'factor'"),
        (Request(word="execute", args={"instrument": "ETH-PERP"}), "execute: expected side, found none"),
        (
            Request(
                word="record",
                args={"instrument": "ETH-PERP", "side": "buy", "price": "nan", "amount": "1"},
            ),
            "record price: expected a number above zero, found 'nan'",
        ),
        (Request(word="stop", request_id="two words"), "expected a request id of letters"),
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
