"""What the documents say exists, exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atomizer.cli.main import COMMANDS
from atomizer.domain.refusals import Reason

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "src").rglob("*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^\s*atomizer ([a-z][a-z-]*)|`atomizer ([a-z][a-z-]*)", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_resolve(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_the_page_of_refusals_lists_exactly_the_closed_list() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "refusals.md").read_text(), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(listed) == sorted(reason.value for reason in Reason)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_named_in_a_page_exist(page: Path) -> None:
    named = {first or second for first, second in COMMAND.findall(page.read_text())}
    assert named - set(COMMANDS) == set()


def test_targets_of_make_named_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(MAKE.findall((ROOT / "README.md").read_text()))
    assert named
    assert named <= targets
