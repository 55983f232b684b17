"""The asset table's file: the plain mapping, the richer one, and what is wrong with others."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from atomizer.config.assets import AssetFileError, load_assets
from atomizer.domain.assets import AssetKind, AssetTable

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
ONE, TWO = "0x" + "1A" * 20, "0x" + "2b" * 20


def load(tmp_path: Path, text: str, name: str = "asset_mapping.json") -> AssetTable:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_assets(path)


def test_plain_mapping_loads_as_wrappers(tmp_path: Path) -> None:
    table = load(tmp_path, json.dumps({ONE: "ETH", TWO: "BTC"}))
    asset = table.require(84532, ONE.lower())
    assert (asset.underlying, asset.kind, asset.chain_id) == ("ETH", AssetKind.WRAPPER, None)
    assert table.require(1, TWO.upper().replace("X", "x")).underlying == "BTC"


RICH = f"""
"84532:{ONE}":
  underlying: ETH
  kind: staked
  symbol: WSTETH
  decimals: 18
  ratio: "1.2071"
  ratio_source: rate provider
  deliverable: false
  haircut: 0.01
  redemption_delay_s: 345600
"{TWO}": BTC
"""


@pytest.mark.parametrize("name", ["assets.yaml", "assets.YML"])
def test_richer_table_loads_from_yaml(tmp_path: Path, name: str) -> None:
    table = load(tmp_path, RICH, name)
    asset = table.require(84532, ONE)
    assert asset.per_token() == Decimal("1.2071")
    assert (asset.symbol, asset.decimals, asset.deliverable) == ("WSTETH", 18, False)
    assert (asset.haircut, asset.redemption_delay_s) == (Decimal("0.01"), 345600)
    assert table.require(84532, TWO).underlying == "BTC"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "expected JSON or YAML"),
        ("a.yaml", "a: [", "expected JSON or YAML"),
        ("a.json", "[]", "found a list"),
        ("a.yaml", "", "found a NoneType"),
        ("a.json", json.dumps({"0x12": "ETH"}), "0x and 40 hex digits"),
        ("a.json", json.dumps({f"base:{ONE}": "ETH"}), "expected CHAIN:ADDRESS with a chain number"),
        ("a.json", json.dumps({ONE: 5}), "expected a symbol or a description, found a int"),
        ("a.json", json.dumps({ONE: ""}), "expected an underlying"),
        ("a.json", json.dumps({ONE: {"kind": "wrapper"}}), "missing required field `underlying`"),
        (
            "a.json",
            json.dumps({ONE: {"underlying": "ETH", "kind": "steaked"}}),
            "Invalid enum value 'steaked'",
        ),
        ("a.json", json.dumps({ONE: {"underlying": "ETH", "haircutt": "0"}}), "did you mean haircut"),
        ("a.json", json.dumps({ONE: {"underlying": "ETH", "zzz": "0"}}), "known are underlying, kind"),
        ("a.json", json.dumps({ONE: {"underlying": "ETH", "ratio": "1.1"}}), "is kind staked"),
        ("a.json", f'{{"{ONE}": "ETH", "{ONE}": "BTC"}}', "expected once, found twice"),
        ("a.json", f'{{"{ONE}": "ETH", "{ONE.lower()}": "BTC"}}', "expected one entry, found two"),
        ("a.yaml", f'"{ONE}": ETH\n"{ONE}": BTC\n', "expected once, found twice"),
        ("a.yaml", f"{ONE}: ETH\n", "YAML reads a bare 0x... as one, so quote it"),
    ],
)
def test_wrong_file_names_itself_and_the_fault(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(AssetFileError, match=re.escape(said)) as caught:
        load(tmp_path, text, name)
    assert str(caught.value).startswith(name)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetFileError, match=r"gone\.json: expected JSON or YAML"):
        load_assets(tmp_path / "gone.json")


def test_example_of_the_documentation_loads(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    kinds = {asset.underlying: asset.kind for asset in load(tmp_path, block[1], "doc.yaml")}
    assert kinds == {"ETH": AssetKind.STAKED}
    assert len(load(tmp_path, block[1], "doc.yaml")) == 2


@pytest.mark.needs_shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference material is not beside the checkout")
def test_mapping_of_the_operations_page_loads(tmp_path: Path) -> None:
    page = (SHARED / "spec" / "atomizer-operations.md").read_text(encoding="utf-8")
    block = re.search(r"asset_mapping\.json`:\s*```json\n(.*?)```", page, re.DOTALL)
    assert block is not None
    table = load(tmp_path, block[1])
    for address, symbol in json.loads(block[1]).items():
        for form in (address, address.lower(), "0x" + address[2:].upper()):
            assert table.require(1, form).underlying == symbol
    assert len(table) == 3
