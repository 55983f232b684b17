"""Which tokens RFQs are answered in, and which coins that makes: the asset table as the settings mean it.

The table comes from a file (`asset_mapping.json` of the operations page, or the same in YAML), from the
settings themselves and, for 1:1 wrappers of `rfq.underlying`, from `RFQ_ASSET_ADDRESSES` alone. Where
addresses are listed they choose; else every token of the table that is worth something known is answered.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from atomizer.config.assets import assets_from_mapping, load_assets
from atomizer.domain.assets import Asset, AssetError, AssetKind, AssetTable, UnknownAssetError
from atomizer.engine.settings import AllowedAsset

if TYPE_CHECKING:
    from atomizer.runtime.settings import Settings


def asset_table(settings: Settings) -> AssetTable:
    """Every token described: file, then settings, then addresses that neither describes.

    Raises:
        AssetError: the file or an entry cannot be used, or two of them describe one token.
    """
    section, described = settings.assets, list[Asset]()
    if section.file is not None:
        described += load_assets(section.file)
    if section.table:
        described += assets_from_mapping(section.table)
    table = AssetTable(tuple(described))
    for address in dict.fromkeys(settings.rfq.asset_addresses):
        try:
            table.require(settings.rysk.chain_id, address)
        except UnknownAssetError:
            plain = Asset(address=address, underlying=settings.rfq.underlying, kind=AssetKind.WRAPPER)
            described.append(plain)
    return AssetTable(tuple(described))


def answered_assets(settings: Settings) -> tuple[Asset, ...]:
    """The tokens whose RFQs are answered on the configured chain; errors as `asset_table`."""
    table, chain_id = asset_table(settings), settings.rysk.chain_id
    if settings.rfq.asset_addresses:
        addresses = dict.fromkeys(address.lower() for address in settings.rfq.asset_addresses)
    else:
        addresses = dict.fromkeys(asset.address for asset in table if asset.chain_id in (None, chain_id))
    return tuple(table.require(chain_id, address) for address in addresses)


def token_faults(settings: Settings) -> list[str]:
    """What is wrong with the table, as faults of the configuration."""
    try:
        answered_assets(settings)
    except AssetError as error:
        return [f"assets: {error}"]
    return []


def underlyings(settings: Settings) -> tuple[str, ...]:
    """Coins to be priced and hedged, the first one first; without any token the configured one."""
    found = dict.fromkeys(asset.underlying for asset in answered_assets(settings))
    return tuple(found) or (settings.rfq.underlying,)


def allowed_asset(asset: Asset) -> AllowedAsset:
    """What the gate and the responder are told of a token; an unknown ratio stays unknown."""
    return AllowedAsset(
        address=asset.address,
        underlying=asset.underlying,
        ratio=asset.ratio if asset.kind is AssetKind.STAKED else Decimal(1),
        haircut=asset.haircut,
        deliverable=asset.deliverable,
    )
