"""Print against average: the basis between two fixing rules and its run-off through the window.

A Rysk option fixes on one oracle print, Deribit, Derive and Thalex options on the average of the last half
hour. A book long one and short the other of the same strike is flat before the window and long or short up
to one coin at its end. Times in years, `window` W is the averaging window; the print and the end of the
average fall on the same second.
"""

from __future__ import annotations

import math

from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive, within

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

    Both are Black-76 (r = 0), the averaged one at T - 2W/3. Positive: an income for whoever is long the
    print.

    Raises:
        ModelInputError: a number outside its domain, less time left than the window.
    """
    positive(forward=forward, strike=strike)
    non_negative(sigma=sigma, window=window)
    if not years >= window:
        raise ModelInputError("years", f"at least the window {window:g}", years)
    whole = black76_price(forward, strike, years, sigma, 1.0, is_call)
    return whole - black76_price(forward, strike, years - 2.0 * window / 3.0, sigma, 1.0, is_call)


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


def averaged_delta(
    forward: float,
    strike: float,
    sigma: float,
    *,
    open_share: float,
    running_average: float,
    is_call: bool,
    window: float = HALF_HOUR,
) -> float:
    """Delta of an averaged option inside its window.

    The fixed part shifts the strike, K' = K - (1 - w) R, the open part w F is lognormal over a third of what
    is left.

    Args:
        forward, strike, sigma: of the option.
        open_share: w, the part of the window still open, in [0, 1].
        running_average: R, average of the prints so far (any number when w = 1).
        is_call: call or put.
        window: averaging window, years.

    Raises:
        ModelInputError: a number outside its domain.
    """
    positive(forward=forward, strike=strike)
    non_negative(sigma=sigma, window=window)
    within(0.0, 1.0, open_share=open_share)
    finite(running_average=running_average)
    w = open_share
    left = strike - (1.0 - w) * running_average
    if w == 0.0:
        return 0.0
    if left <= 0.0:
        return w if is_call else 0.0
    return w * black76_greeks(w * forward, left, w * window / 3.0, sigma, 0.0, is_call)[1]


def run_off_hedge(
    print_units: float, print_delta: float, averaged_units: float, averaged_delta_: float
) -> float:
    """Coins of perpetual that keep the pair flat: -(sum of units x delta), updated each minute, 0 after the
    fixing.

    Raises:
        ModelInputError: a number not finite.
    """
    finite(
        print_units=print_units,
        print_delta=print_delta,
        averaged_units=averaged_units,
        averaged_delta_=averaged_delta_,
    )
    return -(print_units * print_delta + averaged_units * averaged_delta_)
