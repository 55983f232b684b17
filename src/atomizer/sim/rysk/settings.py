"""What a simulated Rysk is: tokens it lists, its contracts, the maker's account and money at the start.

All of it is fixed for the life of a twin; how clients behave and what goes wrong can change (`behaviour`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from eth_account import Account

from atomizer.sim.rysk.behaviour import Behaviour, SettingsError

CHAIN_ID = 31337
CONTRACT = "0x5100000000000000000000000000000000000c0d"
STABLE = "0x510000000000000000000000000000000000057a"
FOREIGN = "0x66000000000000000000000000000000000000f0"
UNDERLYING_ADDRESSES = {
    "ETH": "0x51000000000000000000000000000000000000e1",
    "BTC": "0x51000000000000000000000000000000000000b1",
}
STAKED_ADDRESSES = {
    "ETH": "0x51000000000000000000000000000000000005e1",
    "BTC": "0x51000000000000000000000000000000000005b1",
}
# What a staked token of this simulation stands for, coins per token.
STAKED_RATIO = Decimal("1.2")
QUANTITY_UNIT = 10**18
PRICE_UNIT = 10**18
STRIKE_UNIT = 10**8


class TwinAsset(msgspec.Struct, frozen=True):
    """A token options are written on; trade sizes in tokens, `ratio` coins of the underlying per token.

    Strike and quantity of its options count tokens: a call pays `ratio` x index less strike, per token.
    """

    symbol: str
    underlying: str
    address: str
    decimals: int = 18
    min_size: Decimal = Decimal("0.1")
    max_size: Decimal = Decimal(20)
    size_step: Decimal = Decimal("0.1")
    ratio: Decimal = Decimal(1)


class MakerCredentials(msgspec.Struct, frozen=True):
    """The simulated maker's account. The key is a throwaway of this simulation and never printed by repr."""

    address: str
    private_key: str

    def __repr__(self) -> str:
        return f"MakerCredentials(address={self.address!r})"


class RyskTwinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One twin. Deposits in whole USD and whole tokens of every asset; tokens are needed to write calls."""

    assets: tuple[TwinAsset, ...]
    maker: MakerCredentials
    seed: int = 1
    chain_id: int = CHAIN_ID
    contract: str = CONTRACT
    stable: str = STABLE
    stable_symbol: str = "USDC"
    stable_decimals: int = 6
    deposit_usd: Decimal = Decimal(1_000_000)
    deposit_coins: Decimal = Decimal(0)
    wallet_usd: Decimal = Decimal(1_000_000)
    wallet_coins: Decimal = Decimal(1_000)
    window_s: float = 2.0
    max_validity_s: int = 600
    takers: int = 6
    behaviour: Behaviour = Behaviour()

    def __post_init__(self) -> None:
        addresses = [asset.address for asset in self.assets]
        if not addresses or len(set(addresses)) < len(addresses):
            raise SettingsError(f"assets: expected tokens with addresses of their own, found {addresses}")

    @property
    def asset(self) -> TwinAsset:
        """The first token listed."""
        return self.assets[0]

    def asset_at(self, address: str) -> TwinAsset | None:
        """The listed token at this address, None where there is none."""
        return next((asset for asset in self.assets if asset.address == address), None)


def derived_key(label: str, seed: int) -> str:
    """A throwaway private key, 32 bytes hex with 0x, the same for the same label and seed."""
    return "0x" + hashlib.sha256(f"atomizer simulation {label} {seed}".encode()).hexdigest()


def simulated_maker(seed: int) -> MakerCredentials:
    """The maker account a twin of this seed opens when none is given."""
    return maker_of(derived_key("maker", seed))


def maker_of(private_key: str) -> MakerCredentials:
    """Credentials of a given simulation key.

    Raises:
        SettingsError: not 32 bytes of hex.
    """
    try:
        address = Account.from_key(private_key).address.lower()
    except ValueError as exc:
        raise SettingsError(
            "maker key: expected 32 bytes of hex with 0x, found something else; give a throwaway key"
        ) from exc
    return MakerCredentials(address=address, private_key=private_key)


def asset_for(underlying: str) -> TwinAsset:
    """The 1:1 wrapper a twin lists for an underlying; sizes fit its usual price.

    Raises:
        SettingsError: an underlying without an address here.
    """
    address = UNDERLYING_ADDRESSES.get(underlying)
    if address is None:
        known = ", ".join(UNDERLYING_ADDRESSES)
        raise SettingsError(f"underlying: expected one of {known}, found {underlying!r}")
    if underlying == "BTC":
        step, most = Decimal("0.01"), Decimal(1)
        return TwinAsset("WBTC", underlying, address, min_size=step, max_size=most, size_step=step)
    return TwinAsset(f"W{underlying}", underlying, address)


def staked_asset(underlying: str) -> TwinAsset:
    """A staked token of an underlying, worth `STAKED_RATIO` coins; errors as `asset_for`."""
    plain = asset_for(underlying)
    return msgspec.structs.replace(
        plain, symbol=f"WST{underlying}", address=STAKED_ADDRESSES[underlying], ratio=STAKED_RATIO
    )


def default_settings(
    underlyings: str | Sequence[str], seed: int = 1, *, staked: bool = False, **changes: object
) -> RyskTwinSettings:
    """Settings of an ordinary twin: a wrapper per underlying and, if asked for, a staked token each.

    Keyword arguments replace fields of `RyskTwinSettings`.

    Raises:
        SettingsError: an underlying without an address here.
    """
    names = (underlyings,) if isinstance(underlyings, str) else tuple(underlyings)
    assets = tuple(asset_for(name) for name in names)
    if staked:
        assets += tuple(staked_asset(name) for name in names)
    plain = RyskTwinSettings(assets=assets, maker=simulated_maker(seed), seed=seed)
    return msgspec.structs.replace(plain, **changes)
