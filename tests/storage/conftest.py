"""What the journal's tests share: small records and a quick journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain.commands import CancelOrder
from atomizer.storage.journal import Journal


@pytest.fixture
def cancel() -> Callable[[int], CancelOrder]:
    def make(order_id: int) -> CancelOrder:
        return CancelOrder(order_id=order_id, venue="v", account="a", instrument="v:x")

    return make


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Opens journals without a sync thread in tmp_path and closes the last one."""
    journals: list[Journal] = []

    def make(**options: Any) -> Journal:
        if journals:
            journals.pop().close()
        journals.append(Journal.open(tmp_path, **{"reserve_bytes": 4096, "sync_interval_s": None, **options}))
        return journals[-1]

    yield make
    for journal in journals:
        journal.close()
