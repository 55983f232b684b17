"""What a kill cannot kill: signed quotes that a taker may still execute, and what they would cost."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from atomizer.domain.commands import SendQuote
from atomizer.domain.instruments import Side

if TYPE_CHECKING:  # the ledger brings kernels; the kill switch must start without them
    from atomizer.engine.ledger import LiveQuote

# A quote may settle this long after its validity has ended.
SETTLEMENT_MARGIN_S = 60
_SECOND_NS = 10**9
_E18 = Decimal(10) ** 18


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One live signature. `premium` is paid (positive) or received (negative) in the premium token."""

    venue: str
    account: str
    instrument: str
    nonce: int
    rfq_id: str
    taker: str
    side: str
    size: Decimal
    price: Decimal
    premium: Decimal
    premium_token: str
    valid_until_s: int
    dies_s: int


class WorstCase(msgspec.Struct, kw_only=True):
    """If every live signature on one underlying that moves a measure one way were executed, and none of
    the others: sizes in coins, delta in coins, vega as the quotes state it."""

    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    delta_up: float = 0.0
    delta_down: float = 0.0
    vega_up: float = 0.0
    vega_down: float = 0.0

    def add(self, quote: SendQuote, size: Decimal) -> None:
        if quote.side is Side.BUY:
            self.bought += size
        else:
            self.sold += size
        delta, vega = quote.delta * float(size), quote.vega * float(size)
        self.delta_up += max(delta, 0.0)
        self.delta_down += min(delta, 0.0)
        self.vega_up += max(vega, 0.0)
        self.vega_down += min(vega, 0.0)


class LiveSignatures(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, first to die first. Premium sums are by premium token; `last_dies_s` 0: none lives."""

    signatures: list[Signature]
    worst_case: dict[str, WorstCase]
    premium_to_pay: dict[str, Decimal]
    last_dies_s: int


def live_signatures(
    quotes: Iterable[LiveQuote], now_ns: int, *, margin_s: int = SETTLEMENT_MARGIN_S
) -> LiveSignatures:
    """Those not executed whose validity and settlement margin have not passed."""
    found: list[Signature] = []
    worst: dict[str, WorstCase] = {}
    to_pay: dict[str, Decimal] = {}
    for quote in quotes:
        command = quote.command
        dies_s = command.valid_until_s + margin_s
        if quote.traded or dies_s * _SECOND_NS <= now_ns:
            continue
        signature = _signature(command, quote.size, dies_s)
        found.append(signature)
        worst.setdefault(command.underlying, WorstCase()).add(command, quote.size)
        if signature.premium > 0:
            token = signature.premium_token
            to_pay[token] = to_pay.get(token, Decimal(0)) + signature.premium
    found.sort(key=lambda item: (item.dies_s, item.venue, item.account, item.nonce))
    return LiveSignatures(
        signatures=found,
        worst_case=worst,
        premium_to_pay=to_pay,
        last_dies_s=found[-1].dies_s if found else 0,
    )


def _signature(command: SendQuote, size: Decimal, dies_s: int) -> Signature:
    price = Decimal(command.price_e18) / _E18
    return Signature(
        venue=command.venue,
        account=command.account,
        instrument=command.instrument,
        nonce=command.nonce,
        rfq_id=command.rfq_id,
        taker=command.taker,
        side=command.side.name.lower(),
        size=size,
        price=price,
        premium=price * size * int(command.side),
        premium_token=command.terms.premium_token,
        valid_until_s=command.valid_until_s,
        dies_s=dies_s,
    )
