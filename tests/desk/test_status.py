from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from atomizer.cli import main
from atomizer.cli.exits import Exit
from atomizer.desk.status import status
from atomizer.domain.identity import label, order_id
from atomizer.storage.journal import Journal


def test_a_dead_node_is_told_from_the_journal(story: Path) -> None:
    found = status(story)
    assert (found["alive"], found["answers"]) == (False, False)
    journal = found["journal"]
    assert (journal["run"], journal["mode"], journal["clean_end"]) == (1, "live", False)
    assert [order["label"] for order in journal["open_orders"]] == [label(order_id(1, 1, 5))]
    assert journal["positions"] == {
        "deribit/main/deribit:ETH-PERPETUAL": "-3440",
        "rysk/maker/rysk:ETH-CALL": "2",
    }
    assert journal["live_signatures"] == 2


def test_a_node_that_holds_the_directory_but_does_not_answer_is_alive(story: Path) -> None:
    journal = Journal.open(story, reserve_bytes=4096, sync_interval_s=None)
    try:
        found = status(story, timeout_s=0.05)
    finally:
        journal.close()
    assert (found["alive"], found["answers"]) == (True, False)
    assert "expected a node to listen" in found["because"]


def test_the_command_prints_words_or_json(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--data-dir", str(story)]) == Exit.OK
    assert "live_signatures: 2" in capsys.readouterr().out
    assert main.run(["status", "--data-dir", str(story), "--json"]) == Exit.OK
    assert msgspec.json.decode(capsys.readouterr().out)["alive"] is False


def test_no_data_directory_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--data-dir", str(tmp_path / "none")]) == Exit.FAILURE
    assert "expected a data directory" in capsys.readouterr().err
