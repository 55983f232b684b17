"""The closed list of what a person may say to a node, and what each word must come with.

One table: the control socket takes nothing that is not in it, and every word is checked here before it
becomes an `Operator` event, which the journal keeps with who said it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import msgspec

from atomizer.domain import controls
from atomizer.domain.events import Operator

S = 1_000_000_000
Value = str | float
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


class WordError(ValueError):
    """Not a word of the list, or one with something missing or wrong. The text says what to do."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One word to the node.

    `level` is for kill (1 to 4); `scope` what it is about; `args` the word's own values, exact numbers as
    text; `for_s` how long it holds (0: until it is taken back). `via` is said by a desk that passes on what
    it was told by another way.
    """

    word: str
    level: int = 0
    scope: str = ""
    request_id: str = ""
    args: dict[str, Value] = {}
    for_s: float = 0.0
    via: str = ""


class Word(msgspec.Struct, frozen=True):
    """What one word takes: values by name with their checks, the kind of scope, whether it may lapse."""

    help: str
    scope: str = "none"
    args: dict[str, Callable[[Value], Value]] = {}
    optional: tuple[str, ...] = ()
    level: bool = False
    lapses: bool = False


def _number(low: float, high: float) -> Callable[[Value], Value]:
    def check(value: Value) -> Value:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise WordError(f"a number from {low:g} to {high:g}")
        return number

    return check


def _one_of(*allowed: str) -> Callable[[Value], Value]:
    def check(value: Value) -> Value:
        if value not in allowed:
            raise WordError(f"one of {', '.join(allowed)}")
        return value

    return check


def _decimal(value: Value) -> Value:
    """An exact number above zero, kept as text."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal(0)
    if not number.is_finite() or number <= 0:
        raise WordError("a number above zero")
    return f"{number:f}"


def _signed(value: Value) -> Value:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise WordError("a number") from None
    if not number.is_finite():
        raise WordError("a finite number")
    return f"{number:f}"


def _text(value: Value) -> Value:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise WordError("a short text")
    return value


_TRADE: dict[str, Callable[[Value], Value]] = {
    "instrument": _text,
    "side": _one_of("buy", "sell"),
    "price": _decimal,
    "amount": _decimal,
}

WORDS: dict[str, Word] = {
    "status": Word("say how the node stands"),
    "trades": Word("list the trades"),
    "markets": Word("list what the node sees", scope="market"),
    "inventory": Word("list positions with greeks and value"),
    "kill": Word("stop trading at a level", level=True),
    "resume": Word("lift a kill level or a pause", scope="market"),
    "pause": Word("stop quoting", scope="market", lapses=True),
    "widen": Word("multiply the edge", scope="market", args={"factor": _number(0.0, 100.0)}, lapses=True),
    "one_sided": Word(
        "quote one side only",
        scope="market",
        args={"side": _one_of("buy", "sell", "both")},
        lapses=True,
    ),
    "vol": Word(
        "override a vol",
        scope="market",
        args={
            "kind": _one_of(*controls.VOL_KINDS),
            "points": _number(-1000.0, 1000.0),
            "strike": _number(0.0, 1e9),
            "expiry_s": _number(0.0, 1e11),
            "width": _number(0.0, 10.0),
            "at_s": _number(0.0, 1e11),
            "variance": _number(0.0, 10.0),
        },
        optional=("points", "strike", "expiry_s", "width", "at_s", "variance"),
        lapses=True,
    ),
    "accept": Word("accept a stranger's fill or position", scope="market"),
    "reconcile": Word("read every account now"),
    "record": Word(
        "book a trade done elsewhere",
        args={**_TRADE, "fee": _signed, "note": _text},
        optional=("fee", "note"),
    ),
    "execute": Word(
        "bring an order to the market",
        args={**_TRADE, "time_in_force": _one_of("gtc", "ioc")},
        optional=("time_in_force",),
        lapses=True,
    ),
    "reverse": Word("undo a recorded trade that was none", scope="id", args={"reason": _text}),
    "withdraw": Word("take a manual request back", scope="id"),
    "retry": Word("retry a dead letter", scope="id"),
    "discard": Word("end a dead letter's retries and alert", scope="id"),
    "stop": Word("end the node"),
}
READING = frozenset(("status", "trades", "markets", "inventory"))
_LEVELS = range(1, 5)
LONGEST_S = 30 * 86_400.0


def checked(request: Request) -> Request:
    """The request with every value in its one form.

    Raises:
        WordError: what was expected, what was found.
    """
    word = WORDS.get(request.word)
    if word is None:
        raise WordError(f"expected one of {', '.join(WORDS)}, found {request.word!r}")
    if word.level is not (request.level != 0) or (word.level and request.level not in _LEVELS):
        expected = "a kill level from 1 to 4" if word.level else "no level"
        raise WordError(f"{request.word}: expected {expected}, found {request.level}")
    if not 0.0 <= request.for_s <= LONGEST_S or (request.for_s and not word.lapses):
        expected = f"a time up to {LONGEST_S:g} s" if word.lapses else "no time"
        raise WordError(f"{request.word}: expected {expected}, found {request.for_s:g} s")
    if request.request_id and not _ID.fullmatch(request.request_id):
        raise WordError(
            f"expected a request id of letters, digits and ._:/- (at most 128), found {request.request_id!r}"
        )
    found = msgspec.structs.replace(
        request, scope=_scope(request, word.scope), args=dict(_values(request, word))
    )
    if found.word in controls.WORDS:
        try:
            controls.check(found.word, found.scope, found.args, round(found.for_s * S))
        except controls.ControlError as error:
            raise WordError(str(error)) from None
    return found


def _scope(request: Request, kind: str) -> str:
    scope = request.scope
    if kind == "none" and scope:
        raise WordError(f"{request.word}: expected no scope, found {scope!r}")
    if kind == "id" and not _ID.fullmatch(scope):
        raise WordError(f"{request.word}: expected the id of a trade or dead letter, found {scope!r}")
    if kind != "market" or not scope:
        return scope
    what, slash, name = scope.partition("/")
    if not slash and what.isalnum():
        return what.upper()
    if what == "venue" and name.isidentifier():
        return scope
    if what == "taker" and _ADDRESS.fullmatch(name.lower()):
        return f"taker/{name.lower()}"
    raise WordError(
        f"{request.word}: expected an underlying, venue/NAME or taker/ADDRESS as scope, found {scope!r}"
    )


def _values(request: Request, word: Word) -> list[tuple[str, Value]]:
    stray = [name for name in request.args if name not in word.args]
    if stray:
        takes = ", ".join(word.args) or "no values"
        raise WordError(f"{request.word}: expected {takes}, found {stray[0]!r}")
    found: list[tuple[str, Value]] = []
    for name, check in word.args.items():
        if name not in request.args:
            if name not in word.optional:
                raise WordError(f"{request.word}: expected {name}, found none")
            continue
        try:
            found.append((name, check(request.args[name])))
        except WordError as error:
            raise WordError(
                f"{request.word} {name}: expected {error}, found {request.args[name]!r}"
            ) from None
    return found


def event_of(request: Request, by: str, now_ns: int) -> Operator:
    """A checked request as the core hears it."""
    return Operator(
        request.word,
        request.level,
        request.scope,
        request.request_id,
        request.args,
        now_ns + round(request.for_s * S) if request.for_s else 0,
        by,
    )
