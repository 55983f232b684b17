"""What clients ask: generated and scripted RFQs, whole and broken on purpose."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from atomizer.sim.rysk.behaviour import Acceptance, Behaviour, Faults, RfqFault
from atomizer.sim.rysk.messages import encode
from atomizer.sim.rysk.pushes import TRAPS
from atomizer.sim.rysk.settings import FOREIGN
from tests.independent.wire import JudgeError, Wire, exact_json
from tests.sim.rysk.harness import E18, Scene, play

PLAIN_FIELDS = {
    "asset",
    "assetName",
    "chainId",
    "expiry",
    "isPut",
    "quantity",
    "strike",
    "taker",
    "usd",
    "collateralAsset",
}
WEEK_S = 7 * 86_400


async def pushes(wire: Wire, seconds: float) -> list[bytes]:
    """Every frame of this much time."""
    frames = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                frames.append(await wire.receive())
    except TimeoutError:
        return frames


def flow(seed: int, seconds: float, **behaviour: Any) -> list[dict[str, Any]]:
    """All generated RFQs of one run."""
    found: list[dict[str, Any]] = []

    async def scenario(scene: Scene) -> None:
        found.extend(exact_json(frame) for frame in await pushes(scene.rfqs, seconds))

    play(scenario, clients=True, behaviour=Behaviour(**behaviour), seed=seed)
    return found


def test_push_has_the_fields_of_the_protocol_page():
    async def scenario(scene: Scene) -> None:
        newer, older = await scene.ask(), await scene.ask(is_put=True, quantity=Decimal("1.5"))
        assert set(older["result"]) == PLAIN_FIELDS
        assert set(newer["result"]) > PLAIN_FIELDS
        terms = older["result"]
        assert terms["quantity"] == str(15 * 10**17)
        assert terms["strike"] == "400000000000"
        assert terms["collateralAsset"] == terms["usd"] == scene.settings.stable
        assert newer["result"]["collateralAsset"] == scene.settings.asset.address
        assert newer["result"]["isTakerBuy"] is False
        assert newer["result"]["auctionDeadline"] - newer["result"]["createdAt"] * 1000 in range(2000, 3001)
        assert newer["result"]["typeDataDomain"]["verifyingContract"] == scene.settings.contract
        assert older["id"] != newer["id"]

    play(scenario)


def test_the_older_push_without_a_side_is_a_taker_who_sells():
    async def scenario(scene: Scene) -> None:
        for _ in range(4):
            rfq = await scene.ask(is_taker_buy=True, is_put=True)
            assert rfq["result"]["isTakerBuy"] is True
        assert await scene.quote(rfq, "10") == "OK"

    play(scenario)


@pytest.mark.parametrize("fault", sorted(TRAPS))
def test_trap_is_in_the_push_and_a_quote_on_it_is_refused_and_counted(fault):
    async def scenario(scene: Scene) -> None:
        whole, rfq = await scene.ask(), await scene.ask(faults=(fault,))
        before, terms = whole["result"], rfq["result"]
        changed = {name for name in PLAIN_FIELDS if before[name] != terms[name]}
        found: Any
        if fault is RfqFault.FOREIGN_DOMAIN:
            found, expected = terms["typeDataDomain"]["verifyingContract"], FOREIGN
            assert changed == set()
        elif fault is RfqFault.EXPIRED:
            found, expected = terms["expiry"] < scene.now_s(), True
            assert (before["expiry"] - terms["expiry"]) % WEEK_S == 0
        else:
            name, expected = {
                RfqFault.FOREIGN_USD: ("usd", FOREIGN),
                RfqFault.FOREIGN_CHAIN: ("chainId", 1),
                RfqFault.FOREIGN_COLLATERAL: ("collateralAsset", FOREIGN),
                RfqFault.STRIKE_OFF: ("strike", "40000000000"),
                RfqFault.HUGE_QUANTITY: ("quantity", str(10**6 * E18)),
            }[fault]
            found = terms[name]
            assert changed == {name}
        assert found == expected
        with pytest.raises(JudgeError, match="not served"):
            await scene.quote(rfq)
        assert scene.twin.state()["quotes"]["refused"] == {"not_served": 1}

    play(scenario)


def test_a_put_strike_goes_up_by_ten():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(is_put=True, faults=(RfqFault.STRIKE_OFF,))
        assert rfq["result"]["strike"] == "4000000000000"

    play(scenario)


def test_malformed_pushes_are_of_every_sort():
    async def scenario(scene: Scene) -> None:
        sorts = Counter()
        for _ in range(60):
            scene.twin.submit_rfq(scene.order(faults=(RfqFault.MALFORMED,)))
            frame = await scene.rfqs.receive()
            try:
                message = json.loads(frame)
            except json.JSONDecodeError:
                sorts["cut"] += 1
                continue
            if not isinstance(message, dict):
                sorts["no object"] += 1
                continue
            terms = message["result"]
            sorts["missing"] += "strike" not in terms
            sorts["negative"] += terms["quantity"].startswith("-")
            sorts["type"] += not isinstance(terms["expiry"], int)
            sorts["address"] += len(terms["asset"]) != 42
        assert set(sorts) == {"cut", "no object", "missing", "negative", "type", "address"}
        assert all(sorts.values())
        assert sum(sorts.values()) == 60

    play(scenario)


def test_late_push_comes_after_its_window():
    async def scenario(scene: Scene) -> None:
        scene.twin.submit_rfq(scene.order(faults=(RfqFault.LATE,)))
        rfq = exact_json(await scene.rfqs.receive())
        assert scene.clock.now_ns() - scene.clock.start_ns > 2 * 10**9
        with pytest.raises(JudgeError, match="rfq closed"):
            await scene.quote(rfq)

    play(scenario)


def test_duplicate_push_is_the_same_rfq_twice():
    async def scenario(scene: Scene) -> None:
        first = await scene.ask(faults=(RfqFault.DUPLICATE,))
        assert exact_json(await scene.rfqs.receive()) == first

    play(scenario)


def test_same_terms_come_under_many_ids():
    async def scenario(scene: Scene) -> None:
        scene.twin.submit_rfq(scene.order(faults=(RfqFault.SAME_TERMS,)))
        found = [exact_json(frame) for frame in await pushes(scene.rfqs, 1.0)]
        assert len({rfq["id"] for rfq in found}) == len(found) == 12
        terms = [{name: rfq["result"][name] for name in PLAIN_FIELDS} for rfq in found]
        assert all(one == terms[0] for one in terms)

    play(scenario)


@pytest.mark.parametrize("fault", list(RfqFault))
def test_every_rfq_fault_can_be_drawn(fault):
    async def scenario(scene: Scene) -> None:
        await pushes(scene.rfqs, 60.0)
        counts = scene.twin.state()["rfqs"]
        assert counts[fault.value] >= 5
        assert counts["rfqs"] >= counts[fault.value]

    play(scenario, clients=True, behaviour=Behaviour(faults=Faults(**{fault.value: 1.0})))


def test_generated_flow_is_what_it_claims():
    rfqs = [rfq["result"] for rfq in flow(3, 1800.0)]
    count = len(rfqs)
    assert 1080 < count < 1320
    buys = sum(rfq.get("isTakerBuy", False) for rfq in rfqs)
    assert 0.40 < buys / count < 0.50
    puts = [
        sum(rfq["isPut"] for rfq in rfqs if rfq.get("isTakerBuy", False) is side) for side in (True, False)
    ]
    assert 0.85 < puts[0] / buys < 0.95
    assert 0.05 < puts[1] / (count - buys) < 0.15
    sizes = [int(rfq["quantity"]) for rfq in rfqs]
    assert (min(sizes), max(sizes)) == (E18 // 10, 20 * E18)
    assert len({rfq["taker"] for rfq in rfqs}) == 6
    assert len({rfq["expiry"] for rfq in rfqs}) > 3
    assert all((rfq["expiry"] - 1_757_664_000) % WEEK_S == 0 for rfq in rfqs)
    assert all(1000 * 10**8 < int(rfq["strike"]) < 16_000 * 10**8 for rfq in rfqs)


def test_some_options_are_between_the_listed_ones():
    async def scenario(scene: Scene) -> None:
        listed = {(one.strike, one.expiry_ns // 10**9) for one in scene.market.options}
        terms = [exact_json(frame)["result"] for frame in await pushes(scene.rfqs, 900.0)]
        off = sum((int(one["strike"]) / 10**8, one["expiry"]) not in listed for one in terms)
        assert 0.1 < off / len(terms) < 0.4

    play(scenario, clients=True, behaviour=Behaviour())


def test_recorded_single_expiry_chain_has_flow(tmp_path):
    """A chain with one expiry: nothing lies between expiries, everything else goes on."""

    async def scenario(scene: Scene) -> None:
        only = tuple(one for one in scene.market.options if one.expiry_ns == scene.market.expiries[1])
        scene.market.options = only
        terms = [exact_json(frame)["result"] for frame in await pushes(scene.rfqs, 300.0)]
        assert len(terms) > 50
        assert {one["expiry"] for one in terms} == {only[0].expiry_ns // 10**9}

    play(scenario, clients=True, behaviour=Behaviour())


def test_same_seed_same_flow_and_other_seed_another():
    first, again, other = flow(5, 120.0), flow(5, 120.0), flow(6, 120.0)
    assert first == again
    assert first != other


def test_flow_does_not_depend_on_what_the_maker_does():
    """Quotes, scripted RFQs and trades shift no generated draw."""
    found: list[dict[str, Any]] = []

    async def scenario(scene: Scene) -> None:
        scripted = scene.twin.submit_rfq(scene.order(acceptance=Acceptance.ALWAYS))
        while scene.now_s() < scene.clock.start_ns // 10**9 + 60:
            rfq = exact_json(await scene.rfqs.receive())
            await scene.quote(rfq, "5")
            if rfq["id"] != scripted:
                found.append(rfq)
        assert scene.twin.trades

    play(scenario, clients=True, behaviour=Behaviour(taker_buy_share=0.0), seed=5)
    quiet = flow(5, 120.0, taker_buy_share=0.0)
    assert len(found) > 10
    assert found == quiet[: len(found)]


def test_a_whole_run_repeats_to_the_byte():
    def record() -> bytes:
        found: list[bytes] = []

        async def scenario(scene: Scene) -> None:
            while scene.now_s() < scene.clock.start_ns // 10**9 + 120:
                rfq = exact_json(await scene.rfqs.receive())
                await scene.quote(rfq, "60")
            found.append(encode([scene.twin.state(), scene.twin.equity()]))
            assert scene.twin.trades

        play(
            scenario,
            clients=True,
            behaviour=Behaviour(taker_buy_share=0.0, faults=Faults(execute_all=0.3, confirmation_lost=0.3)),
        )
        return found[0]

    assert record() == record()


def test_btc_sizes_are_smaller():
    async def scenario(scene: Scene) -> None:
        terms = [exact_json(frame)["result"] for frame in await pushes(scene.rfqs, 600.0)]
        assert {one["assetName"] for one in terms} == {"WBTC"}
        assert max(int(one["quantity"]) for one in terms) <= E18

    play(scenario, clients=True, underlying="BTC", behaviour=Behaviour())
