"""A small engine with one hedge market, driven by hand: what the engine tests share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.capabilities import Capabilities, DisconnectScope, RateBudget
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, RunJob
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side
from atomizer.domain.orders import EndReason
from atomizer.engine.core import Engine
from atomizer.engine.fitting import JOBS
from atomizer.engine.ledger import Ledger
from atomizer.engine.settings import AccountSettings, EngineSettings, Freshness, HedgeMarket, Limits
from atomizer.engine.strategy import Level, Responder, Target

MS = 1_000_000
S = 1_000_000_000
T0 = 1_757_300_000 * S
PERP = Instrument(
    key="deribit:ETH-PERPETUAL",
    venue="deribit",
    name="ETH-PERPETUAL",
    kind=Kind.PERPETUAL,
    underlying="ETH",
    quote="USD",
    settlement="ETH",
    grid=PriceGrid(tick=Decimal("0.05")),
    lot=Decimal(1),
    inverse=True,
    size_in_quote=True,
    index="eth_usd",
)
HEDGE = HedgeMarket(underlying="ETH", venue="deribit", account="main", instrument=PERP.key, index="eth_usd")
DERIBIT = Capabilities(
    venue="deribit",
    orders=True,
    request_deadline_ms=1000,
    query_after_ms=2000,
    cancel_on_disconnect=DisconnectScope.CONNECTION,
    rate=RateBudget(per_s=100.0, burst=1000.0, reserve=10.0),
)


class Wishes:
    """A strategy that states whatever it is told to."""

    name = "wishes"

    def __init__(self, number: int = 1, claims: tuple[str, ...] = (PERP.key,)) -> None:
        self.number = number
        self.targets: Mapping[Level, Target] | None = {}
        self._claims = claims
        self.decisions = 0

    def claims(self) -> tuple[str, ...]:
        return self._claims

    def wants(self, event: ev.Event) -> bool:
        return isinstance(event, (ev.BookSnapshot, ev.BookChange, ev.Tick))

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None:
        self.decisions += 1
        return self.targets

    def next_deadline(self) -> int:
        return 1 << 62


class Desk:
    """An engine and the time; `feed` hands it a batch and remembers what came out."""

    def __init__(
        self,
        *strategies: Any,
        limits: Limits | None = None,
        responders: dict[str, Responder] | None = None,
        settings: EngineSettings | None = None,
        capabilities: dict[str, Capabilities] | None = None,
        ledger: Ledger | None = None,
        ready: bool = True,
    ) -> None:
        self.settings = settings or EngineSettings(
            limits=limits or Limits(),
            freshness=Freshness(market_ms=60_000, fills_ms=600_000, account_ms=600_000),
            accounts=(AccountSettings(venue="deribit", account="main", numeraire="coin"),),
            hedge_markets=(HEDGE,),
            marks_every_ms=3_600_000,
        )
        self.now_ns = T0
        self.capabilities = capabilities or {"deribit": DERIBIT}
        self._strategies, self._responders = strategies, responders or {}
        self.engine = self._engine(1, ledger)
        self.out: list[Any] = []
        self.all: list[Any] = []
        if ready:
            self.open()

    def _engine(self, run: int, ledger: Ledger | None) -> Engine:
        return Engine(
            self.settings,
            self._strategies,
            self._responders,
            self.capabilities,
            run=run,
            now_ns=self.now_ns,
            ledger=ledger,
        )

    def restart(self, run: int) -> None:
        """Another run on the same ledger; nothing is connected yet."""
        self.engine = self._engine(run, self.engine.ledger)

    def open(
        self, index: float = 4000.0, equity: str = "100", positions: dict[str, str] | None = None
    ) -> None:
        """Connect, list, quote the perpetual at index -+ 0.5, and complete the first read."""
        self.feed(
            ev.FeedUp("deribit/market"),
            ev.FeedUp("deribit/trading"),
            ev.InstrumentListed(PERP),
            ev.IndexPrice("deribit", "eth_usd", index),
            ev.Ticker(instrument=PERP.key, mark=index, index=index),
            ev.BookSnapshot(PERP.key, [(index - 0.5, 1e6)], [(index + 0.5, 1e6)], 1),
        )
        self.read(equity=equity, positions=positions)

    def read(self, equity: str = "100", positions: dict[str, str] | None = None) -> None:
        self.feed(
            ev.ReadBegun("deribit", "main", self.now_ns),
            *[
                ev.PositionReport("deribit", "main", name, Decimal(size))
                for name, size in (positions or {}).items()
            ],
            ev.BalanceReport(
                venue="deribit",
                account="main",
                currency="ETH",
                cash=Decimal(equity),
                equity=Decimal(equity),
                excess=Decimal(equity),
            ),
            ev.ReadEnded("deribit", "main", self.now_ns),
        )

    def feed(self, *batch: ev.Event, after_ms: float = 1.0) -> list[Any]:
        self.now_ns += round(after_ms * MS)
        self.engine.admit(self.now_ns, batch)
        self.out = self.engine.handle(self.now_ns, batch)
        self.all += self.out
        self.work_all()
        self.check_bounds()
        return self.out

    def check_bounds(self) -> None:
        """Whatever a test does: no timer is set before the bounds that let a pass skip looking at it."""
        engine = self.engine
        timers = {name: due_ns for name, due_ns in engine.timers().items() if due_ns < engine.look_ns}
        assert not timers, f"due before {engine.look_ns}: {timers}"
        bound = engine.ring_ns
        assert engine.next_deadline() >= bound, "a deadline was set that the driver would not wake for"
        engine.ring_ns = bound

    def work_all(self) -> None:
        for job in [item for item in self.out if isinstance(item, RunJob)]:
            self.work(job)

    def work(self, job: RunJob) -> None:
        """Background work is done at once, unless a test takes it over."""
        result = JOBS[job.job](job.inputs)
        self.engine.handle(self.now_ns, [ev.JobDone(job.job, job.job_id, job.as_of_ns, result)])

    def tick(self, after_ms: float = 1.0) -> list[Any]:
        return self.feed(ev.Tick(), after_ms=after_ms)

    # --- what the venue says ---

    def ack(
        self, order: PlaceOrder | AmendOrder, ticks: int | None = None, *, reply: bool = True
    ) -> list[Any]:
        known = self.engine.ledger.find(order.order_id)
        assert known is not None
        return self.feed(
            ev.OrderOpen(
                venue="deribit",
                account="main",
                order_id=order.order_id,
                venue_order_id=f"ETH-{order.order_id}",
                instrument=order.instrument,
                side=known.side,
                ticks=order.ticks if ticks is None else ticks,
                lots=order.lots,
                filled_lots=known.booked,
                reply=reply,
            )
        )

    def ended(self, order_id: int, filled: int, reason: EndReason = EndReason.FILLED) -> list[Any]:
        return self.feed(
            ev.OrderEnded(
                venue="deribit", account="main", order_id=order_id, reason=reason, filled_lots=filled
            )
        )

    def fill(self, order: PlaceOrder, lots: int, trade: str = "1", after_ms: float = 1.0) -> list[Any]:
        return self.feed(
            Fill(
                venue="deribit",
                account="main",
                instrument=order.instrument,
                trade_id=trade,
                side=order.side,
                price=PERP.grid.price(order.ticks),
                size=Decimal(lots),
                order_id=order.order_id,
                ts_ns=self.now_ns,
            ),
            after_ms=after_ms,
        )


def placed(out: list[Any]) -> list[PlaceOrder]:
    return [item for item in out if isinstance(item, PlaceOrder)]


def amended(out: list[Any]) -> list[AmendOrder]:
    return [item for item in out if isinstance(item, AmendOrder)]


def cancelled(out: list[Any]) -> list[CancelOrder]:
    return [item for item in out if isinstance(item, CancelOrder)]


def bid(price: float = 3990.0, size: float = 100.0, **other: Any) -> Mapping[Level, Target]:
    return {
        Level(PERP.key, Side.BUY): Target(price=price, size=size, life_ns=3600 * S, post_only=True, **other)
    }
