"""`deribit.NAME=VALUE`: what a fault specification may change about this venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atomizer.sim.deribit.settings import BUMPED_CANCELS, MARGIN_MODELS, QUOTE_ERRORS, DeribitTwinSettings

NUMBERS = {
    "order_push_delay_ms": (0, 60_000),
    "trade_push_delay_ms": (0, 60_000),
    "tier": (1, 4),
    "speed_bump_ms": (0, 10),
    "settlement_pause_s": (0, 600),
    "archive_s": (1, 86_400),
}
WORDS = {"bumped_cancel": BUMPED_CANCELS, "quote_errors": QUOTE_ERRORS, "margin_model": MARGIN_MODELS}


class TermError(ValueError):
    """No such term, or no value of it. The text lists those there are."""


def with_terms(settings: DeribitTwinSettings, terms: Mapping[str, str]) -> DeribitTwinSettings:
    """Settings changed by terms without their venue's name.

    Raises:
        TermError: unknown term, or a value outside its range.
    """
    changes: dict[str, Any] = {name: _value(name, text) for name, text in terms.items()}
    return replace(settings, **changes)


def _value(name: str, text: str) -> int | str:
    if text in WORDS.get(name, ()):
        return text
    low, high = NUMBERS.get(name, (0, -1))
    if text.isdigit() and low <= int(text) <= high:
        return int(text)
    known = [f"deribit.{one} from {least} to {most}" for one, (least, most) in NUMBERS.items()]
    known += [f"deribit.{one} {' or '.join(words)}" for one, words in WORDS.items()]
    raise TermError(f"fault 'deribit.{name}={text}': expected {', '.join(known)}")
