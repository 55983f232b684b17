"""What the engine is told once, at start. Units are in the names or beside them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Risk limits per underlying unless said otherwise; each counts positions, orders and signed quotes.

    delta in coins and in USD, the smaller of the two; gamma as change of coin delta per 1 % move; vega in USD
    per vol point; notional in USD; `position_size` per instrument in units of underlying.
    """

    delta: float = 10.0
    delta_usd: float = 1_500_000.0
    gamma: float = 50.0
    vega: float = 5_000.0
    notional: float = 5_000_000.0
    position_size: float = 100.0
    premium_per_quote: float = 50_000.0
    quotes_per_terms: int = 3
    quotes_per_taker: int = 20
    collar: float = 0.02

    def delta_coins(self, index: float) -> float:
        """The delta limit in coins of this index."""
        return min(self.delta, self.delta_usd / index)


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Ages in milliseconds, counted from the last proof that a feed is alive and gap-free."""

    market_ms: int = 500
    account_ms: int = 30_000
    fills_ms: int = 10_000
    clock_stop_ms: int = 1_000
    clock_warn_ms: int = 250


class SurfaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How our own surface is fitted, what it must pass, and how far it may reach beyond what is listed.

    `fresh_share` of the strikes must be live, `inside_share` of the quotes hold the fit between bid and ask,
    `most_raised` is what the calendar repair may add (half-widths at the money), `forward_bps` how far calls,
    puts and the expiry's future may contradict the forward. Beyond the outermost live strike a price reaches
    `beyond_k` of log-moneyness, beyond the first and last expiry a factor of `beyond_ratio` in time; the
    charge for it is `strike_points` of vol (0.01) per standard deviation and `expiry_points` per unit of
    ln(T/T edge).
    """

    refit_ms: int = 1_000
    max_age_s: float = 10.0
    fresh_share: float = 0.6
    inside_share: float = 0.8
    most_raised: float = 1.0
    forward_bps: float = 50.0
    beyond_k: float = 0.25
    beyond_ratio: float = 1.5
    strike_points: float = 1.0
    expiry_points: float = 3.0


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account on one venue and the numeraire it counts in (`usd` or `coin`)."""

    venue: str
    account: str
    numeraire: str


class AllowedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """A token whose options we answer, what it is, and bounds on size (tokens).

    `ratio` is units of underlying per token (None: not known, and nothing is quoted), `haircut` the fraction
    of the token's value not counted when it is received, `deliverable` whether we settle in it.
    """

    address: str
    underlying: str
    ratio: Decimal | None = Decimal(1)
    haircut: Decimal = Decimal(0)
    deliverable: bool = True
    min_size: Decimal = Decimal("0.001")
    max_size: Decimal = Decimal(1000)


class AllowedChain(msgspec.Struct, frozen=True, kw_only=True):
    """What may be signed on one chain; anything else in an RFQ is refused before pricing."""

    chain_id: int
    domain_name: str
    domain_version: str
    verifying_contract: str
    premium_tokens: tuple[str, ...]
    assets: tuple[AllowedAsset, ...]


class HedgeInstrument(msgspec.Struct, frozen=True):
    """One more instrument that may hedge an underlying, and the account it trades in."""

    venue: str
    account: str
    instrument: str


class HedgeMarket(msgspec.Struct, frozen=True, kw_only=True):
    """Where an underlying is priced and hedged: venue, account, first hedge instrument, index name.

    `others` may hedge it as well, on this or another venue; `futures`: so may every dated future of the
    underlying that these venues list and whose book is followed. Hedges go to `hedge_venue` (empty: wherever
    it is cheapest) while it can be reached; the others are its fallback.
    """

    underlying: str
    venue: str
    account: str
    instrument: str
    index: str
    others: tuple[HedgeInstrument, ...] = ()
    futures: bool = False
    hedge_venue: str = ""

    @property
    def instruments(self) -> tuple[HedgeInstrument, ...]:
        """Every configured instrument, the first one first."""
        return (HedgeInstrument(self.venue, self.account, self.instrument), *self.others)

    @property
    def accounts(self) -> tuple[tuple[str, str], ...]:
        """(venue, account) of every configured instrument, each once, the first one first."""
        return tuple(dict.fromkeys((item.venue, item.account) for item in self.instruments))


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the engine needs besides strategies.

    `pulled_before_expiry_s`, `pulled_after_expiry_s`: how long around its expiry a series is not quoted.
    """

    limits: Limits = Limits()
    freshness: Freshness = Freshness()
    surface: SurfaceSettings = SurfaceSettings()
    accounts: tuple[AccountSettings, ...] = ()
    chains: tuple[AllowedChain, ...] = ()
    hedge_markets: tuple[HedgeMarket, ...] = ()
    longest_validity_s: int = 30
    strike_low: float = 0.2
    strike_high: float = 5.0
    expiry_second_of_day: int = 8 * 3600
    pulled_before_expiry_s: int = 35 * 60
    pulled_after_expiry_s: int = 10 * 60
    nonce_block: int = 1000
    marks_every_ms: int = 1000
    check_every_ms: int = 30_000
    allow_first_adoption: bool = True

    @property
    def delta_name(self) -> str:
        """Which delta is hedged, in words: that of the accounts that hedge, by their numeraire."""
        hedging = {(item.venue, item.account) for market in self.hedge_markets for item in market.instruments}
        return delta_words(item.numeraire for item in self.accounts if (item.venue, item.account) in hedging)


def delta_words(numeraires: Iterable[str]) -> str:
    """The name of the delta that accounts of these numeraires hedge."""
    words = {"premium-adjusted, coin" if item == "coin" else "Black, usd" for item in numeraires}
    return f"delta ({'; '.join(sorted(words)) or 'none hedged'})"
