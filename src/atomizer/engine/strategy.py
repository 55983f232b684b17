"""What a strategy is: it reads views, it states targets, it answers RFQs. It sends nothing.

`decide` returns the *complete* set of what should rest (`{}`: nothing; None: no opinion). The engine keeps
the statement and brings orders to it; a statement is never a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from atomizer.domain.commands import Why
from atomizer.domain.events import Event
from atomizer.domain.instruments import Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq

if TYPE_CHECKING:
    from atomizer.engine.core import Engine


class Level(NamedTuple):
    """Where a target rests: instrument, side, level (0 is the best)."""

    instrument: str
    side: Side
    level: int = 0


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What should rest there.

    `price` in the instrument's price unit, `size` > 0 in its size unit; both floats, rounded against us
    where they enter the slot. `life_ns` is how long the statement holds without being repeated,
    at most `market.NEVER`. An
    immediate target is consumed by its one order.
    """

    price: float
    size: float
    life_ns: int
    time_in_force: TimeInForce = TimeInForce.GTC
    purpose: Purpose = Purpose.QUOTE
    post_only: bool = False
    reduce_only: bool = False
    group: str = ""
    retry_ns: int = 0
    why: Why = {}


class QuoteTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A price for an RFQ: premium per unit as an integer with 18 decimals, greeks per unit of our side."""

    price_e18: int
    valid_for_s: int
    delta: float
    gamma: float
    vega: float
    underlying_price: float
    why: Why = {}


class NoQuote(msgspec.Struct, frozen=True, kw_only=True):
    """Why an RFQ is not answered."""

    reason: Reason
    text: str
    why: Why = {}


class Strategy(Protocol):
    """The interface. `number` (below 2048) is part of every order id."""

    name: str
    number: int

    def claims(self) -> tuple[str, ...]:
        """Instruments this strategy may have orders resting on; one strategy per instrument.

        `venue:ETH-*` stands for everything of that underlying there which nobody claims by name.
        """
        ...

    def wants(self, event: Event) -> bool:
        """Whether this event changes an input of `decide`."""
        ...

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None: ...

    def next_deadline(self) -> int:
        """When `decide` must run without an event (a large number: never); asked after each `decide`."""
        ...


class AnsweringSettings(Protocol):
    """What a responder says of how it wants to be asked: waiting, passes, improvements (times in ms)."""

    @property
    def answer_within_ms(self) -> int: ...
    @property
    def parallel_quotes(self) -> int: ...
    @property
    def improvements(self) -> int: ...
    @property
    def improve_lead_ms(self) -> int: ...
    @property
    def improve_spacing_ms(self) -> int: ...
    @property
    def window_ms(self) -> int: ...


class Responder(Protocol):
    """A strategy that answers RFQs: prices one, says what it is worth to us (USD), beats a better quote."""

    @property
    def settings(self) -> AnsweringSettings: ...

    def answer(self, rfq: Rfq, size: Decimal, engine: Engine) -> QuoteTarget | NoQuote: ...

    def value(self, rfq: Rfq, engine: Engine) -> float: ...

    def improve(self, rfq: Rfq, best_e18: int, engine: Engine) -> QuoteTarget | NoQuote: ...
