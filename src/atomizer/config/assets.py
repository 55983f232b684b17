"""Reads the asset table: `asset_mapping.json`, or the same shape in YAML with more said per token.

    {"0x7b79...": "ETH",
     "84532:0x1d0f...": {"underlying": "ETH", "kind": "staked", "decimals": 18, "ratio": "1.2071",
                         "ratio_source": "rate provider", "deliverable": false, "haircut": "0.01"}}

A plain symbol means a 1:1 wrapper of that coin. A number and a colon before the address tie the
entry to one chain; without them it holds on every chain.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Hashable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from atomizer.domain.assets import Asset, AssetError, AssetKind, AssetTable, normal_address

__all__ = ["AssetFileError", "assets_from_mapping", "load_assets"]


class AssetFileError(AssetError):
    """The asset file cannot be read as a table; the text names the entry."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    underlying: str
    kind: AssetKind = AssetKind.WRAPPER
    symbol: str = ""
    decimals: int | None = None
    ratio: Decimal | None = None
    ratio_source: str = ""
    deliverable: bool = True
    haircut: Decimal = Decimal(0)
    redemption_delay_s: int = 0


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        _require_unique(names)
        return super().construct_mapping(node, deep=deep)


def load_assets(path: Path) -> AssetTable:
    """The table in a `.json`, `.yaml` or `.yml` file.

    Raises:
        AssetFileError: unreadable, not a mapping, or an entry that is not a token.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() in (".yaml", ".yml"):
            data = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
        else:
            data = json.loads(text, object_pairs_hook=_unique_object)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise AssetFileError(
            f"{path.name}: expected JSON or YAML, found {error}; correct the file"
        ) from error
    except AssetFileError as error:
        raise AssetFileError(f"{path.name}: {error}") from None
    if not isinstance(data, dict):
        raise AssetFileError(
            f"{path.name}: expected addresses with their symbols, found a {type(data).__name__}; "
            "see the asset mapping section of the configuration reference"
        )
    try:
        return assets_from_mapping(data)
    except AssetError as error:
        raise AssetFileError(f"{path.name}: {error}") from None


def assets_from_mapping(data: Mapping[Any, Any]) -> AssetTable:
    """The table of an already parsed mapping from address to symbol or description.

    Raises:
        AssetError: an entry that is not a token.
    """
    return AssetTable(tuple(_asset(key, value) for key, value in data.items()))


def _asset(key: object, value: object) -> Asset:
    chain_id, address = _place(key)
    if isinstance(value, str):
        return Asset(
            chain_id=chain_id, address=address, underlying=value, symbol=value, kind=AssetKind.WRAPPER
        )
    if not isinstance(value, Mapping):
        raise AssetFileError(
            f"{address}: expected a symbol or a description, found a {type(value).__name__}; "
            "write the coin's symbol"
        )
    _require_known(address, value)
    try:
        entry = msgspec.convert(value, _Entry)
    except msgspec.ValidationError as error:
        raise AssetFileError(f"{address}: {error}; correct the entry") from None
    return Asset(chain_id=chain_id, address=address, **msgspec.structs.asdict(entry))


def _place(key: object) -> tuple[int | None, str]:
    if isinstance(key, int):
        raise AssetFileError(
            "expected an address in quotes, found a number; YAML reads a bare 0x... as one, so quote it"
        )
    if not isinstance(key, str):
        raise AssetFileError(f"expected an address, found a {type(key).__name__}; write 0x and 40 hex digits")
    chain, colon, address = key.rpartition(":")
    if colon and not (chain.isascii() and chain.isdigit()):
        raise AssetFileError(
            f"expected CHAIN:ADDRESS with a chain number, found {key!r:.60}; correct the entry"
        )
    try:
        return (int(chain) if colon else None), normal_address(address)
    except AssetError as error:
        raise AssetFileError(f"{key!r:.60}: {error}") from None


def _require_known(address: str, value: Mapping[Any, Any]) -> None:
    known = list(_Entry.__struct_fields__)
    for name in value:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise AssetFileError(f"{address}: unknown key {name!r:.40}; {hint}")


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _require_unique([name for name, _ in pairs])
    return dict(pairs)


def _require_unique(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise AssetFileError(f"{name!r:.60}: expected once, found twice; remove one")
        seen.add(name)
