"""Which coin a token stands for.

A token's symbol is not the coin: staked forms are worth more or less than one, and only some can be
delivered. An unknown token, or a staked one without a known ratio, is an error here and a refusal
above, never a guess. Looking up is case-insensitive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


class AssetError(ValueError):
    """A token or its description cannot be used."""


class UnknownAssetError(AssetError):
    """A token that no configuration names."""


class UnknownRatioError(AssetError):
    """A staked token whose worth in its underlying is not known."""


class AssetKind(StrEnum):
    """How a token relates to its underlying."""

    NATIVE = "native"
    WRAPPER = "wrapper"
    STAKED = "staked"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One token on one chain (`chain_id` None: on every chain).

    `ratio` is units of the underlying per token, `haircut` the fraction of its value not counted when it is
    received, `decimals` None where only a plain symbol is known. `deliverable`: whether a position may be
    settled in it.

    Raises:
        AssetError: a wrapper with a ratio other than 1, a staked token without a ratio source, a haircut
            outside [0, 1), impossible decimals.
    """

    address: str
    underlying: str
    kind: AssetKind
    chain_id: int | None = None
    symbol: str = ""
    decimals: int | None = None
    ratio: Decimal | None = None
    ratio_source: str = ""
    deliverable: bool = True
    haircut: Decimal = Decimal(0)
    redemption_delay_s: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "address", normal_address(self.address))
        if not self.underlying:
            raise AssetError(
                f"{self.address}: expected an underlying, found none; name the coin it stands for"
            )
        if self.decimals is not None and not 0 <= self.decimals <= 77:
            raise AssetError(f"{self.address}: expected decimals between 0 and 77, found {self.decimals}")
        if self.redemption_delay_s < 0 or not (self.haircut.is_finite() and 0 <= self.haircut < 1):
            raise AssetError(
                f"{self.address}: expected a haircut in [0, 1) and a delay of at least 0 s, found "
                f"{self.haircut} and {self.redemption_delay_s}; write the haircut as a fraction"
            )
        self._check_ratio()

    def _check_ratio(self) -> None:
        if self.ratio is not None and not (self.ratio.is_finite() and self.ratio > 0):
            raise AssetError(
                f"{self.address}: expected a positive ratio, found {self.ratio}; correct the table"
            )
        if self.kind is AssetKind.STAKED and not self.ratio_source:
            raise AssetError(
                f"{self.address}: expected a ratio_source for a staked token, found none; "
                f"say where its worth in {self.underlying} comes from"
            )
        if self.kind is not AssetKind.STAKED and self.ratio not in (None, Decimal(1)):
            raise AssetError(
                f"{self.address}: expected no ratio for a {self.kind} token, found {self.ratio}; "
                "a token that is not worth one unit is kind staked"
            )

    def per_token(self) -> Decimal:
        """Units of the underlying that one token stands for.

        Raises:
            UnknownRatioError: staked, and no ratio has been given.
        """
        if self.kind is not AssetKind.STAKED:
            return Decimal(1)
        if self.ratio is None:
            raise UnknownRatioError(
                f"{self.symbol or self.address}: expected a ratio to {self.underlying} from "
                f"{self.ratio_source}, found none; refused until it is known"
            )
        return self.ratio

    def units(self, amount: int) -> Decimal:
        """A raw token amount in whole tokens, exact.

        Raises:
            AssetError: the table does not say the token's decimals.
        """
        if self.decimals is None:
            raise AssetError(
                f"{self.symbol or self.address}: expected decimals in the asset table, found none; "
                "a plain symbol mapping is not enough to count amounts"
            )
        sign, digits, _ = Decimal(amount).as_tuple()
        return Decimal((sign, digits, -self.decimals))


class AssetTable:
    """Tokens by chain and address. An entry for a chain wins over one for every chain."""

    __slots__ = ("_assets",)

    def __init__(self, assets: tuple[Asset, ...]) -> None:
        self._assets: dict[tuple[int | None, str], Asset] = {}
        for asset in assets:
            key = (asset.chain_id, asset.address)
            if key in self._assets:
                raise AssetError(
                    f"{asset.address} on chain {asset.chain_id}: expected one entry, found two; remove one"
                )
            self._assets[key] = asset

    def __iter__(self) -> Iterator[Asset]:
        return iter(self._assets.values())

    def __len__(self) -> int:
        return len(self._assets)

    def require(self, chain_id: int, address: str) -> Asset:
        """The token at an address, whatever the case of its digits.

        Raises:
            UnknownAssetError: nobody has described it.
            AssetError: not an address.
        """
        found = normal_address(address)
        asset = self._assets.get((chain_id, found)) or self._assets.get((None, found))
        if asset is None:
            raise UnknownAssetError(
                f"expected a token of the asset table, found {found} on chain {chain_id}; "
                "add it with its underlying if it is to be traded"
            )
        return asset

    def per_token(self, chain_id: int, address: str) -> Decimal:
        """Units of underlying per token; errors as `require` and `Asset.per_token`."""
        return self.require(chain_id, address).per_token()

    def with_ratio(self, chain_id: int, address: str, ratio: Decimal) -> AssetTable:
        """The same table with a staked token's ratio as its source now has it.

        Raises:
            AssetError: the token is not staked, or the ratio is not positive.
        """
        asset = self.require(chain_id, address)
        changed = msgspec.structs.replace(asset, ratio=ratio)
        return AssetTable(tuple(changed if item is asset else item for item in self))


def normal_address(text: str) -> str:
    """An address in lower case.

    Raises:
        AssetError: not `0x` and 40 hex digits.
    """
    if type(text) is not str or _ADDRESS.fullmatch(text) is None:
        raise AssetError(
            "expected an address of 0x and 40 hex digits, found something else; correct the entry"
        )
    return text.lower()
