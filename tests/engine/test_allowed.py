"""Every form of a request that may be signed is found at once, and nothing else is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.commands import Refused, SendQuote
from atomizer.domain.refusals import Reason
from atomizer.engine.allowed import form_of, forms_of, tokens_of
from atomizer.engine.settings import AllowedAsset, AllowedChain

from .rfq_desk import ASSET, CHAIN, CONTRACT, STABLE, STAKED, UNRATED, RfqDesk

OTHER = "0x07"
CHAINS = {
    CHAIN.chain_id: CHAIN,
    1: msgspec.structs.replace(CHAIN, chain_id=1, premium_tokens=(STABLE, OTHER)),
}
ASSETS = {(chain.chain_id, asset.address): asset for chain in CHAINS.values() for asset in chain.assets}
TOKENS = tokens_of(ASSETS)
FORMS = forms_of(CHAINS, ASSETS, TOKENS)
WORDS = ["", "rysk", "0.0.0", CONTRACT, OTHER]


def asked_one_by_one(chain: AllowedChain | None, asset: AllowedAsset | None, rfq: Any) -> bool:
    """The questions of the allow-lists as a person would ask them."""
    terms = rfq.terms
    if chain is None or asset is None or asset.underlying != rfq.underlying or asset.ratio is None:
        return False
    named = (terms.domain_name, terms.domain_version, terms.verifying_contract)
    if any(named) and named != (chain.domain_name, chain.domain_version, chain.verifying_contract):
        return False
    collateral = chain.premium_tokens if terms.is_put else (terms.asset,)
    return terms.premium_token in chain.premium_tokens and terms.collateral_token in collateral


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([CHAIN.chain_id, 1, 2]),
    st.sampled_from([ASSET, STAKED, UNRATED, OTHER]),
    st.sampled_from(["ETH", "BTC"]),
    st.sampled_from([STABLE, OTHER, ASSET]),
    st.sampled_from([STABLE, OTHER, ASSET, STAKED]),
    st.booleans(),
    st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(WORDS))
    | st.sampled_from([("", "", ""), (CHAIN.domain_name, CHAIN.domain_version, CONTRACT)]),
)
def test_a_form_is_found_exactly_where_every_question_is_answered_with_yes(
    chain_id: int,
    asset: str,
    underlying: str,
    premium: str,
    collateral: str,
    is_call: bool,
    domain: tuple[str, str, str],
) -> None:
    rfq = DESK.rfq(
        is_call=is_call,
        underlying=underlying,
        chain_id=chain_id,
        asset=asset,
        premium_token=premium,
        collateral_token=collateral,
        domain_name=domain[0],
        domain_version=domain[1],
        verifying_contract=domain[2],
    )
    expected = asked_one_by_one(CHAINS.get(chain_id), ASSETS.get((chain_id, asset)), rfq)
    found = FORMS.get(form_of(rfq.terms, underlying))
    assert (found is not None) is expected
    assert found is None or found is TOKENS[chain_id, asset]


@pytest.mark.parametrize(
    "domain",
    [
        {"verifying_contract": CONTRACT},
        {"domain_name": "rysk"},
        {"domain_version": "0.0.0"},
        {"verifying_contract": CONTRACT, "domain_name": "rysk", "domain_version": "0.0.1"},
    ],
)
def test_a_domain_named_in_part_or_wrong_is_another_contract(domain: dict[str, str]) -> None:
    answer = DESK.ask(**domain)
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.CONTRACT_NOT_ALLOWED


def test_a_domain_named_in_full_is_signed() -> None:
    named = {"verifying_contract": CONTRACT, "domain_name": "rysk", "domain_version": "0.0.0"}
    assert isinstance(DESK.ask(**named), SendQuote)


def test_bounds_of_a_quantity_are_kept_to_the_last_unit() -> None:
    asset = AllowedAsset(address=ASSET, underlying="ETH", min_size=Decimal("0.0010000000000000001"))
    token = tokens_of({(1, ASSET): asset})[1, ASSET]
    assert (token.least_e18, token.most_e18) == (10**15 + 1, 1000 * 10**18)
    assert DESK.ask(size="0.000999999999999999").reason is Reason.QUANTITY_OUT_OF_BOUNDS
    assert isinstance(DESK.ask(size="0.001"), SendQuote)


DESK = RfqDesk()
