"""Rival makers: they improve once outbid, never past their limit, and who wins was the most hopeful."""

from __future__ import annotations

import statistics
from decimal import Decimal

import numpy as np

from atomizer.sim.rysk.behaviour import Acceptance, Behaviour
from atomizer.sim.rysk.fair import FairValue
from atomizer.sim.rysk.rivals import Rival, draw_rivals
from atomizer.sim.rysk.settings import PRICE_UNIT
from tests.sim.rysk.harness import E18, Scene, play

FAIR = FairValue(usd=120.0, index_usd=4000.0, vega_point=4.0, delta=0.4)
BEHAVIOUR = Behaviour()


def rival(seed: int) -> Rival:
    return Rival(np.random.default_rng(seed), BEHAVIOUR, 0, 2.0)


def test_an_improvement_is_better_and_never_past_the_limit() -> None:
    for seed in range(200):
        for buys in (False, True):
            one, sign = rival(seed), 1.0 if buys else -1.0
            worst = FAIR.usd + sign * one.limit(FAIR)
            price = one.opening(FAIR, is_taker_buy=buys)
            assert sign * (price / PRICE_UNIT - worst) > -1e-4
            for _ in range(100):
                better = one.improved(FAIR, price, is_taker_buy=buys)
                if better is None:
                    break
                assert better < price if buys else better > price
                assert sign * (better / PRICE_UNIT - worst) > -1e-4
                price = better
            else:
                raise AssertionError("it never stops")
            assert abs(price / PRICE_UNIT - worst) < 0.3 * FAIR.width(0.6, 10.0)


def test_the_winner_among_rivals_erred_in_the_client_s_favour() -> None:
    """Private errors average zero; those of whoever goes furthest do not."""
    random, errors, winners = np.random.default_rng(3), [], []
    for _ in range(3000):
        field = draw_rivals(random, Behaviour(rival_answers=1.0), 2.0)
        errors += [one._error for one in field]
        winners.append(min(field, key=lambda one: one.limit(FAIR))._error)
    assert abs(statistics.fmean(errors)) < 0.05
    assert statistics.fmean(winners) < -0.1


def test_a_maker_hears_of_every_step_by_which_a_rival_outbids_it() -> None:
    behaviour = Behaviour(rivals=2, rival_answers=1.0, acceptance=Acceptance.NEVER)

    async def scenario(scene: Scene) -> None:
        heard = steps = 0
        for _ in range(10):
            rfq = await scene.ask(rivals=True)
            auction = scene.twin._house.auctions[rfq["id"]]
            fair = scene.twin._house.fair(auction.terms)
            ours = Decimal(round(fair.usd - fair.width(1.2, 15.0), 4))
            answer = await scene.quote(rfq, str(ours))
            await scene.wait(3.0)
            seen = [] if answer == "OK" else [answer]
            await scene.maker.balances()  # what was pushed before its answer is kept aside
            while scene.maker.pushed:
                seen.append((await scene.maker.next_push())["result"])
            best = [int(notice["newBest"]) for notice in seen]
            assert best == sorted(best)
            assert all(int(notice["yours"]) == int(ours * E18) for notice in seen)
            steps += sum(quote.is_rival for quote in auction.quotes)
            heard += len(best)
        assert heard > 10
        assert steps > 25  # of some twenty opening quotes: rivals outbid each other as well

    play(scenario, behaviour=behaviour)


def test_rivals_stop_where_the_window_closes() -> None:
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(rivals=True)
        auction = scene.twin._house.auctions[rfq["id"]]
        await scene.wait(10.0)
        assert all(quote.received_ns <= auction.closes_ns for quote in auction.quotes)

    play(scenario, behaviour=Behaviour(acceptance=Acceptance.NEVER, rival_answers=1.0))
