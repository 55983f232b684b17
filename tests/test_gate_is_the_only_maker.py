"""Only the risk gate makes the commands that reach a venue's order entry."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "atomizer"
GATE = Path("engine/gate.py")
MADE_BY_THE_GATE = {"PlaceOrder", "AmendOrder", "CancelOrder", "SendQuote"}


def constructions(tree: ast.AST) -> list[tuple[str, int]]:
    """(command, line) of every call of a command's name, also by an alias or through a module."""
    aliases = {name: name for name in MADE_BY_THE_GATE}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            aliases |= {one.asname: one.name for one in node.names if one.asname and one.name in aliases}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in aliases:
                found.append((aliases[name], node.lineno))
    return found


def test_no_other_module_makes_a_command() -> None:
    made = {
        path.relative_to(SOURCE): found
        for path in sorted(SOURCE.rglob("*.py"))
        if (found := constructions(ast.parse(path.read_text())))
    }
    assert set(made) == {GATE}
    assert {name for name, _ in made[GATE]} == MADE_BY_THE_GATE


@pytest.mark.parametrize(
    "source",
    [
        "PlaceOrder(order_id=1)",
        "commands.SendQuote(nonce=1)",
        "from atomizer.domain.commands import CancelOrder as C\nC(order_id=1)",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert len(constructions(ast.parse(source))) == 1
