"""Reading recordings: our own lines, the venue's notifications, and everything that is neither."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomizer.sim.recording import Depth, Print, RecordingError, load_recording

HEAD = {"recording": "depth and trades", "version": 1}


def written(path: Path, *lines: Any) -> Path:
    file = path / "tape.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return file


def message(channel: str, data: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}


def test_own_lines_are_exact_and_in_order_of_time(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        HEAD,
        {"t": 5, "i": "X", "side": "sell", "price": "3000.05", "amount": 2},
        {"t": 1, "i": "X", "whole": True, "bids": [["3000.05", "0.3"]], "asks": [[3001, 0.1]]},
    )
    recording = load_recording(file)
    assert recording.events == (
        Depth(
            1, "X", ((Decimal("3000.05"), Decimal("0.3")),), ((Decimal(3001), Decimal("0.1")),), whole=True
        ),
        Print(5, "X", -1, Decimal("3000.05"), Decimal(2)),
    )
    assert recording.instruments == ("X",)
    assert recording.middle("X") == Decimal("3000.525")


def test_notifications_of_the_venue_are_read_and_other_channels_passed_over(tmp_path: Path) -> None:
    name = "book.ETH-PERPETUAL.100ms"
    snapshot = {"type": "snapshot", "timestamp": 1, "instrument_name": "ETH-PERPETUAL", "change_id": 7,
                "bids": [["new", 10.0, 5.0]], "asks": []}  # fmt: skip
    change = {"type": "change", "timestamp": 2, "instrument_name": "ETH-PERPETUAL", "prev_change_id": 7,
              "change_id": 9, "bids": [["delete", 10.0, 0.0]], "asks": [["new", 11.0, 2.0]]}  # fmt: skip
    trade = {"timestamp": 2, "direction": "buy", "price": 11.0, "amount": 1.0, "trade_id": "1"}
    grouped = {"timestamp": 3, "change_id": 12, "bids": [[9.0, 4.0]], "asks": []}
    file = written(
        tmp_path,
        message(name, snapshot),
        message("ticker.ETH-PERPETUAL.raw", {"mark_price": 1}),
        message("trades.ETH-PERPETUAL.raw", [trade]),
        message(name, change),
        message("book.ETH-PERPETUAL.none.10.100ms", grouped),
    )
    first, second, third, fourth = load_recording(file).events
    assert isinstance(first, Depth)
    assert first.whole
    assert isinstance(second, Print)
    assert (second.instrument, second.ts_ns) == ("ETH-PERPETUAL", 2_000_000)
    assert isinstance(third, Depth)
    assert (third.whole, third.bids) == (False, ((Decimal(10), Decimal(0)),))
    assert isinstance(fourth, Depth)
    assert fourth.whole


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([{"recording": "other", "version": 1}], "line 1"),
        ([HEAD], "found neither"),
        ([HEAD, {"t": 1, "i": "X"}], "line 2.*neither bids nor asks"),
        ([HEAD, {"t": 1, "i": "X", "bids": [["1"]]}], "line 2"),
        ([HEAD, {"t": 1, "i": "X", "bids": [["1", "-1"]]}], "negative"),
        ([HEAD, {"t": 1, "i": "X", "side": "both", "price": 1, "amount": 1}], "both"),
        ([HEAD, {"t": 1, "i": "X", "side": "buy", "price": 0, "amount": 1}], "not positive"),
        ([HEAD, {"t": 1, "i": "X", "side": "buy", "price": "NaN", "amount": 1}], "finite"),
        ([[1]], "expected an object"),
        ([message("book.X.raw", {"type": "change", "prev_change_id": 3, "change_id": 4, "timestamp": 1,
                                 "bids": [], "asks": []})], "gap"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused_by_line(tmp_path: Path, lines: list[Any], text: str) -> None:
    with pytest.raises(RecordingError, match=text):
        load_recording(written(tmp_path, *lines))


def test_a_missing_file_and_broken_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"missing\.jsonl"):
        load_recording(tmp_path / "missing.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"recording": "depth and trades", "version": 1}\n{"t": 1')
    with pytest.raises(RecordingError, match="line 2: expected JSON"):
        load_recording(broken)


SHARED = Path(__file__).resolve().parents[3] / "shared/data/exchange_message_fixtures/deribit/websocket"


@pytest.mark.needs_shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared: exchange_message_fixtures")
def test_sample_messages_of_another_project_are_read() -> None:
    (book,) = load_recording(SHARED / "orderbook_message.json").events
    assert isinstance(book, Depth)
    assert (book.instrument, book.whole) == ("BTC-PERPETUAL", True)
    assert book.bids[0] == (Decimal("50000.0"), Decimal("0.1"))
    assert book.asks[-1] == (Decimal("50003.0"), Decimal("0.35"))
    (trade,) = load_recording(SHARED / "trade_message.json").events
    assert trade == Print(1_640_995_200_000_000_000, "BTC-PERPETUAL", 1, Decimal("50000.5"), Decimal("0.1"))
    with pytest.raises(RecordingError, match="found neither"):
        load_recording(SHARED / "order_event_message.json")
