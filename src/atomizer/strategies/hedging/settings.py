"""What can be chosen about hedging one underlying. Units are in the names or beside them."""

from __future__ import annotations

from typing import Literal

import msgspec

Policy = Literal["delta", "resale", "both"]
BandRule = Literal["fixed", "whalley_wilmott", "zakamouline"]
BandEdge = Literal["edge", "target"]
OrderType = Literal["ioc", "post_only"]


class HedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`threshold` (or `threshold_usd`, whichever is wider) and `naked_stop` in coins; `cross_bps`: how far
    through the touch an order may reach.

    `ratio` 1.0 hedges everything. `band` gives the half width in which nothing trades (`threshold` is its
    least), `band_to` where a hedge goes: to the band's near edge or to the target. `risk_aversion` per USD,
    of the whole book. `delay_ms` gathers trades before they are hedged. A book wider than `max_spread_bps`
    (0: any) is not crossed: the hedge rests there until `post_deadline_ms`, unless another instrument is
    narrow enough; with `order_type` `post_only` it always rests first. It rests at the touch, and at least
    half of `target_spread_bps` away from the mid. After `retry_attempts` refusals or misses in a row an
    instrument is passed over for `fallback_ms`. `holding_h` is the time over which funding counts; parts
    below `slice_usd` are not split off.

    Resale: offered until `resale_deadline_ms`, then taken if that still pays, else left to delta hedging for
    `resale_retry_ms`; `resale_risk_price` is the USD that one USD of scenario loss is worth per trade.
    `resale_strikes` listed strikes on each side are considered.

    Gamma (`gamma`): past `gamma_threshold` (change of coin delta per 1 % move) the share `gamma_ratio` of it
    is traded in listed options of at least `min_liquidity_score`, while the variance saved over `holding_h`
    at a re-hedge every `gamma_rehedge_h` is worth more than its cost.

    Past `alarm_ms` with more than `naked_stop` unhedged, or with a hedge venue away for `outage_ms`, quoting
    on the underlying stops until the delta is back in its band.
    """

    enabled: bool = True
    policy: Policy = "delta"
    ratio: float = 1.0
    threshold: float = 0.05
    threshold_usd: float = 0.0
    band: BandRule = "fixed"
    band_to: BandEdge = "target"
    risk_aversion: float = 1e-3
    delay_ms: int = 0
    order_type: OrderType = "ioc"
    cross_bps: float = 10.0
    max_spread_bps: float = 0.0
    target_spread_bps: float = 0.0
    post_deadline_ms: int = 5_000
    retry_attempts: int = 3
    fallback_ms: int = 10_000
    holding_h: float = 24.0
    slice_usd: float = 1_000.0
    resale_deadline_ms: int = 15_000
    resale_retry_ms: int = 60_000
    resale_risk_price: float = 0.02
    resale_strikes: int = 1
    gamma: bool = False
    gamma_threshold: float = 0.5
    gamma_ratio: float = 1.0
    gamma_rehedge_h: float = 1.0
    min_liquidity_score: float = 0.0
    run_off: bool = True
    check_ms: int = 250
    retry_ms: int = 100
    alarm_ms: int = 5_000
    naked_stop: float = 1.0
    outage_ms: int = 1_000
