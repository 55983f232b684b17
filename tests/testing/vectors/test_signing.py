"""The checker of signing vectors: right files pass, a wrong byte or an unknown kind does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from atomizer.testing.vectors.__main__ import main
from atomizer.testing.vectors.runner import check_file
from atomizer.testing.vectors.signing import VENUES, check

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "vectors"
FILES = [SHARED / f"{venue}_signing.json" for venue in VENUES]
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference material is not beside the checkout")

# The worked example of Deribit's public documentation.
EXAMPLE: dict[str, Any] = {
    "venue": "deribit",
    "vectors": [
        {
            "id": "documented",
            "kind": "ws_client_signature_hmac",
            "inputs": {
                "client_id": "AMANDA",
                "client_secret": "AMANDASECRECT",
                "timestamp": 1576074319000,
                "nonce": "1iqt2wls",
                "data": "",
            },
            "expected": {
                "string_to_sign": "1576074319000\n1iqt2wls\n",
                "signature": "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1",
            },
        }
    ],
}


def problems(document: dict[str, Any]) -> list[str]:
    return [result.problem for result in check(document, slow=False)]


@pytest.mark.needs_shared
@shared
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_case_of_a_shared_file_is_right(path: Path) -> None:
    results = list(check_file(path))
    assert len(results) == len(json.loads(path.read_text(encoding="utf-8"))["vectors"]) > 0
    assert [f"{result.case}: {result.problem}" for result in results if not result.ok] == []


@pytest.mark.needs_shared
@shared
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_stated_value_is_compared(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    for number, case in enumerate(document["vectors"]):
        for name in case["expected"]:
            changed = copy.deepcopy(document)
            changed["vectors"] = [copy.deepcopy(case)]
            changed["vectors"][0]["expected"][name] = "another"
            (problem,) = problems(changed)
            assert problem, f"case {number}: {name} was not compared"


def test_documented_example_is_right() -> None:
    assert problems(EXAMPLE) == [""]


def test_wrong_byte_is_a_failure() -> None:
    document = copy.deepcopy(EXAMPLE)
    expected = document["vectors"][0]["expected"]
    expected["signature"] = expected["signature"][:-1] + "2"
    assert problems(document)[0].startswith("signature: expected '56590594")


def test_unknown_kind_and_value_and_venue_are_failures() -> None:
    document = copy.deepcopy(EXAMPLE)
    document["vectors"][0]["expected"]["more"] = "x"
    assert problems(document) == ["more: expected 'x', found 'nothing'"]
    document["vectors"][0]["kind"] = "carrier_pigeon"
    assert problems(document)[0].startswith("unknown kind; deribit knows")
    assert problems({"venue": "nowhere", "vectors": []})[0].startswith("expected one of binance")


def test_inputs_that_cannot_be_signed_are_a_failure() -> None:
    document = copy.deepcopy(EXAMPLE)
    document["vectors"][0]["inputs"]["timestamp"] = 1.5
    assert problems(document)[0].startswith("FieldTypeError: timestamp: expected an int")
    del document["vectors"][0]["inputs"]["nonce"]
    assert problems(document)[0].startswith("KeyError")


def test_command_counts_by_kind_and_fails_on_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(EXAMPLE), encoding="utf-8")
    assert main([str(path)]) == 0
    assert "ws_client_signature_hmac: 1 ok, 0 failed" in capsys.readouterr().out
    path.write_text(json.dumps(EXAMPLE).replace("AMANDASECRECT", "other"), encoding="utf-8")
    assert main([str(path)]) == 1
    assert "ws_client_signature_hmac: 0 ok, 1 failed" in capsys.readouterr().out
