"""A small tree of settings with every kind of leaf, declared as the packages declare theirs."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

from atomizer.config.schema import Seconds
from atomizer.config.secret import Secret


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    name: str = "deribit"
    test_mode: bool = True
    api_key: str = ""
    api_secret: Secret | None = None


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    max_delta: Annotated[float, msgspec.Meta(gt=0, extra={"tightest": "smallest"})] = 10.0
    min_edge: Annotated[Decimal, msgspec.Meta(extra={"tightest": "largest"})] = Decimal("0.5")
    max_loss: Annotated[float | None, msgspec.Meta(extra={"tightest": "smallest"})] = None
    check_interval: Seconds = Seconds(30)

    def __post_init__(self) -> None:
        if self.max_loss is not None and self.max_loss < self.max_delta:
            raise ValueError(f"expected max_loss above max_delta, found {self.max_loss}; raise it")


class Line(msgspec.Struct, frozen=True):
    underlying: str
    strikes: list[int]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    network: str
    venue: Venue = Venue()
    risk: Risk = Risk()
    tokens: tuple[str, ...] = ()
    mapping: dict[str, str] = {}
    lines: list[Line] = []


@pytest.fixture
def schema() -> type[Settings]:
    return Settings


@pytest.fixture
def aliases() -> dict[str, str]:
    return {
        "MAX_POSITION_DELTA": "risk.max_delta",
        "DERIBIT_API_KEY": "venue.api_key",
        "DERIBIT_API_SECRET": "venue.api_secret",
        "RFQ_ASSET_ADDRESSES": "tokens",
        "EXCHANGE_TEST_MODE": "venue.test_mode",
    }
