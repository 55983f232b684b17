from __future__ import annotations

import resource
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.bookings import Fill
from atomizer.domain.events import BookSnapshot, Event, IndexPrice, JobDone, Tick, Ticker
from atomizer.domain.instruments import Side
from atomizer.storage.errors import TapeError
from atomizer.storage.tape import Batch, TapeWriter, read_tape

FILL = Fill(
    venue="v",
    account="a",
    instrument="v:x",
    trade_id="t",
    side=Side.SELL,
    price=Decimal("1.10"),
    size=Decimal(3),
)


def test_batches_come_back_with_their_borders(tmp_path: Path) -> None:
    batches: list[tuple[int, list[Event]]] = [
        (10, [BookSnapshot("v:x", [(1.5, 2.0)], [(1.6, 3.0)], 7), FILL]),
        (10, [Tick()]),
        (11, [Ticker(instrument="v:x", mark=1.25), JobDone("fit", 1, 9, {"vols": [0.5, 0.25], "n": 2**90})]),
    ]
    with TapeWriter(tmp_path / "tape") as tape:
        for now_ns, events in batches:
            tape.append(now_ns, events)
    assert list(read_tape(tmp_path / "tape")) == [Batch(now_ns, events) for now_ns, events in batches]


@given(prices=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_prices_come_back_to_the_last_bit(
    prices: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tape") / "tape"
    events: list[Event] = [IndexPrice("v", "eth_usd", price) for price in prices]
    with TapeWriter(path) as tape:
        tape.append(1, events)
    assert list(read_tape(path)) == [Batch(1, events)]


@pytest.mark.parametrize(
    "event", [IndexPrice("v", "i", float("nan")), Ticker(instrument="x", mark=float("inf"))]
)
def test_a_number_that_is_not_finite_is_loud(tmp_path: Path, event: Event) -> None:
    with TapeWriter(tmp_path / "tape") as tape, pytest.raises(TapeError, match="expected finite numbers"):
        tape.append(1, [event])


@pytest.mark.parametrize("result", [(1, 2), {1: 2}, FILL, [float("nan")]])
def test_a_job_result_that_would_change_is_loud(tmp_path: Path, result: object) -> None:
    with TapeWriter(tmp_path / "tape") as tape, pytest.raises(TapeError, match=r"job fit 7|finite numbers"):
        tape.append(1, [JobDone("fit", 7, 1, result)])


def test_a_line_cut_by_a_crash_ends_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    with TapeWriter(path) as tape:
        tape.append(1, [Tick()])
        tape.append(2, [Tick()])
    path.write_bytes(path.read_bytes()[:-3])
    assert [batch.now_ns for batch in read_tape(path)] == [1]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    with TapeWriter(path) as tape:
        tape.append(1, [Tick()])
        tape.append(2, [Tick()])
    path.write_bytes(path.read_bytes().replace(b"[1,", b"[x,"))
    with pytest.raises(TapeError, match="line 2: expected a batch"):
        list(read_tape(path))


def test_an_existing_tape_is_not_written_to(tmp_path: Path) -> None:
    TapeWriter(tmp_path / "tape").close()
    with pytest.raises(TapeError, match="File exists"):
        TapeWriter(tmp_path / "tape")


def test_no_tape_and_a_newer_tape_are_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="expected a tape, found: No such file"):
        list(read_tape(tmp_path / "none"))
    (tmp_path / "other").write_bytes(b"hello\n")
    with pytest.raises(TapeError, match="expected a tape's header"):
        list(read_tape(tmp_path / "other"))
    (tmp_path / "newer").write_bytes(b'{"tape":2,"version":"8.0.0"}\n')
    with pytest.raises(TapeError, match=r"written by atomizer 8\.0\.0"):
        list(read_tape(tmp_path / "newer"))


def test_a_full_disk_is_loud(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with TapeWriter(tmp_path / "tape") as tape:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
        try:
            with pytest.raises(TapeError, match="stop taping or free disk space"):
                for _ in range(100):
                    tape.append(1, [Tick()])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
