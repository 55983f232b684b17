"""Judges know nothing of what they judge."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ALLOWED_OF_OURS = ("atomizer.net.transport", "atomizer.net.memory", "tests.independent")
JUDGES = sorted(path.name for path in HERE.glob("*.py") if not path.name.startswith("test_"))


def imported(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names.append(ast.unparse(node))
    return names


def strangers(source: str) -> list[str]:
    """What a judge imports of this project and must not."""
    return [
        name
        for name in imported(source)
        if ("import" in name or name.split(".")[0] in ("atomizer", "tests"))
        and not any(name == one or name.startswith(one + ".") for one in ALLOWED_OF_OURS)
    ]


def test_all_judges_are_looked_at():
    assert JUDGES == ["deribit_client.py", "deribit_quoter.py", "rysk_client.py", "wire.py"]


@pytest.mark.parametrize("name", JUDGES)
def test_judge_imports_nothing_of_venues_or_twins(name):
    assert strangers((HERE / name).read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "from atomizer.venues.rysk import codec",
        "import atomizer.sim.rysk",
        "from tests.sim.rysk import harness",
        "from atomizer import sim",
        "import importlib\nimportlib.import_module('atomizer.venues')",
        "def late():\n    from atomizer.domain import rfq",
    ],
)
def test_a_forbidden_import_is_found(line):
    assert strangers(line)
