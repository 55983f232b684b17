"""What a trader may change while quoting runs: width, sides, vols; each with a scope, a term and an author.

They arrive as `Operator` words, are kept in the fold, lapse by themselves and stand in the terms of every
quote they touched. Scopes: empty (everything), an underlying, `venue/NAME`, `taker/ADDRESS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from atomizer.domain.instruments import Side

WIDEN, ONE_SIDED, VOL = "widen", "one_sided", "vol"
WORDS = (WIDEN, ONE_SIDED, VOL)
SIDES: dict[str, Side | None] = {"buy": Side.BUY, "sell": Side.SELL, "both": None}
MOST_WIDTH = 100.0
# Arguments of `vol` by kind: those it needs, those it may have. Points are hundredths of vol.
VOL_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "shift": (("points",), ("expiry_s",)),
    "skew": (("points",), ("expiry_s",)),
    "pin": (("points", "strike", "expiry_s"), ("width",)),
    "event": (("at_s", "variance"), ()),
    "clear": ((), ("expiry_s",)),
}
POSITIVE = ("strike", "expiry_s", "width", "at_s", "variance", "factor")


class ControlError(ValueError):
    """A word that cannot be meant: says what was expected, what was found."""


class Control(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule in force. `until_ns` 0: until it is taken back."""

    word: str
    scope: str = ""
    args: dict[str, float | str] = {}
    until_ns: int = 0
    by: str = ""
    set_ns: int = 0

    def number(self, name: str, otherwise: float = 0.0) -> float:
        return float(self.args.get(name, otherwise))

    @property
    def kind(self) -> str:
        return str(self.args.get("kind", ""))

    @property
    def key(self) -> tuple[str, str, str, float, float]:
        """What a later rule of the same key replaces."""
        return (self.word, self.scope, self.kind, self.number("expiry_s"), self.number("strike"))

    def in_words(self) -> str:
        args = " ".join(f"{name}={value}" for name, value in self.args.items())
        return f"{self.word} {self.scope or 'everything'} {args} by {self.by or 'nobody named'}"


def check(word: str, scope: str, args: Mapping[str, Any], until_ns: int) -> None:
    """Whether a word of `WORDS` can be meant.

    Raises:
        ControlError: a missing, unknown or impossible argument.
    """
    if word == WIDEN:
        _names(word, args, ("factor",), ())
        if not 0.0 < _number(word, args, "factor") <= MOST_WIDTH:
            raise ControlError(f"widen: expected a factor in (0, {MOST_WIDTH:g}], found {args['factor']}")
    elif word == ONE_SIDED:
        _names(word, args, ("side",), ())
        if args["side"] not in SIDES:
            raise ControlError(f"one_sided: expected side {', '.join(SIDES)}, found {args['side']!r}")
    elif word == VOL:
        _check_vol(scope, args, until_ns)
    else:
        raise ControlError(f"expected one of {', '.join(WORDS)}, found {word!r}")


def _check_vol(scope: str, args: Mapping[str, Any], until_ns: int) -> None:
    kind = args.get("kind")
    if kind not in VOL_KINDS:
        raise ControlError(f"vol: expected kind {', '.join(VOL_KINDS)}, found {kind!r}")
    if not scope or "/" in scope:
        raise ControlError(f"vol: expected an underlying as scope, found {scope!r}")
    needed, allowed = VOL_KINDS[kind]
    _names(f"vol {kind}", args, ("kind", *needed), allowed)
    for name in args:
        if name != "kind":
            _number(f"vol {kind}", args, name)
    if kind == "pin" and not 0.0 < float(args["points"]) < 1000.0:
        raise ControlError(f"vol pin: expected points in (0, 1000), found {args['points']}")
    if kind != "clear" and until_ns <= 0:
        raise ControlError(f"vol {kind}: expected a time at which it lapses, found none")


def _names(what: str, args: Mapping[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in args]
    unknown = [name for name in args if name not in needed and name not in allowed]
    if missing or unknown:
        raise ControlError(
            f"{what}: expected {', '.join(needed) or 'no arguments'}"
            f"{' and perhaps ' + ', '.join(allowed) if allowed else ''}, found "
            f"{', '.join(args) or 'none'}"
        )


def _number(what: str, args: Mapping[str, Any], name: str) -> float:
    value = args[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ControlError(f"{what}: expected a number as {name}, found {value!r}")
    if name in POSITIVE and not value > 0.0:
        raise ControlError(f"{what}: expected {name} above 0, found {value!r}")
    return float(value)


class Controls:
    """The rules in force, immutable; `changed` gives the next set."""

    __slots__ = ("due_ns", "rules")

    def __init__(self, rules: Iterable[Control] = ()) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.key))
        self.due_ns = min((rule.until_ns for rule in self.rules if rule.until_ns), default=1 << 62)

    def changed(self, rule: Control) -> Controls:
        """With this rule in place of the one it replaces, or without those it clears."""
        if rule.word == VOL and rule.kind == "clear":
            expiry = rule.number("expiry_s")
            return Controls(
                one
                for one in self.rules
                if one.word != VOL or one.scope != rule.scope or (expiry and one.number("expiry_s") != expiry)
            )
        kept = [one for one in self.rules if one.key != rule.key]
        ended = rule.args in ({"factor": 1.0}, {"side": "both"})
        return Controls(kept if ended else [*kept, rule])

    def at(self, now_ns: int) -> Controls:
        """Without what has lapsed; the same object while nothing has."""
        if now_ns < self.due_ns:
            return self
        return Controls(rule for rule in self.rules if not rule.until_ns or rule.until_ns > now_ns)

    def on(self, word: str, scopes: tuple[str, ...]) -> tuple[Control, ...]:
        """Rules of a word whose scope is among these."""
        return tuple(rule for rule in self.rules if rule.word == word and rule.scope in scopes)


def scopes_of(underlying: str, venue: str, taker: str) -> tuple[str, ...]:
    """Every scope that a request falls under."""
    return ("", underlying, f"venue/{venue}", f"taker/{taker}")
