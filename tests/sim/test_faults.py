"""Faults: the grammar, what each does to whole messages, and that a seed repeats them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.sim.faults import FaultSpecError, FaultyApplication, known_fault, parse_faults


class Echo:
    """A venue that answers every message with itself and remembers when it came."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.got: list[tuple[float, bytes]] = []
        self.over = ""
        self.requests = 0

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        return self if target == "/ws" else None

    def http(self, request: HttpRequest) -> HttpResponse:
        self.requests += 1
        return HttpResponse(200, b"{}")

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def message(self, data: bytes, last: bool) -> None:
        self.got.append((asyncio.get_running_loop().time(), data))
        assert self.connection is not None
        self.connection.send(data)

    def closed(self, reason: str) -> None:
        self.over = reason


class Wire:
    """The transport's connection: what reached the client, and whether it was cut."""

    peer = "client"

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.aborted_at: float | None = None
        self.close_codes: list[int] = []

    def send(self, data: bytes) -> None:
        self.sent.append((asyncio.get_running_loop().time(), data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.close_codes.append(code)

    def abort(self) -> None:
        self.aborted_at = asyncio.get_running_loop().time()


async def drive(spec: str, count: int, gap_s: float, seed: int = 1) -> tuple[Echo, Wire]:
    echo, wire = Echo(), Wire()
    link = FaultyApplication(echo, parse_faults(spec), seed).accept("/ws", {})
    assert link is not None
    link.opened(wire)
    for number in range(count):
        link.message(b"%d" % number, True)
        await asyncio.sleep(gap_s)
    await asyncio.sleep(5)
    return echo, wire


def virtually(body: Callable[[], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        await body()

    run_virtual(main)


def numbers(got: list[tuple[float, bytes]]) -> list[int]:
    return [int(data) for _, data in got]


def test_without_terms_messages_pass_at_once_and_in_order() -> None:
    async def body() -> None:
        echo, wire = await drive("", 50, 0.01)
        assert numbers(echo.got) == numbers(wire.sent) == list(range(50))
        assert wire.sent[3][0] == pytest.approx(0.03)

    virtually(body)


def test_delay_keeps_the_order_and_its_range() -> None:
    async def body() -> None:
        echo, wire = await drive("delay=5..80ms", 300, 0.01)
        assert numbers(wire.sent) == list(range(300))
        waits = [at - 0.01 * n for n, (at, _) in enumerate(echo.got)]
        assert min(waits) >= 0.005
        assert max(waits) <= 0.0801
        assert len(set(waits)) > 100

    virtually(body)


def test_loss_and_duplication_act_as_often_as_asked() -> None:
    async def body() -> None:
        echo, wire = await drive("loss=0.1", 3000, 0.001)
        assert len(echo.got) == pytest.approx(2700, abs=60)
        assert len(wire.sent) == pytest.approx(2430, abs=80)
        echo, _ = await drive("up.dup=0.1", 3000, 0.001)
        assert len(echo.got) == pytest.approx(3300, abs=60)

    virtually(body)


def test_one_direction_alone() -> None:
    async def body() -> None:
        echo, wire = await drive("down.loss=1", 20, 0.01)
        assert (len(echo.got), len(wire.sent)) == (20, 0)
        echo, wire = await drive("up.delay=1s", 2, 0.01)
        assert [n for n, _ in enumerate(echo.got)] == numbers(echo.got)
        assert echo.got[0][0] == pytest.approx(wire.sent[0][0])

    virtually(body)


def test_late_requests_are_overtaken_and_answers_are_not() -> None:
    async def body() -> None:
        echo, wire = await drive("late=0.2:400ms", 200, 0.01)
        waits = {int(data): at - 0.01 * int(data) for at, data in echo.got}
        late = {n for n, wait in waits.items() if wait > 0.1}
        assert 20 < len(late) < 60
        assert all(waits[n] == pytest.approx(0.4) for n in late)
        assert numbers(echo.got) != sorted(numbers(echo.got))
        assert numbers(wire.sent) == numbers(echo.got)

    virtually(body)


def test_reordered_messages_are_overtaken() -> None:
    async def body() -> None:
        echo, _ = await drive("up.reorder=0.3:25ms", 200, 0.01)
        assert numbers(echo.got) != list(range(200))
        assert sorted(numbers(echo.got)) == list(range(200))

    virtually(body)


def test_freeze_holds_messages_and_lets_them_go_in_order() -> None:
    async def body() -> None:
        echo, _ = await drive("freeze=1/1s:2s", 400, 0.01)
        waits = [at - 0.01 * n for n, (at, _) in enumerate(echo.got)]
        assert numbers(echo.got) == list(range(len(echo.got)))
        assert 1.0 < max(waits) <= 10.0

    virtually(body)


def test_cut_aborts_the_connection() -> None:
    async def body() -> None:
        _, wire = await drive("cut=10/1s", 10, 0.01)
        assert wire.aborted_at is not None

    virtually(body)


def test_closing_comes_after_what_was_sent_before() -> None:
    async def body() -> None:
        echo, wire = Echo(), Wire()
        link = FaultyApplication(echo, parse_faults("down.delay=50ms"), 1).accept("/ws", {})
        assert link is not None
        link.opened(wire)
        link.message(b"1", True)
        assert echo.connection is not None
        echo.connection.close(1008, "enough")
        assert wire.close_codes == []
        await asyncio.sleep(0.1)
        assert (numbers(wire.sent), wire.close_codes) == ([1], [1008])
        link.closed("gone")
        assert echo.over == "gone"

    virtually(body)


def test_nothing_arrives_after_the_connection_is_gone() -> None:
    async def body() -> None:
        echo, wire = Echo(), Wire()
        link = FaultyApplication(echo, parse_faults("delay=50ms,late=0.5:1s"), 1).accept("/ws", {})
        assert link is not None
        link.opened(wire)
        for _ in range(20):
            link.message(b"1", True)
        link.closed("cut")
        await asyncio.sleep(2)
        assert echo.got == []

    virtually(body)


def test_refusals_and_lost_requests() -> None:
    echo = Echo()
    refusing = FaultyApplication(echo, parse_faults("refuse=0.5"), 3)
    accepted = sum(refusing.accept("/ws", {}) is not None for _ in range(200))
    assert 70 < accepted < 130
    assert refusing.accept("/elsewhere", {}) is None
    losing = FaultyApplication(echo, parse_faults("loss=0.5"), 3)
    statuses = [losing.http(HttpRequest("GET", "/")).status for _ in range(200)]
    assert set(statuses) == {200, 504}
    assert statuses.count(200) < echo.requests < 200
    assert FaultyApplication(echo, parse_faults("refuse=1"), 3).http(HttpRequest("GET", "/")).status == 503


def test_a_seed_repeats_every_fault() -> None:
    runs = []

    async def body() -> None:
        spec = "loss=0.1,delay=1..50ms,dup=0.1,reorder=0.1,late=0.1:300ms,freeze=1/2s:1s"
        for seed in (4, 4, 5):
            echo, wire = await drive(spec, 200, 0.01, seed)
            start = echo.got[0][0] - 0.0
            runs.append([(round(at - start, 6), data) for at, data in wire.sent])

    virtually(body)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss", "expected name=value"),
        ("loss=2", "probability from 0 to 1, found '2'"),
        ("loss=x", "probability from 0 to 1"),
        ("delay=fast", "duration such as 400ms"),
        ("delay=80..5ms", "longer delay second"),
        ("late=0.1", "probability and duration"),
        ("down.late=0.1:1s", "expected one of"),
        ("cut=1", "rate such as 1/30s"),
        ("cut=1/0s", "no time"),
        ("freeze=1/3s", "rate and duration"),
        ("up.cut=1/3s", "expected one of"),
        ("gremlins=1", "expected one of loss, delay"),
    ],
)
def test_wrong_term_is_named_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(FaultSpecError, match=message):
        parse_faults(text)


def test_known_names() -> None:
    assert known_fault("loss")
    assert known_fault("up.loss")
    assert known_fault("cut")
    assert not known_fault("confirmation_lost")
    assert not known_fault("side.loss")
