"""The ledger as the journal tells it, without the node and without any strategy."""

from __future__ import annotations

from pathlib import Path

import msgspec

from atomizer.engine.ledger import Ledger
from atomizer.storage.journal import LedgerSnapshot, RecordError, read


def folded(data_dir: Path) -> Ledger:
    """Fold the journal from its newest snapshot.

    Raises:
        JournalError: missing, damaged or newer than this version.
    """
    ledger = Ledger()
    for record in read(data_dir, from_snapshot=True):
        if isinstance(record.body, LedgerSnapshot):
            ledger = _restored(record.body, record.sequence)
        else:
            ledger.apply(record.body, record.ts_ns)
    return ledger


def _restored(snapshot: LedgerSnapshot, sequence: int) -> Ledger:
    ledger = Ledger()
    try:
        ledger.restore(snapshot.state)
    except (KeyError, msgspec.ValidationError) as error:
        raise RecordError(
            f"record {sequence}: expected a ledger snapshot of this version, found another form ({error!r});"
            " use the version that wrote it"
        ) from error
    return ledger
