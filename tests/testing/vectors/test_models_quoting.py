from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from atomizer.testing.vectors._models_quoting import SECTIONS

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "models.json"
SIMULATIONS = {"as2008_simulation", "glft_in_as_world"}

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(not VECTORS.exists(), reason="reference vectors are not beside the checkout"),
]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("section", sorted(SECTIONS.keys() - SIMULATIONS))
def test_every_case_agrees(section: str, document: dict[str, Any]) -> None:
    results = list(SECTIONS[section](document[section], False))
    assert results
    assert [result for result in results if not result.ok] == []


@pytest.mark.parametrize("section", sorted(SIMULATIONS))
def test_simulations_wait_for_slow(section: str, document: dict[str, Any]) -> None:
    assert list(SECTIONS[section](document[section], False)) == []


@pytest.mark.prove
@pytest.mark.parametrize("section", sorted(SIMULATIONS))
def test_simulations_agree_within_standard_errors(section: str, document: dict[str, Any]) -> None:
    results = list(SECTIONS[section](document[section], True))
    assert results
    assert [result for result in results if not result.ok] == []


def nudged(value: Any, relative: float) -> Any:
    """Every number of a nested value moved a little."""
    if isinstance(value, dict):
        return {name: nudged(item, relative) for name, item in value.items()}
    if isinstance(value, list):
        return [nudged(item, relative) for item in value]
    return value * (1.0 + relative) + 1e-4 if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        ("as_quotes", ("bid", "delta_ask")),
        ("hedge_bands", ("zak_H1", "leland_number", "ww_half_width")),
        ("inverse_perp_quotes", ("as_quotes", "glft_closed", "q")),
        ("package_reservation", ("bid_reservation", "ask_reservation", "bid_after_buying")),
        ("derive_srm", ("initial", "maintenance")),
        ("deribit_standard_margin", ("im_coin", "mm_coin")),
        ("vol_estimators", ("yang_zhang", "bipower", "ewma_094")),
        ("glft", ("c1", "quotes")),
        ("derive_pm2", ("initial_margin", "maintenance_margin")),
        ("amm", ("lvr_rate", "value")),
    ],
)
def test_a_wrong_expected_value_is_noticed(
    section: str, fields: tuple[str, ...], document: dict[str, Any]
) -> None:
    for field in fields:
        payload = copy.deepcopy(document[section])
        payload["cases"] = payload["cases"][:1]
        payload["cases"][0][field] = nudged(payload["cases"][0][field], 1e-4)
        assert not all(result.ok for result in SECTIONS[section](payload, False)), field
