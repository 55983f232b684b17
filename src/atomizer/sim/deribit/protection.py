"""Market maker protection: per index one guard for plain `mmp` orders, and named groups for mass quotes.

A guard counts what trades from the first trade of an interval on; a limit that is reached ends every order
it covers and refuses new ones until the freeze is over or reset. Sizes are in the base coin, vega in USD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from atomizer.sim.deribit.errors import DeribitError, invalid_params

MAX_GROUPS = 16
MAX_GROUP_NAME = 64
MAX_SECONDS = 3600
MAX_PLACES = 4
RESERVED_SHARE = Decimal("0.03")
LIMITS = ("quantity_limit", "delta_limit", "vega_limit")


@dataclass(frozen=True, slots=True)
class MmpConfig:
    """One configuration. `group` "" covers plain orders; a limit that is None does not act."""

    index: str
    group: str
    interval_s: int
    frozen_s: int
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    max_quote_quantity: Decimal | None = None

    def render(self) -> dict[str, Any]:
        """The object of get_mmp_config; absent limits are absent."""
        body: dict[str, Any] = {
            "index_name": self.index,
            "interval": self.interval_s,
            "frozen_time": self.frozen_s,
        }
        if self.group:
            body["mmp_group"] = self.group
        for name in (*LIMITS, "max_quote_quantity"):
            value = getattr(self, name)
            if value is not None:
                body[name] = float(value)
        return body


def check_config(config: MmpConfig) -> None:
    """Refuse a configuration that contradicts itself.

    Raises:
        DeribitError: -32602 naming the parameter.
    """
    if len(config.group) > MAX_GROUP_NAME:
        raise invalid_params("mmp_group", f"must be at most {MAX_GROUP_NAME} characters")
    for name, seconds in (("interval", config.interval_s), ("frozen_time", config.frozen_s)):
        if not 0 <= seconds <= MAX_SECONDS:
            raise invalid_params(name, f"must be from 0 to {MAX_SECONDS}")
    if not config.interval_s:
        return
    for name in (*LIMITS, "max_quote_quantity"):
        value = getattr(config, name)
        if value is not None and (value < 0 or value != round(value, MAX_PLACES)):
            raise invalid_params(name, f"must not be negative, with at most {MAX_PLACES} decimals")
    if all(getattr(config, name) is None for name in LIMITS):
        raise invalid_params("quantity_limit", "at least one limit must be set")
    if config.group and config.max_quote_quantity is None:
        raise invalid_params("max_quote_quantity", "value required")
    quantity, delta = config.quantity_limit, config.delta_limit
    if quantity is not None and delta is not None and delta >= quantity:
        raise invalid_params("delta_limit", "must be below quantity_limit")


@dataclass(slots=True)
class Guard:
    """A configuration at work. `frozen_until_ms` None: not frozen; 0: until reset by hand."""

    config: MmpConfig
    started_ms: int | None = None
    quantity: float = 0.0
    delta: float = 0.0
    vega: float = 0.0
    frozen_until_ms: int | None = None

    def frozen(self, now_ms: int) -> bool:
        """Whether new orders are refused; a freeze that is over ends here."""
        if self.frozen_until_ms is None:
            return False
        if self.frozen_until_ms and now_ms >= self.frozen_until_ms:
            self.reset()
            return False
        return True

    def reset(self) -> None:
        """As if nothing had traded."""
        self.frozen_until_ms = None
        self.started_ms = None

    def trade(self, now_ms: int, size: float, delta: float, vega: float) -> bool:
        """Count one execution: its size, and the net delta and vega it brought. True: a limit acts now."""
        config = self.config
        if self.started_ms is None or now_ms >= self.started_ms + 1000 * config.interval_s:
            self.started_ms = now_ms
            self.quantity = self.delta = self.vega = 0.0
        self.quantity += size
        self.delta += delta
        self.vega += vega
        if self.frozen_until_ms is not None:
            return False
        reached = (
            (config.quantity_limit is not None and self.quantity >= float(config.quantity_limit))
            or (config.delta_limit is not None and abs(self.delta) > float(config.delta_limit))
            or (config.vega_limit is not None and abs(self.vega) > float(config.vega_limit))
        )
        if reached:
            self.frozen_until_ms = now_ms + 1000 * config.frozen_s if config.frozen_s else 0
        return reached

    def status(self) -> dict[str, Any]:
        """What get_mmp_status and user.mmp_trigger say of a frozen guard."""
        config = self.config
        body: dict[str, Any] = {"index_name": config.index, "frozen_until": self.frozen_until_ms}
        if config.group:
            body["mmp_group"] = config.group
        return body


@dataclass(slots=True)
class Protection:
    """The guards of one account, and its freeze of mass quotes after a cancel."""

    guards: dict[tuple[str, str], Guard] = field(default_factory=dict)
    quotes_frozen_until_ms: int = 0

    def configure(self, config: MmpConfig) -> None:
        """Set, replace (limits left out no longer act) or, with interval 0, remove a configuration.

        Raises:
            DeribitError: contradictory, or a seventeenth group.
        """
        check_config(config)
        key = (config.index, config.group)
        if not config.interval_s:
            self.guards.pop(key, None)
            return
        groups = {group for _, group in self.guards if group}
        if config.group and config.group not in groups and len(groups) >= MAX_GROUPS:
            raise invalid_params("mmp_group", f"at most {MAX_GROUPS} groups")
        if config.group and any(
            group == config.group and index != config.index for index, group in self.guards
        ):
            raise invalid_params("mmp_group", "this group belongs to another index")
        found = self.guards.get(key)
        if found is None:
            self.guards[key] = Guard(config)
        else:
            found.config = config

    def guard(self, index: str, group: str) -> Guard | None:
        return self.guards.get((index, group))

    def selected(self, index: str, group: str | None) -> Iterator[Guard]:
        """Guards of an index (`all`: every one) and, where given, a group."""
        for (its_index, its_group), guard in self.guards.items():
            if index in (its_index, "all") and group in (None, its_group):
                yield guard

    def check_open(self, index: str, group: str, now_ms: int) -> None:
        """Refuse a new protected order while frozen.

        Raises:
            DeribitError: 13030.
        """
        guard = self.guards.get((index, group))
        if guard is not None and guard.frozen(now_ms):
            until = guard.frozen_until_ms
            when = f"until {until}" if until else "until reset_mmp"
            raise DeribitError("mmp_trigger", f"{group or index} is frozen {when}", "mmp")

    def reserved(self, index: str) -> Decimal:
        """Coins of initial margin held for the groups of an index, with or without orders."""
        return sum(
            (
                RESERVED_SHARE * guard.config.max_quote_quantity
                for (its_index, _), guard in self.guards.items()
                if its_index == index and guard.config.max_quote_quantity is not None
            ),
            Decimal(0),
        )
