"""The engine's net delta of whole accounts against bump and revalue, in both numeraires and mixed.

The judge never uses the engine's formulas: it values every account as money after everything moved by a small
share, in forty digits, and takes the difference quotient. The published cases were made the same way.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from atomizer.domain.events import IndexPrice, Ticker
from atomizer.domain.instruments import Instrument, Kind, PriceGrid
from atomizer.engine.accounts import Holding, Position, Purse
from atomizer.engine.exposure import Exposure
from atomizer.engine.ledger import Ledger
from atomizer.engine.market import Market
from atomizer.engine.pricing import YEAR_NS, Priced
from atomizer.engine.settings import AccountSettings, HedgeMarket
from atomizer.models.black import black76_greeks

VECTORS = Path(__file__).resolve().parents[2].parent / "shared/vectors/models.json"
NOW = 1_757_300_000_000_000_000
HEDGE = HedgeMarket(underlying="ETH", venue="v", account="0", instrument="v:ETH-PERPETUAL", index="eth_usd")


class Quoted:
    """A surface that knows forward and vol of the options it was told."""

    def __init__(self) -> None:
        self.known: dict[tuple[float, int, bool], tuple[float, float, float]] = {}

    def price(
        self, strike: float, expiry_ns: int, *, is_call: bool, now_ns: int, index: float = 0.0
    ) -> Priced:
        forward, vol, years = self.known[strike, expiry_ns, is_call]
        greeks = black76_greeks(forward, strike, years, vol, 0.0, is_call)
        return Priced(*greeks[:5], forward, vol, years)


def exposure_of(accounts: list[dict[str, Any]], index: float, numeraires: list[str]) -> Exposure:
    """An engine's exposure holding these accounts, account i on venue i."""
    ledger, market, surface = Ledger(), Market({}), Quoted()
    market.index_price(IndexPrice("v", "eth_usd", index), NOW)
    for number, account in enumerate(accounts):
        scope, coin = (f"v{number}", str(number)), account["kind"] == "coin"
        currency = "ETH" if coin else "USD"
        ledger.accounts.cash[Purse(*scope, currency)] = Decimal(repr(account["cash"]))
        if account.get("coin_collateral"):
            ledger.accounts.cash[Purse(*scope, "ETH")] = Decimal(repr(account["coin_collateral"]))
        for place, held in enumerate([*account["options"], *account["futures"]]):
            is_option = "K" in held
            name = f"{scope[0]}:{'O' if is_option else 'F'}{place}"
            expiry = NOW + round(held["T"] * YEAR_NS) + place * 1000 + number if is_option else None
            ledger.instruments[name] = Instrument(
                key=name,
                venue=scope[0],
                name=name,
                kind=Kind.OPTION if is_option else Kind.FUTURE,
                underlying="ETH",
                quote=currency,
                settlement=currency,
                grid=PriceGrid(Decimal("0.0001")),
                lot=Decimal("0.0001"),
                inverse=coin,
                size_in_quote=coin and not is_option,
                strike=Decimal(repr(held["K"])) if is_option else None,
                is_call=held["type"] == "call" if is_option else None,
                expiry_ns=expiry,
            )
            size = float(held.get("size_usd", held.get("quantity", 0.0)))
            position = Position(size=Decimal(repr(size)))
            if is_option:
                assert expiry is not None
                surface.known[float(held["K"]), expiry, held["type"] == "call"] = (
                    held["forward"],
                    held["sigma"],
                    held["T"],
                )
            else:
                entry, mark = Decimal(repr(held["entry"])), held["mark"]
                position.cost = position.size / entry if coin else position.size * entry
                market.ticker(Ticker(instrument=name, mark=mark), NOW)
            ledger.accounts.positions[Holding(*scope, name)] = position
    made = Exposure(
        ledger,
        market,
        {"ETH": surface},  # type: ignore[dict-item]
        [AccountSettings(venue=f"v{n}", account=str(n), numeraire=word) for n, word in enumerate(numeraires)],
        (HEDGE,),
    )
    made.rebuild(NOW, {})
    assert not made.unknown
    assert not made.unpriced
    return made


def value(account: dict[str, Any], index: float, move: Any) -> tuple[Any, Any]:
    """(coins, USD) of an account after everything moved by a factor; each account has one of them."""
    coin = account["kind"] == "coin"
    total = mpf(account["cash"])
    if not coin:
        total += mpf(account.get("coin_collateral", 0)) * index * move
    for held in account["options"]:
        forward, strike = mpf(held["forward"]) * move, mpf(held["K"])
        root = mpf(held["sigma"]) * mp.sqrt(mpf(held["T"]))
        d1 = mp.log(forward / strike) / root + root / 2
        sign = 1 if held["type"] == "call" else -1
        usd = sign * (forward * mp.ncdf(sign * d1) - strike * mp.ncdf(sign * (d1 - root)))
        total += mpf(held["quantity"]) * (usd / forward if coin else usd)
    for held in account["futures"]:
        mark, entry = mpf(held["mark"]) * move, mpf(held["entry"])
        if coin:
            total += mpf(held["size_usd"]) * (1 / entry - 1 / mark)
        else:
            total += mpf(held["quantity"]) * (mark - entry)
    return (total, total * index * move) if coin else (total / (index * move), total)


def bumped(account: dict[str, Any], index: float, numeraire: str) -> float:
    """Delta by bump and revalue: d(USD)/d(index), or index times d(coins)/d(index)."""
    with mp.workdps(40):
        step = mpf("1e-12")
        up, down = (value(account, index, 1 + sign * step) for sign in (1, -1))
        at = 0 if numeraire == "coin" else 1
        slope = (up[at] - down[at]) / (2 * step)
        return float(slope if numeraire == "coin" else slope / index)


def gross(account: dict[str, Any], index: float) -> float:
    """Coins that the tolerance is relative to."""
    coins = account["cash"] if account["kind"] == "coin" else account["cash"] / index
    held = [abs(item.get("quantity", item.get("size_usd", 0.0) / index)) for item in account["options"]]
    held += [abs(item.get("quantity", item.get("size_usd", 0.0) / index)) for item in account["futures"]]
    return 1.0 + abs(coins) + account.get("coin_collateral", 0.0) + sum(held)


options = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["call", "put"]),
        "K": st.floats(2000.0, 4500.0).map(lambda x: round(x, 2)),
        "T": st.floats(0.01, 1.0),
        "sigma": st.floats(0.2, 1.5),
        "forward": st.floats(2900.0, 3200.0),
        "quantity": st.floats(-50.0, 50.0).map(lambda x: round(x, 4)),
    }
)
inverse = st.fixed_dictionaries(
    {
        "size_usd": st.integers(-200_000, 200_000).map(float),
        "entry": st.floats(2500.0, 3500.0).map(lambda x: round(x, 2)),
        "mark": st.floats(2900.0, 3100.0),
    }
)
linear = st.fixed_dictionaries(
    {
        "quantity": st.floats(-50.0, 50.0).map(lambda x: round(x, 4)),
        "entry": st.floats(2500.0, 3500.0).map(lambda x: round(x, 2)),
        "mark": st.floats(2900.0, 3100.0),
    }
)
coin_accounts = st.fixed_dictionaries(
    {
        "kind": st.just("coin"),
        "cash": st.floats(-20.0, 50.0).map(lambda x: round(x, 6)),
        "options": st.lists(options, max_size=3),
        "futures": st.lists(inverse, max_size=2),
    }
)
usd_accounts = st.fixed_dictionaries(
    {
        "kind": st.just("usd"),
        "cash": st.floats(-1e5, 1e5).map(lambda x: round(x, 2)),
        "coin_collateral": st.floats(0.0, 30.0).map(lambda x: round(x, 4)),
        "options": st.lists(options, max_size=3),
        "futures": st.lists(linear, max_size=2),
    }
)
NUMERAIRE = st.sampled_from(["usd", "coin"])


def has_entry(account: dict[str, Any]) -> bool:
    return all(item.get("size_usd", item.get("quantity")) for item in account["futures"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.one_of(coin_accounts, usd_accounts), NUMERAIRE), min_size=1, max_size=3))
def test_net_delta_of_accounts_in_any_numeraire_is_what_a_bump_says(
    drawn: list[tuple[dict[str, Any], str]],
) -> None:
    drawn = [(account, numeraire) for account, numeraire in drawn if has_entry(account)]
    accounts, numeraires = [item[0] for item in drawn], [item[1] for item in drawn]
    found = exposure_of(accounts, 3000.0, numeraires).net("ETH", "delta")
    expected = sum(bumped(account, 3000.0, numeraire) for account, numeraire in drawn)
    scale = sum(gross(account, 3000.0) for account in accounts)
    assert abs(found - expected) <= 1e-9 * max(1.0, scale)


@pytest.mark.needs_shared
def test_net_delta_agrees_with_the_published_cases() -> None:
    if not VECTORS.exists():
        pytest.skip("the reference data is not beside this checkout")
    cases = json.loads(VECTORS.read_text())["account_delta"]["cases"]
    counted = 0
    for case in cases:
        accounts = case["accounts"]
        if any("entry" in held for account in accounts for held in account["options"]):
            continue  # futures-style options: no venue built here has them
        for numeraire in ("usd", "coin"):
            made = exposure_of(accounts, case["index"], [numeraire] * len(accounts))
            expected = case["total"][f"{numeraire}_delta"]
            assert abs(made.net("ETH", "delta") - expected) <= max(case["abs_tol"], 1e-9), case.get("name")
            counted += 1
        assert abs(made.net("ETH", "gamma") - case["total"]["gamma_1pct"]) <= max(case["abs_tol"], 1e-9)
    assert counted > 20


def test_a_position_without_contract_terms_makes_the_delta_unknown() -> None:
    made = exposure_of([], 3000.0, [])
    made._ledger.accounts.positions[Holding("v", "0", "v:gone")] = Position(size=Decimal(1))
    made.rebuild(NOW, {})
    assert made.unknown == {"ETH": "v:gone is held and its contract terms are not known"}
    assert made.unpriced


def test_the_two_numeraires_differ_by_the_equity_in_coins() -> None:
    account = {
        "kind": "coin",
        "cash": 20.0,
        "options": [
            {"type": "call", "K": 3000.0, "T": 0.25, "sigma": 0.6, "forward": 3000.0, "quantity": 100.0}
        ],
        "futures": [{"size_usd": -200_000.0, "entry": 2800.0, "mark": 3000.0}],
    }
    usd = exposure_of([account], 3000.0, ["usd"]).net("ETH", "delta")
    coin = exposure_of([account], 3000.0, ["coin"]).net("ETH", "delta")
    assert (round(usd, 2), round(coin, 2)) == (4.53, -22.63)
    assert usd - coin == pytest.approx(27.16163371214374, abs=1e-9)
