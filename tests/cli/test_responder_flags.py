"""What the speed flags of the responder set."""

from __future__ import annotations

import click
import pytest

from atomizer.cli.responder import _speed
from atomizer.runtime.serve import speed_of
from atomizer.runtime.settings import configured
from atomizer.strategies.responder_settings import PERFORMANCE


def test_without_flags_nothing_is_set() -> None:
    assert _speed(False, None, None) == {}


def test_performance_mode_sets_what_its_page_says_and_single_flags_are_over_it() -> None:
    assert _speed(True, None, None) == PERFORMANCE
    assert _speed(True, "5ms", 3) == {
        **PERFORMANCE,
        "responder.cache_ttl_ms": 5,
        "responder.parallel_quotes": 3,
    }


def test_what_they_set_is_what_is_shown_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOMIZER_NETWORK", "sim")
    settings = configured((), _speed(True, "20ms", None)).settings
    assert speed_of(settings) == {
        "cache_ttl_ms": 20,
        "parallel_quotes": 32,
        "quiet_gc": True,
        "answer_within_ms": 1500,
    }


def test_a_time_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(click.BadParameter, match="Expected a time"):
        _speed(False, "soon", None)
