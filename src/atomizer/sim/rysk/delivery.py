"""Expiry: one print fixes, five minutes may dispute it, then coins change hands against strike cash.

Every option of a maker goes this way on its own: at the expiry second its fixing is the token's price at
that moment; when the dispute period is over, what is out of the money is worthless and gone; what is in the
money waits for a transaction, typically within two hours, that moves `quantity` tokens against `strike` x
`quantity` of the stable. A transaction that fails, by fault or because one side's balance is short, moves
nothing and is tried again. Nothing is pushed: balances and positions show what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial

import msgspec

from atomizer.net.transport import Clock
from atomizer.sim.rysk.behaviour import Behaviour
from atomizer.sim.rysk.clients import Stream, Streams
from atomizer.sim.rysk.fair import NS_PER_S, Valuer
from atomizer.sim.rysk.ledger import Accounting, OptionKey, SettlementError
from atomizer.sim.rysk.settings import STRIKE_UNIT, RyskTwinSettings

DELAYED_BY_S = 3 * 3600.0
ATTEMPTS_APART = 1_000_000

After = Callable[[float, Callable[[], None]], None]


class DeliveryStage(StrEnum):
    """Where an expired option stands."""

    DISPUTABLE = "disputable"
    WAITING = "waiting"
    DELIVERED = "delivered"
    WORTHLESS = "worthless"


class Delivery(msgspec.Struct):
    """One maker's expired option, for judges. Integers as strings on the wire's scales."""

    maker: str
    asset: str
    expiry: int
    strike: str
    is_put: bool
    quantity: str
    fixing: str
    stage: DeliveryStage = DeliveryStage.DISPUTABLE
    attempts: int = 0
    stable: str = "0"
    tokens: str = "0"
    done_ns: int = 0
    reason: str = ""


def fixing_e8(valuer: Valuer, asset: str, expiry_s: int) -> int:
    """The print: USD per token at the expiry second, 1e8."""
    return round(valuer.price(asset, expiry_s * NS_PER_S) * STRIKE_UNIT)


def pays(key: OptionKey, fixing: int) -> bool:
    """Whether the option is in the money at this print."""
    return fixing < key.strike_e8 if key.is_put else fixing > key.strike_e8


class Deliveries:
    """What becomes of options at their expiry."""

    def __init__(
        self,
        settings: RyskTwinSettings,
        valuer: Valuer,
        clock: Clock,
        accounting: Accounting,
        after: After,
    ) -> None:
        self._settings = settings
        self._valuer = valuer
        self._clock = clock
        self._accounting = accounting
        self._after = after
        self._streams = Streams(settings.seed)
        self._watched: set[int] = set()
        self.behaviour: Callable[[], Behaviour] = lambda: settings.behaviour
        self.all: list[Delivery] = []

    def watch(self, expiry_s: int) -> None:
        """There is a position of this expiry: be there when it comes."""
        if expiry_s not in self._watched:
            self._watched.add(expiry_s)
            left_ns = expiry_s * NS_PER_S - self._clock.now_ns()
            self._after(left_ns / NS_PER_S, partial(self._expire, expiry_s))

    def prices(self, asset: str, expiry_s: int) -> dict[str, object] | None:
        """The fixing of one token and expiry, None before it."""
        now_ns = self._clock.now_ns()
        if self._settings.asset_at(asset) is None or expiry_s * NS_PER_S > now_ns:
            return None
        final_ns = expiry_s * NS_PER_S + round(self.behaviour().dispute_s * NS_PER_S)
        price = fixing_e8(self._valuer, asset, expiry_s)
        return {"asset": asset, "expiry": expiry_s, "price": str(price), "final": now_ns >= final_ns}

    def _expire(self, expiry_s: int) -> None:
        for maker, account in self._accounting.accounts.items():
            for key, position in account.positions.items():
                if key.expiry_s == expiry_s:
                    self._fix(maker, key, position.quantity_e18)

    def _fix(self, maker: str, key: OptionKey, quantity_e18: int) -> None:
        fixing = fixing_e8(self._valuer, key.asset, key.expiry_s)
        delivery = Delivery(
            maker=maker,
            asset=key.asset,
            expiry=key.expiry_s,
            strike=str(key.strike_e8),
            is_put=key.is_put,
            quantity=str(quantity_e18),
            fixing=str(fixing),
        )
        self.all.append(delivery)
        self._after(
            self.behaviour().dispute_s,
            partial(self._final, delivery, key, len(self.all), in_the_money=pays(key, fixing)),
        )

    def _final(self, delivery: Delivery, key: OptionKey, number: int, *, in_the_money: bool) -> None:
        if not in_the_money:
            self._accounting.drop(delivery.maker, key)
            delivery.stage, delivery.done_ns = DeliveryStage.WORTHLESS, self._clock.now_ns()
            return
        behaviour, random = self.behaviour(), self._streams.of(Stream.DELIVERY, number)
        delay_s = behaviour.delivery_s * float(random.uniform(0.5, 1.5))
        if random.random() < behaviour.faults.delivery_delayed:
            delay_s += DELAYED_BY_S
        delivery.stage = DeliveryStage.WAITING
        self._after(delay_s, partial(self._transact, delivery, key, number))

    def _transact(self, delivery: Delivery, key: OptionKey, number: int) -> None:
        delivery.attempts += 1
        moved = self._moved(delivery, key, number)
        if moved is None:
            self._after(self.behaviour().delivery_retry_s, partial(self._transact, delivery, key, number))
            return
        delivery.stage, delivery.done_ns, delivery.reason = DeliveryStage.DELIVERED, self._clock.now_ns(), ""
        delivery.stable, delivery.tokens = str(moved[0]), str(moved[1])

    def _moved(self, delivery: Delivery, key: OptionKey, number: int) -> tuple[int, int] | None:
        """What one transaction moved of stable and token; None when it failed, and why is noted."""
        random = self._streams.of(Stream.DELIVERY_FAILED, number * ATTEMPTS_APART + delivery.attempts)
        if random.random() < self.behaviour().faults.delivery_failed:
            delivery.reason = "transaction failed"
            return None
        try:
            return self._accounting.deliver(delivery.maker, key, self._settings.stable)
        except SettlementError as exc:
            delivery.reason = str(exc)
            return None
