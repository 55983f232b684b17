"""Where Derive signatures are valid: domains and modules per generation and network.

These are the published deployments. Configuration chooses one or states its own `DeriveNetwork`;
nothing else is signed for.
"""

from __future__ import annotations

import msgspec

from atomizer.venues.eip712 import Domain, DomainRefusedError
from atomizer.venues.ethereum import Address

__all__ = ["NETWORKS", "DeriveNetwork", "network"]


class DeriveNetwork(msgspec.Struct, frozen=True):
    """One deployment: what is signed there, and how its private requests are headed."""

    generation: str
    name: str
    domain: Domain
    trade_module: Address
    rfq_module: Address
    header_prefix: str
    login_timestamp_is_text: bool


def _domain(chain_id: int, contract: str) -> Domain:
    return Domain("Matching", "1.0", chain_id, Address.parse(contract))


MATCHING = "0xeb8d770ec18db98db922e9d83260a585b9f0dead"
TRADE = Address.parse("0xb8d20c2b7a1ad2ee33bc50ef10876ed3035b5e7b")
RFQ = Address.parse("0x9371352ccef6f5b36efdfe90942ffe622ab77f1d")


def _v3(name: str, chain_id: int) -> DeriveNetwork:
    return DeriveNetwork("v3", name, _domain(chain_id, MATCHING), TRADE, RFQ, "X-Derive", False)


NETWORKS = (
    DeriveNetwork("v2", "mainnet", _domain(957, MATCHING), TRADE, RFQ, "X-Lyra", True),
    DeriveNetwork(
        "v2",
        "testnet",
        _domain(901, "0x3cc154e220c2197c5337b7bd13363dd127bc0c6e"),
        Address.parse("0x87f2863866d85e3192a35a73b388bd625d83f2be"),
        Address.parse("0x4e4dd8be1e461913d9a5dbc4b830e67a8694ebca"),
        "X-Lyra",
        True,
    ),
    _v3("mainnet", 1),
    _v3("testnet", 11155111),
    _v3("sim", 31337),
)


def network(generation: str, name: str) -> DeriveNetwork:
    """The published deployment of a generation (`v2`, `v3`) on a network.

    Raises:
        DomainRefusedError: there is none.
    """
    for candidate in NETWORKS:
        if (candidate.generation, candidate.name) == (generation, name):
            return candidate
    known = ", ".join(f"{item.generation} {item.name}" for item in NETWORKS)
    raise DomainRefusedError(
        f"derive: expected one of {known}, found {generation!r:.20} {name!r:.20}; "
        "correct the venue's settings"
    )
