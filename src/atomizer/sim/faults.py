"""What goes wrong between a client and a simulated venue, acting on whole messages, seeded.

docs/faults.md has the grammar of a specification.
Each connection draws from a stream of its own, so a run is repeatable where the event loop is.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from atomizer.net.transport import Application, Connection, Handler, HttpRequest, HttpResponse

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
REORDER_S = 0.05
CLOCK_GRAIN_S = 1e-9
UP, DOWN = "up", "down"
NOT_DELIVERED = HttpResponse(
    504, b'{"error":"the request or its answer was lost"}', {"Content-Type": "application/json"}
)
REFUSED = HttpResponse(503, b'{"error":"refused"}', {"Content-Type": "application/json"})


class FaultSpecError(ValueError):
    """A term that is not in the grammar. The text names the term and what was expected."""


@dataclass(frozen=True, slots=True)
class LaneFaults:
    """Faults of one direction; probabilities, and times in seconds."""

    loss: float = 0.0
    delay_low: float = 0.0
    delay_high: float = 0.0
    dup: float = 0.0
    reorder: float = 0.0
    reorder_s: float = REORDER_S
    late: float = 0.0
    late_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """All faults of one venue. Rates are events per second."""

    up: LaneFaults = LaneFaults()
    down: LaneFaults = LaneFaults()
    cut_rate: float = 0.0
    freeze_rate: float = 0.0
    freeze_s: float = 0.0
    refuse: float = 0.0


def parse_faults(text: str) -> FaultSpec:
    """Read a specification.

    Raises:
        FaultSpecError: unknown term, or a value of the wrong form or range.
    """
    spec = FaultSpec()
    for term in filter(None, (one.strip() for one in text.split(","))):
        name, found, value = term.partition("=")
        if not found:
            raise FaultSpecError(f"fault {term!r}: expected name=value")
        spec = _with_term(spec, term, name.strip(), value.strip())
    return spec


def known_fault(name: str) -> bool:
    """Whether the grammar has a term of this name."""
    return name.rpartition(".")[2] in {*LANE_TERMS, *LINK_TERMS} and name.rpartition(".")[0] in ("", UP, DOWN)


def _with_term(spec: FaultSpec, term: str, name: str, value: str) -> FaultSpec:
    direction, _, bare = name.rpartition(".")
    if bare in LINK_TERMS and not direction:
        return LINK_TERMS[bare](spec, term, value)
    if bare not in LANE_TERMS or direction not in ("", UP, DOWN) or (bare == "late" and direction == DOWN):
        known = ", ".join((*LANE_TERMS, *LINK_TERMS))
        raise FaultSpecError(
            f"fault {term!r}: expected one of {known} (or up.loss, down.delay ..), found {name!r}"
        )
    if bare == "late":
        direction = UP
    if direction in ("", UP):
        spec = replace(spec, up=LANE_TERMS[bare](spec.up, term, value))
    if direction in ("", DOWN):
        spec = replace(spec, down=LANE_TERMS[bare](spec.down, term, value))
    return spec


def _probability(term: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise FaultSpecError(f"fault {term!r}: expected a probability from 0 to 1, found {text!r}")
    return value


def _seconds(term: str, text: str, unit: str = "") -> float:
    match = DURATION.fullmatch(text) or (DURATION.fullmatch(text + unit) if unit else None)
    if match is None:
        raise FaultSpecError(f"fault {term!r}: expected a duration such as 400ms, 0.5s or 2m, found {text!r}")
    return float(match[1]) * UNITS[match[2]]


def _rate(term: str, text: str) -> float:
    count, found, span = text.partition("/")
    try:
        number = float(count)
    except ValueError:
        number = -1.0
    if not found or number < 0.0:
        raise FaultSpecError(f"fault {term!r}: expected a rate such as 1/30s, found {text!r}")
    seconds = _seconds(term, span)
    if seconds <= 0.0:
        raise FaultSpecError(f"fault {term!r}: expected a rate over more than no time, found {text!r}")
    return number / seconds


def _loss(lane: LaneFaults, term: str, value: str) -> LaneFaults:
    return replace(lane, loss=_probability(term, value))


def _dup(lane: LaneFaults, term: str, value: str) -> LaneFaults:
    return replace(lane, dup=_probability(term, value))


def _delay(lane: LaneFaults, term: str, value: str) -> LaneFaults:
    low, found, high = value.partition("..")
    unit = (DURATION.fullmatch(high if found else low) or ("", "", "ms"))[2]
    lowest = _seconds(term, low, unit)
    highest = _seconds(term, high) if found else lowest
    if highest < lowest:
        raise FaultSpecError(f"fault {term!r}: expected the longer delay second, found {value!r}")
    return replace(lane, delay_low=lowest, delay_high=highest)


def _reorder(lane: LaneFaults, term: str, value: str) -> LaneFaults:
    share, found, span = value.partition(":")
    return replace(
        lane, reorder=_probability(term, share), reorder_s=_seconds(term, span) if found else REORDER_S
    )


def _late(lane: LaneFaults, term: str, value: str) -> LaneFaults:
    share, found, span = value.partition(":")
    if not found:
        raise FaultSpecError(
            f"fault {term!r}: expected probability and duration such as 0.05:400ms, found {value!r}"
        )
    return replace(lane, late=_probability(term, share), late_s=_seconds(term, span))


def _cut(spec: FaultSpec, term: str, value: str) -> FaultSpec:
    return replace(spec, cut_rate=_rate(term, value))


def _freeze(spec: FaultSpec, term: str, value: str) -> FaultSpec:
    rate, found, span = value.partition(":")
    if not found:
        raise FaultSpecError(f"fault {term!r}: expected rate and duration such as 1/60s:2s, found {value!r}")
    return replace(spec, freeze_rate=_rate(term, rate), freeze_s=_seconds(term, span))


def _refuse(spec: FaultSpec, term: str, value: str) -> FaultSpec:
    return replace(spec, refuse=_probability(term, value))


LANE_TERMS: dict[str, Callable[[LaneFaults, str, str], LaneFaults]] = {
    "loss": _loss,
    "delay": _delay,
    "dup": _dup,
    "reorder": _reorder,
    "late": _late,
}
LINK_TERMS: dict[str, Callable[[FaultSpec, str, str], FaultSpec]] = {
    "cut": _cut,
    "freeze": _freeze,
    "refuse": _refuse,
}


class Lane:
    """One direction of a connection. Undisturbed messages keep their order."""

    def __init__(
        self, faults: LaneFaults, rng: random.Random, deliver: Callable[[bytes, bool], None]
    ) -> None:
        self._faults = faults
        self._rng = rng
        self._deliver = deliver
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._frozen_until = 0.0
        self._strays: set[asyncio.TimerHandle] = set()

    def put(self, data: bytes, last: bool) -> None:
        """Deliver a message, or do to it what the faults say."""
        faults, rng = self._faults, self._rng
        if faults.loss and rng.random() < faults.loss:
            return
        copies = 2 if faults.dup and rng.random() < faults.dup else 1
        for _ in range(copies):
            self._send(data, last)

    def after(self, call: Callable[[], None]) -> None:
        """Run something behind everything that keeps its order."""
        self._in_order(asyncio.get_running_loop().time(), call)

    def freeze(self, until: float) -> None:
        """Hold what comes until then, then let it go in order."""
        self._frozen_until = until

    def stop(self) -> None:
        """Forget what is under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        for timer in self._strays:
            timer.cancel()
        self._strays.clear()

    def _send(self, data: bytes, last: bool) -> None:
        faults, rng = self._faults, self._rng
        due = asyncio.get_running_loop().time()
        if faults.delay_high:
            due += rng.uniform(faults.delay_low, faults.delay_high)
        if faults.late and rng.random() < faults.late:
            self._astray(due + faults.late_s, data)
        elif faults.reorder and rng.random() < faults.reorder:
            self._astray(due + faults.reorder_s, data)
        else:
            self._in_order(due, lambda: self._deliver(data, last))

    def _in_order(self, due: float, call: Callable[[], None]) -> None:
        """Run at `due` or behind what is already queued, at once where nothing holds it up."""
        due = max(due, self._frozen_until, self._queue[-1][0] if self._queue else 0.0)
        if not self._queue and due <= asyncio.get_running_loop().time():
            call()
            return
        self._queue.append((due, call))
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._queue:
            self._timer = asyncio.get_running_loop().call_at(self._queue[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time() + CLOCK_GRAIN_S
        while self._queue and self._queue[0][0] <= now:
            _, call = self._queue.popleft()
            call()
        self._arm()

    def _astray(self, due: float, data: bytes) -> None:
        """Deliver apart from the others."""
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._strays.discard(timer)
            self._deliver(data, True)

        timer = loop.call_at(max(due, self._frozen_until), run)
        self._strays.add(timer)


class FaultyLink:
    """A handler between the transport and the venue's own, and the connection the venue sees."""

    def __init__(self, inner: Handler, spec: FaultSpec, rng: random.Random) -> None:
        self._inner = inner
        self._spec = spec
        self._rng = rng
        self._connection: Connection | None = None
        self._up = Lane(spec.up, rng, inner.message)
        self._down = Lane(spec.down, rng, self._to_client)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # --- Handler, for the transport ---

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        if self._spec.cut_rate:
            self._schedule("cut", self._spec.cut_rate, self._cut)
        if self._spec.freeze_rate:
            self._schedule("freeze", self._spec.freeze_rate, self._freeze)
        self._inner.opened(self)

    def message(self, data: bytes, last: bool) -> None:
        self._up.put(data, last)

    def closed(self, reason: str) -> None:
        self._connection = None
        self._up.stop()
        self._down.stop()
        for timer in self._timers.values():
            timer.cancel()
        self._inner.closed(reason)

    # --- Connection, for the venue ---

    @property
    def peer(self) -> str:
        return self._connection.peer if self._connection else ""

    def send(self, data: bytes) -> None:
        self._down.put(data, True)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._down.after(lambda: self._connection.close(code, reason) if self._connection else None)

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    # --- inside ---

    def _to_client(self, data: bytes, last: bool) -> None:  # noqa: ARG002 - the transport finds its own reads
        if self._connection is not None:
            self._connection.send(data)

    def _schedule(self, name: str, rate: float, call: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(self._rng.expovariate(rate), call)

    def _cut(self) -> None:
        self.abort()

    def _freeze(self) -> None:
        until = asyncio.get_running_loop().time() + self._spec.freeze_s
        self._up.freeze(until)
        self._down.freeze(until)
        self._schedule("freeze", self._spec.freeze_rate, self._freeze)


class FaultyApplication:
    """Any application behind a bad network.

    Plain requests know no time here: a lost one is answered 504, half of them after the venue acted.
    """

    def __init__(self, application: Application, spec: FaultSpec, seed: int) -> None:
        self._application = application
        self._spec = spec
        self._seed = seed
        self._links = 0
        self._rng = self._stream("application")

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        if self._spec.refuse and self._rng.random() < self._spec.refuse:
            return None
        inner = self._application.accept(target, headers)
        if inner is None:
            return None
        self._links += 1
        return FaultyLink(inner, self._spec, self._stream(f"link {self._links}"))

    def http(self, request: HttpRequest) -> HttpResponse:
        if self._spec.refuse and self._rng.random() < self._spec.refuse:
            return REFUSED
        if self._spec.up.loss and self._rng.random() < self._spec.up.loss:
            return NOT_DELIVERED
        response = self._application.http(request)
        if self._spec.down.loss and self._rng.random() < self._spec.down.loss:
            return NOT_DELIVERED
        return response

    def _stream(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - simulated faults, not a secret
