"""A storm: a thousand requests in ten seconds, answered by value within the message budget."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.capabilities import RateBudget
from atomizer.domain.commands import Refused, SendQuote
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq

from .bench_desk import DERIBIT, MS
from .rfq_desk import RYSK, RfqDesk
from .test_gate import limited

RATE = RateBudget(per_s=20.0, burst=10.0, reserve=0.0)
WIDE = limited(
    delta=1e9, delta_usd=1e12, gamma=1e9, vega=1e9, position_size=1e9, notional=1e12, premium_per_quote=1e9
)


def storm(desk: RfqDesk) -> list[Rfq]:
    """Ten a tenth of a second, sizes from a fixed scramble."""
    made = []
    for number in range(1000):
        size = 1 + (number * 379) % 97
        made.append(desk.rfq(size=str(size), strike=float(3500 + 250 * (number % 5)), taker=f"0x{number}"))
    return made


def test_a_thousand_requests_in_ten_seconds() -> None:
    desk = RfqDesk(
        capabilities={"deribit": DERIBIT, "rysk": msgspec.structs.replace(RYSK, rate=RATE)},
        limits=WIDE,
        deposit="1000000000",
    )
    rfqs = storm(desk)
    answers: list[SendQuote | Refused] = []
    for start in range(0, 1000, 10):
        out = desk.refresh(after_s=0.0)
        out += desk.feed(*rfqs[start : start + 10], after_ms=50.0)
        out += desk.feed(*desk.chain, after_ms=50.0)
        answers += [item for item in out if isinstance(item, (SendQuote, Refused))]
    for _ in range(40):
        out = desk.refresh()
        out += desk.tick(after_ms=50.0)
        answers += [item for item in out if isinstance(item, (SendQuote, Refused))]
    quotes = [item for item in answers if isinstance(item, SendQuote)]
    refused = [item for item in answers if isinstance(item, Refused)]
    assert len(answers) == 1000, "everything is answered or refused with a reason"
    assert {item.reason for item in refused} == {Reason.OVER_BUDGET}
    seconds = (desk.now_ns - desk.engine.ledger.quotes[("rysk", "maker", quotes[0].nonce)].sent_ns) / 1e9
    assert RATE.burst + 10 * RATE.per_s * 0.9 <= len(quotes) <= RATE.burst + RATE.per_s * (seconds + 1.0)
    sizes = {rfq.rfq_id: rfq.size for rfq in rfqs}
    answered = sorted(sizes[item.rfq_id] for item in quotes)
    left = sorted(sizes[item.subject] for item in refused)
    assert answered[len(answered) // 2] > Decimal("1.5") * left[len(left) // 2]
    assert sum(answered) > Decimal("0.35") * sum(sizes.values())
    assert desk.engine.next_deadline() > desk.now_ns + 5 * MS, "nothing wakes the core for an empty line"
