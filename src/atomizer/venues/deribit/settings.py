"""What the Deribit adapter must be told. Keys are holders that never show themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from atomizer.net.pacing import RetrySettings
from atomizer.venues.deribit.auth import LoginKey


@dataclass(frozen=True, slots=True)
class MmpGroup:
    """A group of mass quotes on the options of one index, and the protection it is under.

    Limits count within `interval_s` from the first trade: `quantity` and `delta` in coins, `vega` in USD per
    vol point (0: none); `max_quote_quantity` is the largest size per side and instrument. After a trigger
    nothing is taken for `frozen_s` (0: until it is reset by hand).
    """

    name: str
    index: str
    interval_s: int
    frozen_s: int
    quantity: Decimal
    delta: Decimal
    max_quote_quantity: Decimal
    vega: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class DeribitSettings:
    """One account and what to listen to.

    `venue` names the connection everywhere inside: in feeds, instruments, orders and bookings. Two accounts
    are two of these with two names.

    `currencies`: for `get_instruments`, account summaries and the transaction log (linear contracts and their
    spot pairs are under USDC). `books`: instruments whose whole book is followed, hedges and spot pairs among
    them; `future_books`: coins whose dated inverse futures are followed as well, as they are listed.
    `option_underlyings`: coins whose options' tickers are followed, up to `option_days` ahead; `combos`:
    whether combos are listed with their legs.

    Checked before the first order, where set: `account_name` (the venue's user or system name),
    `margin_model` (its word, e.g. segregated_pm), `testnet` (the flag of its replies).

    `mmp_groups`: quotes on their options go out in mass quotes; one group an index.

    `grant` is `client_credentials` or `client_signature`; asymmetric keys always sign; no `key` means public
    data only. Times in seconds; pings are sent when a socket is quiet that long, so they bound the age of
    what is known.
    """

    exchange: ClassVar[str] = "deribit"

    ws_url: str
    account: str
    client_id: str
    key: LoginKey | None
    venue: str = "deribit"
    currencies: tuple[str, ...] = ("ETH",)
    books: tuple[str, ...] = ("ETH-PERPETUAL",)
    future_books: tuple[str, ...] = ()
    option_underlyings: tuple[str, ...] = ("ETH",)
    option_days: float = 120.0
    combos: bool = False
    grant: str = "client_credentials"
    book_interval: str = "100ms"
    ticker_interval: str = "100ms"
    account_name: str = ""
    margin_model: str = ""
    testnet: bool | None = None
    mmp_groups: tuple[MmpGroup, ...] = ()
    market_ping_s: float = 0.2
    trading_ping_s: float = 2.0
    market_dead_s: float = 5.0
    trading_dead_s: float = 15.0
    request_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    clock_every_s: float = 10.0
    listing_every_s: float = 600.0
    rate_per_s: float = 30.0
    rate_burst: float = 60.0
    retry: RetrySettings = field(default_factory=RetrySettings)
