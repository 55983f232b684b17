from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from atomizer.cli import main
from atomizer.cli.exits import Exit
from atomizer.desk.errors import NotInJournalError
from atomizer.desk.explain import explain, recomputed, text
from atomizer.domain.commands import SendQuote
from atomizer.domain.identity import label, order_id
from tests.engine.rfq_desk import RfqDesk

HEDGE = order_id(1, 2, 1)
OF_RFQ_1 = ["rfq", "quote", "quote", "rfq_trade", "place", "order_open", "fill", "order_ended"]


def types(directory: Path, subject: str) -> list[str]:
    return [step.type for step in explain(directory, subject).steps]


def test_an_rfq_brings_its_quotes_trade_and_hedge(story: Path) -> None:
    assert types(story, "rfq-1") == OF_RFQ_1


@pytest.mark.parametrize("subject", ["100", "101", str(HEDGE), label(HEDGE), "ETH-77"])
def test_every_name_of_it_leads_to_the_whole(story: Path, subject: str) -> None:
    assert types(story, subject) == OF_RFQ_1


def test_a_trade_id_finds_its_order(story: Path) -> None:
    assert types(story, "ETH-1001") == OF_RFQ_1


def test_a_refusal_is_found_by_its_subject_with_its_reason(story: Path) -> None:
    (step,) = explain(story, "rfq-2").steps
    assert step.fields["reason"] == "terms_cap"


def test_other_rfqs_stay_apart(story: Path) -> None:
    assert types(story, "rfq-3") == ["quote"]


def test_the_terms_of_a_decision_stand_apart(story: Path) -> None:
    step = explain(story, "rfq-3").steps[0]
    assert step.why == {"fair": 77.0, "edge": 2.0}
    assert "why" not in step.fields


def test_the_text_names_sides_labels_and_terms(story: Path) -> None:
    shown = "\n".join(text(explain(story, "rfq-1")))
    assert "  why\n    fair  77.0\n    edge  2.0" in shown
    assert f"{HEDGE} ({label(HEDGE)})" in shown
    assert "side            sell" in shown


def test_a_quote_is_recomputed_from_what_is_stored() -> None:
    quote = RfqDesk().quote()
    stored = msgspec.json.decode(msgspec.json.encode(quote), type=SendQuote)
    assert recomputed(stored) == "equal"
    other = msgspec.structs.replace(stored, price_e18=stored.price_e18 + 1)
    assert recomputed(other) == f"DIFFERENT: {stored.price_e18}"
    assert recomputed(msgspec.structs.replace(stored, why={})).startswith("not possible")


def test_the_text_says_how_the_price_came_out_again(story: Path) -> None:
    assert "  recomputed: not possible" in "\n".join(text(explain(story, "rfq-1")))


def test_nothing_found_says_what_an_id_is(story: Path) -> None:
    with pytest.raises(NotInJournalError, match=r"expected an RFQ id, quote nonce.*'rfq-9'"):
        explain(story, "rfq-9")


def test_the_command_prints_json_and_fails_on_an_unknown_id(
    story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["explain", "102", "--data-dir", str(story), "--json"]) == Exit.OK
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["subject"], len(found["steps"])) == ("102", 1)
    assert main.run(["explain", "none", "--data-dir", str(story)]) == Exit.FAILURE
    assert "nothing named 'none'" in capsys.readouterr().err
