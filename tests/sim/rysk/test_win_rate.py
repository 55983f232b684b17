"""What a maker with an honest price can expect: better edge, fewer trades."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from atomizer.sim.rysk.behaviour import Behaviour
from tests.independent.wire import JudgeError, exact_json
from tests.sim.rysk.harness import Scene, play


def win_rate(vol_points: float, bps: float, seconds: float = 600.0) -> float:
    """Share of answered RFQs that trade, quoting fair less this much."""
    rates: list[float] = []

    async def scenario(scene: Scene) -> None:
        answered = 0

        async def answer() -> None:
            nonlocal answered
            while True:
                rfq = exact_json(await scene.rfqs.receive())
                terms = scene.twin._house.auctions[rfq["id"]].terms
                fair = scene.twin._house.fair(terms)
                edge = fair.width(vol_points, bps)
                price = fair.usd + edge if terms.is_taker_buy else fair.usd - edge
                if price > 0:
                    try:
                        await scene.quote(rfq, str(round(Decimal(price), 6)), 10)
                    except JudgeError as exc:
                        assert "insufficient deposited balance" in str(exc)
                        continue
                    answered += 1

        task = asyncio.get_running_loop().create_task(answer())
        await scene.wait(seconds)
        task.cancel()
        await asyncio.wait([task])
        rates.append(len(scene.twin.trades) / answered)

    play(scenario, clients=True, behaviour=Behaviour(), deposit_usd=Decimal(10**8))
    return rates[0]


def test_sensible_edges_win_a_fair_share_and_greed_loses():
    tight, usual, wide, greedy = (
        win_rate(*edge) for edge in ((0.75, 3.5), (1.0, 4.0), (1.5, 5.0), (4.0, 10.0))
    )
    assert 0.65 >= tight > usual > wide >= 0.15
    assert greedy < 0.15
