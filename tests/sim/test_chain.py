"""Recorded chains: what is kept of them, and what an unusable file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from atomizer.sim.calendar import DAY_NS, utc
from atomizer.sim.chain import ChainError, load_chain
from atomizer.sim.market import Market

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "okx_option_chains"
START = 1_763_640_000_000_000_000
HEADER = "symbol,underlying,asset_class,expiry,strike,type,bid,ask,last,asof_utc,spot"


def recorded(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared: {name}")
    return path


def line(strike: float, kind: str, bid: str, ask: str, spot: str = "100.0") -> str:
    return (
        f"X,ABC,crypto,2025-09-12 00:00:00+00:00,{strike},{kind},{bid},{ask},,"
        f"2025-09-02 08:00:00+00:00,{spot}"
    )


def good_lines() -> list[str]:
    quotes = {
        80: ("0.2000", "0.2060", "0.0010", "0.0012"),
        90: ("0.1060", "0.1090", "0.0075", "0.0085"),
        95: ("0.0680", "0.0700", "0.0185", "0.0195"),
        100: ("0.0380", "0.0400", "0.0380", "0.0400"),
        105: ("0.0180", "0.0190", "0.0680", "0.0700"),
        110: ("0.0080", "0.0090", "0.1080", "0.1095"),
        120: ("0.0011", "0.0013", "0.2005", "0.2020"),
    }
    lines = []
    for strike, (call_bid, call_ask, put_bid, put_ask) in quotes.items():
        lines += [line(strike, "C", call_bid, call_ask), line(strike, "P", put_bid, put_ask)]
    return lines


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "forward", "atm", "low", "high", "points"),
    [
        ("BTC_2025-09-08_exp_2025-09-26_okx_chain.csv", 111028, 0.361, 0.339, 0.699, 27),
        ("ETH_2025-09-08_exp_2025-09-12_okx_chain.csv", 4361, 0.620, 0.593, 0.800, 21),
    ],
)
def test_recorded_smile_agrees_with_the_figures_published_beside_it(
    name: str, forward: float, atm: float, low: float, high: float, points: int
) -> None:
    chain = load_chain(recorded(name))
    assert chain.forward == pytest.approx(forward, rel=3e-4)
    assert chain.atm_vol == pytest.approx(atm, abs=0.002)
    assert min(chain.vols) == pytest.approx(low, abs=0.002)
    assert max(chain.vols) == pytest.approx(high, abs=0.002)
    assert len(chain.knots) == points


@pytest.mark.needs_shared
def test_market_on_a_recording_keeps_strikes_and_reprices_at_the_recorded_spot() -> None:
    chain = load_chain(recorded("ETH_2025-09-08_exp_2025-09-12_okx_chain.csv"))
    market = Market(4, START, chain=chain)
    state = market.state(START)
    assert state.index == pytest.approx(4359.33)
    assert {(o.strike, o.is_call) for o in market.options} == set(chain.listed)
    (expiry_ns,) = market.expiries
    assert utc(expiry_ns).weekday() == 4
    assert expiry_ns - START >= 2 * DAY_NS
    for option in market.options:
        assert 0.5 < state.vol(option.strike, expiry_ns) < 0.85
        assert state.fair(option) >= 0.0


@pytest.mark.needs_shared
def test_recording_with_too_few_quotes_is_refused() -> None:
    with pytest.raises(ChainError, match=r"at least 5 .* found 3"):
        load_chain(recorded("BTC_2025-09-06_okx_chain.csv"))


def test_small_good_file_loads(tmp_path: Path) -> None:
    chain = load_chain(write(tmp_path / "good.csv", good_lines()))
    assert chain.underlying == "ABC"
    assert chain.forward == pytest.approx(100.0, abs=0.5)
    assert len(chain.knots) == 7
    assert len(chain.listed) == 14


def test_crossed_and_missing_quotes_are_left_out_of_the_smile_but_stay_listed(tmp_path: Path) -> None:
    lines = good_lines()
    lines.append(line(130, "C", "0.0005", "0.0004"))
    lines.append(line(70, "P", "", "0.0001"))
    chain = load_chain(write(tmp_path / "torn.csv", lines))
    assert len(chain.knots) == 7
    assert (130.0, True) in chain.listed
    assert (70.0, False) in chain.listed


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "a line per option, found none"),
        (["a,b"], "positive spot"),
        ([line(100, "X", "0.1", "0.2")], "type C or P, found 'X'"),
        ([line(100, "C", "abc", "0.2")], "line 2: expected a positive bid, found 'abc'"),
        ([line(100, "C", "-1", "0.2")], "positive bid"),
        ([line(-5, "C", "0.1", "0.2")], "positive strike"),
        ([line(100, "C", "0.1", "0.2")], "call and put quoted on both sides"),
        ([line(100, "C", "0.1", "0.2", spot="nan")], "positive spot, found 'nan'"),
    ],
)
def test_unusable_file_is_told_what_was_expected(tmp_path: Path, lines: list[str], text: str) -> None:
    if lines == ["a,b"]:
        lines = ["X,ABC,crypto,2025-09-12,1,C,,,,2025-09-02,"]
    with pytest.raises(ChainError, match=text):
        load_chain(write(tmp_path / "bad.csv", lines))


def test_missing_columns_and_missing_file_are_named(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ChainError, match="missing underlying, expiry"):
        load_chain(other)
    with pytest.raises(ChainError, match=r"nowhere\.csv"):
        load_chain(tmp_path / "nowhere.csv")


def test_several_expiries_are_refused(tmp_path: Path) -> None:
    lines = good_lines()
    lines[0] = lines[0].replace("2025-09-12", "2025-09-19")
    with pytest.raises(ChainError, match="one expiry in the file, found"):
        load_chain(write(tmp_path / "two.csv", lines))


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ChainError, match="readable CSV"):
        load_chain(path)
