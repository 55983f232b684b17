"""RFQs read from the wire: alone, and after others on the same terms."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.rfq import Rfq
from atomizer.venues.rysk import codec, requests
from atomizer.venues.rysk.requests import Requests

from .samples import ASSET, CHAIN, CONTRACT, EXPIRY_S, STABLE, TAKER, rfq_terms
from .samples import rfq as push


def fresh() -> Requests:
    return Requests("maker", codec.Options({ASSET: "ETH"}))


def read(message: Any, known: Requests | None = None) -> tuple[Rfq, Instrument | None]:
    event, new = (known or fresh()).read(codec.decode_rfq(json.dumps(message).encode()))
    assert event is not None
    return event, new


@pytest.mark.parametrize(
    "message",
    [
        push(),
        {"jsonrpc": "2.0", "method": "rfq", "id": "5f1c", "params": rfq_terms()},
        {"method": "rfq", "params": rfq_terms(id="5f1c")},
    ],
)
def test_rfq_is_read_from_either_envelope(message: Any):
    event, new = read(message)
    assert (event.rfq_id, event.instrument, event.underlying) == ("5f1c", "rysk:ETH-20250926-4000-C", "ETH")
    assert (event.side, event.size, event.strike) == (Side.BUY, Decimal("1.5"), Decimal(4000))
    assert event.terms.strike_e8 == 400000000000 and event.terms.quantity_e18 == 15 * 10**17
    assert event.expiry_ns == EXPIRY_S * 10**9 and event.is_call and event.taker == TAKER
    assert new is not None and new.key == event.instrument and new.strike == 4000


def test_option_is_listed_once():
    known = fresh()
    assert read(push(), known)[1] is not None
    assert read(push("other"), known)[1] is None


def test_taker_who_buys_makes_us_sell_and_times_are_read():
    event, _ = read(push(isTakerBuy=True, auctionDeadline=1757289602000, createdAt=1757289600, isPut=True))
    assert event.side is Side.SELL and not event.is_call
    assert event.closes_ns == 1757289602 * 10**9 and event.ts_ns == 1757289600 * 10**9


def test_addresses_become_lower_case():
    event, _ = read(push(asset=ASSET.upper().replace("0X", "0x"), usd=STABLE.upper().replace("0X", "0x")))
    assert event.terms.asset == ASSET and event.terms.premium_token == STABLE


@pytest.mark.parametrize(
    "changes",
    [
        {"asset": "0x" + "e" * 40},
        {"strike": "0"},
        {"strike": "-5"},
        {"expiry": EXPIRY_S * 1000},
    ],
)
def test_what_can_be_no_option_of_ours_has_no_underlying(changes: dict[str, Any]):
    event, new = read(push(**changes))
    assert event.underlying == "" and new is None


@pytest.mark.parametrize(
    "changes", [{"strike": "4e11"}, {"quantity": ""}, {"quantity": "1.5"}, {"expiry": None}]
)
def test_what_is_no_number_is_an_error(changes: dict[str, Any]):
    with pytest.raises((ValueError, msgspec.DecodeError)):
        read(push(**changes))


@pytest.mark.parametrize("chain", [CHAIN, str(CHAIN), hex(CHAIN)])
def test_named_domain_is_passed_on_for_the_allow_list(chain: Any):
    domain = {"name": "rysk", "version": "0.0.0", "chainId": chain, "verifyingContract": CONTRACT.upper()}
    terms = read(push(typeDataDomain=domain))[0].terms
    assert (terms.domain_name, terms.domain_version, terms.verifying_contract) == ("rysk", "0.0.0", CONTRACT)


@pytest.mark.parametrize("chain", [1, "0x1", "one", ""])
def test_domain_of_another_chain_is_on_nobodys_allow_list(chain: Any):
    domain = {"name": "rysk", "version": "0.0.0", "chainId": chain, "verifyingContract": CONTRACT}
    assert read(push(typeDataDomain=domain))[0].terms.domain_name != "rysk"


def test_premium_asset_that_differs_is_on_nobodys_allow_list():
    assert read(push(premiumAsset=STABLE.upper().replace("0X", "0x")))[0].terms.premium_token == STABLE
    assert read(push(premiumAsset=ASSET))[0].terms.premium_token != STABLE


@given(st.integers(0, 2**256 - 1))
def test_quantities_are_exact_however_large(quantity: int):
    event, _ = read(push(quantity=str(quantity)))
    digits = "".join(map(str, event.size.as_tuple().digits))
    assert (int(digits), event.size.as_tuple().exponent) == (quantity, -18)


NAMED = {"name": "rysk", "version": "0.0.0", "chainId": CHAIN, "verifyingContract": CONTRACT}
CHANGES: dict[str, list[Any]] = {
    "asset": [ASSET, ASSET.upper().replace("0X", "0x"), "0x" + "e" * 40],
    "chainId": [CHAIN, 1],
    "expiry": [EXPIRY_S, EXPIRY_S + 86_400],
    "isPut": [True, False],
    "isTakerBuy": [True, False],
    "quantity": ["1500000000000000000", 7, "0"],
    "strike": ["400000000000", 400000000000, "300000000000"],
    "usd": [STABLE, ASSET],
    "collateralAsset": [STABLE, ASSET],
    "premiumAsset": ["", STABLE, ASSET],
    "taker": [TAKER, TAKER.upper()],
    "createdAt": [1757289600, 1757289600123],
    "typeDataDomain": [None, NAMED, NAMED | {"chainId": "0x1"}, NAMED | {"name": "evil"}],
}
TERMS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHANGES.items()})


@given(st.lists(TERMS, min_size=1, max_size=12))
def test_what_came_before_changes_no_rfq(asked: list[dict[str, Any]]) -> None:
    kept = fresh()
    listed: set[str] = set()
    for number, terms in enumerate(asked):
        event, new = read(push(f"n{number}", **terms), kept)
        assert event == read(push(f"n{number}", **terms))[0]
        if event.underlying:
            assert (new is not None) is (event.instrument not in listed)
            listed.add(event.instrument)


@pytest.mark.parametrize("domain", [{"name": 5}, {"chainId": 1.5}, [], "rysk"])
def test_a_domain_that_cannot_be_read_is_an_error_each_time(domain: Any) -> None:
    kept = fresh()
    for _ in range(2):
        with pytest.raises(codec.MALFORMED):
            read(push(typeDataDomain=domain), kept)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "TERMS_KNOWN", 2)
    kept = fresh()
    for number in range(5):
        read(push(strike=str(number + 1)), kept)
    read(push(premiumAsset="0x" + "7" * 2_000, strike="99"), kept)
    assert [like.terms.strike_e8 for like in kept._known.values()] == [4, 5]
