"""Checks of the quoting sections: inventory models, book signals, liquidity positions, simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from atomizer.models import amm, as_simulation, avellaneda, glft, glft_horizon, inverse_quotes
from atomizer.models import microprice as microprice_model
from atomizer.models import microstructure as book
from atomizer.models.multi_asset import multi_asset_quoter
from atomizer.models.vega_book import vega_book_quoter
from atomizer.testing.vectors import _models_risk
from atomizer.testing.vectors._agree import differs, first_problem, relative
from atomizer.testing.vectors.runner import CaseResult

AS_REL = 1e-12
GLFT_CLOSED_REL = 1e-12
GLFT_ABS = 1e-8
INVERSE_REL = 1e-11
GRID_ABS = 1e-9
OTHERS_REL = 1e-9
CLOSED_ABS = 1e-12
NUMERIC_REL = 0.02
SIGMAS = 4.0
SLOW_PATHS = 40_000


def _as_quotes(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        quote = avellaneda.quote(case["s"], case["q"], case["gamma"], case["sigma"], case["tau"], case["k"])
        found = {
            "reservation": quote.reservation,
            "half_spread": quote.half_spread,
            "bid": quote.bid,
            "ask": quote.ask,
            "total_spread": avellaneda.total_spread(case["gamma"], case["sigma"], case["tau"], case["k"]),
        }
        problems = [relative(name, value, case[name], AS_REL) for name, value in found.items()]
        # a distance is a small difference of large prices: its error is relative to the price
        slack = AS_REL * max(abs(case["s"]), abs(quote.bid), abs(quote.ask))
        problems += [
            differs("delta_bid", case["s"] - quote.bid, case["delta_bid"], slack),
            differs("delta_ask", quote.ask - case["s"], case["delta_ask"], slack),
        ]
        yield CaseResult("as_quotes", str(number), first_problem(problems))


def _glft_parameters(case: dict[str, Any], lots: int) -> glft.GlftParameters:
    return glft.GlftParameters(
        case["gamma"],
        case["sigma"],
        case["A"],
        case["A"],
        case["k"],
        lots,
        lot=float(case["Delta"]),
        xi=case["xi"],
        drift=case.get("mu", 0.0),
        impact=case.get("impact", 0.0),
        fee=case.get("fee", 0.0),
    )


def _glft(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    published = payload["published_check"]
    half, skew, _ = glft.closed_form(_glft_parameters(published, 10))
    yield CaseResult(
        "glft",
        "published_check",
        first_problem(
            (
                relative("half_spread", half, published["half_spread"], GLFT_CLOSED_REL),
                relative("skew", skew, published["skew"], GLFT_CLOSED_REL),
            )
        ),
    )
    for number, case in enumerate(payload["cases"]):
        yield CaseResult("glft", str(number), _glft_problem(case))


def _glft_problem(case: dict[str, Any]) -> str:
    p = _glft_parameters(case, case["Q"])
    half, skew, shift = glft.closed_form(p)
    problems = [
        relative("c1", p.base, case["c1"], GLFT_CLOSED_REL),
        relative("closed_half_spread_q0", half, case["closed_half_spread_q0"], GLFT_CLOSED_REL),
        relative("closed_skew_per_unit", skew, case["closed_skew_per_unit"], GLFT_CLOSED_REL),
        relative("c2", skew / case["sigma"], case["c2"], GLFT_CLOSED_REL),
    ]
    stationary = glft.table(p)
    finite = None
    if case["T"] is not None:
        finite = glft_horizon.solve_horizon(
            p,
            case["T"],
            terminal_linear=case["terminal_linear"],
            terminal_quadratic=case["terminal_quadratic"],
        )
    for quote in case["quotes"]:
        i, q = quote["n"] + case["Q"], quote["q"]
        at = f" at n={quote['n']}"
        # the two terms cancel at some inventories: relative to the larger of them
        slack = GLFT_CLOSED_REL * (abs(half) + abs(skew * q) + abs(shift))
        problems.append(differs("closed_bid" + at, half + skew * q + shift, quote["closed_bid"], slack))
        problems.append(differs("closed_ask" + at, half - skew * q - shift, quote["closed_ask"], slack))
        problems.append(_exact("asym_bid" + at, stationary.delta_bid[i], quote["asym_bid"]))
        problems.append(_exact("asym_ask" + at, stationary.delta_ask[i], quote["asym_ask"]))
        if finite is not None:
            problems.append(_exact("finite_bid" + at, finite.delta_bid[i], quote["finite_bid"]))
            problems.append(_exact("finite_ask" + at, finite.delta_ask[i], quote["finite_ask"]))
    return first_problem(problems)


def _exact(name: str, found: float, expected: float | None) -> str:
    return differs(name, float(found), expected, GLFT_ABS * max(1.0, abs(expected or 0.0)))


def _inverse_perp_quotes(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        q = inverse_quotes.inverse_inventory(
            case["inverse_size_usd"],
            case["mark"],
            coin_equity=case["coin_equity"],
            target_coins=case["target_coins"],
            numeraire=case["numeraire"],
        )
        problems = [differs("q", q, case["q"], INVERSE_REL * max(abs(case["q"]), 1.0))]
        quote = avellaneda.quote(case["mark"], q, case["gamma"], case["sigma"], case["tau"], case["k"])
        problems += _inverse_problems(case, "as_quotes", quote.bid, quote.ask)
        p = glft.GlftParameters(
            case["gamma"],
            case["sigma"],
            case["A"],
            case["A"],
            case["k"],
            10,
            lot=case["order_coins"],
            xi=case["gamma"],
        )
        half, skew, _ = glft.closed_form(p)
        bid, ask = case["mark"] - half - skew * q, case["mark"] + half - skew * q
        problems += _inverse_problems(case, "glft_closed", bid, ask)
        yield CaseResult("inverse_perp_quotes", str(number), first_problem(problems))


def _inverse_problems(case: dict[str, Any], model: str, bid: float, ask: float) -> list[str]:
    expected = case[model]
    orders = inverse_quotes.inverse_orders(
        bid, ask, order_coins=case["order_coins"], contract_usd=case["contract_usd"], tick=case["tick"]
    )
    problems = [
        relative(f"{model} bid", bid, expected["bid"], INVERSE_REL),
        relative(f"{model} ask", ask, expected["ask"], INVERSE_REL),
    ]
    grid = ("bid_tick", "ask_tick", "bid_size_usd", "ask_size_usd")
    problems.extend(
        differs(f"{model} {name}", getattr(orders, name), expected[name], GRID_ABS) for name in grid
    )
    return problems


def _microstructure(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        bids, asks = ([tuple(level) for level in case[side]] for side in ("bids", "asks"))
        quantity = case["depth_q"]
        found = {
            "mid": book.mid(bids, asks),
            "weighted_mid": book.weighted_mid(bids, asks),
            "imbalance": book.imbalance(bids, asks),
            "vwap_bid_q": book.fill_price(bids, quantity),
            "vwap_ask_q": book.fill_price(asks, quantity),
            "vamp_q": book.vamp(bids, asks, quantity),
            "vamp_cross3": book.vamp_cross(bids, asks, 3),
        }
        problems = [relative(name, value, case[name], OTHERS_REL) for name, value in found.items()]
        yield CaseResult("microstructure", str(number), first_problem(problems))
    for number, case in enumerate(payload["ofi"]):
        updates = [tuple(update) for update in case["updates"]]
        sizes = OTHERS_REL * sum(abs(e) for e in case["e"])
        problems = [differs("ofi", book.order_flow_imbalance(updates), case["ofi"], sizes)]
        for i, expected in enumerate(case["e"]):
            event = book.order_flow_event(updates[i], updates[i + 1])
            problems.append(differs(f"e[{i}]", event, expected, sizes))
        yield CaseResult("microstructure", f"ofi {number}", first_problem(problems))


def _microprice(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    found = microprice_model.adjustments(payload["Q"], payload["RK"], payload["T"])
    for name, values in (("G1", found.first), ("g_star", found.total)):
        scale = OTHERS_REL * max(abs(x) for x in payload[name])
        problems = (
            differs(f"{name}[{i}]", float(values[i]), expected, scale)
            for i, expected in enumerate(payload[name])
        )
        yield CaseResult("microprice", name, first_problem(problems))


def _amm(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        price, span = case["P"], (case["pa"], case["pb"])
        state = amm.range_state(price, *span, case["L"])
        rate = amm.lvr_rate(price, *span, case["L"], case["sigma"])
        after = amm.range_state(price * case["price_ratio"], *span, case["L"])
        found = {
            "x": state.x,
            "y": state.y,
            "value": state.value,
            "delta": state.delta,
            "gamma": state.gamma,
            "lvr_rate": rate,
            "lvr_rate_over_value": amm.break_even_fee_rate(price, *span, case["sigma"]),
            "cpmm_lvr_over_value": case["sigma"] ** 2 / 8.0,
            "value_after": after.value,
            "hodl_after": state.y + state.x * price * case["price_ratio"],
            "il_vs_hodl": amm.impermanent_loss(price, case["price_ratio"], *span),
            "cpmm_il": amm.full_range_impermanent_loss(case["price_ratio"]),
        }
        problems = (relative(name, value, case[name], OTHERS_REL) for name, value in found.items())
        yield CaseResult("amm", str(number), first_problem(problems))
    for number, case in enumerate(payload["fees"]):
        inputs = (case["sigma_day"], case["log_fee"], case["blocks_per_day"])
        share = amm.poisson_trade_share(*inputs)
        found = {
            "p_trade": share,
            "arb_over_value_day": share * case["sigma_day"] ** 2 / 8.0,
            "fixed_block_fraction": amm.fixed_block_share(*inputs),
        }
        problems = (relative(name, value, case[name], OTHERS_REL) for name, value in found.items())
        yield CaseResult("amm", f"fees {number}", first_problem(problems))
    for number, case in enumerate(payload["optimal_width"]):
        width = amm.optimal_width(
            case["sigma"], case["pi"], case["gamma_conc"], drift=case["mu"], cost_rate=case["eta"]
        )
        yield CaseResult(
            "amm", f"optimal_width {number}", relative("delta_star", width, case["delta_star"], OTHERS_REL)
        )


def _multi_asset(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    quoter = multi_asset_quoter(
        payload["gamma"], payload["Sigma"], payload["A"], payload["k"], payload["Delta"]
    )
    problems = (
        differs(f"A_matrix[{i}][{j}]", float(quoter.matrix[i, j]), expected, CLOSED_ABS)
        for i, row in enumerate(payload["A_matrix"])
        for j, expected in enumerate(row)
    )
    yield CaseResult("multi_asset", "A_matrix", first_problem(problems))
    for number, row in enumerate(payload["rows"]):
        bid, ask = quoter.distances(row["q"])
        # columns are bid and ask of the first asset, then of the second
        found = [float(side[i]) for i in range(len(row["q"])) for side in (bid, ask)]
        yield CaseResult("multi_asset", str(number), _closed_problem(found, row["closed"], row["numeric"]))


def _closed_problem(found: list[float], closed: list[float], numeric: list[float]) -> str:
    problems = [differs(f"closed[{i}]", x, closed[i], CLOSED_ABS) for i, x in enumerate(found)]
    problems += [relative(f"numeric[{i}]", x, numeric[i], NUMERIC_REL) for i, x in enumerate(found)]
    return first_problem(problems)


def _vega_book(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    quoter = vega_book_quoter(
        payload["gamma"],
        payload["vol_of_var"],
        payload["vega"],
        payload["lam"],
        payload["k"],
        payload["size"],
        vega_limit=payload["V_bound"],
    )
    yield CaseResult("vega_book", "a", relative("a", quoter.slope, payload["a"], OTHERS_REL))
    for number, row in enumerate(payload["rows"]):
        bid, ask = quoter.distances(row["V"])
        found = [float(x) for pair in zip(bid, ask, strict=True) for x in pair]
        closed, numeric = (
            [x for pair in row[name] for x in pair] for name in ("closed_bid_ask", "numeric_bid_ask")
        )
        yield CaseResult("vega_book", str(number), _closed_problem(found, closed, numeric))


def _as2008(payload: Any, slow: bool) -> Iterator[CaseResult]:
    if not slow:
        return
    given = payload["params"]
    world = as_simulation.World(given["T"], given["sigma"], given["dt"], given["A"], given["k"], given["s0"])
    scale = SIGMAS * math.sqrt(given["paths"] / SLOW_PATHS)
    for number, row in enumerate(payload["rows"]):
        found = as_simulation.run(
            row["gamma"], row["strategy"], paths=SLOW_PATHS, seed=1000 + number, world=world
        )
        errors = row["standard_error_n1000"]
        problems = (
            relative("avg_spread", found.average_spread, row["avg_spread"], OTHERS_REL),
            differs("profit_mean", found.profit_mean, row["profit_mean"], scale * errors["profit"]),
            differs("profit_sd", found.profit_sd, row["profit_sd"], scale * errors["profit_sd"]),
            differs("final_q_mean", found.final_q_mean, row["final_q_mean"], scale * errors["q"]),
            differs("final_q_sd", found.final_q_sd, row["final_q_sd"], scale * errors["q_sd"]),
        )
        yield CaseResult("as2008_simulation", f"{row['strategy']} {row['gamma']}", first_problem(problems))
    for row in payload["doubled_spread_error"]["rows"]:
        found = as_simulation.run(
            row["gamma"], "inventory", paths=SLOW_PATHS, seed=7, world=world, width_factor=2.0
        )
        # the reference is rounded to two decimals
        mean_slack = SIGMAS * found.standard_errors[0] + 0.005
        sd_slack = SIGMAS * found.standard_errors[1] + 0.005
        doubled = (
            differs("profit_mean", found.profit_mean, row["profit_mean"], mean_slack),
            differs("profit_sd", found.profit_sd, row["profit_sd"], sd_slack),
        )
        yield CaseResult("as2008_simulation", f"doubled {row['gamma']}", first_problem(doubled))


def _glft_in_as_world(payload: Any, slow: bool) -> Iterator[CaseResult]:
    if not slow:
        return
    for row in payload["rows"]:
        found = as_simulation.run(row["gamma"], "glft", paths=SLOW_PATHS, seed=40, glft_lots=40)
        rival = as_simulation.run(row["gamma"], "inventory", paths=SLOW_PATHS, seed=41)
        mean_slack = SIGMAS * row["profit_sd"] / math.sqrt(SLOW_PATHS)
        problems = [
            differs("profit_mean", found.profit_mean, row["profit_mean"], mean_slack),
            relative("profit_sd", found.profit_sd, row["profit_sd"], 0.03),
            relative("q_sd", found.final_q_sd, row["q_sd"], 0.03),
        ]
        if found.certainty_equivalent <= rival.certainty_equivalent:
            problems.append(
                f"certainty equivalent: expected above Avellaneda-Stoikov's {rival.certainty_equivalent!r},"
                f" found {found.certainty_equivalent!r}"
            )
        yield CaseResult("glft_in_as_world", str(row["gamma"]), first_problem(problems))


SECTIONS: dict[str, Callable[[Any, bool], Iterator[CaseResult]]] = {
    "as_quotes": _as_quotes,
    "glft": _glft,
    "inverse_perp_quotes": _inverse_perp_quotes,
    "microstructure": _microstructure,
    "microprice": _microprice,
    "amm": _amm,
    "multi_asset": _multi_asset,
    "vega_book": _vega_book,
    "as2008_simulation": _as2008,
    "glft_in_as_world": _glft_in_as_world,
    **_models_risk.SECTIONS,
}
