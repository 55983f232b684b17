"""The examples of the quoting pages run, and their plots exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "models"
NAMES = ("quoting", "microstructure", "hedging", "risk", "amm")
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLOT = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_the_page_run(name: str) -> None:
    page = PAGES / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    examples = list(EXAMPLE.finditer(text))
    assert examples
    namespace: dict[str, object] = {}
    for example in examples:
        line = text[: example.start(1)].count("\n")
        exec(
            compile("\n" * line + example.group(1), str(page), "exec"), namespace
        )  # a reader runs them in order


@pytest.mark.parametrize("name", NAMES)
def test_plots_of_the_page_are_committed_drawings(name: str) -> None:
    plots = PLOT.findall((PAGES / f"{name}.md").read_text(encoding="utf-8"))
    assert plots
    for plot in plots:
        assert "<svg" in (PAGES / plot).read_text(encoding="utf-8")[:2000]
