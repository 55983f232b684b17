"""The session over the memory network in virtual time: one test per behaviour."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import pytest

from atomizer.net.memory import Latency, MemoryNetwork, MemoryServer
from atomizer.net.pacing import RetrySettings
from atomizer.net.session import (
    HandshakeError,
    NotSentError,
    Session,
    SessionDownError,
    SessionSettings,
)
from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse
from atomizer.net.virtual import VirtualClock, run_virtual


class Peer:
    """A scripted server socket: echoes `echo N`, answers `slow N` after 3 s, ignores `mute N`."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        self.connection = connection
        self.site.peers.append(self)

    def message(self, data: bytes, last: bool) -> None:
        assert self.connection is not None
        self.site.heard.append(data)
        verb, _, key = data.partition(b" ")
        if verb in (b"echo", b"auth", b"sub") and not self.site.silent:
            self.connection.send(key)
        elif verb == b"slow":
            asyncio.get_running_loop().call_later(3.0, self.connection.send, key)

    def closed(self, reason: str) -> None:
        self.site.ended.append(reason)


class Site:
    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.heard: list[bytes] = []
        self.ended: list[str] = []
        self.silent = False
        self.accepting = True
        self.attempts: list[float] = []

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        self.attempts.append(asyncio.get_running_loop().time())
        return Peer(self) if self.accepting else None

    def http(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404, b"")


class Owner:
    """Keys are integers in the message text; contexts are strings."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.session: Session[str]
        self.log: list[str] = []
        self.times: list[float] = []
        self.refuse_handshake = False
        self.tokens: list[float] = []

    def note(self, text: str) -> None:
        self.log.append(text)
        self.times.append((self.clock.now_ns() - self.clock.start_ns) / 1e9)

    async def handshake(self) -> None:
        await self.session.ask(b"auth 1", 1, 2.0)
        if self.refuse_handshake:
            raise HandshakeError("credentials refused")
        await self.session.ask(b"sub 2", 2, 2.0)
        if self.tokens:
            self.session.keep_authenticated(self.tokens.pop(0), self.again)

    async def again(self) -> float:
        await self.session.ask(b"auth 3", 3, 2.0)
        self.note("reauthenticated")
        return self.tokens.pop(0) if self.tokens else 1e6

    def up(self) -> None:
        self.note("up")

    def down(self, why: str) -> None:
        self.note(f"down: {why}")

    def message(self, data: bytes, last: bool) -> None:
        if not data.isdigit():
            self.note(f"push {data.decode()} {last}")
            return
        answer = self.session.answer(int(data), data)
        if answer is not None:
            self.note(f"{'late ' if answer.late else ''}answer {answer.context}")

    def heartbeat(self) -> None:
        self.note("heartbeat")
        self.session.send(b"echo 9")

    def timed_out(self, context: str) -> None:
        self.note(f"timed out {context}")


Body = Callable[["Owner", Site, MemoryServer], Awaitable[None]]
RETRY = RetrySettings(first_s=1.0, most_s=8.0, breaker_failures=5, breaker_rest_s=60.0, stable_s=10.0)


def drive(body: Body, seed: int = 3, **changes: object) -> tuple[Owner, Site]:
    """Run `body` against a running session; the session is stopped after it."""
    settings = {
        "name": "test",
        "url": "ws://127.0.0.1:8000/",
        "heartbeat_s": 0.0,
        "dead_after_s": 0.0,
        "retry": RETRY,
    }
    settings.update(changes)

    async def main(clock: VirtualClock) -> tuple[Owner, Site]:
        network = MemoryNetwork(random.Random(seed), Latency(0.005), Latency(0.005))
        site, owner = Site(), Owner(clock)
        server = await network.serve("127.0.0.1", 8000, site)
        owner.session = Session(
            SessionSettings(**settings),
            network,
            owner,
            random.Random(seed),  # type: ignore[arg-type]
        )
        running = asyncio.create_task(owner.session.run())
        try:
            async with asyncio.timeout(3_600):
                await body(owner, site, server)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return owner, site

    return run_virtual(main)


async def until_up(owner: Owner, times: int = 1) -> None:
    while owner.log.count("up") < times:  # noqa: ASYNC110  (virtual time: costs nothing)
        await asyncio.sleep(0.01)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_handshake_is_awaited_before_up():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        with pytest.raises(NotSentError) as refused:
            owner.session.send_request(b"echo 5", 5, 1, "five")
        assert refused.value.code == "not_connected"
        await until_up(owner)
        assert site.heard == [b"auth 1", b"sub 2"]

    drive(body)


def test_answer_is_matched_to_its_request():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        owner.session.send_request(b"slow 5", 5, 5, "five")
        owner.session.send_request(b"echo 6", 6, 5, "six")
        await asyncio.sleep(10)
        assert owner.log == ["up", "answer six", "answer five"]

    drive(body)


def test_deadline_passes_then_the_late_answer_is_still_delivered():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        sent = now()
        owner.session.send_request(b"slow 5", 5, 1, "five")
        owner.session.send_request(b"mute 6", 6, 0.5, "six")
        await asyncio.sleep(10)
        assert owner.log == ["up", "timed out six", "timed out five", "late answer five"]
        assert owner.times[1:3] == pytest.approx([sent + 0.5, sent + 1.0])

    drive(body)


def test_lost_connection_times_out_what_is_in_flight_before_it_says_down():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        owner.session.send_request(b"mute 5", 5, 60, "five")
        owner.session.send_request(b"mute 6", 6, 60, "six")
        await asyncio.sleep(1)
        server.cut()
        await asyncio.sleep(0.1)
        assert owner.log[1:] == ["timed out five", "timed out six", "down: connection lost"]
        with pytest.raises(NotSentError):
            owner.session.send(b"echo 7")

    drive(body)


def test_reconnects_and_subscribes_again_after_a_cut():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        server.cut()
        await until_up(owner, times=2)
        assert site.heard == [b"auth 1", b"sub 2"] * 2

    drive(body)


def test_back_off_doubles_with_jitter_and_the_circuit_opens():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        site.accepting = False
        await asyncio.sleep(300)
        gaps = [b - a for a, b in zip(site.attempts, site.attempts[1:], strict=False)]
        for gap, longest in zip(gaps, (1.0, 2.0, 4.0, 8.0), strict=False):
            assert longest / 2 <= gap <= longest + 0.1
        assert all(30.0 <= gap <= 60.1 for gap in gaps[4:]), gaps
        assert len(set(gaps)) == len(gaps), "jitter must spread the attempts"
        assert owner.session.retry.circuit_open

    drive(body)


def test_circuit_closes_again_after_a_stable_connection():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        site.accepting = False
        await asyncio.sleep(100)
        assert owner.session.retry.circuit_open
        site.accepting = True
        await until_up(owner)
        await asyncio.sleep(20)
        server.cut()
        cut_at = now()
        await until_up(owner, times=2)
        assert now() - cut_at < 2.0
        assert not owner.session.retry.circuit_open

    drive(body)


def test_a_connection_that_drops_at_once_does_not_reset_the_back_off():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        for times in range(1, 6):
            await until_up(owner, times)
            server.cut()
            await asyncio.sleep(0.1)
        assert owner.session.retry.circuit_open

    drive(body)


def test_refused_handshake_backs_off_and_never_says_up():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        owner.refuse_handshake = True
        await asyncio.sleep(5)
        assert "up" not in owner.log
        assert owner.log[0] == "down: credentials refused"
        assert 2 <= len(owner.log) <= 5

    drive(body)


def test_handshake_without_answer_is_given_up():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        site.silent = True
        await asyncio.sleep(4)
        assert "no answer to request 1 within 2.0 s" in owner.log[0]

    drive(body)


def test_heartbeat_is_asked_for_only_when_quiet():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        for _ in range(20):
            owner.session.send(b"echo 7")
            await asyncio.sleep(0.5)
        assert owner.log.count("heartbeat") == 0
        await asyncio.sleep(10)
        assert 4 <= owner.log.count("heartbeat") <= 6

    drive(body, heartbeat_s=2.0, dead_after_s=7.0)


def test_silent_connection_is_dropped():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        site.silent = True
        await asyncio.sleep(9)
        assert any("nothing heard for" in line for line in owner.log)

    drive(body, heartbeat_s=2.0, dead_after_s=7.0)


def test_reauthenticates_at_four_fifths_of_the_tokens_life():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        owner.tokens = [100.0, 50.0]
        await until_up(owner)
        start = owner.times[0]
        await asyncio.sleep(150)
        moments = [at - start for at, line in zip(owner.times, owner.log, strict=True) if "reauth" in line]
        assert moments == pytest.approx([80.0, 120.0], abs=0.1)

    drive(body)


def test_failed_reauthentication_drops_the_connection():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        owner.tokens = [10.0]
        await until_up(owner)
        site.silent = True
        await asyncio.sleep(11)
        assert any("no answer to request 3" in line for line in owner.log)

    drive(body)


def test_rate_backstop_refuses_loudly_and_queues_nothing():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        await asyncio.sleep(1)
        heard = len(site.heard)
        refused = 0
        for key in range(10, 30):
            try:
                owner.session.send_request(b"echo %d" % key, key, 1, str(key))
            except NotSentError as error:
                assert error.code == "rate_backstop"
                refused += 1
        await asyncio.sleep(2)
        assert refused == 15
        assert len(site.heard) - heard == 5
        assert not any("timed out" in line for line in owner.log), "a refused request is not awaited"

    drive(body, rate_per_s=5.0, rate_burst=5.0)


def test_requests_of_one_turn_share_a_deadline_and_each_meets_the_backstop():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        await asyncio.sleep(1)
        heard = len(site.heard)
        send, waiting, deadline_s = owner.session.requests(1)
        assert deadline_s == now() + 1
        refused = []
        for key in range(10, 18):
            try:
                send(b"mute %d" % key)
            except NotSentError as error:
                refused.append((key, error.code))
                continue
            waiting[key] = (str(key), deadline_s)
        assert refused == [(key, "rate_backstop") for key in (15, 16, 17)]
        await asyncio.sleep(2)
        assert site.heard[heard:] == [b"mute %d" % key for key in range(10, 15)]
        assert [line for line in owner.log if "timed out" in line] == [
            f"timed out {key}" for key in range(10, 15)
        ]

    drive(body, rate_per_s=5.0, rate_burst=5.0)


def test_without_a_session_no_request_leaves():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        owner.session.drop("cut by the test")
        with pytest.raises(NotSentError) as caught:
            owner.session.requests(1)
        assert caught.value.code == "not_connected"
        with pytest.raises(NotSentError):
            owner.session.send_request(b"echo 1", 1, 1, "1")

    drive(body)


def test_messages_of_one_read_are_marked():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        connection = site.peers[0].connection
        assert connection is not None
        connection.send(b"a")
        connection.send(b"b")
        await asyncio.sleep(1)
        assert owner.log[1:] == ["push a False", "push b True"]

    drive(body)


def test_awaited_request_fails_when_the_connection_ends():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)
        asked = asyncio.create_task(owner.session.ask(b"mute 5", 5, 60))
        await asyncio.sleep(1)
        server.cut()
        with pytest.raises(SessionDownError, match="connection lost"):
            await asked

    drive(body)


def test_cancelling_the_session_closes_politely():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)

    owner, _ = drive(body)
    assert owner.log[-1] == "down: session ends"


def test_a_bug_in_connection_work_ends_the_session_loudly():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)

        async def bug() -> None:
            raise KeyError("no such field")

        running = next(task for task in asyncio.all_tasks() if "Session.run" in str(task.get_coro()))
        owner.session.spawn(bug())
        with pytest.raises(ExceptionGroup) as raised:
            await running
        assert raised.group_contains(KeyError)

    drive(body)


@pytest.mark.parametrize("callback", ["message", "timed_out", "down"])
def test_a_bug_in_a_callback_comes_out_of_run(callback: str):
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)

        def bug(*_: object) -> None:
            raise KeyError(callback)

        running = next(task for task in asyncio.all_tasks() if "Session.run" in str(task.get_coro()))
        owner.session._link.on_message = bug if callback == "message" else owner.message  # type: ignore[union-attr]
        if callback != "message":
            setattr(owner, callback, bug)
        owner.session.send_request(b"mute 5", 5, 1, "five")
        owner.session.send(b"echo 7")
        await asyncio.sleep(2)
        if callback == "down":
            server.cut()
        with pytest.raises(ExceptionGroup) as raised:
            await running
        assert raised.group_contains(KeyError, match=callback)
        if callback == "down":
            del owner.down  # type: ignore[method-assign]

    drive(body)


def test_a_bug_when_connecting_fails_comes_out_of_run():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        await until_up(owner)

        def bug(_: str) -> None:
            raise KeyError("down")

        running = next(task for task in asyncio.all_tasks() if "Session.run" in str(task.get_coro()))
        server.cut()
        await asyncio.sleep(0.1)
        site.accepting = False
        owner.down = bug  # type: ignore[method-assign]
        with pytest.raises(KeyError):
            await running

    drive(body)


def test_history_repeats_for_a_seed():
    async def body(owner: Owner, site: Site, server: MemoryServer) -> None:
        for _ in range(5):
            await asyncio.sleep(7)
            server.cut()

    first, _ = drive(body, seed=11)
    second, _ = drive(body, seed=11)
    other, _ = drive(body, seed=12)
    assert (first.log, first.times) == (second.log, second.times)
    assert first.times != other.times
