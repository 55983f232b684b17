"""Which coin a token stands for: never a guess."""

from __future__ import annotations

from decimal import Context, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.assets import (
    Asset,
    AssetError,
    AssetKind,
    AssetTable,
    UnknownAssetError,
    UnknownRatioError,
)

_WIDE = Context(prec=100)
WETH = "0x" + "ab" * 20
STETH = "0x" + "cd" * 20
STAKED = Asset(
    address=STETH, underlying="ETH", kind=AssetKind.STAKED, chain_id=1, symbol="WSTETH", decimals=18,
    ratio_source="rate provider", deliverable=False, haircut=Decimal("0.01"),
)  # fmt: skip
WRAPPER = Asset(address=WETH, underlying="ETH", kind=AssetKind.WRAPPER)
TABLE = AssetTable((WRAPPER, STAKED))


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_any_case_of_an_address_finds_the_token(upper: list[bool]) -> None:
    digits = "".join(d.upper() if up else d for d, up in zip("ab" * 20, upper, strict=True))
    assert TABLE.require(5, "0x" + digits) is WRAPPER
    assert TABLE.require(5, "0X" + digits) is WRAPPER


def test_wrapper_is_worth_one() -> None:
    assert TABLE.per_token(1, WETH) == 1


def test_staked_token_without_a_ratio_is_refused_until_it_has_one() -> None:
    with pytest.raises(
        UnknownRatioError, match="WSTETH: expected a ratio to ETH from rate provider, found none"
    ):
        TABLE.per_token(1, STETH)
    known = TABLE.with_ratio(1, STETH.upper().replace("X", "x"), Decimal("1.2071"))
    assert known.per_token(1, STETH) == Decimal("1.2071")
    assert len(known) == len(TABLE) == 2
    with pytest.raises(UnknownRatioError):
        TABLE.per_token(1, STETH)


@pytest.mark.parametrize("ratio", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_ratio_that_is_no_worth_is_refused(ratio: Decimal) -> None:
    with pytest.raises(AssetError, match="expected a positive ratio"):
        TABLE.with_ratio(1, STETH, ratio)


def test_wrapper_takes_no_ratio() -> None:
    with pytest.raises(AssetError, match="a token that is not worth one unit is kind staked"):
        TABLE.with_ratio(1, WETH, Decimal("1.1"))


def test_unknown_token_says_where_and_what_to_do() -> None:
    with pytest.raises(UnknownAssetError, match="found 0x" + "ee" * 20 + " on chain 7; add it"):
        TABLE.require(7, "0x" + "EE" * 20)


def test_token_of_one_chain_is_unknown_on_another() -> None:
    assert TABLE.require(1, STETH) is STAKED
    with pytest.raises(UnknownAssetError, match="on chain 2"):
        TABLE.require(2, STETH)


def test_entry_for_a_chain_wins_over_one_for_every_chain() -> None:
    here = Asset(address=WETH, underlying="MON", kind=AssetKind.NATIVE, chain_id=10143)
    table = AssetTable((WRAPPER, here))
    assert table.require(10143, WETH) is here
    assert table.require(1, WETH) is WRAPPER


def test_token_listed_twice_is_refused() -> None:
    again = Asset(address=WETH.upper().replace("X", "x"), underlying="BTC", kind=AssetKind.WRAPPER)
    with pytest.raises(AssetError, match="expected one entry, found two"):
        AssetTable((WRAPPER, again))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"address": "0x12"}, "0x and 40 hex digits"),
        ({"address": "ab" * 21}, "0x and 40 hex digits"),
        ({"address": 5}, "0x and 40 hex digits"),
        ({"underlying": ""}, "expected an underlying"),
        ({"decimals": -1}, "decimals between 0 and 77"),
        ({"decimals": 78}, "decimals between 0 and 77"),
        ({"haircut": Decimal(1)}, r"haircut in \[0, 1\)"),
        ({"haircut": Decimal("-0.1")}, r"haircut in \[0, 1\)"),
        ({"haircut": Decimal("NaN")}, r"haircut in \[0, 1\)"),
        ({"redemption_delay_s": -1}, "delay of at least 0"),
        ({"ratio_source": ""}, "expected a ratio_source for a staked token"),
        ({"kind": AssetKind.NATIVE, "ratio": Decimal(2)}, "expected no ratio for a native token"),
    ],
)
def test_description_that_makes_no_token_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(AssetError, match=said):
        msgspec.structs.replace(STAKED, **change)


@given(st.integers(0, 2**256 - 1))
def test_raw_amounts_become_whole_tokens_exactly(amount: int) -> None:
    assert STAKED.units(amount).as_integer_ratio() == Decimal(amount).scaleb(-18, _WIDE).as_integer_ratio()


def test_amount_of_a_plain_symbol_is_refused() -> None:
    with pytest.raises(AssetError, match="a plain symbol mapping is not enough"):
        WRAPPER.units(1)
