"""Takers who know what comes, and those who do not: what they ask, when they trade, what they take."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from atomizer.net.virtual import DEFAULT_START_NS
from atomizer.sim.market import Market
from atomizer.sim.rysk.behaviour import Acceptance, Behaviour
from atomizer.sim.rysk.fair import NS_PER_S, Terms, fair_value
from atomizer.sim.rysk.informed import MAKERS_LAG_S, accepts, best_moment, hedged_result, later_value
from tests.independent.rysk_client import rysk_state
from tests.independent.wire import JudgeError, exact_json, fetch
from tests.sim.rysk.harness import HTTP, Scene, play

SECOND = NS_PER_S
MARKET = Market(11, DEFAULT_START_NS)
NEAREST = min(MARKET.options, key=lambda one: (abs(one.strike - 4000.0), -one.expiry_ns))
OPTION = Terms(NEAREST.strike, NEAREST.expiry_ns, is_call=True)


def foreseen(asked_ns: int) -> float:
    """What the option gains from a moment to the horizon, for who hedges from the settlement on."""
    settled = asked_ns + 3 * SECOND
    quoted = fair_value(MARKET, OPTION, asked_ns - round(MAKERS_LAG_S * SECOND)).usd
    return later_value(MARKET, OPTION, settled, settled + 60 * SECOND) - quoted


def test_an_informed_taker_asks_at_the_best_moment_of_its_patience_and_on_the_right_side() -> None:
    sides, gains, average = [], [], []
    for start in range(DEFAULT_START_NS, DEFAULT_START_NS + 3600 * SECOND, 240 * SECOND):
        insight = best_moment(MARKET, OPTION, start, patience_s=120.0, horizon_s=60.0, settles_s=3.0)
        foretold = foreseen(start + round(insight.wait_s * SECOND))
        assert abs(foretold) == pytest.approx(insight.gain)
        assert insight.buys is (foretold > 0.0)
        moments = [abs(foreseen(start + second * SECOND)) for second in range(0, 121, 10)]
        assert insight.gain >= max(moments) - 1e-9
        sides.append(insight.buys)
        gains.append(insight.gain)
        average.append(sum(moments) / len(moments))
    assert len(set(sides)) == 2
    assert sum(gains) > 2.0 * sum(average)


def test_direction_is_worth_little_to_it_once_hedged() -> None:
    """Over an hour the hedged value moves by a fraction of what the option does."""
    near = min((one for one in MARKET.options if one.is_call), key=lambda one: abs(one.strike - 4000.0))
    option = Terms(near.strike, MARKET.expiries[0], is_call=True)
    plain, hedged = [], []
    for minute in range(0, 60, 4):
        start = DEFAULT_START_NS + minute * 60 * SECOND
        value = fair_value(MARKET, option, start).usd
        plain.append(abs(fair_value(MARKET, option, start + 240 * SECOND).usd - value))
        hedged.append(abs(later_value(MARKET, option, start, start + 240 * SECOND) - value))
    assert sum(hedged) < 0.6 * sum(plain)


def test_what_was_taken_is_the_move_to_the_settlement_and_the_hedged_rest() -> None:
    quoted, settled, now = (DEFAULT_START_NS + second * SECOND for second in (10, 14, 200))
    timing, value = hedged_result(MARKET, OPTION, quoted, settled, now)
    first, second = (fair_value(MARKET, OPTION, at).usd for at in (quoted, settled))
    assert timing == pytest.approx(second - first)
    assert value == pytest.approx(later_value(MARKET, OPTION, settled, now) - second)


@pytest.mark.parametrize(
    ("price", "buys", "taken"), [(9.0, True, True), (11.0, True, False), (11.0, False, True)]
)
def test_it_trades_only_at_a_price_better_than_the_future(price: float, buys: bool, taken: bool) -> None:
    assert accepts(price, 10.0, buys=buys) is taken


def asked(share: float, seconds: float = 600.0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def scenario(scene: Scene) -> None:
        async def listen() -> None:
            while True:
                found.append(exact_json(await scene.rfqs.receive())["result"])

        task = asyncio.get_running_loop().create_task(listen())
        await scene.wait(seconds)
        task.cancel()
        await asyncio.wait([task])

    play(scenario, clients=True, behaviour=Behaviour(informed=share, acceptance=Acceptance.NEVER))
    return found


def test_the_share_is_what_it_says_and_informed_takers_have_addresses_of_their_own() -> None:
    plain, mixed = asked(0.0), asked(0.3)
    known = {rfq["taker"] for rfq in plain}
    assert len(known) == 6
    informed = [rfq for rfq in mixed if rfq["taker"] not in known]
    assert 0.2 < len(informed) / len(mixed) < 0.4
    assert {rfq.get("isTakerBuy", False) for rfq in informed} == {True, False}
    assert {rfq["isPut"] for rfq in informed} == {True, False}


def test_who_does_not_know_asks_the_same_whatever_the_share() -> None:
    plain, mixed = asked(0.0), asked(0.3)
    terms = {(rfq["strike"], rfq["expiry"], rfq["quantity"], rfq["taker"]) for rfq in plain}
    known = {rfq["taker"] for rfq in plain}
    others = [rfq for rfq in mixed if rfq["taker"] in known]
    assert len(others) > 200
    assert all((rfq["strike"], rfq["expiry"], rfq["quantity"], rfq["taker"]) in terms for rfq in others)


def takings(share: float, distance: float) -> dict[str, Any]:
    """What takers took from a maker that answers everything this far from fair, in vol points."""
    found: dict[str, Any] = {}

    async def scenario(scene: Scene) -> None:
        async def answer() -> None:
            while True:
                rfq = exact_json(await scene.rfqs.receive())
                terms = scene.twin._house.auctions[rfq["id"]].terms
                fair = scene.twin._house.fair(terms)
                sign = 1.0 if terms.is_taker_buy else -1.0
                price = fair.usd + sign * fair.width(distance, 0.0)
                if price > 0.0:
                    try:
                        await scene.quote(rfq, str(round(Decimal(price), 6)), 10)
                    except JudgeError as refused:
                        assert "insufficient" in str(refused)

        task = asyncio.get_running_loop().create_task(answer())
        await scene.wait(300.0)
        task.cancel()
        await asyncio.wait([task])
        found.update(await fetch(scene.network, HTTP, "/sim/takers"))
        assert (await rysk_state(scene.network, HTTP))["quotes"]["accepted"] > 0

    behaviour = Behaviour(informed=share, rivals=0)
    play(
        scenario,
        clients=True,
        behaviour=behaviour,
        deposit_usd=Decimal(10**8),
        deposit_coins=Decimal(10**5),
    )
    return found


def test_informed_takers_take_and_others_do_not_and_a_wider_price_meets_fewer_of_them() -> None:
    tight, wide = takings(0.5, 0.1), takings(0.5, 3.0)
    assert float(tight["informed"]["value_usd"]) > 10 * tight["informed"]["trades"] > 0
    share = [told["informed"]["trades"] / told["informed"]["rfqs"] for told in (tight, wide)]
    assert share[1] < 0.6 * share[0]
    others = tight["others"]
    taken = float(tight["informed"]["value_usd"]) / tight["informed"]["trades"]
    assert abs(float(others["value_usd"])) / others["trades"] < 0.25 * taken
