"""Desks with a second hedge account, a dated future and quoted options, for the hedger's tests."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill, PositionMove
from atomizer.domain.commands import HedgeState, PlaceOrder
from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.settings import AccountSettings, HedgeInstrument, HedgeMarket
from atomizer.models.black import black76_price
from atomizer.strategies.hedging import Hedger, HedgerSettings
from tests.engine.bench_desk import DERIBIT, HEDGE, PERP, S
from tests.engine.rfq_desk import FORWARD, NEAR_S, RfqDesk, option, smile

PERP2 = msgspec.structs.replace(PERP, key="deribit2:ETH-PERPETUAL", venue="deribit2")
FUTURE = msgspec.structs.replace(
    PERP, key="deribit:ETH-FUT", name="ETH-FUT", kind=Kind.FUTURE, expiry_ns=NEAR_S * S, taker_fee=0.0005
)
SECOND = HedgeInstrument("deribit2", "second", PERP2.key)


def hedge_market(*others: HedgeInstrument, **changes: Any) -> HedgeMarket:
    return msgspec.structs.replace(HEDGE, others=others, **changes)


class TwoVenues(RfqDesk):
    """A desk whose hedger may use the perpetual of two accounts (and whatever else its market names)."""

    def __init__(self, market: HedgeMarket, *, perpetual: str = "0", **settings: Any) -> None:
        self.market = market
        self.hedger = Hedger(HedgerSettings(**settings), market, 2)
        super().__init__(self.hedger, perpetual=perpetual, chain=False)

    def _engine(self, run: int, ledger: Any) -> Any:
        second = AccountSettings(venue="deribit2", account="second", numeraire="coin")
        if all(item.venue != "deribit2" for item in self.settings.accounts):
            self.settings = msgspec.structs.replace(
                self.settings,
                accounts=(*self.settings.accounts, second),
                hedge_markets=(self.market,),
            )
            self.capabilities = {
                **self.capabilities,
                "deribit2": msgspec.structs.replace(DERIBIT, venue="deribit2"),
            }
        return super()._engine(run, ledger)

    def connect(self, perpetual: str = "0", options: dict[str, str] | None = None) -> None:
        self.connect_second()
        super().connect(perpetual, options)

    def connect_second(self) -> None:
        """The second account's sockets come up and it is read."""
        self.feed(
            ev.FeedUp("deribit2/market"),
            ev.FeedUp("deribit2/trading"),
            ev.InstrumentListed(PERP2),
            ev.Ticker(instrument=PERP2.key, mark=FORWARD, index=FORWARD),
            ev.BookSnapshot(PERP2.key, [(FORWARD - 0.5, 1e6)], [(FORWARD + 0.5, 1e6)], 1),
        )
        self.read_second()

    def read_second(self) -> None:
        held = self.engine.ledger.accounts.size("deribit2", "second", PERP2.key)
        self.feed(
            ev.ReadBegun("deribit2", "second", self.now_ns),
            *([ev.PositionReport("deribit2", "second", PERP2.key, held)] if held else []),
            ev.BalanceReport(
                venue="deribit2",
                account="second",
                currency="ETH",
                cash=Decimal(100),
                equity=Decimal(100),
                excess=Decimal(100),
            ),
            ev.ReadEnded("deribit2", "second", self.now_ns),
        )

    def lose(self, venue: str) -> list[Any]:
        """Both sockets of a venue are cut."""
        return self.feed(ev.FeedDown(f"{venue}/market", "cut"), ev.FeedDown(f"{venue}/trading", "cut"))

    def book(self, key: str, spread: float = 1.0, size: float = 1e6, depth: int = 1) -> list[Any]:
        """A whole book around the forward: `depth` levels a dollar apart, `size` on each."""
        half = 0.5 * spread
        return self.feed(
            ev.BookSnapshot(
                key,
                [(FORWARD - half - step, size) for step in range(depth)],
                [(FORWARD + half + step, size) for step in range(depth)],
                1,
            )
        )

    def add(self, instrument: Instrument, spread: float = 1.0, size: float = 1e6) -> None:
        """One more instrument with mark and book."""
        self.feed(
            ev.InstrumentListed(instrument),
            ev.Ticker(instrument=instrument.key, mark=FORWARD, index=FORWARD),
        )
        self.book(instrument.key, spread, size)

    def fill_at(self, order: PlaceOrder, lots: int, trade: str) -> list[Any]:
        """A fill on the order's own venue and account."""
        return self.feed(fill_of(order, lots, trade, self.now_ns))

    def end(self, order: PlaceOrder, filled: int, reason: Any) -> list[Any]:
        return self.feed(
            ev.OrderEnded(
                venue=order.venue,
                account=order.account,
                order_id=order.order_id,
                reason=reason,
                filled_lots=filled,
            )
        )

    def market_moves(self, usd: int) -> list[Any]:
        """Something outside changes the delta: a position of so many USD, booked by the venue."""
        self._moves = getattr(self, "_moves", 0) + 1
        return self.feed(
            PositionMove(
                venue="deribit",
                account="main",
                instrument=PERP.key,
                reference=f"moved-{self._moves}",
                size=Decimal(usd),
                why="a test",
                ts_ns=self.now_ns,
            )
        )

    def rests(self, order: PlaceOrder) -> list[Any]:
        return self.feed(
            ev.OrderOpen(
                venue=order.venue,
                account=order.account,
                order_id=order.order_id,
                venue_order_id=f"v{order.order_id}",
                instrument=order.instrument,
                side=order.side,
                ticks=order.ticks,
                lots=order.lots,
                filled_lots=0,
                reply=True,
            )
        )

    def states(self) -> list[HedgeState]:
        return [item for item in self.all if isinstance(item, HedgeState)]


def fill_of(order: PlaceOrder, lots: int, trade: str, now_ns: int) -> Fill:
    return Fill(
        venue=order.venue,
        account=order.account,
        instrument=order.instrument,
        trade_id=trade,
        side=order.side,
        price=Decimal(order.ticks) * Decimal("0.05"),
        size=Decimal(lots),
        order_id=order.order_id,
        ts_ns=now_ns,
    )


def quoted_chain(spread: float = 0.002) -> list[ev.Event]:
    """The near expiry's calls, listed, with a two-sided touch in coins around their value."""
    found: list[ev.Event] = []
    for strike in range(3000, 5001, 250):
        for is_call in (True, False):
            for expiry_s in (NEAR_S, NEAR_S + 21 * 86_400):
                listed = option("deribit", strike, expiry_s, is_call=is_call)
                vol = smile(strike)
                years = (expiry_s - 1_757_300_000) / (365.0 * 86_400.0)
                fair = black76_price(FORWARD, float(strike), years, vol, 1.0, is_call) / FORWARD
                found.append(ev.InstrumentListed(listed))
                found.append(
                    ev.Ticker(
                        instrument=listed.key,
                        mark=fair,
                        forward=FORWARD,
                        index=FORWARD,
                        bid=max(math.floor((fair - spread / 2) * 1e4) / 1e4, 0.0001),
                        ask=math.ceil((fair + spread / 2) * 1e4) / 1e4,
                        bid_size=50.0,
                        ask_size=50.0,
                        mark_vol=vol,
                        bid_vol=vol - 0.01,
                        ask_vol=vol + 0.01,
                    )
                )
    return found
