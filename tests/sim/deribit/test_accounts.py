"""Money on the simulated venue, exact at eight decimals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.sim.deribit.accounts import Account, Marks, Wallet, value
from atomizer.sim.deribit.booking import Booking, Fill
from atomizer.sim.deribit.fees import Fees
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.positions import Position
from atomizer.sim.market import Market
from tests.sim.deribit.client import PERP, START, World, listed, run

MARKET = Market(7, START)
LISTINGS = listed(MARKET).listings
OPTION = next(o.name for o in MARKET.options if o.strike == 4000 and o.is_call)


def perp() -> Listing:
    return LISTINGS[PERP]


def account() -> Account:
    return Account("a", 1, {"ETH": Wallet("ETH", Decimal(100))})


def cash(mine: Account) -> Decimal:
    """Balance and what futures made."""
    return mine.wallets["ETH"].balance + sum(
        (p.session for p in mine.positions.values() if not p.is_option), Decimal(0)
    )


def fill(
    mine: Account, listing: Listing, side: int, amount: Decimal, price: Decimal, fee: Decimal
) -> Decimal:
    """Book a fill at the marks it was made at."""
    marks = Marks(float(price), {PERP: float(price), OPTION: float(price)}, {PERP: 1.0, OPTION: 0.5})
    booking = Booking(lambda: 1, lambda _: marks, Fees(()))
    return booking.fill(mine, Fill(listing, side, amount, price, fee, {}))


def test_inverse_round_trip_pays_the_difference_of_reciprocals() -> None:
    mine = account()
    fill(mine, perp(), 1, Decimal(10_000), Decimal(4000), Decimal("0.00125"))
    realised = fill(mine, perp(), -1, Decimal(10_000), Decimal(4100), Decimal("0.00121951"))
    assert realised == Decimal("0.06097561")  # 10000/4000 - 10000/4100
    assert cash(mine) == Decimal(100) + Decimal("0.06097561") - Decimal("0.00246951")
    assert mine.position(perp()).size == 0
    assert mine.position(perp()).average == 0


def test_inverse_short_earns_when_the_price_falls_and_flips_through_zero() -> None:
    mine = account()
    fill(mine, perp(), -1, Decimal(4000), Decimal(4000), Decimal(0))
    realised = fill(mine, perp(), 1, Decimal(6000), Decimal(3200), Decimal(0))
    assert realised == Decimal("0.25")  # 4000/3200 - 4000/4000
    position = mine.position(perp())
    assert (position.size, position.average) == (Decimal(2000), Decimal(3200))


def test_inverse_average_is_harmonic() -> None:
    position = Position(perp())
    position.trade(Decimal(1000), Decimal(4000))
    position.trade(Decimal(1000), Decimal(5000))
    assert position.average.quantize(Decimal("1e-6")) == Decimal("4444.444444")


def test_option_premium_moves_cash_and_the_position_is_worth_its_mark() -> None:
    mine = account()
    fill(mine, LISTINGS[OPTION], 1, Decimal(10), Decimal("0.0365"), Decimal("0.003"))
    assert cash(mine) == Decimal(100) - Decimal("0.365") - Decimal("0.003")
    marks = Marks(4000.0, {OPTION: 0.04, PERP: 4000.0}, {OPTION: 0.5, PERP: 1.0})
    now = value(mine, "ETH", marks)
    assert now.equity == Decimal("100.03200000")
    assert now.options_delta == pytest.approx(10 * (0.5 - 0.04))
    realised = fill(mine, LISTINGS[OPTION], -1, Decimal(10), Decimal("0.04"), Decimal("0.003"))
    assert realised == Decimal("0.03500000")
    assert cash(mine) == Decimal("100.029")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, -1]), st.integers(1, 50_000), st.integers(60_000, 100_000)),
        min_size=1,
        max_size=12,
    )
)
def test_equity_of_the_perpetual_is_the_sum_of_its_fills_against_the_mark(
    fills: list[tuple[int, int, int]],
) -> None:
    mine = account()
    exact = Decimal(0)
    for side, usd, ticks in fills:
        price = Decimal(ticks) / 20
        fill(mine, perp(), side, Decimal(usd), price, Decimal(0))
        exact += side * usd * (1 / price - 1 / Decimal(4000))
    marks = Marks(4000.0, {PERP: 4000.0}, {PERP: 1.0})
    gap = value(mine, "ETH", marks).equity - Decimal(100) - exact
    assert abs(gap) <= Decimal("1e-8") * (len(fills) + 1)


@pytest.mark.parametrize(
    ("name", "price", "amount", "maker", "fee"),
    [
        (PERP, "4000", "10000", False, "0.00125000"),
        (PERP, "4000", "10000", True, "0"),
        (OPTION, "0.0365", "10", False, "0.00300000"),
        (OPTION, "0.001", "10", True, "0.00125000"),
    ],
)
def test_fees_are_the_listed_ones_and_capped_on_cheap_options(
    name: str, price: str, amount: str, maker: bool, fee: str
) -> None:
    listing = LISTINGS[name]
    rate = Fees(()).rate(account(), listing, maker=maker)
    assert listing.fee(Decimal(price), Decimal(amount), rate) == Decimal(fee)


def test_books_of_a_round_trip_on_the_wire_add_up() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        bought = await client.order_("buy", 20_000, None, type="market")
        sold = await client.order_("sell", 20_000, None, type="market")
        cash = Decimal(500)
        entry = exit_ = Decimal(0)
        for trade in bought["trades"]:
            entry += Decimal(str(trade["amount"])) / Decimal(str(trade["price"]))
        for trade in sold["trades"]:
            exit_ += Decimal(str(trade["amount"])) / Decimal(str(trade["price"]))
        for trade in bought["trades"] + sold["trades"]:
            cash += Decimal(str(trade["profit_loss"])) - Decimal(str(trade["fee"]))
        summary = await client.call("private/get_account_summary", currency="ETH", extended=True)
        assert Decimal(str(summary["balance"])) + Decimal(str(summary["session_rpl"])) == cash
        assert (Decimal(str(summary["equity"])), summary["session_upl"]) == (cash, 0.0)
        realised = sum(Decimal(str(trade["profit_loss"])) for trade in sold["trades"])
        assert abs(realised - (entry - exit_)) <= Decimal("3e-8")
        _, equity = await world.get("/sim/equity")
        assert Decimal(equity["equity"]) == cash
        assert (equity["start"], equity["currency"]) == ("500.00000000", "ETH")
        assert summary["username"] == "main"
        assert summary["limits"]["matching_engine"]["trading"]["total"]["rate"] == 30

    run(scenario)


def test_short_options_and_working_orders_need_margin() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        free = (await client.call("private/get_account_summary", currency="ETH"))["available_funds"]
        assert free == 500.0
        await client.call("private/sell", instrument_name=OPTION, amount=20, type="market")
        book = await client.call("private/get_account_summary", currency="ETH")
        assert 20 * 0.1 < book["initial_margin"] < 20 * 0.25
        await client.order_("buy", 100_000, 3900)
        more = await client.call("private/get_account_summary", currency="ETH")
        assert more["initial_margin"] == pytest.approx(
            book["initial_margin"] + 0.02 * 100_000 / 4000, rel=0.02
        )

    run(scenario)


def test_summary_of_other_currencies_is_empty_and_the_list_names_the_coin() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        assert (await client.call("private/get_account_summary", currency="USDC"))["equity"] == 0.0
        found = (await client.call("private/get_account_summaries", extended=True))["summaries"]
        assert [one["currency"] for one in found] == ["ETH", "USDC"]
        log = await client.call(
            "private/get_transaction_log", currency="ETH", start_timestamp=0, end_timestamp=2**41
        )
        assert [(row["type"], row["change"]) for row in log["logs"]] == [("deposit", 500.0)]
        assert log["continuation"] is None

    run(scenario)


def test_report_for_judges_tells_everything() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.order_("buy", 10, None, type="market", label="one")
        _, report = await world.get("/sim/state")
        main = report["accounts"]["main"]
        assert len(main["trades"]) == 1
        assert main["orders"][0]["label"] == "one"
        assert report["placements"] == {"one": 1}
        assert report["requests"]["private/buy"] == 1
        assert report["sessions"] == 1

    run(scenario)
