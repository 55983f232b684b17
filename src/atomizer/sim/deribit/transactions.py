"""The transaction log of an account: one row per movement of cash, whatever moved it."""

from __future__ import annotations

from typing import Any

WORDS = ("trade", "maker", "taker", "open", "close", "buy", "sell", "deposit", "delivery", "settlement")


class TransactionLog:
    """Rows oldest first; the sum of their `change` in a currency is its balance."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        row["user_seq"] = len(self.rows) + 1
        self.rows.append(row)

    def page(
        self, currency: str, start_ms: int, end_ms: int, query: str, count: int, before: int | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Newest first, from the id `before` (None: the newest), and the id the next page begins at."""
        words = query.lower().split()
        found = [
            row
            for row in reversed(self.rows)
            if row["currency"] == currency
            and start_ms <= row["timestamp"] <= end_ms
            and (before is None or row["id"] <= before)
            and all(_matches(row, word) for word in words)
        ]
        more = found[count]["id"] if len(found) > count else None
        return found[:count], more


def _matches(row: dict[str, Any], word: str) -> bool:
    """Whether a keyword of the search box names this row: a type, a role, a side, or an instrument."""
    if word in WORDS:
        return word == row["type"] or word == row.get("user_role") or word in row["side"].split()
    return word in (row["instrument_name"] or "").lower()
