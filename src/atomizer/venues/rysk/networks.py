"""Rysk's published deployments: where quotes are signed and which contracts hold the money.

Defaults for configuration, which may replace any of them: redeployments have happened. A network's
domains are the allow-list for `auth`; an RFQ never adds to it.
"""

from __future__ import annotations

import msgspec

from atomizer.venues.eip712 import Domain, DomainAllowList, DomainRefusedError
from atomizer.venues.ethereum import Address

__all__ = ["DEPLOYMENTS", "RyskDeployment", "allowed_domains", "quote_domain"]

DOMAIN_NAME, DOMAIN_VERSION = "rysk", "0.0.0"


class RyskDeployment(msgspec.Struct, frozen=True):
    """One chain: the verifying contract, and the contracts and token around the deposit."""

    network: str
    chain_id: int
    verifying_contract: Address
    margin_pool: Address
    accounting: Address
    stable: Address


def _deployment(network: str, chain_id: int, *addresses: str) -> RyskDeployment:
    return RyskDeployment(network, chain_id, *(Address.parse(address) for address in addresses))


DEPLOYMENTS = (
    _deployment(
        "mainnet",
        1,
        "0x7a3ddeac7a0ae6dfa9391c764499a3564f3c2aad",
        "0x684404f2aebad87a6803f13741b1d638bfe2c671",
        "0xc01c9ef5de5862354add9501a29e8765cff01c32",
        "0xdac17f958d2ee523a2206206994597c13d831ec7",
    ),
    _deployment(
        "mainnet",
        8453,
        "0xe33a517dfef3d582f6eb94276e8d514f835a1401",
        "0x6ebec8b078464b5d59ecc1c23f7f37e65b75e61f",
        "0x3d9cb5d2fa4600bf8d75fb59fe01db765dcced15",
        "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913",
    ),
    _deployment(
        "mainnet",
        999,
        "0x8c8bcb6d2c0e31c5789253ecc8431ca6209b4e35",
        "0x24a44f1dc25540c62c1196ffc297dfc951c91ab4",
        "0x691a5fc3a81a144e36c6c4fbca1fc82843c80d0d",
        "0xb8ce59fc3717ada4c02eadf9682a9e934f625ebb",
    ),
    _deployment(
        "testnet",
        84532,
        "0x0ff34dd648b68f09b199b60b91442e750fd13fdc",
        "0xf0ac2edd8eb37b4ac75a2ed02eeae3a5c6bb8e8e",
        "0x6d23217cb228f3779f6506b44b1abaa3edf6fc58",
        "0x98d56648c9b7f3cb49531f4135115b5000ab1733",
    ),
    _deployment(
        "testnet",
        998,
        "0x0122db8ed9b9b49f3fd8774d93773c2e2a564e81",
        "0xb586abb1b69611284a855baece6707bf353c035b",
        "0x4bb4ddf8f4588780fe0cd31593bd8f5719ebfefd",
        "0x69e37ecb273a23b8864a5f39520bf97c6768b65c",
    ),
    _deployment(
        "testnet",
        10143,
        "0x3b87932046bc3e1bb63c13aba1306f9d398a9cc6",
        "0x968d1f9dcda00df7be0bbc0acf3761853d06eb33",
        "0x0d71dbdb11c35c72fa4a33beec00d5eb1fbcf1c8",
        "0xf817257fed379853cde0fa4f97ab987181b1e5ea",
    ),
)


def quote_domain(chain_id: int, verifying_contract: Address) -> Domain:
    """The domain of Rysk quotes on a chain, for a deployment that configuration names."""
    return Domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, verifying_contract)


def allowed_domains(network: str) -> DomainAllowList:
    """The domains that the published deployments of `mainnet` or `testnet` sign quotes for.

    Raises:
        DomainRefusedError: no deployment is known there; configuration must name its own.
    """
    domains = tuple(
        quote_domain(item.chain_id, item.verifying_contract)
        for item in DEPLOYMENTS
        if item.network == network
    )
    if not domains:
        raise DomainRefusedError(
            f"rysk: expected the network mainnet or testnet, found {network!r:.20}; "
            "for another one name chain id and verifying contract in the configuration"
        )
    return DomainAllowList(domains)
