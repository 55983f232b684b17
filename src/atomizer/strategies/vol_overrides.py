"""A person's word on vol, as what it adds to one option: shift, skew, pins, event variance."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from atomizer.domain.controls import VOL, Control, Controls
from atomizer.domain.refusals import Reason
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.surface import Located
from atomizer.models.vol_inputs import OverrideError, Pin, VolOverride, overridden_vol

S = 1_000_000_000
YEAR_S = 365.0 * 86_400.0
PIN_WIDTH = 0.05


class Override(NamedTuple):
    """Vol added after interpolation, total variance added before, and whose words these are."""

    vol: float
    variance: float
    words: tuple[str, ...]


NONE = Override(0.0, 0.0, ())


def override(controls: Controls, underlying: str, located: Located, expiry_ns: int, now_ns: int) -> Override:
    """What the rules in force add at this option; a rule with an expiry speaks of that expiry only.

    Raises:
        NoPriceError: they leave no positive vol.
    """
    if not controls.rules:
        return NONE
    rules = [
        rule for rule in controls.on(VOL, (underlying,)) if rule.number("expiry_s") in (0.0, expiry_ns / S)
    ]
    if not rules:
        return NONE
    smile = [rule for rule in rules if rule.kind != "event"]
    variance = sum(_event(rule, located, now_ns) for rule in rules if rule.kind == "event")
    added = _smile(smile, located, expiry_ns) if smile else 0.0
    return Override(added, variance, tuple(rule.in_words() for rule in rules))


def _smile(rules: list[Control], located: Located, expiry_ns: int) -> float:
    """Vol that shift, skew and pins add at the option's moneyness."""
    pins = [rule for rule in rules if rule.kind == "pin"]
    made = VolOverride(
        expires_ns=expiry_ns,
        shift=sum(rule.number("points") for rule in rules if rule.kind == "shift") * 0.01,
        skew=sum(rule.number("points") for rule in rules if rule.kind == "skew") * 0.01,
        pins=tuple(
            Pin(math.log(rule.number("strike") / located.forward), rule.number("points") * 0.01)
            for rule in pins
        ),
        pin_width=min((rule.number("width", PIN_WIDTH) for rule in pins), default=PIN_WIDTH),
    )
    try:
        return (
            overridden_vol(lambda k: msgspec.structs.replace(located, k=k).vol(), located.k, made)
            - located.vol()
        )
    except OverrideError as error:
        raise NoPriceError(f"gate override: {error}", Reason.SURFACE_GATE) from error


def _event(rule: Control, located: Located, now_ns: int) -> float:
    """Total variance moved by an event between two listed expiries: theirs, put where it belongs.

    The later slice carries it already. Interpolation spreads it evenly: it is taken out and put back for
    expiries after the event. Elsewhere listed prices say it themselves.
    """
    at = (rule.number("at_s") * S - now_ns) / S / YEAR_S
    if located.share <= 0.0 or not located.near_tau < at <= located.far_tau:
        return 0.0
    variance = rule.number("variance")
    return (variance if at <= located.tau else 0.0) - located.share * variance
