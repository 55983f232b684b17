"""Option kernels beside fast-vollib, QuantLib, vollib and plain numpy, in one process on the same arrays.

`ratio` is how many times faster ours is (for accuracy rows: the share of cases solved). Everything runs on
one thread; times are thread CPU seconds, medians, cases interleaved.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fast_vollib
import numba
import numpy as np
import QuantLib as quantlib  # noqa: N813  (the package has no lower-case name)
from scipy.special import ndtr
from vollib.black.greeks import analytical as vollib_greeks
from vollib.black.implied_volatility import implied_volatility as vollib_iv

from atomizer.models.black import black76_greeks, black76_greeks_into, black76_price_into
from atomizer.models.calibration import VolBands, fit_slice
from atomizer.models.implied import black76_implied_vol, black76_implied_vol_into
from atomizer.models.svi import RawSvi
from atomizer.models.svi_kernels import chain_vols_into

Row = dict[str, Any]
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "models.json"
EXPIRIES = 6
CHAIN = 500


def _median(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median thread CPU seconds of each, interleaved."""
    spent: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for row, function in zip(spent, functions, strict=True):
            started = time.thread_time()
            loops = 0
            while True:
                function()
                loops += 1
                elapsed = time.thread_time() - started
                if elapsed > 2e-3:
                    break
            row.append(elapsed / loops)
    return [float(np.median(row)) for row in spent]


def _row(name: str, ours: float, peer: float, unit: str, target: str) -> Row:
    return {"name": name, "ours": ours, "peer": peer, "ratio": peer / ours, "unit": unit, "target": target}


def _options(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(7)
    F = np.full(n, 3000.0)
    T = rng.uniform(1.0, 365.0, n) / 365.0
    sigma = rng.uniform(0.3, 1.2, n)
    K = F * np.exp(sigma * np.sqrt(T) * rng.uniform(-1.5, 1.5, n))
    return F, K, T, sigma, rng.random(n) < 0.5


def _numpy_greeks(F: Any, K: Any, T: Any, sigma: Any, is_call: Any) -> tuple[Any, ...]:
    """A straight numpy implementation of price and eight greeks at zero rate."""
    root = np.sqrt(T)
    s = sigma * root
    d1 = np.log(F / K) / s + 0.5 * s
    d2 = d1 - s
    sign = np.where(is_call, 1.0, -1.0)
    n1, n2 = ndtr(sign * d1), ndtr(sign * d2)
    density = np.exp(-0.5 * d1 * d1) * 0.3989422804014327
    price = sign * (F * n1 - K * n2)
    vega = F * density * root
    return (
        price,
        sign * n1,
        density / (F * s),
        vega,
        -F * density * sigma / (2.0 * root),
        -T * price,
        -density * d2 / sigma,
        vega * d1 * d2 / sigma,
        density * d2 / (2.0 * T),
    )


def _quantlib_greeks(F: Any, K: Any, T: Any, sigma: Any, is_call: Any) -> None:
    for i in range(F.size):
        kind = quantlib.Option.Call if is_call[i] else quantlib.Option.Put
        payoff = quantlib.PlainVanillaPayoff(kind, float(K[i]))
        one = quantlib.BlackCalculator(payoff, float(F[i]), float(sigma[i] * math.sqrt(T[i])), 1.0)
        one.value(), one.deltaForward(), one.gammaForward(), one.vega(float(T[i]))
        one.theta(float(F[i]), float(T[i])), one.rho(float(T[i]))


def _vollib_greeks(F: Any, K: Any, T: Any, sigma: Any, is_call: Any) -> None:
    for i in range(F.size):
        flag = "c" if is_call[i] else "p"
        for greek in (vollib_greeks.delta, vollib_greeks.gamma, vollib_greeks.vega, vollib_greeks.theta):
            greek(flag, float(F[i]), float(K[i]), float(T[i]), 0.0, float(sigma[i]))


def _greek_rows(quick: bool) -> list[Row]:
    rows = []
    for n, target in ((100, ">= 15"), (1_000, "-"), (200_000, ">= 4")):
        F, K, T, sigma, is_call = _options(n)
        rate, out = np.zeros(n), np.empty((9, n))
        flags = np.where(is_call, "c", "p")

        def ours(a: Any = (F, K, T, sigma, rate, is_call, out)) -> None:
            black76_greeks_into(*a)

        def peer(backend: Any, a: Any = (flags, F, K, T, 0.0, sigma)) -> None:
            fast_vollib.fast_black(*a, return_as="numpy", backend=backend)
            fast_vollib.get_all_greeks(*a, model="black", return_as="dict", backend=backend)

        def plain(a: Any = (F, K, T, sigma, is_call)) -> None:
            _numpy_greeks(*a)

        peers = [partial(peer, "numpy"), partial(peer, "numba"), plain]
        mine, fast, compiled, numpy = _median([ours, *peers], 3 if quick else 9)
        for name, spent, goal in (("numpy", fast, target), ("numba", compiled, "-")):
            label = f"price + 8 greeks, {n}, fast-vollib ({name})"
            rows.append(_row(label, mine / n * 1e9, spent / n * 1e9, "ns/option", goal))
        if n == 200_000:
            rows.append(
                _row(f"price + 8 greeks, {n}, numpy", mine / n * 1e9, numpy / n * 1e9, "ns/option", ">= 1.5")
            )
        if n == 100:
            few = (F, K, T, sigma, is_call)
            slow = _median([lambda a=few: _quantlib_greeks(*a), lambda a=few: _vollib_greeks(*a)], 3)
            for name, spent, goal in (("QuantLib", slow[0], ">= 100"), ("vollib", slow[1], "-")):
                rows.append(
                    _row(f"price + 8 greeks, {n}, {name}", mine / n * 1e9, spent / n * 1e9, "ns/option", goal)
                )
    return rows


def _implied_rows(quick: bool) -> list[Row]:
    rows = []
    for n, target in ((100, ">= 5"), (200_000, ">= 0.5")):
        F, K, T, sigma, is_call = _options(n)
        df, price = np.ones(n), np.empty(n)
        black76_price_into(F, K, T, sigma, df, is_call, price)
        vols, codes = np.empty(n), np.empty(n, dtype=np.int64)

        def ours(a: Any = (price, F, K, T, df, is_call, vols, codes)) -> None:
            black76_implied_vol_into(*a)

        def peer(a: Any = (price, F, K, T, is_call)) -> None:
            fast_vollib.jackel.jackel_iv_black(*a)

        mine, fast = _median([ours, peer], 3 if quick else 9)
        rows.append(
            _row(
                f"implied vol, {n}, fast-vollib Jaeckel", mine / n * 1e9, fast / n * 1e9, "ns/option", target
            )
        )
        if n == 100:

            def slow(a: Any = (price, F, K, T, is_call)) -> None:
                for p, f, k, t, c in zip(*(column.tolist() for column in a), strict=True):
                    vollib_iv(p, f, k, 0.0, t, "c" if c else "p")

            spent = _median([slow], 3)[0]
            rows.append(
                _row(f"implied vol, {n}, vollib", mine / n * 1e9, spent / n * 1e9, "ns/option", ">= 30")
            )
    if VECTORS.exists():
        cases = json.loads(VECTORS.read_text(encoding="utf-8"))["implied_vol"]["cases"]
        solved = [0, 0]
        for case in cases:
            df = math.exp(-case["r"] * case["T"])
            is_call = case["type"] == "call"
            vol = black76_implied_vol(case["price"], case["F"], case["K"], case["T"], df, is_call)[0]
            other = fast_vollib.jackel.jackel_iv_black(
                np.array([case["price"] / df]),
                np.array([case["F"]]),
                np.array([case["K"]]),
                np.array([case["T"]]),
                np.array([is_call]),
            )[0]
            for position, found in enumerate((vol, other)):
                solved[position] += abs(found / case["iv"] - 1.0) <= case["rel_tol"]
        rows.append(
            {
                "name": "implied vol, golden cases within attainable accuracy, fast-vollib Jaeckel",
                "ours": solved[0],
                "peer": solved[1],
                "ratio": solved[0] / len(cases),
                "unit": f"of {len(cases)}",
                "target": "all",
            }
        )
    return rows


def _chain() -> tuple[np.ndarray, ...]:
    """500 options over six expiries with two-sided quotes around known smiles."""
    years = np.array([2.0, 7.0, 14.0, 30.0, 90.0, 180.0]) / 365.0
    forwards = 3000.0 * np.exp(0.03 * years)
    expiry = np.sort(np.arange(CHAIN) % EXPIRIES).astype(np.int64)
    raws = np.array(
        [[0.2 * t, 0.25 * math.sqrt(t), -0.2, 0.02 * math.sqrt(t), 0.5 * math.sqrt(t)] for t in years]
    )
    strikes = np.empty(CHAIN)
    for j in range(EXPIRIES):
        mine = expiry == j
        reach = 2.0 * 0.6 * math.sqrt(years[j])
        strikes[mine] = forwards[j] * np.exp(np.linspace(-reach, reach, int(mine.sum())))
    return years, forwards, expiry, raws, strikes


def _chain_rows(quick: bool) -> list[Row]:
    years, forwards, expiry, raws, strikes = _chain()
    F, T, vol = np.empty(CHAIN), np.empty(CHAIN), np.empty(CHAIN)
    chain_vols_into(strikes, expiry, forwards, years, raws, F, T, vol)
    is_call = strikes >= F
    ones, zeros = np.ones(CHAIN), np.zeros(CHAIN)
    quotes = np.empty((2, CHAIN))
    for row, shift in enumerate((-0.004, 0.004)):
        black76_price_into(F, strikes, T, vol + shift, ones, is_call, quotes[row])
    vols, codes = np.empty((2, CHAIN)), np.empty((2, CHAIN), dtype=np.int64)
    greeks = np.empty((9, CHAIN))
    spans = [np.flatnonzero(expiry == j) for j in range(EXPIRIES)]
    slices = [slice(int(span[0]), int(span[-1]) + 1) for span in spans]
    previous = [
        RawSvi(*(float(value) * (1.02 if at == 0 else 1.0) for at, value in enumerate(raw))) for raw in raws
    ]

    def reprice() -> None:
        chain_vols_into(strikes, expiry, forwards, years, raws, F, T, vol)
        black76_greeks_into(F, strikes, T, vol, zeros, is_call, greeks)

    def refit() -> None:
        for row in range(2):
            black76_implied_vol_into(quotes[row], F, strikes, T, ones, is_call, vols[row], codes[row])
        for j, part in enumerate(slices):
            bands = VolBands(float(forwards[j]), float(years[j]), strikes[part], vols[0, part], vols[1, part])
            raws[j] = fit_slice(bands, previous[j]).raw.as_array()
        reprice()

    def scalar() -> None:
        black76_greeks(3000.0, 3100.0, 0.1, 0.6, 0.0, True)

    whole, again, one = _median([refit, reprice, scalar], 3 if quick else 15)
    rows = [
        _row("chain of 500: implied vols, refit, greeks", whole * 1e3, 10.0, "ms", "< 10 ms"),
        _row("chain of 500: repriced on an unchanged surface", again * 1e6, 50.0, "us", "< 50 us"),
        _row("one option: price and greeks from Python", one * 1e6, 5.0, "us", "< 5 us"),
    ]
    part = slices[3]
    middle = np.ascontiguousarray(np.linspace(part.start, part.stop - 1, 25).astype(np.int64))
    exact = vol[middle]
    bands = VolBands(float(forwards[3]), float(years[3]), strikes[middle], exact - 0.004, exact + 0.004)
    spent = _median([lambda: fit_slice(bands, previous[3])], 3 if quick else 15)[0]
    rows.append(_row("SVI slice of 25 strikes, warm start", spent * 1e3, 1.0, "ms", "<= 1 ms"))
    return rows


def run(quick: bool) -> list[Row]:
    """All rows; `quick` takes fewer repeats. For rows without a peer, `peer` is the target itself."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return _greek_rows(quick) + _implied_rows(quick) + _chain_rows(quick)
    finally:
        numba.set_num_threads(threads)


if __name__ == "__main__":
    for row in run(quick=False):
        numbers = f"{row['ours']:10.2f} {row['peer']:10.2f} {row['unit']:10} {row['ratio']:8.2f}"
        print(f"{row['name']:66} {numbers} {row['target']}")
