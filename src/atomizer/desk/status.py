"""How the node stands: in its own words while it lives, from the journal when it does not answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atomizer.desk.signatures import live_signatures
from atomizer.domain import identity
from atomizer.runtime.control import STATUS, ControlError, Request, ask
from atomizer.storage.lock import holder

if TYPE_CHECKING:
    from atomizer.engine.ledger import Ledger
from atomizer.storage.words import time_text


def status(data_dir: Path, *, timeout_s: float = 2.0) -> dict[str, Any]:
    """`alive`: a process holds the data directory. `answers`: it answered in time; then `node` is its own
    account, otherwise `journal` is what the journal says.

    Raises:
        JournalError: no answer and no journal that can be read.
    """
    pid = holder(data_dir)
    try:
        answer = ask(data_dir, Request(word=STATUS), timeout_s=timeout_s)
    except ControlError as error:
        from atomizer.desk.fold import folded  # brings the kernels: not while the node answers

        return {
            "alive": pid is not None,
            "answers": False,
            "pid": pid,
            "because": str(error),
            "journal": from_ledger(folded(data_dir), time.time_ns()),
        }
    return {"alive": True, "answers": True, "pid": pid, "node": answer["status"]}


def from_ledger(ledger: Ledger, now_ns: int) -> dict[str, Any]:
    """What the journal knows, as plain values."""
    run = ledger.run
    signatures = live_signatures(ledger.quotes.values(), now_ns)
    return {
        "run": None if run is None else run.run,
        "network": None if run is None else run.network,
        "mode": None if run is None else run.mode,
        "clean_end": ledger.clean_end,
        "last_record": time_text(ledger.now_ns),
        "kill_level": ledger.risk.kill_level,
        "paused": list(ledger.risk.paused),
        "controls": [rule.in_words() for rule in ledger.risk.controls],
        "naked": dict(ledger.risk.naked),
        "open_orders": [
            {
                "label": identity.label(order.order_id),
                "instrument": order.instrument,
                "side": order.side.name.lower(),
                "state": order.state.name.lower(),
                "lots": order.lots,
                "booked_lots": order.booked,
            }
            for _, order in sorted(ledger.orders.items())
        ],
        "positions": {
            "/".join(holding): str(size) for holding, size in sorted(ledger.position_sizes().items())
        },
        "balances": {
            "/".join(purse): {"cash": str(report.cash), "equity": str(report.equity)}
            for purse, (report, _) in sorted(ledger.reported_balances.items())
        },
        "differences": [msgspec.to_builtins(item) for _, item in sorted(ledger.differences.items())],
        "trade_states": ledger.trades.counts(),
        "alerts": [
            f"{item.letter_id} {item.kind} {item.subject}: {item.text}" for item in ledger.open_letters()
        ],
        "live_signatures": len(signatures.signatures),
        "last_signature_dies_s": signatures.last_dies_s,
    }
