"""What a node says of itself."""

from __future__ import annotations

import pytest

from atomizer.domain import events as ev
from atomizer.runtime import views
from tests.engine.bench_desk import MS, Desk


@pytest.mark.parametrize("offset_ms", [-900, -251, 251, 1500])
def test_a_clock_that_is_off_is_an_alert_before_signing_stops(offset_ms: int) -> None:
    desk = Desk()
    desk.feed(ev.ClockOffset("deribit", offset_ms * MS))
    (alert,) = views.status(desk.engine)["alerts"]
    assert alert.startswith(f"clock of deribit: {offset_ms:+} ms from ours, signing stops beyond 1000")


def test_a_clock_within_reason_is_none() -> None:
    desk = Desk()
    desk.feed(ev.ClockOffset("deribit", -250 * MS))
    assert views.status(desk.engine)["alerts"] == []
