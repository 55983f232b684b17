"""Checks of the hedging, margin, volatility and package sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from atomizer.models import hedge_bands, volatility
from atomizer.models.black import bsm_greeks
from atomizer.models.margin_deribit import standard_short_option
from atomizer.models.margin_pm2 import Collateral, Pm2Account, Pm2Model
from atomizer.models.margin_srm import SrmBook
from atomizer.models.package import Leg, Sensitivities, after_trade, package_quote, risk_covariance
from atomizer.models.pm2_parameters import Pm2Parameters, Scenario
from atomizer.models.scenario import option_chain
from atomizer.testing.vectors._agree import differs, first_problem, relative
from atomizer.testing.vectors.runner import CaseResult

BANDS_REL = 1e-11
PM2_REL = 1e-7
PACKAGE_REL = 1e-10
OTHERS_REL = 1e-9
YEAR_SECONDS = 31_536_000.0


def _hedge_bands(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        yield CaseResult("hedge_bands", str(number), _band_problem(case))


def _band_problem(case: dict[str, Any]) -> str:
    spot, strike, years, sigma, rate = (case[name] for name in ("S", "K", "T", "sigma", "r"))
    cost, aversion, position = case["cost_rate"], case["risk_aversion"], case["position"]
    greeks = bsm_greeks(spot, strike, years, sigma, rate, 0.0, True)
    zak = hedge_bands.zakamouline(spot, greeks[2], sigma, years, rate, cost, aversion, position)
    modified = bsm_greeks(spot, strike, years, zak.modified_sigma, rate, 0.0, True)[1]
    interval = case["leland_dt"]
    found = {
        "bs_call_delta": greeks[1],
        "gamma": greeks[2],
        "ww_half_width": hedge_bands.whalley_wilmott(spot, greeks[2], years, rate, cost, aversion),
        "zak_H0": zak.h0,
        "zak_H1": zak.h1,
        "zak_K": zak.k,
        "zak_sigma_m": zak.modified_sigma,
        "zak_call_delta_m": modified,
        "leland_number": hedge_bands.leland_number(sigma, cost, interval),
        "leland_sigma_short": hedge_bands.leland_volatility(sigma, cost, interval, "short"),
    }
    return first_problem(relative(name, value, case[name], BANDS_REL) for name, value in found.items())


def _package(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        yield CaseResult("package_reservation", str(number), _package_problem(case))


def _package_problem(case: dict[str, Any]) -> str:
    legs = [
        Leg(leg["ratio"], leg["fair"], Sensitivities(leg["delta"], leg["vega"], leg["gamma"]))
        for leg in case["legs"]
    ]
    book = Sensitivities(case["book"]["delta"], case["book"]["vega"], case["book"]["gamma"])
    sigma = risk_covariance(
        case["F"],
        case["sigma"],
        case["vol_of_vol"],
        case["rho"],
        case["rehedge_years"],
        delta_hedged=case["delta_hedged"],
        complete_market=case["complete_market"],
    )
    price = {"risk_aversion": case["risk_aversion"], "horizon_years": case["horizon_years"]}
    size = case["size"]
    quote = package_quote(legs, book, sigma, size=size, **price)
    bought = package_quote(legs, after_trade(book, quote.sensitivities, size), sigma, size=size, **price)
    apart = sum(leg.ratio * _one_leg(leg, book, sigma, leg.ratio * size, price) for leg in legs)
    scale = PACKAGE_REL * (abs(quote.fair) + abs(quote.fair - quote.bid) + abs(quote.fair - quote.ask))
    problems = [
        differs("fair", quote.fair, case["fair"], PACKAGE_REL * sum(abs(x.ratio * x.fair) for x in legs)),
        relative("skew", quote.skew, case["skew"], OTHERS_REL),
        relative("own_variance", quote.own_variance, case["own_variance"], OTHERS_REL),
        differs("bid_reservation", quote.bid, case["bid_reservation"], scale),
        differs("ask_reservation", quote.ask, case["ask_reservation"], scale),
        differs("bid_after_buying", bought.bid, case["bid_after_buying"], scale),
        differs("bid_legs_separately", apart, case["bid_legs_separately"], scale),
    ]
    problems.extend(
        relative(f"Sigma[{i}][{j}]", float(sigma[i, j]), expected, OTHERS_REL)
        for i, row in enumerate(case["Sigma"])
        for j, expected in enumerate(row)
    )
    return first_problem(problems)


def _one_leg(leg: Leg, book: Sensitivities, sigma: Any, signed: float, price: dict[str, float]) -> float:
    """Reservation of a leg on its own for a signed size (the wrong way to quote a package)."""
    alone = Leg(1.0, leg.fair, leg.sensitivities)
    quote = package_quote([alone], book, sigma, size=abs(signed), **price)
    return quote.bid if signed > 0.0 else quote.ask


def _pm2_parameters(given: dict[str, Any]) -> Pm2Parameters:
    vol, margin, basis = given["VolShock"], given["Margin"], given["BasisContingency"]
    other, skew = given["OtherContingency"], given["SkewShock"]
    return Pm2Parameters(
        scenarios=tuple(
            Scenario(s["SpotShock"], s["VolShockDirection"], s["DampeningFactor"]) for s in given["Scenarios"]
        ),
        vol_up=vol["VOLRANGEUP"],
        vol_down=vol["VOLRANGEDOWN"],
        short_power=vol["SHORTTERMPOWER"],
        long_power=vol["LONGTERMPOWER"],
        floor_days=vol["DTE_FLOOR"],
        min_vol_up=vol["MIN_VOL_EVAL_SHOCKED"],
        im_factor=margin["IM_LOSS_FACTOR"],
        mm_factor=margin["MM_LOSS_FACTOR"],
        short_rate_scale=margin["SHORT_RATE_MULTSCALE"],
        long_rate_scale=margin["LONG_RATE_MULTSCALE"],
        short_rate=margin["SHORT_RATE_ADDSCALE"],
        long_rate=margin["LONG_RATE_ADDSCALE"],
        long_discount=margin["BASE_STATIC_DISCOUNT"],
        short_discount=margin["BASE_STATIC_DISCOUNT_NEG"],
        basis_up=basis["SCENARIO_SPOT_UP"],
        basis_down=basis["SCENARIO_SPOT_DOWN"],
        basis_add=basis["BASIS_CONT_ADD_FACTOR"],
        basis_per_year=basis["BASIS_CONT_MULT_FACTOR"],
        peg_threshold=other["PEG_LOSS_THRESHOLD"],
        peg_factor=other["PEG_LOSS_FACTOR"],
        confidence_threshold=other["CONF_THRESHOLD"],
        confidence_factor=other["CONF_MARGIN"],
        mm_perp=other["MM_PERP_PERCENT"],
        im_perp=other["IM_PERP_PERCENT"],
        mm_option=other["MM_OPTION_PERCENT"],
        im_option=other["IM_OPTION_PERCENT"],
        linear_cap=skew["LINEAR_SCALE_CAP"],
        abs_cap=skew["ABS_SCALE_CAP"],
        linear_cap_slope=skew["LINEAR_CBASE"],
        abs_cap_slope=skew["ABS_CBASE"],
        min_k_star=skew["MIN_K_STAR"],
        width_scale=skew["MIN_WIDTH_SCALE"],
        width_vol=skew["VOL_PARAM_STATIC"],
        width_vol_slope=skew["VOL_PARAM_SCALE"],
    )


def _pm2(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    parameters = _pm2_parameters(payload["parameters"])
    for number, case in enumerate(payload["cases"]):
        yield CaseResult("derive_pm2", str(number), _pm2_problem(case, parameters))


def _pm2_problem(case: dict[str, Any], parameters: Pm2Parameters) -> str:
    expiries = {e["seconds"]: e for e in case["expiries"]}
    options = case["options"]
    chain = option_chain(
        [expiries[o["seconds"]]["forward"] for o in options],
        [o["strike"] for o in options],
        [o["seconds"] / YEAR_SECONDS for o in options],
        [o["vol"] for o in options],
        [o["type"] == "call" for o in options],
        [o["discount"] for o in options],
    )
    model = Pm2Model(
        chain,
        case["spot"],
        rates=[expiries[o["seconds"]]["rate"] for o in options],
        parameters=parameters,
    )
    account = Pm2Account(
        case["cash"],
        case["perp_position"],
        case["perp_price"],
        case["perp_unrealised"],
        tuple(Collateral(**held) for held in case["base_collateral"]),
    )
    amounts = np.array([o["amount"] for o in options])
    margin = model.book(amounts, account).margin()
    # the same book, its last option arriving as a candidate paid at its mark
    before = amounts.copy()
    before[-1] = 0.0
    price = float(chain.values()[-1])
    paid = Pm2Account(
        case["cash"] + amounts[-1] * price,
        case["perp_position"],
        case["perp_price"],
        case["perp_unrealised"],
        account.collateral,
    )
    candidate = model.book(before, paid).with_candidate(len(options) - 1, float(amounts[-1]), price)
    scale = PM2_REL * max(1.0, abs(case["initial_margin"]), abs(case["maintenance_margin"]))
    problems = [
        differs("mark_to_market", margin.mark_to_market, case["mark_to_market"], scale),
        differs("initial_margin", margin.initial, case["initial_margin"], scale),
        differs("maintenance_margin", margin.maintenance, case["maintenance_margin"], scale),
        differs("initial_margin by candidate", candidate.initial, case["initial_margin"], scale),
        differs("maintenance_margin by candidate", candidate.maintenance, case["maintenance_margin"], scale),
    ]
    worst = case["worst"]
    if worst and margin.worst < len(parameters.scenarios):
        scenario = parameters.scenarios[margin.worst]
        found = (scenario.spot, scenario.direction, scenario.damping)
        expected = (float(worst[0]), worst[1], float(worst[2]))
        problems.append("" if found == expected else f"worst: expected {expected}, found {found}")
    return first_problem(problems)


def _srm(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        options = case["options"]
        chain = option_chain(
            case["forward"],
            [o["strike"] for o in options],
            case["T"],
            [o["vol"] for o in options],
            [o["type"] == "call" for o in options],
        )
        amounts = [o["amount"] for o in options]
        perp = {"perp_position": case["perp_position"], "perp_price": case["perp_price"]}
        found = SrmBook(chain, amounts, case["spot"], **perp).margin()
        without = SrmBook(chain, [*amounts[:-1], 0.0], case["spot"], **perp)
        candidate = without.with_candidate(len(amounts) - 1, amounts[-1])
        problems = (
            relative("initial", found.initial, case["initial"], OTHERS_REL),
            relative("maintenance", found.maintenance, case["maintenance"], OTHERS_REL),
            relative("option_mtm", found.option_mtm, case["option_mtm"], OTHERS_REL),
            relative("initial by candidate", candidate.initial, case["initial"], OTHERS_REL),
            relative("maintenance by candidate", candidate.maintenance, case["maintenance"], OTHERS_REL),
        )
        yield CaseResult("derive_srm", str(number), first_problem(problems))


def _deribit(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        initial, maintenance = standard_short_option(
            case["underlying"],
            case["strike"],
            case["mark_coin"],
            case["short_quantity"],
            is_call=case["type"] == "call",
        )
        problems = (
            relative("im_coin", initial, case["im_coin"], OTHERS_REL),
            relative("mm_coin", maintenance, case["mm_coin"], OTHERS_REL),
        )
        yield CaseResult("deribit_standard_margin", str(number), first_problem(problems))


def _vol_estimators(payload: Any, slow: bool) -> Iterator[CaseResult]:
    del slow
    for number, case in enumerate(payload["cases"]):
        bars = np.array(case["ohlc"])
        closes = bars[:, 3]
        found = {
            "close_to_close": volatility.close_to_close(closes),
            "realised_zero_mean": volatility.realised(closes),
            "parkinson": volatility.parkinson(bars),
            "garman_klass": volatility.garman_klass(bars),
            "rogers_satchell": volatility.rogers_satchell(bars),
            "yang_zhang": volatility.yang_zhang(bars),
            "ewma_094": volatility.ewma(closes),
            "bipower": volatility.bipower(closes),
        }
        problems = (relative(name, value, case[name], OTHERS_REL) for name, value in found.items())
        yield CaseResult("vol_estimators", str(number), first_problem(problems))


SECTIONS: dict[str, Callable[[Any, bool], Iterator[CaseResult]]] = {
    "hedge_bands": _hedge_bands,
    "package_reservation": _package,
    "derive_pm2": _pm2,
    "derive_srm": _srm,
    "deribit_standard_margin": _deribit,
    "vol_estimators": _vol_estimators,
}
