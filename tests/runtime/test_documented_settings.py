"""The reference page lists what exists and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from atomizer.config.schema import leaves
from atomizer.runtime.settings import ALIASES, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = [
    (key, cells[2].strip(" `"))
    for line in PAGE.splitlines()
    if len(cells := line.split("|")[1:-1]) == 4
    and re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)*", key := cells[0].strip(" `"))
    and cells[0].strip().startswith("`")
]


def test_every_setting_has_its_row() -> None:
    assert [key for key, _ in ROWS] == [leaf.key for leaf in leaves(Settings)]


def test_every_flat_name_stands_in_the_row_of_its_setting() -> None:
    assert {name: key for key, name in ROWS if name} == ALIASES
