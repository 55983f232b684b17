"""Seeded clients: what is asked, when, and for how much it is traded.

Every draw comes from a stream named by (seed, purpose, number), so what client 17 asks does not depend on
how anybody answered client 16. Two runs that quote differently still meet the same requests.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from atomizer.sim.market import ListedOption, Market, MarketState
from atomizer.sim.rysk.behaviour import Behaviour
from atomizer.sim.rysk.fair import NS_PER_S, FairValue, Terms
from atomizer.sim.rysk.informed import best_moment
from atomizer.sim.rysk.settings import QUANTITY_UNIT, STRIKE_UNIT, TwinAsset

WEEK_S = 7 * 86_400
MIN_TENOR_S = 86_400
MAX_DEVIATIONS = 1.5
STRIKE_RANGE = (0.25, 4.0)
INFORMED_CANDIDATES, INFORMED_SIZES = 4, 3


class Stream(IntEnum):
    """Purposes of random numbers."""

    ARRIVAL = 1
    REQUEST = 2
    RIVALS = 3
    DECISION = 4
    RFQ_FAULT = 5
    TRADE = 6
    IDENTITY = 7
    MALFORMED = 8
    EXECUTE_ALL = 9
    FOREIGN = 10
    INFORMED = 11
    DELIVERY = 12
    DELIVERY_FAILED = 13


class Streams:
    """Independent generators by purpose and number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, purpose: Stream, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, number])


class Request(NamedTuple):
    """What a client asks for, before it becomes a push. Strike and quantity count tokens."""

    asset: str
    strike_e8: int
    expiry_s: int
    is_put: bool
    quantity_e18: int
    is_taker_buy: bool
    taker: int
    informed: bool = False


def draw_request(
    random: np.random.Generator,
    behaviour: Behaviour,
    asset: TwinAsset,
    market: Market,
    now_ns: int,
    takers: int,
) -> Request | None:
    """One client's wish on the current market; None while nothing suitable is listed."""
    state = market.state(now_ns)
    suitable = [option for option in market.options if _suitable(option, state, now_ns)]
    if not suitable:
        return None
    buys = bool(random.random() < behaviour.taker_buy_share)
    wants_put = bool(random.random() < (behaviour.buyer_put_share if buys else behaviour.put_share))
    option = _one_of(random, suitable, is_call=not wants_put)
    strike = option.strike
    expiry_s = option.expiry_ns // NS_PER_S
    if random.random() < behaviour.off_strike_share:
        strike = _between_strikes(random, market, option)
    if random.random() < behaviour.off_expiry_share:
        expiry_s = _between_expiries(random, market, expiry_s)
    return Request(
        asset=asset.address,
        strike_e8=_per_token(strike, asset),
        expiry_s=expiry_s,
        is_put=not option.is_call,
        quantity_e18=_size(random, asset),
        is_taker_buy=buys,
        taker=int(random.integers(takers)),
    )


def draw_informed(
    random: np.random.Generator,
    behaviour: Behaviour,
    asset: TwinAsset,
    market: Market,
    now_ns: int,
    takers: int,
    settles_s: float,
) -> tuple[float, Request] | None:
    """What one who knows the future asks for, and in how many seconds.

    Of a few options the one it gains most on, of a few sizes the largest.
    """
    state = market.state(now_ns)
    suitable = [option for option in market.options if _suitable(option, state, now_ns)]
    if not suitable:
        return None
    looked_at = [
        _one_of(random, suitable, is_call=bool(random.random() < 0.5)) for _ in range(INFORMED_CANDIDATES)
    ]
    insight, option = max(
        (
            best_moment(
                market,
                Terms(option.strike, option.expiry_ns, option.is_call),
                now_ns,
                patience_s=behaviour.informed_patience_s,
                horizon_s=behaviour.informed_horizon_s,
                settles_s=settles_s,
            ),
            option,
        )
        for option in looked_at
    )
    request = Request(
        asset=asset.address,
        strike_e8=_per_token(option.strike, asset),
        expiry_s=option.expiry_ns // NS_PER_S,
        is_put=not option.is_call,
        quantity_e18=max(_size(random, asset) for _ in range(INFORMED_SIZES)),
        is_taker_buy=insight.buys,
        taker=int(random.integers(takers)),
        informed=True,
    )
    return insight.wait_s, request


def reservation(
    random: np.random.Generator, behaviour: Behaviour, fair: FairValue, *, is_taker_buy: bool
) -> float:
    """The worst price, USD per unit, at which this client still trades.

    Exponentially far from fair: the chance that a quote is taken falls by e per `width` of distance.
    """
    distance = random.exponential(fair.width(behaviour.client_vol_points, behaviour.client_bps))
    return fair.usd + distance if is_taker_buy else fair.usd - distance


def _one_of(random: np.random.Generator, options: list[ListedOption], *, is_call: bool) -> ListedOption:
    """One of this kind, of the other where there is none."""
    kind = [option for option in options if option.is_call is is_call] or options
    return kind[int(random.integers(len(kind)))]


def _per_token(strike: float, asset: TwinAsset) -> int:
    """A strike per coin as one per token, 1e8 USD."""
    return round(strike * float(asset.ratio) * STRIKE_UNIT)


def _suitable(option: ListedOption, state: MarketState, now_ns: int) -> bool:
    """Strikes within one and a half deviations of the forward, more than a day before expiry."""
    if option.expiry_ns - now_ns < MIN_TENOR_S * NS_PER_S:
        return False
    if not STRIKE_RANGE[0] <= option.strike / state.index <= STRIKE_RANGE[1]:
        return False
    deviation = state.vol(option.strike, option.expiry_ns) * math.sqrt(state.tau(option.expiry_ns))
    moneyness = math.log(option.strike / state.forward(option.expiry_ns))
    out = moneyness if option.is_call else -moneyness
    return -0.5 * deviation <= out <= MAX_DEVIATIONS * deviation


def _between_strikes(random: np.random.Generator, market: Market, option: ListedOption) -> float:
    """A strike between this one and the next listed one, rounded to a whole USD where there is room."""
    strikes = sorted(
        {
            one.strike
            for one in market.options
            if one.expiry_ns == option.expiry_ns and one.is_call == option.is_call
        }
    )
    at = strikes.index(option.strike)
    if at + 1 == len(strikes):
        return option.strike
    gap = strikes[at + 1] - option.strike
    strike = option.strike + gap * random.uniform(0.2, 0.8)
    return float(round(strike)) if gap > 2.0 else strike


def _between_expiries(random: np.random.Generator, market: Market, expiry_s: int) -> int:
    """A Friday between this expiry and the next listed one; the listed one where there is none."""
    later = [option.expiry_ns // NS_PER_S for option in market.options]
    following = min((one for one in later if one > expiry_s), default=expiry_s)
    weeks = (following - expiry_s) // WEEK_S
    if weeks < 2:
        return expiry_s
    return expiry_s + WEEK_S * int(random.integers(1, weeks))


def _size(random: np.random.Generator, asset: TwinAsset) -> int:
    """Coins x 1e18: the least in one of ten, the most in one of fifty, else log-uniform on the step."""
    least, most, step = (
        int(size * QUANTITY_UNIT) for size in (asset.min_size, asset.max_size, asset.size_step)
    )
    kind = random.random()
    if kind < 0.1:
        return least
    if kind < 0.12:
        return most
    drawn = math.exp(random.uniform(math.log(float(asset.min_size)), math.log(float(asset.max_size))))
    return min(max(int(drawn * QUANTITY_UNIT) // step * step, least), most)
