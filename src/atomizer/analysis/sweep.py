"""The demo over many seeds at several edges: does a price win, and does it earn what it charges?

Every arm meets the same markets, clients and rivals; only our edge differs. Rates are pooled, means are over
seeds with their standard errors. See `economics` for what `net` and `net of hedge` mean; what takers took
is counted by the simulated venue on the generator's own values.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atomizer.analysis.session import of_journal
from atomizer.analysis.summary import summary
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean and its standard error."""

    mean: float
    error: float

    def times(self, factor: float) -> Figure:
        return Figure(self.mean * factor, self.error * factor)


@dataclass(frozen=True, slots=True)
class Arm:
    """One edge over all seeds. Money in USD: per session, or per trade where it says so."""

    edge: float
    informed: float
    seeds: int
    quoted: int
    won: int
    total: Figure
    net: Figure
    net_of_hedge: Figure
    expected: Figure
    surprise: Figure
    took: Figure
    selected: Figure
    hedge_charged: Figure
    hedge_realised: Figure
    hedge_bias: Figure
    informed_trades: int
    differences: int

    @property
    def win_rate(self) -> float:
        return self.won / self.quoted if self.quoted else 0.0

    def row(self) -> dict[str, Any]:
        """For JSON: figures as [mean, standard error]."""
        plain: dict[str, Any] = {"win_rate": self.win_rate}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            plain[name] = [value.mean, value.error] if isinstance(value, Figure) else value
        return plain


def run_one(plan: DemoPlan) -> dict[str, Any]:
    """The summary of one demo in virtual time, its journal thrown away."""
    with tempfile.TemporaryDirectory(prefix="atomizer-sweep-") as name:
        there = replace(plan, directory=Path(name))
        reports = run_in_virtual_time(there)
        return summary(of_journal(there.directory), reports)


def sweep(plan: DemoPlan, edges: Sequence[float], seeds: int, executor: Executor) -> Iterator[Arm]:
    """One arm per edge, in their order; seeds count up from the plan's."""
    plans = [replace(plan, edge=edge, seed=plan.seed + place) for edge in edges for place in range(seeds)]
    results = executor.map(run_one, plans)
    for edge in edges:
        yield arm(edge, plan.informed, [next(results) for _ in range(seeds)])


def arm(edge: float, informed: float, results: Sequence[dict[str, Any]]) -> Arm:
    """What the sessions of one edge say together.

    Per trade: P&L net of hedge; what is expected, the edge charged less what informed takers took and what
    winning from the others cost (`selected`: a stale quote wins more often when it errs); the difference of
    the two; hedge cost charged and realised, and their difference. Sums over sums, errors from the seeds.
    """
    won = [int(result["trades_won"]) for result in results]
    money = [result["economics"] for result in results]
    took = [_took(result["takers"]["informed"]) for result in results]
    selected = [_took(result["takers"]["others"]) + _misjudged(result) for result in results]
    expected = [one["edge"] - lost - paid for one, lost, paid in zip(money, took, selected, strict=True)]
    net = [one["net_of_hedge"] for one in money]
    hedged = [int(one["hedged_trades"]) for one in money]
    charged = [one["hedge_charged"] for one in money]
    realised = [one["hedge_realised"] for one in money]
    return Arm(
        edge=edge,
        informed=informed,
        seeds=len(results),
        quoted=sum(result["quotes_sent"] for result in results),
        won=sum(won),
        total=_mean([result["pnl"]["total"] for result in results]),
        net=_mean([one["net"] for one in money]),
        net_of_hedge=_ratio(net, won),
        expected=_ratio(expected, won),
        surprise=_ratio([a - b for a, b in zip(net, expected, strict=True)], won),
        took=_ratio(took, won),
        selected=_ratio(selected, won),
        hedge_charged=_ratio(charged, hedged),
        hedge_realised=_ratio(realised, hedged),
        hedge_bias=_ratio([a - b for a, b in zip(charged, realised, strict=True)], hedged),
        informed_trades=sum(result["takers"]["informed"]["trades"] for result in results),
        differences=sum(len(row["differences"]) for result in results for row in result["reconciliation"]),
    )


def _took(group: dict[str, Any]) -> float:
    return float(group["timing_usd"] + group["value_usd"])


def _misjudged(result: dict[str, Any]) -> float:
    """What our fair values say was charged beyond what the generator's say: won more often when they err."""
    true = sum(float(group["charged_usd"]) for group in result["takers"].values())
    return float(result["economics"]["charged"]) - true


def _mean(values: Sequence[float]) -> Figure:
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return Figure(statistics.fmean(values), spread / math.sqrt(len(values)))


def _ratio(sums: Sequence[float], counts: Sequence[int]) -> Figure:
    """Sum over count with the error of a ratio estimator."""
    whole = sum(counts)
    if not whole:
        return Figure(math.nan, math.nan)
    mean = sum(sums) / whole
    rest = [one - mean * count for one, count in zip(sums, counts, strict=True)]
    return Figure(mean, _mean(rest).error * len(sums) / whole)


HEAD = (
    "  edge  quoted   won   rate      total +- s.e.        net +- s.e.  | per trade: net of hedge, expected, "
    "difference +- s.e., took, selected | hedge charged, realised, bias +- s.e."
)


def line(one: Arm) -> str:
    """One arm as a line under `HEAD`."""
    return (
        f"{one.edge:6.2f} {one.quoted:7d} {one.won:5d} {one.win_rate:6.1%} "
        f"{one.total.mean:10.1f} +- {one.total.error:6.1f} {one.net.mean:10.1f} +- {one.net.error:6.1f}  | "
        f"{one.net_of_hedge.mean:23.2f} {one.expected.mean:9.2f} "
        f"{one.surprise.mean:10.2f} +- {one.surprise.error:5.2f} {one.took.mean:6.2f} "
        f"{one.selected.mean:6.2f} +- {one.selected.error:5.2f} | "
        f"{one.hedge_charged.mean:13.2f} {one.hedge_realised.mean:9.2f} "
        f"{one.hedge_bias.mean:5.2f} +- {one.hedge_bias.error:5.2f}"
    )
