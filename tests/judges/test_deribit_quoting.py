"""A raw client that knows only the protocol page quotes in mass on `atomizer sim deribit`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.independent.deribit_quoter import Findings, judge_quoting

pytestmark = pytest.mark.system

PROGRAM = str(Path(sys.executable).parent / "atomizer")
SECOND = ("sim-client-2", "sim-secret-2")


def judged(fault: str) -> Findings:
    """What the judge finds on a venue of its own."""
    command = [PROGRAM, "sim", "deribit", "--port", "0", "--seed", "11"]
    process = subprocess.Popen(
        [*command, "--fault", f"deribit.margin_model=segregated_pm,{fault}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        first = (ready["credentials"]["client_id"], ready["credentials"]["client_secret"])
        return asyncio.run(judge_quoting(None, ready["ws"], first, SECOND))
    finally:
        process.terminate()
        process.communicate()


def test_mass_quotes_and_protection_are_as_the_protocol_says() -> None:
    found = judged("")
    assert found.refusals == {
        "no cancel-on-disconnect": 13042,
        "no group": 13040,
        "over 100 quotes": -32602,
        "edit of a quote": 10004,
        "frozen": 13030,
        "after freeze_quotes": 13043,
    }
    assert found.refused_side == {"old quote stays": True, "other side refused too": True}
    assert sum(found.trades) == 10
    assert 0 < found.frozen_for_ms <= 2000
    assert found.left_after_disconnect == 0


def test_the_other_reading_of_a_refused_side_can_be_met() -> None:
    found = judged("deribit.quote_errors=goes_alone,deribit.speed_bump_ms=5")
    assert found.refused_side == {"old quote stays": False, "other side refused too": False}
