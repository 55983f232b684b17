"""The checker of model vectors: right files pass, wrong numbers and unknown sections fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from atomizer.testing.vectors._models_options import SECTIONS
from atomizer.testing.vectors.models import check, handlers

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "models.json"


@pytest.fixture(scope="module")
def document():
    if not VECTORS.exists():
        pytest.skip("reference vectors are not beside the checkout")
    return json.loads(VECTORS.read_text(encoding="utf-8"))


@pytest.mark.needs_shared
@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_case_of_the_section_agrees(document, section):
    results = list(check({section: document[section]}, slow=False))
    assert results
    assert [f"{result.case}: {result.problem}" for result in results if not result.ok] == []


@pytest.mark.needs_shared
@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_wrong_number_is_noticed(document, section):
    wrong = copy.deepcopy(document[section])
    spoil = {
        "svi": lambda case: case["w"].__setitem__(0, case["w"][0] * 1.001),
        "ssvi": lambda case: case["slices"][0]["w"].__setitem__(0, 9.0),
        "sabr": lambda case: case.__setitem__("iv", case["iv"] * 1.001),
        "implied_vol": lambda case: case.__setitem__("iv", case["iv"] * 1.001),
        "account_delta": lambda case: case["total"].__setitem__("usd_delta", 1e9),
        "pnl_attribution": lambda case: case.__setitem__("gamma_pnl", 1e9),
        "inverse_future": lambda case: case.__setitem__("pnl_coin", 1e9),
        "inverse_option": lambda case: case.__setitem__("delta_pa", 1e9),
    }.get(section, lambda case: case.__setitem__("delta", 1e9))
    spoil(wrong["cases"][0])
    results = list(check({section: wrong}, slow=False))
    assert sum(not result.ok for result in results) == 1


def test_an_unknown_section_is_a_failure_and_meta_is_none():
    results = list(check({"meta": {}, "horoscope": {}}, slow=False))
    assert [(result.kind, result.ok) for result in results] == [("horoscope", False)]


def test_a_section_of_another_shape_fails_and_does_not_stop_the_rest():
    good = {
        "cases": [{"F": 1.0, "K": 1.0, "T": 1.0, "alpha": 0.3, "beta": 1.0, "nu": 0.0, "rho": 0.0, "iv": 0.3}]
    }
    results = list(check({"svi": {}, "sabr": good}, slow=False))
    assert [result.ok for result in results] == [False, True]


def test_handlers_of_both_modules_are_merged():
    assert set(SECTIONS) <= set(handlers())
