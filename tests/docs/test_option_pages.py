"""The option pages' examples run, and their plots are those the script draws."""

from __future__ import annotations

import doctest
import runpy
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "models"


@pytest.mark.parametrize("page", ["options.md", "surfaces.md", "attribution.md"])
def test_examples_run(page):
    failed, tried = doctest.testfile(str(PAGES / page), module_relative=False, encoding="utf-8")
    assert tried > 5
    assert failed == 0


def test_plots_are_those_the_script_draws(tmp_path):
    script = runpy.run_path(str(PAGES / "plot_options.py"))
    script["main"](tmp_path)
    drawn = {path.name: path.read_text(encoding="utf-8").count("<path") for path in tmp_path.iterdir()}
    assert set(drawn) == set(script["PLOTS"])
    for name, paths in drawn.items():
        assert (PAGES / name).read_text(encoding="utf-8").count("<path") == paths
        assert f"({name})" in (PAGES / name.replace(".svg", ".md")).read_text(encoding="utf-8")
