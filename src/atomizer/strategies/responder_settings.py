"""What the RFQ responder charges, wants and checks. Each key is in docs/configuration.md."""

from __future__ import annotations

import msgspec

from atomizer.models import rfq as rfq_models

S_PER_YEAR = 365.0 * 86_400.0
# What `--performance-mode` sets: for storms, at the price of slightly older inputs and a busier loop.
PERFORMANCE: dict[str, int | bool] = {
    "responder.cache_ttl_ms": 50,
    "responder.parallel_quotes": 32,
    "responder.quiet_gc": True,
}


class ResponderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Units in the names; `bps` of value, `points` of vol (0.01), USD per coin of underlying.

    Half spread, fee and slippage are read from the hedge's book and contract; the settings of those names are
    the least that is charged. `edge_*`: the largest of the three is wanted, times scale, tier and width;
    `least_edge_*` is what an improvement may not go below, `least_distance_*` the least distance of a price
    from the skewed fair value. `rehedge_interval_s` 0 charges a band with `risk_aversion` (1/USD) instead of
    a fixed interval. `dummy_price` replaces the fair value, on simulated networks only.
    """

    validity_s: int = 10
    validity_after_close_s: int = 0
    edge_usd: float = 1.0
    edge_bps_of_premium: float = 50.0
    edge_vol_points: float = 0.5
    edge_scale: float = 1.0
    taker_tiers: dict[str, float] = {}
    default_tier: float = 1.0
    least_edge_usd: float = 0.0
    least_edge_bps_of_premium: float = 10.0
    least_edge_vol_points: float = 0.1
    least_distance_bps_of_premium: float = 20.0
    least_distance_vol_points: float = 0.1
    hedge_half_spread_bps: float = 0.0
    hedge_fee_bps: float = 0.0
    slippage_bps: float = 0.0
    rehedge_interval_s: float = 86_400.0
    risk_aversion: float = 1e-5
    margin_rate: float = 0.05
    margin_share: float = 0.02
    funding_hours: float = 24.0
    stable_rate: float = 0.0
    vol_of_vol: float = 1.0
    spot_vol_correlation: float = 0.0
    fixing_basis_bps: float = 0.2
    fixing_risk_price: float = 0.1
    delivery_bps: float = 0.0
    delivery_usd: float = 0.0
    vol_error_points: float = 0.1
    makers_in_auction: int = 3
    skew_delta_usd_per_coin: float = 0.002
    skew_vega_usd_per_vega: float = 0.00005
    skew_expiry_vega_usd_per_vega: float = 0.0001
    skew_long_vega_usd_per_vega: float = 0.00005
    mark_distance_points: float = 5.0
    improvements: int = 0
    improve_step_bps: float = 25.0
    improve_most_share: float = 0.5
    improve_spacing_ms: int = 250
    improve_lead_ms: int = 150
    window_ms: int = 2_000
    cache_ttl_ms: int = 0
    parallel_quotes: int = 8
    quiet_gc: bool = False
    answer_within_ms: int = 1_500
    dummy_price: float | None = None

    def tier(self, taker: str) -> float:
        return self.taker_tiers.get(taker, self.default_tier)

    def fixed_inputs(self) -> list[float]:
        """The inputs of `models.rfq_quote` that no request changes, in the order of its `FIXED`."""
        own_vega = self.skew_vega_usd_per_vega + self.skew_expiry_vega_usd_per_vega
        return [
            self.dummy_price or 0.0,
            self.rehedge_interval_s / S_PER_YEAR,
            self.risk_aversion,
            self.margin_share,
            self.margin_rate,
            self.stable_rate,
            self.vol_of_vol,
            self.spot_vol_correlation,
            self.fixing_basis_bps * 1e-4,
            self.fixing_risk_price,
            self.delivery_bps * 1e-4,
            self.delivery_usd,
            self.skew_delta_usd_per_coin,
            own_vega,
            self.vol_error_points * 0.01,
            rfq_models.expected_maximum(self.makers_in_auction),
            self.skew_delta_usd_per_coin,
            self.skew_vega_usd_per_vega,
            self.skew_expiry_vega_usd_per_vega,
            self.skew_long_vega_usd_per_vega,
            self.edge_usd,
            self.edge_bps_of_premium * 1e-4,
            self.edge_vol_points * 0.01,
            self.least_edge_usd,
            self.least_edge_bps_of_premium * 1e-4,
            self.least_edge_vol_points * 0.01,
            self.least_distance_bps_of_premium * 1e-4,
            self.least_distance_vol_points * 0.01,
        ]
