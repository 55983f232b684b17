"""Checks of the option sections: prices, greeks, implied vols, accounts, attribution, averages, surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from atomizer.models import black, implied, inverse
from atomizer.models.account import (
    Account,
    AccountDelta,
    CoinAccount,
    InverseFuture,
    LinearFuture,
    OptionHolding,
    UsdAccount,
    account_delta,
    total_delta,
)
from atomizer.models.attribution import attribute_option
from atomizer.models.averaged import AVERAGED_GREEKS, SECONDS_PER_YEAR, averaged_greeks
from atomizer.testing.vectors._models_surfaces import SURFACE_SECTIONS
from atomizer.testing.vectors._tolerance import differences, within
from atomizer.testing.vectors.runner import CaseResult

Case = Mapping[str, Any]


def _by_abs_tol(
    section: str, compute: Callable[[Case], Mapping[str, float]]
) -> Callable[[Any, bool], Iterator[CaseResult]]:
    """A handler for cases that list expected names beside a tolerance per name."""

    def check(payload: Any, _slow: bool) -> Iterator[CaseResult]:
        for number, case in enumerate(payload["cases"]):
            found = compute(case)
            problem = differences(
                (name, found[name], case[name], tolerance) for name, tolerance in case["abs_tol"].items()
            )
            yield CaseResult(section, str(number), problem)

    return check


def _black76(case: Case) -> Mapping[str, float]:
    F, K, T, sigma, rate = (case[name] for name in ("F", "K", "T", "sigma", "r"))
    first = black.black76_greeks(F, K, T, sigma, rate, case["type"] == "call")
    higher = black.black76_higher(F, K, T, sigma, rate)
    return dict(zip(black.GREEKS + black.HIGHER_GREEKS, first + higher, strict=True))


def _bsm(case: Case) -> Mapping[str, float]:
    S, K, T, sigma, rate, dividend = (case[name] for name in ("S", "K", "T", "sigma", "r", "q"))
    greeks = black.bsm_greeks(S, K, T, sigma, rate, dividend, case["type"] == "call")
    return dict(zip(black.BSM_GREEKS, greeks, strict=True))


def _inverse_option(case: Case) -> Mapping[str, float]:
    greeks = inverse.inverse_greeks(case["F"], case["K"], case["T"], case["sigma"], case["type"] == "call")
    return dict(zip(inverse.INVERSE_GREEKS, greeks, strict=True))


def _averaged(case: Case) -> Mapping[str, float]:
    running = math.nan if case["R"] is None else case["R"]
    greeks = averaged_greeks(
        case["F"],
        running,
        case["K"],
        case["sigma"],
        float(case["seconds_to_expiry"]),
        float(case["window_seconds"]),
        case["samples"] or 0,
        case["type"] == "call",
    )
    return dict(zip(AVERAGED_GREEKS, greeks, strict=True))


def _simulated_rows(case: Case, found: Mapping[str, float]) -> Iterator[tuple[str, float, float, float]]:
    """The exact simulation beside the closed form: the note's model error plus four standard errors."""
    left = case["fraction_left"]
    sd = case["F"] * left * case["sigma"] * math.sqrt(case["variance_seconds"] / SECONDS_PER_YEAR)
    peak = 0.4 * left * left / sd if sd > 0.0 else 0.0
    allowed = {"price": 1e-3 * sd, "delta": 1e-3 * left, "gamma": 5e-3 * peak}
    for (name, model_error), noise in zip(allowed.items(), case["check"]["se"], strict=True):
        yield f"simulated {name}", found[name], case["check"][name], model_error + 4.0 * noise


def check_averaged_expiry(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    """Closed form per case tolerance, the clock to rounding, and the simulation columns beside it."""
    for number, case in enumerate(payload["cases"]):
        found = _averaged(case)
        rows = [(name, found[name], case[name], tolerance) for name, tolerance in case["abs_tol"].items()]
        rows += [
            (name, found[name], case[name], 1e-9 * max(1.0, abs(case[name])))
            for name in ("fraction_left", "variance_seconds", "strike_left")
        ]
        if case["check"] is not None:
            rows += _simulated_rows(case, found)
        yield CaseResult("averaged_expiry", str(number), differences(rows))


def check_implied_vol(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    """Roots to the attainable tolerance of each price, and a typed rejection for every limit."""
    for number, case in enumerate(payload["cases"]):
        is_call = case["type"] == "call"
        df = math.exp(-case["r"] * case["T"])
        try:
            vol = implied.implied_vol(case["price"], case["F"], case["K"], case["T"], df, is_call)
        except implied.ImpliedVolError as error:
            yield CaseResult("implied_vol", str(number), str(error))
            continue
        yield CaseResult(
            "implied_vol", str(number), within("iv", vol, case["iv"], case["rel_tol"] * abs(case["iv"]))
        )
    for number, case in enumerate(payload["limits"]):
        df = math.exp(-case["r"] * case["T"])
        problem = f"{case['reason']}: expected a typed rejection, found a vol"
        try:
            implied.implied_vol(case["price"], case["F"], case["K"], case["T"], df, case["type"] == "call")
        except implied.ImpliedVolError:
            problem = ""
        yield CaseResult("implied_vol", f"limit {number}", problem)


def check_inverse_future(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    for number, case in enumerate(payload["cases"]):
        size, entry, exit_price = case["size_usd"], case["entry"], case["exit"]
        pnl = inverse.future_pnl_coin(size, entry, exit_price)
        found = {
            "pnl_coin": pnl,
            "pnl_usd_at_exit": pnl * exit_price,
            "delta_coin_at_exit": inverse.future_delta_coin(size, exit_price),
            "dcoin_dprice": inverse.future_dcoin_dprice(size, exit_price),
        }
        rows = [(name, value, case[name], 1e-9 * abs(case[name])) for name, value in found.items()]
        yield CaseResult("inverse_future", str(number), differences(rows))


def check_pnl_attribution(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    """Terms to 1e-9; residuals, differences of large numbers, to 1e-9 of the gross."""
    for number, case in enumerate(payload["cases"]):
        pnl = attribute_option(
            start_forward=case["F0"],
            end_forward=case["F1"],
            strike=case["K"],
            is_call=case["type"] == "call",
            years=case["T0"],
            elapsed=case["dt"],
            start_sigma=case["sigma0"],
            end_sigma=case["sigma1"],
            quantity=case["quantity"],
        )
        gross = math.fsum(abs(case[f"{name}_pnl"]) for name in ("delta", "gamma", "vega", "theta"))
        # the total is a difference of two option values, each rounded at the size of the forward
        rounding = 1e-9 * gross + 1e-13 * abs(case["quantity"]) * case["F0"]
        rows = [
            (name, getattr(pnl, name), case[f"{name}_pnl"], 1e-9 * abs(case[f"{name}_pnl"]))
            for name in ("delta", "gamma", "vega", "theta", "vanna", "volga", "charm")
        ]
        rows += [
            ("total", pnl.total, case["total"], rounding),
            ("residual_first", pnl.residual_first, case["residual_first"], rounding),
            ("residual_second", pnl.residual, case["residual_second"], rounding),
        ]
        yield CaseResult("pnl_attribution", str(number), differences(rows))


def _account(entry: Case) -> Account:
    options = tuple(
        OptionHolding(
            is_call=held["type"] == "call",
            strike=held["K"],
            years=held["T"],
            sigma=held["sigma"],
            forward=held["forward"],
            quantity=held["quantity"],
        )
        for held in entry["options"]
    )
    if entry["kind"] == "coin":
        inverse_futures = tuple(InverseFuture(f["size_usd"], f["entry"], f["mark"]) for f in entry["futures"])
        return CoinAccount(entry["cash"], options, inverse_futures)
    if entry["kind"] == "usd":
        futures = tuple(LinearFuture(f["quantity"], f["entry"], f["mark"]) for f in entry["futures"])
        return UsdAccount(entry["cash"], entry["coin_collateral"], options, futures)
    raise ValueError(f"expected an account of kind coin or usd, found {entry['kind']!r}")


def _delta_rows(
    label: str, found: AccountDelta, expected: Case, tolerance: float
) -> Iterator[tuple[str, float, float, float]]:
    for name in ("usd_delta", "coin_delta", "gamma_1pct"):
        yield f"{label} {name}", getattr(found, name), expected[name], tolerance
    for name in ("equity", "value_usd"):
        if name in expected:
            yield f"{label} {name}", getattr(found, name), expected[name], 1e-11 * abs(expected[name])


def check_account_delta(payload: Any, _slow: bool) -> Iterator[CaseResult]:
    for number, case in enumerate(payload["cases"]):
        accounts = [_account(entry) for entry in case["accounts"]]
        rows: list[tuple[str, float, float, float]] = []
        for position, (account, expected) in enumerate(zip(accounts, case["expected"], strict=True)):
            found = account_delta(account, case["index"])
            rows += _delta_rows(f"account {position}", found, expected, case["abs_tol"])
        rows += _delta_rows("total", total_delta(accounts, case["index"]), case["total"], case["abs_tol"])
        yield CaseResult("account_delta", case.get("name", str(number)), differences(rows))


SECTIONS: dict[str, Callable[[Any, bool], Iterator[CaseResult]]] = {
    "black76": _by_abs_tol("black76", _black76),
    "bsm": _by_abs_tol("bsm", _bsm),
    "inverse_option": _by_abs_tol("inverse_option", _inverse_option),
    "averaged_expiry": check_averaged_expiry,
    "implied_vol": check_implied_vol,
    "inverse_future": check_inverse_future,
    "pnl_attribution": check_pnl_attribution,
    "account_delta": check_account_delta,
    **SURFACE_SECTIONS,
}
