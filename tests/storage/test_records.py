from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.bookings import CashKind, CashMove
from atomizer.domain.commands import (
    CancelOrder,
    Fixing,
    HedgeState,
    Marks,
    NonceBlock,
    RunStarted,
    Why,
    number_in,
)
from atomizer.engine.ledger import Ledger
from atomizer.storage import lines, records
from atomizer.storage.errors import RecordError

from .fixtures.make_journal import quote

RUN: dict[str, Any] = {"run": 1, "network": "sim", "mode": "sim", "version": "1"}


def cancel(why: Why) -> CancelOrder:
    return CancelOrder(order_id=5, venue="v", account="a", instrument="v:x", why=why)


def test_every_record_type_has_its_own_tag() -> None:
    assert len(records.TAGS) == len(records.RECORD_TYPES)


@given(st.integers(min_value=-(2**256), max_value=2**256))
def test_integers_of_any_size_survive(value: int) -> None:
    block = NonceBlock("v", "a", value, value + 1)
    assert records.decode(records.encode(block)) == block


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_survive_to_the_last_digit(amount: Decimal) -> None:
    move = CashMove(venue="v", account="a", kind=CashKind.FEE, reference="r", currency="ETH", amount=amount)
    back = records.decode(records.encode(move))
    assert isinstance(back, CashMove)
    assert back.amount.as_tuple() == amount.as_tuple()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_of_an_explanation_survive_exactly(value: float) -> None:
    assert records.decode(records.encode(cancel({"x": value}))) == cancel({"x": value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_none_in_an_explanation(value: float) -> None:
    back = records.decode(records.encode(cancel({"fair": value, "edge": 1.5})))
    assert back == cancel({"fair": None, "edge": 1.5})
    assert isinstance(back, CancelOrder)
    assert math.isnan(number_in(back.why, "fair"))
    assert number_in(back.why, "edge") == 1.5
    assert number_in(back.why, "absent", 2.0) == 2.0
    with pytest.raises(KeyError):
        number_in(back.why, "absent")


def test_a_batch_holds_what_its_records_hold() -> None:
    batch = [
        cancel({"fair": math.nan, "edge": 1.5}),
        NonceBlock("v", "a", 1, 2),
        RunStarted(**RUN, settings={"a": None}),
    ]
    out = bytearray(b"what stood here before")
    records.encode_batch(7, 9, batch, out)
    found = lines.parse(bytes(out))
    assert [line.n for line in found] == [7, 8, 9]
    assert [records.decode(line.r) for line in found] == [cancel({"fair": None, "edge": 1.5}), *batch[1:]]
    with pytest.raises(RecordError, match="Marks: expected finite numbers"):
        records.encode_batch(7, 9, [*batch, Marks(index={"ETH": math.nan}, instruments={})], out)


def floats_in(kind: msgspec.inspect.Type, path: str = "") -> list[str]:
    """Where floats stand in a type; `path[]` for those of a collection."""
    if isinstance(kind, msgspec.inspect.FloatType):
        return [path]
    if isinstance(kind, msgspec.inspect.StructType):
        return [
            found
            for field in kind.fields
            for found in floats_in(field.type, f"{path}.{field.name}".lstrip("."))
        ]
    parts = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type")]
    parts += getattr(kind, "item_types", ())
    found = [name for part in parts if part is not None for name in floats_in(part, f"{path}[]")]
    return found + [name for part in getattr(kind, "types", ()) for name in floats_in(part, path)]


@pytest.mark.parametrize("kind", sorted(records.FLOATS, key=lambda kind: kind.__name__))
def test_what_is_not_searched_for_nulls_holds_floats_where_it_says(kind: type) -> None:
    found = [path for path in floats_in(msgspec.inspect.type_info(kind)) if path != "why[]"]
    assert tuple(found) == records.FLOATS[kind]


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_quote_with_a_greek_that_is_no_number_is_refused(greek: str, value: float) -> None:
    bad = msgspec.structs.replace(quote(7, 1_757_300_060), **{greek: value})
    with pytest.raises(RecordError, match="SendQuote: expected finite numbers"):
        records.encode(bad)
    with pytest.raises(RecordError, match="SendQuote: expected finite numbers"):
        records.encode_batch(1, 2, [cancel({}), bad], bytearray())


def test_a_number_that_is_not_finite_elsewhere_is_refused() -> None:
    with pytest.raises(RecordError, match="Marks: expected finite numbers"):
        records.encode(Marks(index={"ETH": math.nan}, instruments={}))
    with pytest.raises(RecordError, match="LedgerSnapshot"):
        records.encode(records.LedgerSnapshot({"a": [1.0, {"b": math.inf}]}))


def test_a_ledger_holds_a_quote_whose_explanation_lacks_a_number() -> None:
    signed = msgspec.structs.replace(quote(7, 1_757_300_060), why={"fair": math.nan, "edge": 1.5})
    ledger, back = Ledger(), Ledger()
    ledger.apply(signed, 1)
    snapshot = records.decode(records.encode(records.LedgerSnapshot(ledger.state())))
    assert isinstance(snapshot, records.LedgerSnapshot)
    back.restore(snapshot.state)
    (live,) = back.quotes.values()
    assert live.command == msgspec.structs.replace(signed, why={"fair": None, "edge": 1.5})


def test_none_is_not_taken_for_a_number() -> None:
    run = RunStarted(run=1, network="sim", mode="sim", version="1", settings={"numeraire": None})
    assert records.decode(records.encode(run)) == run


def test_a_snapshot_of_a_typed_ledger_survives_exactly() -> None:
    class Purse(msgspec.Struct):
        cash: dict[str, Decimal]
        nonces: dict[int, int]

    ledger = Purse({"ETH": Decimal("1.000000000000000000000000000001")}, {2**200: 3})
    snapshot = records.LedgerSnapshot(msgspec.to_builtins(ledger, str_keys=True))
    back = records.decode(records.encode(snapshot))
    assert isinstance(back, records.LedgerSnapshot)
    assert msgspec.convert(back.state, Purse, strict=False) == ledger


def test_unknown_tag_is_named() -> None:
    assert records.unknown_tag(b'{"type":"teleport"}') == "teleport"
    assert records.unknown_tag(b'{"type":"fill"}') is None


def test_a_hedge_state_comes_back_as_it_was_written() -> None:
    state = HedgeState(
        underlying="ETH",
        state="failed",
        net_delta=-1.25,
        band=0.05,
        naked_usd=5000.0,
        since_ns=7,
        group="rysk/maker/rfq/1",
        trades=("rysk/maker/rfq/1", "rysk/maker/rfq/2"),
        text="1.25 ETH unhedged",
    )
    assert records.decode(records.encode(state)) == state


def test_a_fixing_comes_back_as_it_was_written_and_the_first_one_of_an_expiry_counts() -> None:
    fixing = Fixing(underlying="ETH", expiry_ns=1_757_664_000_000_000_000, price=4123.45)
    assert records.decode(records.encode(fixing)) == fixing
    ledger = Ledger()
    ledger.apply(fixing, 1)
    ledger.apply(Fixing(underlying="ETH", expiry_ns=fixing.expiry_ns, price=1.0), 2)
    again = Ledger()
    again.restore(ledger.state())
    assert again.fixings == {("ETH", fixing.expiry_ns): 4123.45}
