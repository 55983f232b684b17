"""People who trade by hand on a node that is killed under them, and what must be true at the end.

What a node acknowledged stands exactly once, however often it was said; what it did not may stand or not, but
never twice. Letters and requests survive or end as documented.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from decimal import Decimal
from typing import Any

from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.trades import MANUAL, TradeState
from atomizer.engine.dead_letters import OPEN_STATES
from atomizer.engine.ledger import Ledger
from atomizer.runtime.node import Node
from atomizer.runtime.words import Request, Value, checked
from tests.system.mortal import Killed

NAMES = ("ETH-PERP", "ETH-PERPETUAL")


class People:
    """Says words at random, and remembers what was acknowledged."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"people {seed}")
        self._said: dict[str, dict[str, Value]] = {}
        self._acknowledged: dict[str, bool] = {}
        self.counts: Counter[str] = Counter()

    async def talk(self, node: Node) -> None:
        """Until the node dies or this is cancelled."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 0.8))
            try:
                self._say(node)
            except Killed:
                return

    def _say(self, node: Node) -> None:
        engine = node.engine
        letters = [item for item in engine.ledger.dead_letters.values() if item.state in OPEN_STATES]
        wanted = list(engine.ledger.trades.requests())
        choice = self._rng.random()
        if letters and choice < 0.2:
            word = self._rng.choice(("retry", "discard"))
            self._answered(node, Request(word=word, scope=self._rng.choice(letters).letter_id))
        elif wanted and choice < 0.3:
            self._answered(node, Request(word="withdraw", scope=self._rng.choice(wanted).trade_id))
        elif choice < 0.65:
            self._record(node)
        else:
            self._execute(node)

    def _answered(self, node: Node, request: Request) -> dict[str, Any]:
        answer = node.operating.answer(checked(request), "tester")
        self.counts[request.word] += answer.get("ok", True)
        return answer

    def _record(self, node: Node) -> None:
        """A new trade, or one said before: after a kill nobody knows whether it was heard."""
        if self._said and self._rng.random() < 0.4:
            trade_id = self._rng.choice(list(self._said))
        else:
            trade_id = f"otc-{len(self._said)}"
            self._said[trade_id] = {
                "instrument": "ETH-PERP",
                "side": self._rng.choice(("buy", "sell")),
                "price": "4000",
                "amount": self._rng.choice(("0.1", "0.5", "2")),
            }
        answer = self._answered(node, Request(word="record", request_id=trade_id, args=self._said[trade_id]))
        if answer.get("ok", True):
            self._acknowledged[trade_id] = True

    def _execute(self, node: Node) -> None:
        index = node.engine.exposure.index("ETH") or 4000.0
        side = self._rng.choice(("buy", "sell"))
        away = self._rng.choice((-0.002, 0.001)) * (1 if side == "buy" else -1)
        args: dict[str, Value] = {
            "instrument": "ETH-PERP",
            "side": side,
            "price": f"{index * (1.0 + away):.2f}",
            "amount": self._rng.choice(("0.05", "0.2")),
            "time_in_force": self._rng.choice(("ioc", "gtc")),
        }
        life_s = self._rng.choice((1.0, 4.0))
        number = self.counts["asked"]
        self.counts["asked"] += 1
        self._answered(node, Request(word="execute", request_id=f"man-{number}", args=args, for_s=life_s))

    # --- the verdict ---

    def faults(self, folded: Ledger, running: Ledger) -> list[str]:
        """What is not as it must be, from the journal's fold and the last node's own ledger."""
        found = []
        expected = Decimal(0)
        for trade_id, args in self._said.items():
            trade = folded.trades.trades.get(trade_id)
            booked = trade is not None and bool(trade.bookings)
            if self._acknowledged.get(trade_id) and not booked:
                found.append(f"{trade_id} was acknowledged and is not booked")
            if booked:
                signed = Decimal(str(args["amount"]))
                expected += signed if args["side"] == "buy" else -signed
        held = folded.accounts.size(MANUAL, MANUAL, "manual:ETH-PERP")
        if held != expected:
            found.append(f"recorded trades add up to {expected}, the fold holds {held}")
        standing = {
            key
            for key, item in folded.accounts.booked.items()
            if key not in folded.accounts.reversed
            and (isinstance(item, RfqTrade) or (isinstance(item, Fill) and item.recorded))
        }
        owned = {key for trade in folded.trades.executed() for key in trade.bookings}
        if not standing <= owned:
            found.append(f"executions without a trade: {sorted(standing - owned)}")
        if list(folded.trades.requests()):
            found.append("a request is still wanted after a clean stop and its time")
        open_now = [
            item.trade_id for item in folded.trades.trades.values() if item.state is TradeState.PENDING
        ]
        if open_now:
            found.append(f"pending for ever: {open_now}")
        if folded.trades.state() != running.trades.state():
            found.append("the fold of the journal has other trades than the node had")
        if folded.dead_letters != running.dead_letters:
            found.append("the fold of the journal has other dead letters than the node had")
        self.counts["recorded"] = sum(self._acknowledged.values())
        self.counts["by hand"] = sum(
            1 for trade in folded.trades.executed() if trade.source == MANUAL and trade.request is not None
        )
        return found
