"""The demo's one JSON object: what a session did, what it earned, what it was charged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomizer.analysis.session import Session, VenueEquity
from atomizer.runtime.world import VenueReport


def summary(session: Session, reports: Sequence[VenueReport]) -> dict[str, Any]:
    """The demo's one JSON object. Money in USD unless a currency stands beside it, delta in coins."""
    first = {report.venue: report.currency for report in reversed(reports)}
    equity = {
        _equity_name(report, first): VenueEquity(
            report.currency,
            report.start,
            report.end,
            report.transfers,
            1.0 if report.currency in ("USD", "USDC") else report.index,
        )
        for report in reports
    }
    pnl = session.pnl(equity)
    return {
        "rfqs_received": session.rfqs_received,
        "quotes_sent": session.quotes_sent,
        "quotes_refused": dict(sorted(session.quotes_refused.items())),
        "trades_won": session.trades_won,
        "hedges_sent": session.hedges_sent,
        "hedges_filled": session.hedges_filled,
        "dead_letters": session.dead_letters(),
        "delta": session.delta_name,
        "naked_delta": session.naked(),
        "gross_delta_traded": session.gross_delta(),
        "positions": session.positions(),
        "pnl": pnl,
        "economics": session.charged(pnl),
        "equity": {
            name: {
                "start": float(row.start),
                "end": float(row.end),
                "transfers": float(row.transfers),
                "currency": row.currency,
                "usd_rate": row.rate,
            }
            for name, row in equity.items()
        },
        "latency_us": session.stats.get("latency_us", {}),
        "reconciliation": session.reconciliation(),
        "takers": next((report.takers for report in reports if report.takers), {}),
    }


def _equity_name(report: VenueReport, first: dict[str, str]) -> str:
    """The venue's name for its first currency, with the currency for the others."""
    same = first[report.venue] == report.currency
    return report.venue if same else f"{report.venue}/{report.currency}"
