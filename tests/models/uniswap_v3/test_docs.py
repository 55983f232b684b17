"""The documentation's examples run, and the chain tests' lock names no registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.system  # the second example compiles the kernel the first time on a machine
def test_examples_of_the_page_run() -> None:
    text = (ROOT / "docs" / "models" / "uniswap_v3.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(block, namespace)  # our own page
    assert len(namespace["amounts"]) == 1000  # type: ignore[arg-type]


def test_lock_pins_by_integrity_and_names_no_registry() -> None:
    lock = (ROOT / "tests" / "chain" / "package-lock.json").read_text(encoding="utf-8")
    assert "http" not in lock
    assert "resolved" not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
