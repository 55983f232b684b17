"""Checks of the surface sections: SVI with jump-wings and repair, SSVI, SABR. Relative 1e-11."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from atomizer.models.sabr import sabr_vol
from atomizer.models.ssvi import Ssvi
from atomizer.models.svi import JumpWings, RawSvi, from_jump_wings, repaired_wings, to_jump_wings
from atomizer.testing.vectors._tolerance import differences, within
from atomizer.testing.vectors.runner import CaseResult

RELATIVE = 1e-11
GRID = (-3.0, 3.0, 6001)

Row = tuple[str, float, float, float]


def _rows(found: Mapping[str, float], expected: Mapping[str, float], label: str = "") -> Iterator[Row]:
    for name, value in expected.items():
        yield f"{label}{name}", found[name], value, RELATIVE * abs(value)


def _wings(found: JumpWings) -> dict[str, float]:
    return {name: getattr(found, name) for name in ("v", "psi", "p", "c", "v_tilde")}


def _raw(found: RawSvi) -> dict[str, float]:
    return {name: getattr(found, name) for name in ("a", "b", "rho", "m", "sigma")}


def _svi_case(case: Mapping[str, Any]) -> str:
    raw = RawSvi(**case["raw"])
    rows: list[Row] = list(_rows(_wings(to_jump_wings(raw, case["t"])), case["jw"], "jw "))
    for position, k in enumerate(case["k"]):
        w, slope, bend, g = raw.point(k)
        found = {"w": w, "dw": slope, "d2w": bend, "g": g, "iv": math.sqrt(w / case["t"])}
        expected = {name: case[name][position] for name in found}
        # g and dw are differences of terms of order one and b
        floors = {"g": 1.0, "dw": raw.b}
        rows += [
            (f"{name}({k})", found[name], value, RELATIVE * max(abs(value), floors.get(name, 0.0)))
            for name, value in expected.items()
        ]
    least, where = raw.butterfly(*GRID)
    rows += [
        ("g_min_grid", least, case["g_min_grid"], RELATIVE),
        ("g_argmin_grid", where, case["g_argmin_grid"], 1e-9),
        ("w_min", raw.least_variance, case["w_min"], RELATIVE * max(abs(raw.a), abs(case["w_min"]))),
    ]
    problem = differences(rows)
    if (least >= 0.0) != case["butterfly_free_on_grid"]:
        problem += f"; expected butterfly free {case['butterfly_free_on_grid']}, found g_min {least}"
    back = _raw(from_jump_wings(to_jump_wings(raw, case["t"]), case["t"]))
    # the way back divides by the opening of the slice: a round trip, not a golden number
    trip = differences((f"round trip {name}", back[name], value, 1e-6) for name, value in case["raw"].items())
    return "; ".join(filter(None, (problem, trip)))


def _published(payload: Mapping[str, Any]) -> str:
    published = payload["published"]
    vogt = payload["cases"][0]
    wings = to_jump_wings(RawSvi(**vogt["raw"]), vogt["t"])
    mended = repaired_wings(wings)
    raw = from_jump_wings(mended, vogt["t"])
    rows = list(_rows(_wings(wings), published["jw_computed"]))
    rows += _rows(_wings(mended), published["repaired_computed"], "repaired ")
    rows += [
        (f"paper {name}", _wings(wings)[name], value, 1e-6 * abs(value) + 5e-8)
        for name, value in published["jw_published"].items()
    ]
    rows += [
        (f"paper repaired {name}", _wings(mended)[name], value, 1e-6 * abs(value) + 5e-8)
        for name, value in published["repaired_published"].items()
    ]
    rows += _rows(_raw(raw), published["repaired_raw"], "repaired ")
    rows.append(("repaired_g_min", raw.butterfly(*GRID)[0], published["repaired_g_min"], RELATIVE))
    return differences(rows)


def check_svi(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    for case in payload["cases"]:
        yield CaseResult("svi", case["name"], _svi_case(case))
    yield CaseResult("svi", "published", _published(payload))


def _ssvi_slice(surface: Ssvi, expected: Mapping[str, Any]) -> str:
    theta = expected["theta"]
    found = {
        "phi": surface.phi(theta),
        "cond_lee_theta_phi": surface.lee_margin(theta),
        "cond_butterfly_theta_phi2": surface.butterfly_margin(theta),
    }
    rows = list(_rows(found, {name: expected[name] for name in found}))
    raw = surface.slice(theta)
    for k, w in zip(expected["k"], expected["w"], strict=True):
        rows.append((f"w({k})", surface.variance(k, theta), w, RELATIVE * w))
        rows.append((f"raw w({k})", raw.variance(k), w, RELATIVE * w))
    rows += _rows(_raw(raw), expected["raw"], "raw ")
    problem = differences(rows)
    if surface.butterfly_free(theta) != expected["butterfly_sufficient"]:
        problem += f"; expected butterfly_sufficient {expected['butterfly_sufficient']} at theta {theta}"
    return problem


def check_ssvi(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    for number, case in enumerate(payload["cases"]):
        surface = Ssvi(case["rho"], case["eta"], case["gamma"])
        problems = [_ssvi_slice(surface, expected) for expected in case["slices"]]
        if (surface.eta * (1.0 + abs(surface.rho)) <= 2.0) != case["global_condition_eta"]:
            problems.append(f"expected global_condition_eta {case['global_condition_eta']}")
        yield CaseResult("ssvi", str(number), "; ".join(filter(None, problems)))


def check_sabr(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    for number, case in enumerate(payload["cases"]):
        vol = sabr_vol(*(case[name] for name in ("F", "K", "T", "alpha", "beta", "nu", "rho")))
        yield CaseResult("sabr", str(number), within("iv", vol, case["iv"], RELATIVE * case["iv"]))


SURFACE_SECTIONS: dict[str, Callable[[Any, bool], Iterator[CaseResult]]] = {
    "svi": check_svi,
    "ssvi": check_ssvi,
    "sabr": check_sabr,
}
