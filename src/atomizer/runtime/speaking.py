"""What a node says while it trades: one log line per thing that happened, after it was sent.

The journal is the record; these lines are for people who watch. Rendering and writing is a thread's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.commands import (
    Breach,
    CancelOrder,
    DeadLetter,
    Difference,
    HedgeState,
    PlaceOrder,
    Refused,
    RiskState,
    SendQuote,
)
from atomizer.domain.events import AmendRefused, CancelRefused, PlaceRefused, QuoteOutbid, QuoteRefused
from atomizer.domain.identity import label
from atomizer.domain.orders import Purpose
from atomizer.telemetry import logs


class Speaker:
    """Turns the records of a turn into log lines. `shadow`: a dry run, where nothing is signed or sent."""

    def __init__(self, *, shadow: bool) -> None:
        self._trades = logs.get("trades")
        self._quotes = logs.get("quotes")
        self._main = logs.get()
        self._quoted = "quote_decided_not_signed" if shadow else "quote_sent"

    def __call__(self, records: Sequence[Any]) -> None:
        for record in records:
            self._say(record)

    def _say(self, record: Any) -> None:
        if isinstance(record, SendQuote):
            self._quotes.info(
                self._quoted,
                rfq_id=record.rfq_id,
                instrument=record.instrument,
                side=record.side.name,
                price=record.price_e18 * 1e-18,
                nonce=record.nonce,
                valid_until_s=record.valid_until_s,
            )
        elif isinstance(record, Refused):
            self._quotes.info(
                "quote_failed", subject=record.subject, reason=str(record.reason), text=record.text
            )
        elif isinstance(record, QuoteRefused):
            self._quotes.warning("quote_failed", rfq_id=record.rfq_id, reason=record.code, text=record.text)
        elif isinstance(record, QuoteOutbid):
            self._quotes.debug("quote_outbid", rfq_id=record.rfq_id, best=record.best_e18 * 1e-18)
        else:
            self._say_trade(record)

    def _say_trade(self, record: Any) -> None:
        if isinstance(record, RfqTrade):
            self._trades.info(
                "rfq_traded",
                instrument=record.instrument,
                side=record.side.name,
                size=str(record.size),
                nonce=record.nonce,
                inferred=record.inferred,
            )
        elif isinstance(record, Fill):
            self._trades.info(
                "filled",
                instrument=record.instrument,
                side=record.side.name,
                size=str(record.size),
                price=str(record.price),
                order=label(record.order_id),
            )
        elif isinstance(record, PlaceOrder):
            self._trades.info(
                "hedge_sent" if record.purpose is Purpose.HEDGE else "order_sent",
                instrument=record.instrument,
                side=record.side.name,
                lots=record.lots,
                ticks=record.ticks,
                order=label(record.order_id),
            )
        elif isinstance(record, CancelOrder):
            self._trades.debug("cancel_sent", order=label(record.order_id))
        elif isinstance(record, (PlaceRefused, AmendRefused, CancelRefused)):
            self._trades.warning(
                "order_refused", order=label(record.order_id), code=record.code, text=record.text
            )
        elif isinstance(record, HedgeState):
            self._say_hedge(record)
        elif isinstance(record, DeadLetter):
            self._main.error(
                "dead_letter",
                letter_id=record.letter_id,
                kind=str(record.kind),
                subject=record.subject,
                state=str(record.state),
                attempts=record.attempts,
                text=record.text,
            )
        elif isinstance(record, Difference):
            self._main.error("difference", what=record.what, ours=record.ours, theirs=record.theirs)
        elif isinstance(record, Breach):
            self._main.error(
                "limit_breached" if record.open else "limit_kept_again",
                underlying=record.underlying,
                measure=record.measure,
                value=record.value,
                limit=record.limit,
            )
        elif isinstance(record, RiskState):
            self._main.warning("risk_state", kill_level=record.kill_level, paused=record.paused)

    def _say_hedge(self, record: HedgeState) -> None:
        """A failed hedge is an alert that names what is naked; the rest is the ordinary course."""
        say = self._main.error if record.state == "failed" and not record.released else self._trades.info
        say(
            f"hedge_{record.state}",
            underlying=record.underlying,
            net_delta=record.net_delta,
            naked_usd=round(record.naked_usd),
            text=record.text,
        )
