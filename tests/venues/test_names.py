"""Names of every venue to one set of parts and back, letter for letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.instruments import GridStep, Instrument, Kind, PriceGrid
from atomizer.domain.names import InstrumentNameError, NameParts, parts_of
from atomizer.venues.binance import names as binance
from atomizer.venues.deribit import names as deribit
from atomizer.venues.derive import names as derive
from atomizer.venues.grvt import names as grvt
from atomizer.venues.rysk import names as rysk
from atomizer.venues.thalex import names as thalex

DAY = 86_400
FIRST = 946_684_800 + 8 * 3600  # 2000-01-01 08:00 UTC
ETH_30MAY25 = 1748592000

CURRENCIES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=6)
EXPIRIES = st.integers(0, 36_523).map(lambda days: FIRST + days * DAY)
STRIKES = st.one_of(
    st.integers(1, 10**7).map(Decimal),
    st.decimals(min_value=Decimal("0.00000001"), max_value=10**6, places=8).filter(lambda value: value > 0),
)


def parts(kinds: tuple[Kind, ...], quote: str, *, inverse: bool = False) -> st.SearchStrategy[NameParts]:
    def of(kind: Kind) -> st.SearchStrategy[NameParts]:
        dated = kind in (Kind.FUTURE, Kind.OPTION)
        option = kind is Kind.OPTION
        return st.builds(
            NameParts,
            underlying=CURRENCIES,
            quote=st.just(quote),
            kind=st.just(kind),
            expiry_s=EXPIRIES if dated else st.none(),
            strike=STRIKES if option else st.none(),
            is_call=st.booleans() if option else st.none(),
            inverse=st.just(inverse),
        )

    return st.sampled_from(kinds).flatmap(of)


DERIVATIVES = (Kind.PERPETUAL, Kind.FUTURE, Kind.OPTION)


def usdm(name: str) -> NameParts:
    return binance.parse(name, binance.Market.USDM)


def spot(name: str) -> NameParts:
    return binance.parse(name, binance.Market.SPOT)


@given(parts(DERIVATIVES, "USD", inverse=True) | parts((Kind.SPOT, *DERIVATIVES), "USDC"))
def test_deribit_names_read_back(wanted: NameParts) -> None:
    assert deribit.parse(deribit.render(wanted)) == wanted


@given(parts((Kind.SPOT, Kind.PERPETUAL, Kind.OPTION), "USDC"))
def test_derive_names_read_back(wanted: NameParts) -> None:
    assert derive.parse(derive.render(wanted)) == wanted


@given(parts(DERIVATIVES, "USD"))
def test_thalex_names_read_back(wanted: NameParts) -> None:
    assert thalex.parse(thalex.render(wanted)) == wanted


@given(parts((Kind.SPOT, *DERIVATIVES), "USDT"))
def test_grvt_names_read_back(wanted: NameParts) -> None:
    assert grvt.parse(grvt.render(wanted)) == wanted


@given(parts((Kind.PERPETUAL, Kind.FUTURE), "USDT"))
def test_binance_futures_read_back(wanted: NameParts) -> None:
    assert usdm(binance.render(wanted)) == wanted


@given(parts((Kind.SPOT,), "USDC"))
def test_binance_spot_reads_back(wanted: NameParts) -> None:
    assert spot(binance.render(wanted)) == wanted


RYSK_OPTIONS = st.builds(
    NameParts,
    underlying=CURRENCIES,
    quote=st.just("USD"),
    kind=st.just(Kind.OPTION),
    expiry_s=st.integers(0, 10**10),
    strike=STRIKES,
    is_call=st.booleans(),
)


@given(RYSK_OPTIONS)
def test_rysk_names_and_terms_read_back_to_the_second(wanted: NameParts) -> None:
    assert rysk.parse(rysk.render(wanted)) == wanted
    assert rysk.parts_of_terms(wanted.underlying, rysk.terms_of(wanted)) == wanted


@given(CURRENCIES, st.integers(1, 2**256 - 1), st.integers(0, 10**10), st.booleans())
def test_rysk_terms_of_any_width_read_back(
    underlying: str, strike_e8: int, expiry: int, is_put: bool
) -> None:
    terms = rysk.OptionTerms(expiry=expiry, strike_e8=strike_e8, is_put=is_put)
    read = rysk.parts_of_terms(underlying, terms)
    assert rysk.terms_of(read) == terms
    assert rysk.parse(rysk.render(read)) == read


EXAMPLES: list[tuple[Callable[[str], NameParts], Callable[[NameParts], str], str]] = [
    *((deribit.parse, deribit.render, name) for name in (
        "ETH-PERPETUAL", "BTC-30MAY25", "ETH-6JUN25-3000-C", "ETH-30MAY25-3000-P", "ETH_USDC-PERPETUAL",
        "ETH_USDC-30MAY25-3000-P", "XRP_USDC-30JUN23-0d625-C", "SOL_USDC-6JUN25", "ETH_USDC", "ETH_BTC",
        "BTC_USDT-PERPETUAL",
    )),
    *((derive.parse, derive.render, name) for name in (
        "ETH-PERP", "ETH-20250530-3000-C", "ETH-20250606-3000-P", "ETH-USDC", "XRP-20250606-0_625-C",
    )),
    *((thalex.parse, thalex.render, name) for name in (
        "BTC-PERPETUAL", "BTC-03APR26", "BTC-25DEC26-120000-C", "ETH-03APR26-2000-P",
    )),
    *((grvt.parse, grvt.render, name) for name in (
        "BTC_USDT_Perp", "BTC_USDT_Fut_20Oct23", "ETH_USDT_Call_20Oct23_2800", "ETH_USDT_Put_03Nov23_1750.5",
        "USDC_USDT_SpotSwap",
    )),
    *((usdm, binance.render, name) for name in ("BTCUSDT", "BTCUSDT_260327", "BTCUSDC",
        "1000PEPEUSDT", "ETHBTC")),
    *((spot, binance.render, name) for name in ("BTCUSDT", "FDUSDUSDT", "BTCFDUSD", "ETHBTC")),
    *((rysk.parse, rysk.render, name) for name in (
        "ETH-20250530-3000-C", "XAUT-20250530T173000-3000-P", "HYPE-20250530-40.5-C",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "render", "name"), EXAMPLES, ids=[row[2] for row in EXAMPLES])
def test_published_name_reads_back(
    parse: Callable[[str], NameParts], render: Callable[[NameParts], str], name: str
) -> None:
    assert render(parse(name)) == name


def test_one_option_has_its_name_on_every_venue() -> None:
    option = deribit.parse("ETH-30MAY25-3000-C")
    assert option == NameParts(
        underlying="ETH", quote="USD", kind=Kind.OPTION, expiry_s=ETH_30MAY25,
        strike=Decimal(3000), is_call=True, inverse=True,
    )  # fmt: skip
    linear = option.relisted(quote="USD", inverse=False)
    assert rysk.terms_of(linear) == rysk.OptionTerms(ETH_30MAY25, 300000000000, False)
    assert rysk.render(linear) == "ETH-20250530-3000-C"
    assert thalex.render(linear) == "ETH-30MAY25-3000-C"
    usdc = option.relisted(quote="USDC", inverse=False)
    assert derive.render(usdc) == "ETH-20250530-3000-C"
    assert deribit.render(usdc) == "ETH_USDC-30MAY25-3000-C"
    assert grvt.render(option.relisted(quote="USDT", inverse=False)) == "ETH_USDT_Call_30May25_3000"


@given(parts((Kind.OPTION,), "USD", inverse=True))
def test_deribit_option_translates_to_derive_and_back(option: NameParts) -> None:
    there = derive.render(option.relisted(quote="USDC", inverse=False))
    back = derive.parse(there).relisted(quote="USD", inverse=True)
    assert deribit.render(back) == deribit.render(option)


def test_example_of_the_documentation_runs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    *lines, last = block[1].strip().splitlines()
    call, _, said = last.partition("#")
    scope: dict[str, object] = {}
    exec("\n".join(lines), scope)
    assert repr(eval(call, scope)) == said.strip()


WRONG: list[tuple[Callable[[str], NameParts], str]] = [
    *((deribit.parse, name) for name in (
        "", "-", "ETH", "eth-PERPETUAL", "ETH-perpetual", "ETH-06JUN25", "ETH-6jun25",
        "ETH-31FEB25", "ETH-6JUN2025",
        "ETH-6JUN25-3000", "ETH-6JUN25-3000-X", "ETH-6JUN25-03000-C", "ETH-6JUN25-0-C", "ETH-6JUN25-1d50-C",
        "ETH-6JUN25-1.5-C", "ETH-6JUN25-d5-C", "ETH-6JUN25-5d-C", "ETH-6JUN25--3000-C", "ETH_USD-PERPETUAL",
        "ETH-CS-30MAY25-3000_3200", "ETH-FS-30MAY25_PERP", "ETH_-PERPETUAL", " ETH-PERPETUAL",
        "ETH-PERPETUAL\n",
        "ETH-6JUN25-٣000-C",
    )),
    *((derive.parse, name) for name in (
        "", "ETH", "ETH-PERPETUAL", "ETH-2025530-3000-C", "ETH-20250530-3000", "ETH-20251330-3000-C",
        "ETH-20250530-0d5-C", "ETH-20250530-3000-CALL", "ETH-USDT", "ETH-19990530-3000-C",
    )),
    *((thalex.parse, name) for name in (
        "", "BTC", "BTC-3APR26", "BTC-25DEC26-25SEP26", "BTC-25DEC26-PERPETUAL",
        "BTC-25DEC26-120000-c", "BTC-USD",
    )),
    *((grvt.parse, name) for name in (
        "", "BTC", "BTC_USDT", "BTC_USDT_PERP", "BTC_USDT_Fut_3Oct23", "BTC_USDT_Fut_03OCT23",
        "BTC_USDT_Call_20Oct23", "BTC_USDT_call_20Oct23_2800", "_USDT_Perp", "BTC_USDT_Perp_",
    )),
    *((usdm, name) for name in ("", "btcusdt", "USDT", "BTCXYZ", "BTCUSDT_261301", "BTCUSDT_2603",
        "BTC-USDT")),
    *((spot, name) for name in ("BTCUSDT_260327", "")),
    *((rysk.parse, name) for name in (
        "", "ETH-20250530-3000", "ETH-20250530T080000-3000-C", "ETH-20250530T250000-3000-C",
        "ETH-20250530-3000.0-C",
        "ETH-20250530-0-C", "ETH-20250231-3000-C",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "name"), WRONG)
def test_name_that_the_venue_cannot_have_is_refused(parse: Callable[[str], NameParts], name: str) -> None:
    with pytest.raises(InstrumentNameError, match=r"expected .*found"):
        parse(name)


@given(st.text(max_size=30) | st.text("ETHUSDC-_.0123456789JANFEBPCd", max_size=30))
def test_any_text_is_read_exactly_or_refused(text: str) -> None:
    readers = (
        (deribit.parse, deribit.render), (derive.parse, derive.render), (thalex.parse, thalex.render),
        (grvt.parse, grvt.render), (usdm, binance.render), (spot, binance.render), (rysk.parse, rysk.render),
    )  # fmt: skip
    for parse, render in readers:
        try:
            read = parse(text)
        except InstrumentNameError:
            continue
        assert render(read) == text


OPTION = NameParts(
    underlying="ETH", quote="USD", kind=Kind.OPTION, expiry_s=ETH_30MAY25, strike=Decimal(3000), is_call=True
)
FUTURE = NameParts(underlying="ETH", quote="USDC", kind=Kind.FUTURE, expiry_s=ETH_30MAY25)
PERPETUAL = NameParts(underlying="ETH", quote="USD", kind=Kind.PERPETUAL)
SPOT = NameParts(underlying="ETH", quote="USD", kind=Kind.SPOT)


def test_no_binance_quote_ends_in_another() -> None:
    for quote in binance.QUOTES:
        assert [other for other in binance.QUOTES if quote.endswith(other)] == [quote]


UNLISTED = [
    (deribit.render, OPTION, "expected inverse contracts in USD"),
    (deribit.render, OPTION.relisted(quote="USDC", inverse=True), "expected inverse contracts in USD"),
    (derive.render, OPTION, "expected quote USDC and inverse False"),
    (derive.render, FUTURE, "found a future"),
    (derive.render, OPTION.relisted(quote="USDC", inverse=True), "inverse False"),
    (thalex.render, FUTURE, "expected quote USD"),
    (thalex.render, SPOT, "found spot"),
    (grvt.render, PERPETUAL.relisted(quote="USD", inverse=True), "found an inverse one"),
    (binance.render, OPTION.relisted(quote="USDT", inverse=False), "found an option"),
    (binance.render, PERPETUAL, "expected quote FDUSD"),
    (
        binance.render,
        NameParts(underlying="BT-C", quote="USDT", kind=Kind.SPOT),
        "upper-case letters and digits",
    ),
    (rysk.render, FUTURE.relisted(quote="USD", inverse=False), "found a future"),
    (rysk.render, OPTION.relisted(quote="USDC", inverse=False), "expected quote USD"),
]


@pytest.mark.parametrize(("render", "wanted", "said"), UNLISTED)
def test_contract_that_the_venue_does_not_list_is_refused(
    render: Callable[[NameParts], str], wanted: NameParts, said: str
) -> None:
    with pytest.raises(InstrumentNameError, match=said):
        render(wanted)


@pytest.mark.parametrize("expiry_s", [ETH_30MAY25 + 1, ETH_30MAY25 - 8 * 3600, 0, ETH_30MAY25 * 1000, -1])
def test_expiry_that_a_dated_name_cannot_say_is_refused(expiry_s: int) -> None:
    wanted = NameParts(
        underlying="ETH", quote="USDC", kind=Kind.OPTION, expiry_s=expiry_s, strike=Decimal(1), is_call=True
    )
    for render in (deribit.render, derive.render, grvt.render):
        with pytest.raises(InstrumentNameError, match="expected an expiry"):
            render(wanted)


def test_rysk_strike_finer_than_its_scale_is_refused() -> None:
    fine = NameParts(
        underlying="ETH", quote="USD", kind=Kind.OPTION, expiry_s=ETH_30MAY25,
        strike=Decimal("0.000000001"), is_call=True,
    )  # fmt: skip
    with pytest.raises(InstrumentNameError, match="steps of 1e-8"):
        rysk.terms_of(fine)


@pytest.mark.parametrize("strike_e8", [0, -1, 3e11, True])
def test_rysk_terms_without_a_positive_integer_strike_are_refused(strike_e8: object) -> None:
    with pytest.raises(InstrumentNameError, match="expected a positive integer strike"):
        rysk.parts_of_terms("ETH", rysk.OptionTerms(ETH_30MAY25, strike_e8, False))  # type: ignore[arg-type]


def test_rysk_expiry_in_milliseconds_is_refused() -> None:
    wanted = rysk.parts_of_terms("ETH", rysk.OptionTerms(ETH_30MAY25 * 1000, 10**8, False))
    with pytest.raises(InstrumentNameError, match="check that it is not in ms"):
        rysk.render(wanted)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"underlying": ""}, "expected an underlying"),
        ({"quote": ""}, "expected an underlying"),
        ({"expiry_s": None}, "expected expiry_s"),
        ({"expiry_s": 1.5}, "whole unix seconds"),
        ({"strike": None}, "expected strike and is_call"),
        ({"is_call": None}, "expected strike and is_call"),
        ({"strike": 3000.0}, "positive Decimal strike"),
        ({"strike": Decimal(0)}, "positive Decimal strike"),
        ({"strike": Decimal("NaN")}, "positive Decimal strike"),
        ({"kind": Kind.PERPETUAL}, "expected no expiry_s"),
        ({"kind": Kind.FUTURE}, "expected no strike"),
    ],
)
def test_parts_that_make_no_contract_are_refused(change: dict[str, object], said: str) -> None:
    fields = {name: getattr(OPTION, name) for name in OPTION.__struct_fields__} | change
    with pytest.raises(InstrumentNameError, match=said):
        NameParts(**fields)


def test_inverse_spot_is_refused() -> None:
    with pytest.raises(InstrumentNameError, match="a spot pair has no margin"):
        NameParts(underlying="ETH", quote="USD", kind=Kind.SPOT, inverse=True)


def instrument(**fields: object) -> Instrument:
    return Instrument(
        key="deribit:ETH-30MAY25-3000-C", venue="deribit", name="ETH-30MAY25-3000-C", kind=Kind.OPTION,
        underlying="ETH", quote="USD", settlement="ETH", lot=Decimal(1), inverse=True, strike=Decimal(3000),
        grid=PriceGrid(Decimal("0.0001"), (GridStep(50, 5),)), is_call=True,
        **({"expiry_ns": ETH_30MAY25 * 10**9} | fields),
    )  # fmt: skip


def test_instrument_renders_to_its_own_name() -> None:
    assert deribit.render(parts_of(instrument())) == instrument().name


def test_instrument_that_expires_within_a_second_has_no_name() -> None:
    with pytest.raises(InstrumentNameError, match="expected an expiry on a whole second"):
        parts_of(instrument(expiry_ns=ETH_30MAY25 * 10**9 + 1))
