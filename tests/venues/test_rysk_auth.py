"""Rysk: what an RFQ may name as its signing domain, and who may sign transfers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import atomizer
from atomizer.venues.eip712 import DomainRefusedError
from atomizer.venues.ethereum import Address, AddressError
from atomizer.venues.fields import FieldTypeError
from atomizer.venues.rysk import auth
from atomizer.venues.rysk.networks import DEPLOYMENTS, allowed_domains, quote_domain

TESTNET = allowed_domains("testnet")
SEPOLIA = TESTNET.for_chain(84532)
NAMED = {
    "name": "rysk",
    "version": "0.0.0",
    "chainId": 84532,
    "verifyingContract": str(SEPOLIA.verifying_contract),
}


@pytest.mark.parametrize("chain", [84532, "84532", "0x14a34", "0X14A34"])
def test_domain_of_an_rfq_is_the_allowed_one(chain: object) -> None:
    assert auth.parse_domain(TESTNET, NAMED | {"chainId": chain}) is SEPOLIA


@pytest.mark.parametrize(
    "change",
    [
        {"chainId": 1},
        {"chainId": 8453},
        {"name": "Rysk"},
        {"version": "1"},
        {"verifyingContract": "0x" + "ee" * 20},
        {"verifyingContract": "0x" + "00" * 20},
    ],
)
def test_foreign_domain_of_an_rfq_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DomainRefusedError, match=r"signing domain: expected .* not signed"):
        auth.parse_domain(TESTNET, NAMED | change)


@pytest.mark.parametrize(
    "change", [{"chainId": None}, {"chainId": 84532.0}, {"chainId": "abc"}, {"chainId": True}, {"name": 5}]
)
def test_malformed_domain_of_an_rfq_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FieldTypeError, match=r"typeDataDomain\."):
        auth.parse_domain(TESTNET, NAMED | change)
    with pytest.raises(FieldTypeError, match=r"typeDataDomain\.version"):
        auth.parse_domain(TESTNET, {key: NAMED[key] for key in ("name", "chainId", "verifyingContract")})


def test_malformed_contract_of_an_rfq_is_refused() -> None:
    with pytest.raises(AddressError):
        auth.parse_domain(TESTNET, NAMED | {"verifyingContract": "0x12"})


def test_quote_for_another_chain_than_its_domain_is_refused() -> None:
    a = Address(bytes(20))
    quote = auth.QuoteMessage(a, 1, False, 1, 1, a, 1, 1, 1, False, 1, a, a)
    with pytest.raises(DomainRefusedError, match="expected chain 84532 of the signing domain, found chain 1"):
        auth.quote_digest(SEPOLIA, quote)


def test_unknown_network_is_refused() -> None:
    with pytest.raises(DomainRefusedError, match="expected the network mainnet or testnet, found 'moon'"):
        allowed_domains("moon")


def test_networks_share_no_domain() -> None:
    seen = [quote_domain(item.chain_id, item.verifying_contract).separator for item in DEPLOYMENTS]
    assert len(set(seen)) == len(seen)
    assert {domain.chain_id for domain in TESTNET}.isdisjoint(
        {d.chain_id for d in allowed_domains("mainnet")}
    )


def test_only_a_persons_command_can_reach_the_signing_of_transfers() -> None:
    root = Path(atomizer.__file__).parent
    importers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any("treasury" in name for name in imported(path))
    }
    allowed = {"testing/vectors/signers/rysk.py"}
    assert {name for name in importers if not name.startswith("cli/")} == allowed


def imported(path: Path) -> list[str]:
    """Every module and name that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names
