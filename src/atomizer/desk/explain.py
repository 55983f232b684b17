"""Why a quote, order or refusal came out as it did: its records in order, each with its terms.

Starts from one id and follows what belongs together: an RFQ's quotes and the orders whose terms name it, a
quote's nonce, an order's venue id. Needs nothing but the journal, through the desk's index of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from atomizer.desk.errors import NotInJournalError
from atomizer.desk.index import Index, opened
from atomizer.desk.naming import FIELDS, LEADING, Key, names
from atomizer.domain import identity
from atomizer.domain.commands import SendQuote
from atomizer.domain.instruments import Side
from atomizer.storage.journal import Record
from atomizer.storage.words import time_text

_MOST_PASSES = 10


class Step(msgspec.Struct, frozen=True):
    """One record: its number and time in the journal, its type, fields, and terms of the decision."""

    sequence: int
    ts_ns: int
    type: str
    fields: dict[str, Any]
    why: dict[str, Any]
    recomputed: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """Everything the journal says about one subject, in order."""

    subject: str
    steps: list[Step]


def explain(data_dir: Path, subject: str) -> Explanation:
    """Find a subject: RFQ id, quote nonce, order id, order label, venue order id, trade id, reference.

    Raises:
        NotInJournalError: no record names it.
        JournalError: the journal cannot be read.
    """
    wanted = _starting(subject)
    steps: list[Step] = []
    with opened(data_dir) as index:
        for _ in range(_MOST_PASSES):
            before = len(wanted)
            steps = [_step(record) for record in _matching(index, wanted)]
            if len(wanted) == before:
                break
    if not steps:
        raise NotInJournalError(
            f"{data_dir}: expected an RFQ id, quote nonce, order id or label, trade id or refused subject,"
            f" found nothing named {subject!r}; `atomizer journal show --last 20` lists recent ones"
        )
    return Explanation(subject, steps)


def _starting(subject: str) -> set[Key]:
    order_id = identity.from_label(subject)
    if order_id is not None:
        return {("order", str(order_id))}
    return {(kind, subject) for kind in FIELDS.values()}


def _matching(index: Index, wanted: set[Key]) -> Iterator[Record]:
    """Records that name something wanted; what they lead to becomes wanted as well."""
    for record in list(index.named(wanted)):
        wanted.update(key for key in names(record.body) if key[0] in LEADING)
        yield record


def _step(record: Record) -> Step:
    fields = msgspec.to_builtins(record.body)
    why = fields.pop("why", {})
    if not isinstance(why, dict):  # a booking's reason in words
        why = {"because": why}
    return Step(record.sequence, record.ts_ns, fields.pop("type"), fields, why, recomputed(record.body))


def recomputed(body: msgspec.Struct) -> str:
    """Whether the stored terms of a quote make its price again to the last digit; empty for anything else."""
    if not isinstance(body, SendQuote):
        return ""
    from atomizer.models.rfq_quote import recompute  # brings a kernel: not for every explanation

    try:
        price_e18 = recompute(body.why)
    except (KeyError, ValueError):
        return "not possible: this quote does not hold every input"
    return "equal" if price_e18 == body.price_e18 else f"DIFFERENT: {price_e18}"


def text(explanation: Explanation) -> Iterator[str]:
    """The lines a person reads."""
    for step in explanation.steps:
        yield f"#{step.sequence} {time_text(step.ts_ns)} {step.type}"
        yield from _laid_out(step.fields, "  ")
        if step.recomputed:
            yield f"  recomputed: {step.recomputed}"
        if step.why:
            yield "  why"
            yield from _laid_out(step.why, "    ")


def _laid_out(fields: dict[str, Any], indent: str) -> Iterator[str]:
    width = max((len(key) for key, value in fields.items() if not isinstance(value, dict)), default=0)
    for key, value in fields.items():
        if isinstance(value, dict):
            yield f"{indent}{key}"
            yield from _laid_out(value, indent + "  ")
        else:
            yield f"{indent}{key:<{width}}  {_shown(key, value)}"


def _shown(key: str, value: Any) -> Any:
    if key == "order_id" and isinstance(value, int):
        return f"{value} ({identity.label(value)})"
    if key == "side" and value in (1, -1):
        return Side(value).name.lower()
    return value
