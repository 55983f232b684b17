"""What the venues' own records and raw clients say about a node that was killed, against its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import PlaceOrder, SendQuote
from atomizer.domain.identity import from_label, strategy_of
from atomizer.engine.keeping import MANUAL_STRATEGY
from atomizer.engine.ledger import Ledger
from atomizer.net.transport import Transport
from atomizer.runtime.node import fold
from atomizer.storage.journal import read
from tests.independent.deribit_client import deribit_truth
from tests.independent.rysk_client import rysk_state, rysk_truth
from tests.independent.wire import fetch

QUANTUM = Decimal("0.000001")


@dataclass
class Verdict:
    """Faults found, one line each; counts of what happened, to show that something did."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    status: dict[str, Any] = field(default_factory=dict)

    def same(self, what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            self.faults.append(f"{what}: ours {ours}, the venue's {theirs}")


@dataclass(frozen=True)
class Venues:
    """Where the judged venues are: what their processes print when ready. No transport: real sockets."""

    deribit: dict[str, Any]
    rysk: dict[str, Any]
    transport: Transport | None = None


async def judge(verdict: Verdict, venues: Venues, directory: Path) -> None:
    """Compare the folded journal with both venues."""
    ledger = fold(directory, Ledger())
    records = [record.body for record in read(directory)]
    await _deribit(verdict, venues, ledger)
    await _rysk(verdict, venues, ledger)
    _commands(verdict, records)
    if ledger.orders:
        verdict.faults.append(f"orders not ended in the ledger: {sorted(ledger.orders)}")
    if ledger.differences:
        verdict.faults.append(f"open differences: {ledger.differences}")
    if ledger.accounts.alarms:
        verdict.faults.append(f"alarms: {ledger.accounts.alarms}")


def _sizes(ledger: Ledger, venue: str) -> dict[str, Decimal]:
    return {
        key.instrument.partition(":")[2]: size
        for key, size in ledger.position_sizes().items()
        if key.venue == venue
    }


async def _deribit(verdict: Verdict, venues: Venues, ledger: Ledger) -> None:
    credentials = venues.deribit["credentials"]
    truth = await deribit_truth(
        venues.transport, venues.deribit["ws"], credentials["client_id"], credentials["client_secret"]
    )
    verdict.same("deribit positions", _sizes(ledger, "deribit"), truth["positions"])
    cash = ledger.accounts.balance("deribit", "deribit", "ETH")
    verdict.same("deribit balance", cash.normalize(), truth["realised"].normalize())
    verdict.same("deribit log", truth["logged"].normalize(), truth["balance"].normalize())
    verdict.same("deribit open orders", [], truth["open_orders"])
    state = await fetch(venues.transport, venues.deribit["http"], "/sim/state")
    for label, times in sorted(state["placements"].items()):
        if times > 1:
            verdict.faults.append(f"order {label} was placed {times} times")
    verdict.counts["orders"] += len(state["placements"])
    account = state["accounts"]["main"]
    verdict.counts["fills"] += len(account["trades"])
    verdict.faults += _overlaps(account["orders"])


def _overlaps(orders: Iterable[dict[str, Any]]) -> list[str]:
    """Slots (strategy, instrument, side) in which two orders worked at once."""
    by_slot: dict[tuple[int, str, str], list[tuple[int, int, str]]] = {}
    for order in orders:
        number = from_label(order["label"])
        if number is None:
            return [f"an order without our label: {order}"]
        if strategy_of(number) == MANUAL_STRATEGY:
            continue  # each request of a person has a level, and so a slot, of its own
        slot = (strategy_of(number), order["instrument_name"], order["direction"])
        life = (order["creation_timestamp"], order["last_update_timestamp"], order["label"])
        by_slot.setdefault(slot, []).append(life)
    found = []
    for slot, lives in by_slot.items():
        end, holder = 0, ""
        for begun, ended, label in sorted(lives):
            if begun < end:
                found.append(f"slot {slot}: {label} began at {begun}, {holder} worked until {end}")
            if ended > end:
                end, holder = ended, label
    return found


async def _rysk(verdict: Verdict, venues: Venues, ledger: Ledger) -> None:
    maker, stable = venues.rysk["credentials"]["maker_address"], venues.rysk["tokens"]["stable"]
    truth = await rysk_truth(venues.transport, venues.rysk["ws"], maker)
    state = await rysk_state(venues.transport, venues.rysk["http"])
    held = {
        f"{option.expiry_s}/{option.strike_e8}/{option.is_put}": Decimal(size).scaleb(-18)
        for option, size in truth["positions"].items()
    }
    ours = {}
    for key, size in ledger.position_sizes().items():
        if key.venue == "rysk":
            option = ledger.instruments[key.instrument]
            assert option.strike is not None and option.expiry_ns is not None
            name = f"{option.expiry_ns // 10**9}/{int(option.strike * 10**8)}/{not option.is_call}"
            ours[name] = size
    verdict.same("rysk positions", dict(sorted(ours.items())), dict(sorted(held.items())))
    cash = Decimal(truth["balances"][stable["address"]]).scaleb(-stable["decimals"])
    ledger_cash = ledger.accounts.balance("rysk", "rysk", "USD")
    trades = [trade for trade in state["trades"] if trade["outcome"] == "settled"]
    guessed = sum(isinstance(item, RfqTrade) and item.inferred for item in ledger.accounts.booked.values())
    if abs(cash - ledger_cash) > QUANTUM * guessed:
        verdict.faults.append(f"rysk cash: ours {ledger_cash}, the venue's {cash}")
    _booked_once(verdict, ledger, trades)
    refused = state["quotes"]["refused"]
    for reason in ("nonce", "terms", "not_served", "signature"):
        if found := {name: times for name, times in refused.items() if reason in name.lower()}:
            verdict.faults.append(f"rysk refused what must not be sent: {found}")
    verdict.counts["quotes"] += state["quotes"]["accepted"]
    verdict.counts["trades"] += len(trades)
    verdict.counts["unheard"] += sum(trade["confirmation"] in ("lost", "unheard") for trade in trades)


def _booked_once(verdict: Verdict, ledger: Ledger, trades: list[dict[str, Any]]) -> None:
    """Each settled trade is one booking. Two quotes alike in everything but the nonce cannot be told apart
    when the confirmation is lost: there the terms decide."""
    settled = {int(trade["quote_nonce"]): trade for trade in trades}
    booked: Counter[int] = Counter()
    inferred: set[int] = set()
    for key, booking in ledger.accounts.booked.items():
        if isinstance(booking, RfqTrade) and key not in ledger.accounts.reversed:
            booked[booking.nonce] += 1
            if booking.inferred:
                inferred.add(booking.nonce)
    wrong = sorted(nonce for nonce in booked if nonce not in settled)
    missing = sorted(nonce for nonce in settled if nonce not in booked)
    ours = sorted(_terms(ledger, nonce) for nonce in wrong)
    theirs = sorted(_terms(ledger, nonce) for nonce in missing)
    if ours != theirs or not inferred.issuperset(wrong):
        verdict.faults.append(f"RFQ trades: booked and not settled {wrong}, settled and not booked {missing}")
    verdict.counts["inferred"] += len(inferred)


def _terms(ledger: Ledger, nonce: int) -> tuple[str, int, int, int]:
    """What moves: option, side, size, and the premium in the token's unit."""
    quote = ledger.quotes["rysk", "rysk", nonce].command
    quantity = quote.terms.quantity_e18
    return quote.instrument, int(quote.side), quantity, quote.price_e18 * quantity // 10**30


def _commands(verdict: Verdict, records: list[Any]) -> None:
    """Nothing in the journal was commanded twice."""
    orders = Counter(record.order_id for record in records if isinstance(record, PlaceOrder))
    nonces = Counter(record.nonce for record in records if isinstance(record, SendQuote))
    for what, seen in (("order id", orders), ("nonce", nonces)):
        if twice := [number for number, times in seen.items() if times > 1]:
            verdict.faults.append(f"{what} commanded twice: {twice}")
    verdict.counts["signed"] += len(nonces)
