"""The RFQ ledger and the hedge report: what was asked, quoted, won and refused, and what hedging cost.

All numbers come from the index. A markout is per unit of size, after a time, of the trade delta-hedged at
the quote's delta: side x (fair later - price) - delta x (forward later - forward).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from atomizer.desk.index import Index

EDGE_BPS = (1.0, 2.0, 5.0, 10.0, 20.0)  # borders of the buckets of edge, bps of the index
SIZES = (0.1, 1.0, 10.0)
MONEYNESS = (0.9, 0.975, 1.025, 1.1)  # strike over forward
Row = dict[str, Any]


def rfqs(index: Index, last: int | None, state: str | None) -> list[Row]:
    """One row for each RFQ, oldest first, with its markouts in USD per unit."""
    where = "WHERE state = ?" if state else ""
    values: list[Any] = [state] if state else []
    found = index.rows(
        f"SELECT * FROM rfqs {where} ORDER BY ts_ns DESC, rfq_id DESC LIMIT ?",  # noqa: S608  (fixed words)
        *values,
        -1 if last is None else last,
    )
    for row in found:
        row["edge_bps"] = _bps(row)
        row["markouts"] = _markouts(index, row)
    return found[::-1]


def _bps(row: Row) -> float | None:
    return None if not row["idx"] or row["edge"] is None else row["edge"] / row["idx"] * 1e4


def _markouts(index: Index, row: Row) -> dict[str, float | None]:
    """By kind and seconds; None where there was no fair value."""
    if row["price"] is None:
        return {}
    side = 1.0 if row["side"] == "buy" else -1.0
    found: dict[str, float | None] = {}
    for told in index.rows("SELECT * FROM markouts WHERE rfq_id = ?", row["rfq_id"]):
        name = f"{told['kind']}+{told['after_s']}s"
        if told["missing"] or row["forward"] is None:
            found[name] = None
        else:
            moved = told["forward"] - row["forward"]
            found[name] = side * (told["fair"] - row["price"]) - row["unit_delta"] * moved
    return found


def rfq_summary(index: Index) -> Row:
    """Counts, refusals by reason, hit ratio by edge, markouts by taker, size and moneyness."""
    rows = rfqs(index, None, None)
    quoted = [row for row in rows if row["quotes"]]
    won = [row for row in quoted if row["won_ns"]]
    refused: dict[str, int] = {}
    for row in rows:
        if row["refused"] and not row["quotes"]:
            refused[row["refused"]] = refused.get(row["refused"], 0) + 1
    return {
        "seen": len(rows),
        "quoted": len(quoted),
        "best": sum(1 for row in quoted if row["best"]),
        "refused": dict(sorted(refused.items())),
        "hit_ratio": _ratio(len(won), len(quoted)),
        "trades": trade_totals(index),
        "by_edge": _grouped(quoted, lambda row: _bucket(row["edge_bps"], EDGE_BPS, "bps")),
        "by_taker": _grouped(quoted, lambda row: str(row["taker"])),
        "by_size": _grouped(quoted, lambda row: _bucket(row["size"], SIZES, "")),
        "by_moneyness": _grouped(quoted, lambda row: _bucket(_moneyness(row), MONEYNESS, "")),
    }


def trade_totals(index: Index) -> Row:
    """Trades that stand: how many, premium received (+) or paid (-), edge and hedge cost charged."""
    won = index.rows("SELECT * FROM won WHERE stands = 1")
    premium: dict[str, Decimal] = {}
    for row in won:
        premium[row["currency"]] = premium.get(row["currency"], Decimal(0)) + Decimal(row["premium"])
    return {
        "won": len(won),
        "premium": {name: str(amount) for name, amount in sorted(premium.items())},
        "edge_usd": math.fsum(row["edge"] or 0.0 for row in won),
        "hedge_cost_charged_usd": math.fsum(row["charged"] or 0.0 for row in won),
    }


def _moneyness(row: Row) -> float | None:
    return None if not row["forward"] else row["strike"] / row["forward"]


def _bucket(value: float | None, borders: tuple[float, ...], unit: str) -> str:
    if value is None:
        return "unknown"
    at = bisect.bisect_right(borders, value)
    low = "-inf" if at == 0 else f"{borders[at - 1]:g}"
    high = "inf" if at == len(borders) else f"{borders[at]:g}"
    return f"[{low}, {high}){' ' + unit if unit else ''}"


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _grouped(quoted: Iterable[Row], by: Callable[[Row], str]) -> dict[str, Row]:
    groups: dict[str, list[Row]] = {}
    for row in quoted:
        groups.setdefault(by(row), []).append(row)
    return {name: _group(rows) for name, rows in sorted(groups.items())}


def _group(rows: list[Row]) -> Row:
    won = [row for row in rows if row["won_ns"]]
    markouts: dict[str, list[float]] = {}
    for row in won:
        for name, value in row["markouts"].items():
            if value is not None and name.startswith("trade"):
                markouts.setdefault(name, []).append(value * float(row["won_size"]))
    return {
        "quoted": len(rows),
        "won": len(won),
        "hit_ratio": _ratio(len(won), len(rows)),
        "markout_usd": {name: math.fsum(values) for name, values in sorted(markouts.items())},
    }


def hedges(index: Index, last: int | None) -> list[Row]:
    """One row for each order that hedged, oldest first; slippage against arrival in USD and bps."""
    found = index.rows(
        "SELECT * FROM hedges WHERE purpose IN ('hedge', 'reduce')"
        " ORDER BY ts_ns DESC, order_id DESC LIMIT ?",
        -1 if last is None else last,
    )
    for row in found:
        row["slippage_bps"] = None
        if row["filled"] and row["arrival"]:
            sign = 1.0 if row["side"] == "buy" else -1.0
            row["slippage_bps"] = sign * (row["average"] / row["arrival"] - 1.0) * 1e4
    return found[::-1]


def hedge_summary(index: Index) -> Row:
    """Totals, naked time, and what was charged for hedging each trade against what it cost."""
    orders = hedges(index, None)
    parts = index.rows(
        "SELECT grouped, sum(slippage) AS slippage, sum(fees) AS fees FROM shares GROUP BY grouped"
    )
    paid = {row["grouped"]: row["slippage"] + row["fees"] for row in parts}
    won = index.rows("SELECT * FROM won WHERE stands = 1 ORDER BY ts_ns, key")
    per_trade = [
        {
            "trade": row["rfq_id"] or row["key"],
            "charged_usd": row["charged"],
            "paid_usd": paid.get(row["key"], 0.0),
        }
        for row in won
    ]
    return {
        "sent": len(orders),
        "filled": sum(1 for row in orders if row["filled"]),
        "slippage_usd": math.fsum(row["slippage"] for row in parts),
        "fees_usd": math.fsum(row["fees"] for row in parts),
        "cost_charged_usd": math.fsum(row["charged"] or 0.0 for row in won),
        "cost_paid_usd": math.fsum(paid.values()),
        "cost_paid_for_no_single_trade_usd": math.fsum(
            amount for name, amount in paid.items() if name not in {row["key"] for row in won}
        ),
        "per_trade": per_trade,
        "naked": {
            row["underlying"]: {
                "now_coins": row["coins"],
                "coin_seconds": row["coin_s"],
                "usd_seconds": row["usd_s"],
                "seconds": (row["seen_ns"] - row["begun_ns"]) / 1e9,
            }
            for row in index.rows("SELECT * FROM naked ORDER BY underlying")
        },
    }
