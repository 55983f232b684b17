"""The kill test with a person at the desk: manual trades, dead letters, outages of the hedge venue.

The node dies when a trade or a dead letter enters a chosen state, besides the times and points of
`tests.system.kills`. `python -m tests.system.operated SEED [KILLS]` repeats a failing seed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from atomizer.domain.bookings import Fill
from atomizer.domain.commands import DeadLetter, LetterKind, LetterState, PlaceOrder
from atomizer.domain.trades import EXECUTED_STATES, MANUAL, MANUAL_GROUP, TradeState
from atomizer.engine.ledger import Ledger
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node, fold
from atomizer.runtime.settings import Settings
from atomizer.runtime.words import Request, checked
from atomizer.sim.faults import parse_faults
from atomizer.storage.journal import read
from tests.system.kills import FINAL_S, KillSession, Report
from tests.system.mortal import Doom, Killed, Life
from tests.system.verdict import Verdict

STATES = tuple(f"a trade is {state}" for state in TradeState)
LETTERS = tuple(f"a letter is {state}" for state in LetterState)
AWAY = parse_faults("refuse=1")  # nobody can connect
CONTRACTS = ("ETH-PERPETUAL", "ETH-20250926-4500-C")
# What may follow a letter's state; a letter that is resolved says nothing more.
NEXT = {
    LetterState.OPEN: set(LetterState),
    LetterState.RETRYING: set(LetterState),
    LetterState.DISCARDED: {LetterState.RESOLVED},
    LetterState.RESOLVED: set[LetterState](),
}


@dataclass
class Said:
    """What a person was told: trades booked, and requests taken, by their ids."""

    booked: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: dict[str, Decimal] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)


class OperatedSession(KillSession):
    """Kills by state, and somebody who records, asks, retries and discards all the while."""

    def __init__(self, seed: int, kills: int, directory: Path, clock: VirtualClock) -> None:
        super().__init__(seed, kills, directory, clock)
        self.said = Said()
        self.died_in: Counter[str] = Counter()
        self._resting = False  # a maker would claim the perpetual, on which a person's orders rest
        self._number = 0
        self._before: dict[str, int] = {}

    def settings(self) -> Settings:
        made = super().settings()
        hedge = msgspec.structs.replace(made.hedge, alarm_ms=700, naked_stop=0.02, outage_ms=600)
        risk = msgspec.structs.replace(made.risk, collar=0.9)  # the venue's own band is the narrower one
        return msgspec.structs.replace(made, hedge=hedge, risk=risk)

    def doom(self) -> Doom:
        if self._rng.random() < 0.4:
            return super().doom()
        return Doom(self._rng.uniform(6.0, 16.0), self._rng.choice((*STATES, *LETTERS)), 1)

    def node(self, life: Life, number: int) -> Node:
        made = super().node(life, number)
        self._before = made.ledger.trades.counts()
        made.driver._on_turn = lambda records: self._watched(made, life, records)
        life.ended.add_done_callback(lambda _done: self.died_in.update([life.met]))
        self._person = asyncio.create_task(self._operate(made, life))
        return made

    def _watched(self, node: Node, life: Life, records: Sequence[Any]) -> None:
        """After a turn is written and sent: which states were entered in it."""
        counts = node.ledger.trades.counts()
        for state, count in counts.items():
            if count > self._before.get(state, 0):
                life.reach(f"a trade is {state}")
        self._before = counts
        for record in records:
            if isinstance(record, DeadLetter):
                life.reach(f"a letter is {record.state}")

    # --- the person ---

    async def _operate(self, node: Node, life: Life) -> None:
        """Says something every now and then while the node lives."""
        while not life.dead:
            await asyncio.sleep(self._rng.uniform(0.2, 1.2))
            if life.dead or node.driver.failed is None:
                continue
            try:
                self._speak(node, life)
            except Killed:
                return

    def _speak(self, node: Node, life: Life) -> None:
        rng = self._rng
        letters = [
            item.letter_id
            for item in node.ledger.dead_letters.values()
            if item.state in (LetterState.OPEN, LetterState.RETRYING)
        ]
        choice = rng.random()
        if letters and choice < 0.4:
            node.operating.answer(
                checked(Request(word=rng.choice(("retry", "discard")), scope=rng.choice(letters))), "tester"
            )
        elif choice < 0.6:
            self._record(node)
        elif choice < 0.85:
            self._ask(node)
        else:
            self._outage(life)

    def _id(self) -> str:
        self._number += 1
        return f"hand-{self._number}"

    def _record(self, node: Node) -> None:
        """Book a trade done elsewhere; sometimes say it again."""
        again = self.said.booked and self._rng.random() < 0.3
        name = self._rng.choice(sorted(self.said.booked)) if again else self._id()
        side, amount = self.said.booked.get(name) or (self._rng.choice(("buy", "sell")), "0.4")
        args: dict[str, str | float] = {
            "instrument": CONTRACTS[1],
            "side": side,
            "price": "90",
            "amount": amount,
        }
        self.said.tried.add(name)
        answer = node.operating.answer(checked(Request(word="record", request_id=name, args=args)), "tester")
        if answer.get("ok", True):
            self.said.booked[name] = (side, amount)

    def _ask(self, node: Node) -> None:
        """Ask for an order in the perpetual: at once, resting far away, or so dear that the venue refuses."""
        index = node.engine.exposure.index("ETH")
        if index is None:
            return
        rng = self._rng
        side = rng.choice(("buy", "sell"))
        sign = 1 if side == "buy" else -1
        away = rng.choice((0.004, -0.01, 0.6))
        args: dict[str, str | float] = {
            "instrument": CONTRACTS[0],
            "side": side,
            "price": str(round(index * (1 + sign * away))),
            "amount": "400",
            "time_in_force": "ioc" if away > 0 else "gtc",
        }
        name = self._id()
        answer = node.operating.answer(
            checked(Request(word="execute", request_id=name, args=args, for_s=rng.choice((0.5, 4.0)))),
            "tester",
        )
        if answer.get("ok", True):
            self.said.asked[name] = Decimal(400)

    def _outage(self, life: Life) -> None:
        """The hedge venue is away for a while: the underlying stays naked."""
        faulty, usual = self._faulty[0], self._specs["deribit"]
        if faulty._spec is not usual:
            return
        faulty._spec = AWAY
        life.cut("/ws/api/v2")

        def back() -> None:
            if faulty._spec is AWAY:
                faulty._spec = usual

        asyncio.get_running_loop().call_later(self._rng.uniform(1.0, 6.0), back)

    # --- the verdict ---

    async def _last_life(self) -> None:
        # The person says nothing after a while: every request's time is over before the node is stopped.
        asyncio.get_running_loop().call_later(FINAL_S, lambda: self._person.cancel())
        await super()._last_life()
        judge_desk(self.report.verdict, self._directory, self.said)
        self.report.verdict.counts.update(
            {f"died: {name}": count for name, count in self.died_in.items() if name in (*STATES, *LETTERS)}
        )


def judge_desk(verdict: Verdict, directory: Path, said: Said) -> None:
    """What the journal says of trades, requests and letters, against what a person was told."""
    ledger = fold(directory, Ledger())
    _recorded(verdict, ledger, said)
    _won(verdict, ledger)
    _asked(verdict, ledger, directory, said)
    _letters(verdict, directory)
    again = fold(directory, Ledger())
    verdict.same("trades of two folds", ledger.trades.state(), again.trades.state())


def _recorded(verdict: Verdict, ledger: Ledger, said: Said) -> None:
    """A trade that was acknowledged is booked once; one that was not, at most once."""
    booked = Counter(
        booking.trade_id
        for booking in ledger.accounts.booked.values()
        if isinstance(booking, Fill) and booking.recorded
    )
    for name, (side, amount) in said.booked.items():
        trade = ledger.trades.trades.get(name)
        if booked[name] != 1 or trade is None or trade.state not in EXECUTED_STATES:
            verdict.faults.append(f"recorded {name}: booked {booked[name]} times, trade {trade}")
        elif (trade.side.name.lower(), trade.executed) != (side, Decimal(amount)):
            verdict.faults.append(f"recorded {name}: told {side} {amount}, booked {trade}")
    if stray := set(booked) - said.tried:
        verdict.faults.append(f"booked and never said: {sorted(stray)}")
    held = sum((size for key, size in ledger.position_sizes().items() if key.venue == MANUAL), Decimal(0))
    sums = sum(
        (
            booking.side * booking.size
            for booking in ledger.accounts.booked.values()
            if isinstance(booking, Fill) and booking.recorded
        ),
        Decimal(0),
    )
    verdict.same("position of recorded trades", held, sums)
    verdict.counts["recorded"] += len(booked)


def _won(verdict: Verdict, ledger: Ledger) -> None:
    """Every booking that stands belongs to one executed trade, and every executed trade has one."""
    owners = Counter(key for trade in ledger.trades.trades.values() for key in trade.bookings)
    if twice := [key for key, times in owners.items() if times > 1]:
        verdict.faults.append(f"bookings of several trades: {twice}")
    for trade in ledger.trades.trades.values():
        executed = trade.state in EXECUTED_STATES and bool(trade.bookings)
        if bool(trade.bookings) is not executed:
            verdict.faults.append(f"{trade.trade_id}: {trade.state} with bookings {trade.bookings}")
    for key, booking in ledger.accounts.booked.items():
        if type(booking).__name__ == "RfqTrade" and key not in ledger.accounts.reversed and not owners[key]:
            verdict.faults.append(f"a booking without a trade: {key}")
    verdict.counts["executed"] += sum(1 for _ in ledger.trades.executed())


def _asked(verdict: Verdict, ledger: Ledger, directory: Path, said: Said) -> None:
    """One order for each try of a request, never more than was asked for."""
    placed = Counter(
        record.body.group.removeprefix(MANUAL_GROUP)
        for record in read(directory)
        if isinstance(record.body, PlaceOrder) and record.body.group.startswith(MANUAL_GROUP)
    )
    for name in said.asked:
        trade = ledger.trades.trades.get(name)
        if trade is None:
            continue  # it came to nothing and was forgotten among the last thousand
        if placed[name] > trade.attempts:
            verdict.faults.append(f"request {name}: {placed[name]} orders in {trade.attempts} tries")
        if trade.executed > trade.size * trade.attempts:
            verdict.faults.append(f"request {name}: {trade.executed} executed of {trade.size}")
        if trade.request is not None and trade.request.wanted:
            verdict.faults.append(f"request {name} is still wanted after the last run")
    verdict.counts["asked"] += len(said.asked)


def _letters(verdict: Verdict, directory: Path) -> None:
    """Letters change as their table says, keep their subject, and none of them moves a position."""
    ledger, known = Ledger(), dict[str, DeadLetter]()
    for record in read(directory):
        body = record.body
        letter = body if isinstance(body, DeadLetter) else None
        before = dict(ledger.position_sizes()) if letter is not None else None
        ledger.apply(body, record.ts_ns)
        if letter is None:
            continue
        verdict.same(f"positions after {letter.letter_id}", dict(ledger.position_sizes()), before)
        last = known.get(letter.letter_id)
        if last is not None:
            about = (letter.kind, letter.subject) == (last.kind, last.subject)
            if not about or letter.attempts < last.attempts or letter.state not in NEXT[last.state]:
                verdict.faults.append(f"letter {last} became {letter}")
        known[letter.letter_id] = letter
    for letter in ledger.dead_letters.values():
        if letter.kind is LetterKind.HEDGE and letter.state in (LetterState.OPEN, LetterState.RETRYING):
            verdict.faults.append(f"an open letter about a hedge that came: {letter}")
    verdict.counts["letters"] += len(known)


def run_seed(seed: int, kills: int) -> Report:
    """Run one seed in virtual time, on a directory of its own."""

    async def main(clock: VirtualClock) -> Report:
        return await OperatedSession(seed, kills, Path(directory), clock).run()

    with tempfile.TemporaryDirectory(prefix="atomizer-operated-") as directory:
        return run_virtual(main)


def main() -> None:
    report = run_seed(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    for line in report.lives:
        print(line)
    print(dataclasses.asdict(report.verdict)["counts"])
    for line in report.verdict.faults:
        print("FAULT", line)


if __name__ == "__main__":
    main()
