"""What may be signed, laid out once at start: every form a request may take, and its token in numbers.

Looking up a request's form answers every question of the allow-lists at once. What is not among the forms is
refused; the gate then asks one question after the other for the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR

import msgspec

from atomizer.domain.rfq import OnchainTerms
from atomizer.engine.settings import AllowedAsset, AllowedChain

E18 = 10**18
# Chain, token, underlying, premium and collateral token, put, and the signing domain as the RFQ names it.
Form = tuple[int, str, str, str, str, bool, str, str, str]
UNNAMED = ("", "", "")  # an RFQ that names no signing domain: the configured one applies


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token whose worth is known: coins per token, haircut, and bounds on a quantity, 1e-18 tokens."""

    ratio: float
    haircut: float
    least_e18: int
    most_e18: int


def form_of(terms: OnchainTerms, underlying: str) -> Form:
    """All of a request that the allow-lists decide on."""
    return (
        terms.chain_id,
        terms.asset,
        underlying,
        terms.premium_token,
        terms.collateral_token,
        terms.is_put,
        terms.verifying_contract,
        terms.domain_name,
        terms.domain_version,
    )


def tokens_of(assets: Mapping[tuple[int, str], AllowedAsset]) -> dict[tuple[int, str], Token]:
    """Tokens by chain and address."""
    return {
        key: Token(
            float(asset.ratio),
            float(asset.haircut),
            int((asset.min_size * E18).to_integral_value(ROUND_CEILING)),
            int((asset.max_size * E18).to_integral_value(ROUND_FLOOR)),
        )
        for key, asset in assets.items()
        if asset.ratio is not None
    }


def forms_of(
    chains: Mapping[int, AllowedChain],
    assets: Mapping[tuple[int, str], AllowedAsset],
    tokens: Mapping[tuple[int, str], Token],
) -> dict[Form, Token]:
    """Every form that may be signed, and its token."""
    return {form: token for key, token in tokens.items() for form in _forms(chains[key[0]], assets[key])}


def _forms(chain: AllowedChain, asset: AllowedAsset) -> Iterator[Form]:
    """A put's collateral is one of the premium tokens, a call's the token itself."""
    for domain in (UNNAMED, (chain.verifying_contract, chain.domain_name, chain.domain_version)):
        for premium in chain.premium_tokens:
            option = (chain.chain_id, asset.address, asset.underlying, premium)
            yield (*option, asset.address, False, *domain)
            for collateral in chain.premium_tokens:
                yield (*option, collateral, True, *domain)
