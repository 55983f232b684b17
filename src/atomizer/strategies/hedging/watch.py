"""How the hedge stands: flat, hedging or failed, what is naked, and when quoting must stop.

Failed: more than the stop unhedged for too long, or a hedge venue away in the midst. Quoting on the
underlying stops and says the naked size in USD until the delta is back in its band, or until a person
releases it. What was failed when a process ended is failed when the next one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from atomizer.domain.commands import HedgeState
from atomizer.engine.settings import HedgeMarket
from atomizer.strategies.hedging.costs import reachable
from atomizer.strategies.hedging.settings import HedgerSettings

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000


class HedgeWatch:
    """Judges the hedge at each decision; writes a `HedgeState` when it changes."""

    def __init__(self, market: HedgeMarket, settings: HedgerSettings) -> None:
        self._market = market
        self._settings = settings
        self._over_ns: int | None = None
        self._away_ns: dict[str, int] = {}
        self._met: dict[str, bool] = {}
        self._failed = False
        self._released = False
        self._started = False
        self._key: tuple[object, ...] = ("flat", False, ())
        self._since_ns = 0

    def blind(self, engine: Engine) -> None:
        """The delta is not known yet: nothing may be added to it."""
        engine.halts.naked[self._market.underlying] = (
            f"{self._market.underlying}: an account has not been read, the delta is not known"
        )

    def note(
        self, engine: Engine, net: float, unplanned: float, half_width: float, group: str, *, calm: bool
    ) -> None:
        """Judge the hedge: `net` coins, of which no plan covers `unplanned`, against a band's half width.

        `calm`: nothing is to be traded and nothing is under way.
        """
        if not self._started:
            self._restore(engine)
        underlying, halts = self._market.underlying, engine.halts
        if self._failed and not self._released and underlying not in halts.naked:
            self._released = True
        away, late = self._away(engine), self._late(engine, unplanned, half_width)
        if away or late:
            self._failed = True
        elif self._failed and calm:
            self._failed = self._released = False
        text = self._text(engine, net, away)
        if not self._failed:
            halts.naked.pop(underlying, None)
        elif not self._released:
            halts.naked[underlying] = text
        self._write(engine, net, half_width, group, text, calm=calm)

    def _restore(self, engine: Engine) -> None:
        """Take up what the journal says of the hedge."""
        self._started = True
        before = engine.ledger.hedges.get(self._market.underlying)
        if before is not None and before.state == "failed":
            self._failed, self._released = True, before.released
            if not before.released:
                engine.halts.naked.setdefault(self._market.underlying, before.text)
        if before is not None:
            self._key = (before.state, before.released, before.trades)
            self._since_ns = before.since_ns

    def _late(self, engine: Engine, unplanned: float, half_width: float) -> bool:
        if abs(unplanned) <= max(self._settings.naked_stop, half_width):
            self._over_ns = None
            return False
        if self._over_ns is None:
            self._over_ns = engine.now_ns
        return engine.now_ns - self._over_ns > self._settings.alarm_ms * MS

    def _away(self, engine: Engine) -> list[str]:
        """Hedge venues that were there and are not, for longer than a blink."""
        gone = []
        for venue, account in self._market.accounts:
            feed = engine.market.feed(f"{venue}/market")
            if reachable(engine, venue, account) and feed.fresh(engine.now_ns):
                self._met[venue] = True
                self._away_ns.pop(venue, None)
            elif venue in self._met:
                since = self._away_ns.setdefault(venue, engine.now_ns)
                if engine.now_ns - since >= self._settings.outage_ms * MS:
                    gone.append(venue)
        return gone

    def _text(self, engine: Engine, net: float, away: list[str]) -> str:
        underlying = self._market.underlying
        naked = f"{net:.4f} {underlying} unhedged, {self._usd(engine, net):.0f} USD naked"
        if not away:
            return naked
        doubt = sum(order.owed > 0 and order.venue in away for order in engine.ledger.orders.values())
        asked = f", {doubt} orders in doubt" if doubt else ""
        return f"hedge venue {', '.join(away)} is away{asked}; {naked}"

    def _usd(self, engine: Engine, net: float) -> float:
        return abs(net) * (engine.exposure.index(self._market.underlying) or 0.0)

    def _write(
        self, engine: Engine, net: float, half_width: float, group: str, text: str, *, calm: bool
    ) -> None:
        underlying = self._market.underlying
        state: Literal["flat", "hedging", "failed"]
        state = "failed" if self._failed else "flat" if calm else "hedging"
        trades = () if state == "flat" else engine.ledger.groups.uncovered(underlying)
        key = (state, self._released, trades)
        if key == self._key:
            return
        if key[0] != self._key[0]:
            self._since_ns = engine.now_ns
        self._key = key
        engine.emit(
            HedgeState(
                underlying=underlying,
                state=state,
                net_delta=net,
                band=half_width,
                naked_usd=self._usd(engine, net),
                since_ns=self._since_ns,
                group=group,
                trades=trades,
                text=text if state == "failed" else "",
                released=self._released,
            )
        )
