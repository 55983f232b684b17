"""Print against average: the basis between two fixing rules and its run-off through the window.

A Rysk option fixes on one oracle print, Deribit, Derive and Thalex options on the average of the last half
hour. A book long one and short the other of the same strike is flat before the window and long or short up
to one coin at its end. Times in years, `window` W is the averaging window; the print and the end of the
average fall on the same second.
"""

from __future__ import annotations

import math

from atomizer.models.averaged import CONTINUOUS, SECONDS_PER_YEAR, averaged_greeks
from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

HALF_HOUR = 0.5 / (24.0 * 365.0)


def basis_sd(forward: float, sigma: float, window: float = HALF_HOUR) -> float:
    """sd of print minus average, F sigma sqrt(W/3): 26 bp of F at 60 vol and 30 minutes.

    Raises:
        ModelInputError: a number below 0.
    """
    non_negative(forward=forward, sigma=sigma, window=window)
    return forward * sigma * math.sqrt(window / 3.0)


def expected_difference(
    forward: float, strike: float, sigma: float, years: float, *, is_call: bool, window: float = HALF_HOUR
) -> float:
    """Value of the print option less the averaged one of the same strike, seen at or before the window's
    start.

    Both are Black-76 (r = 0), the averaged one over T - 2W/3. Positive: an income for whoever is long the
    print.

    Raises:
        ModelInputError: a number outside its domain, less time left than the window.
    """
    positive(forward=forward, strike=strike)
    non_negative(sigma=sigma, window=window)
    if not years >= window:
        raise ModelInputError("years", f"at least the window {window:g}", years)
    whole = black76_price(forward, strike, years, sigma, 1.0, is_call)
    seconds, window_seconds = years * SECONDS_PER_YEAR, window * SECONDS_PER_YEAR
    average = averaged_greeks(forward, math.nan, strike, sigma, seconds, window_seconds, CONTINUOUS, is_call)
    return whole - average[0]


def fixing_charge(
    *,
    forward: float,
    strike: float,
    sigma: float,
    years: float,
    is_call: bool,
    we_hold_print: bool,
    half_spread_rate: float,
    fee_rate: float,
    risk_price: float,
    residual_sd: float,
    window: float = HALF_HOUR,
) -> float:
    """Cost per unit of holding one fixing rule against the other, + against us.

    P(in the money) (half spread + fee) F for the run-off, which trades about one coin, plus a price of the
    residual risk, less the expected difference when we are long the print (plus it when short).

    Args:
        forward, strike, sigma, years, is_call: of the option.
        we_hold_print: long print and short average, or the reverse.
        half_spread_rate, fee_rate: of the hedge, fractions of price.
        risk_price: currency per unit of standard deviation.
        residual_sd: what the run-off leaves, currency; `basis_sd` when nothing is run off.
        window: averaging window, years.

    Raises:
        ModelInputError: a number outside its domain.
    """
    finite(fee_rate=fee_rate)
    non_negative(half_spread_rate=half_spread_rate, risk_price=risk_price, residual_sd=residual_sd)
    difference = expected_difference(forward, strike, sigma, years, is_call=is_call, window=window)
    run_off = in_the_money(forward, strike, sigma, years, is_call=is_call) * (half_spread_rate + fee_rate)
    return run_off * forward + risk_price * residual_sd - (difference if we_hold_print else -difference)


def in_the_money(forward: float, strike: float, sigma: float, years: float, *, is_call: bool) -> float:
    """Chance of ending in the money, N(phi d2); a step without time or volatility.

    Raises:
        ModelInputError: a number outside its domain.
    """
    positive(forward=forward, strike=strike)
    non_negative(sigma=sigma, years=years)
    sign = 1.0 if is_call else -1.0
    s = sigma * math.sqrt(years)
    if s == 0.0:
        return 1.0 if sign * (forward - strike) > 0.0 else 0.0
    d2 = math.log(forward / strike) / s - 0.5 * s
    return 0.5 * math.erfc(-sign * d2 / math.sqrt(2.0))


def run_off_hedge(
    *,
    forward: float,
    strike: float,
    sigma: float,
    seconds_left: float,
    running_average: float,
    is_call: bool,
    print_units: float,
    averaged_units: float,
    window_seconds: float = 1800.0,
    samples: int = 0,
) -> float:
    """Coins of perpetual that keep print and averaged options of one strike flat; update it each minute.

    Minus the sum of units times delta; flat against the print at the fixing. Before the window the two
    deltas nearly cancel, at its end the averaged one is gone.

    Args:
        forward, strike, sigma, is_call: of the options.
        seconds_left: to the print and the end of the average.
        running_average: mean of the prints so far; NaN before the window.
        print_units, averaged_units: signed positions, coins.
        window_seconds: averaging window.
        samples: prints in the window, 0 for a continuous average.

    Raises:
        ModelInputError: a number outside its domain, no running average inside the window.
    """
    positive(forward=forward, strike=strike, window_seconds=window_seconds)
    non_negative(sigma=sigma, seconds_left=seconds_left)
    finite(print_units=print_units, averaged_units=averaged_units)
    if not math.isnan(running_average):
        positive(running_average=running_average)
    years = seconds_left / SECONDS_PER_YEAR
    print_delta = black76_greeks(forward, strike, years, sigma, 0.0, is_call)[1]
    averaged_delta = averaged_greeks(
        forward, running_average, strike, sigma, seconds_left, window_seconds, samples, is_call
    )[1]
    hedge = -(print_units * print_delta + averaged_units * averaged_delta)
    if math.isnan(hedge):
        raise ModelInputError("running_average", "a mean above 0 inside the window", running_average)
    return hedge
