"""The ledger as the journal tells it, without the node and without any strategy."""

from __future__ import annotations

from pathlib import Path

from atomizer.engine.ledger import Ledger
from atomizer.storage.journal import LedgerSnapshot, read


def folded(data_dir: Path) -> Ledger:
    """Fold the journal from its newest snapshot.

    Raises:
        JournalError: missing, damaged or newer than this version.
    """
    ledger = Ledger()
    for record in read(data_dir, from_snapshot=True):
        if isinstance(record.body, LedgerSnapshot):
            ledger = Ledger()
            ledger.restore(record.body.state)
        else:
            ledger.apply(record.body, record.ts_ns)
    return ledger
