"""The surface: fits come back in order or not at all, gates name themselves, prices between and beyond."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.events import JobDone, Ticker
from atomizer.domain.instruments import Kind
from atomizer.domain.refusals import Reason
from atomizer.engine.fitting import Fitting, fit_surface
from atomizer.engine.pricing import YEAR_NS, NoPriceError
from atomizer.engine.settings import SurfaceSettings
from atomizer.engine.surface import Surface, look_at
from atomizer.models.black import black76_price

from .bench_desk import MS, PERP, T0, S
from .rfq_desk import FAR_S, FORWARD, NEAR_S, STRIKES, option

DAY_S = 86_400


def truth(strike: float, expiry_s: int, forward: float = FORWARD) -> float:
    """A smile of the SVI kind that flattens with time, free of arbitrage."""
    years = (expiry_s * S - T0) / YEAR_NS
    k = math.log(strike / forward)
    theta = 0.36 * years
    x = 0.8 * k / math.sqrt(theta)
    return 0.6 * math.sqrt(0.5 * (1.0 - 0.2 * x + math.sqrt((x - 0.2) ** 2 + 0.96)))


class Book:
    """A surface, its fitting, and the jobs that were asked for."""

    def __init__(self, **changes: Any) -> None:
        self.surface = Surface("deribit", "ETH", SurfaceSettings(**changes))
        self.fitting = Fitting({"ETH": self.surface}, self.surface.settings)
        self.jobs: list[tuple[int, Any, int]] = []

    def listed(self, expiries: tuple[int, ...] = (NEAR_S, FAR_S)) -> Book:
        for expiry_s in expiries:
            for strike in STRIKES:
                for is_call in (True, False):
                    self.surface.list_option(option("deribit", strike, expiry_s, is_call=is_call), T0)
        return self

    def told(self, half: float = 0.005, **changes: Any) -> Book:
        """Every option's quotes at the truth."""
        for expiry_ns in self.surface.expiries:
            for strike in STRIKES:
                for is_call in (True, False):
                    self.tell(strike, expiry_ns // S, is_call, half, **changes)
        return self

    def tell(self, strike: float, expiry_s: int, is_call: bool, half: float = 0.005, **changes: Any) -> None:
        vol, years = truth(strike, expiry_s), (expiry_s * S - T0) / YEAR_NS
        coin = [
            black76_price(FORWARD, strike, years, one, 1.0, is_call) / FORWARD
            for one in (vol - half, vol + half)
        ]
        fields: dict[str, Any] = {
            "forward": FORWARD,
            "index": FORWARD,
            "mark_vol": vol,
            "bid_vol": vol - half,
            "ask_vol": vol + half,
            "bid": coin[0],
            "ask": coin[1],
        }
        instrument = option("deribit", strike, expiry_s, is_call=is_call)
        self.surface.learn(instrument, Ticker(**{"instrument": instrument.key, **fields, **changes}))

    def ask(self, now_ns: int) -> None:
        def run_job(_job: str, inputs: Any) -> int:
            self.jobs.append((len(self.jobs) + 1, inputs, now_ns))
            return len(self.jobs)

        self.fitting.ask(now_ns, run_job)

    def done(self, number: int, now_ns: int, error: str = "") -> None:
        job_id, inputs, as_of_ns = self.jobs[number - 1]
        result = None if error else fit_surface(inputs)
        self.fitting.done(JobDone("fit_surface", job_id, as_of_ns, result, error), now_ns)

    def fitted(self, now_ns: int = T0) -> Surface:
        self.ask(now_ns)
        self.done(len(self.jobs), now_ns)
        return self.surface


def surface(**changes: Any) -> Surface:
    return Book(**changes).listed().told().fitted()


def refusal(made: Surface, strike: float = 4000.0, expiry_s: int = NEAR_S, now_ns: int = T0) -> NoPriceError:
    with pytest.raises(NoPriceError) as caught:
        made.locate(strike, expiry_s * S, now_ns, FORWARD)
    return caught.value


# --- prices ---


@settings(max_examples=100, deadline=None)
@given(st.floats(3000.0, 5000.0), st.sampled_from([NEAR_S, FAR_S]))
def test_between_listed_strikes_the_vol_is_met_within_a_twentieth_of_a_point(
    strike: float, expiry_s: int
) -> None:
    found = SURFACE.locate(strike, expiry_s * S, T0, FORWARD)
    assert found.vol() == pytest.approx(truth(strike, expiry_s), abs=5e-4)
    assert found.beyond == 0.0


@settings(max_examples=100, deadline=None)
@given(st.floats(3000.0, 5000.0), st.integers(NEAR_S, FAR_S))
def test_between_expiries_total_variance_is_linear_in_time_at_one_moneyness(
    strike: float, expiry_s: int
) -> None:
    found = SURFACE.locate(strike, expiry_s * S, T0, FORWARD)
    t0, t1, t = (one * S - T0 for one in (NEAR_S, FAR_S, expiry_s))
    near, far = (
        SURFACE.locate(strike, one * S, T0, FORWARD).vol() ** 2 * years
        for one, years in ((NEAR_S, t0), (FAR_S, t1))
    )
    assert found.vol() ** 2 * t == pytest.approx(near + (far - near) * (t - t0) / (t1 - t0), rel=1e-9)


@pytest.mark.parametrize("strike", [2700.0, 5500.0])
def test_beyond_the_strikes_the_wing_goes_on_at_a_charge(strike: float) -> None:
    found = SURFACE.locate(strike, FAR_S * S, T0, FORWARD)
    assert found.vol() == pytest.approx(truth(strike, FAR_S), abs=0.01)
    assert 0.0 < found.beyond < 0.02
    further = SURFACE.locate(strike * (0.95 if strike < FORWARD else 1.05), FAR_S * S, T0, FORWARD)
    assert further.beyond > found.beyond


@pytest.mark.parametrize("expiry_s", [NEAR_S - 2 * DAY_S, FAR_S + 7 * DAY_S])
def test_beyond_the_expiries_the_smile_keeps_its_shape_at_a_charge(expiry_s: int) -> None:
    edge = NEAR_S if expiry_s < NEAR_S else FAR_S
    found = SURFACE.locate(FORWARD, expiry_s * S, T0, FORWARD)
    assert found.vol() == pytest.approx(SURFACE.locate(FORWARD, edge * S, T0, FORWARD).vol())
    ratio = (expiry_s * S - T0) / (edge * S - T0)
    there = SURFACE.locate(FORWARD * math.exp(0.1 * math.sqrt(ratio)), expiry_s * S, T0, FORWARD)
    assert there.vol() == pytest.approx(SURFACE.locate(FORWARD * math.exp(0.1), edge * S, T0, FORWARD).vol())
    assert found.beyond == pytest.approx(0.03 * abs(math.log(ratio)))


@pytest.mark.parametrize(
    ("strike", "expiry_s"),
    [(2200.0, NEAR_S), (7000.0, FAR_S), (4000.0, NEAR_S - 3 * DAY_S), (4000.0, FAR_S + 30 * DAY_S)],
)
def test_further_than_the_limits_there_is_no_price(strike: float, expiry_s: int) -> None:
    assert refusal(SURFACE, strike, expiry_s).reason is Reason.BEYOND_SURFACE


@settings(max_examples=60, deadline=None)
@given(st.floats(2500.0, 6000.0), st.integers(NEAR_S, FAR_S))
def test_put_call_parity_everywhere(strike: float, expiry_s: int) -> None:
    call, put = (
        SURFACE.price(strike, expiry_s * S, is_call=flag, now_ns=T0, index=FORWARD) for flag in (True, False)
    )
    assert call.price - put.price == pytest.approx(call.forward - strike, abs=1e-8)
    assert call.delta - put.delta == pytest.approx(1.0, abs=1e-12)


def test_between_refits_the_smile_follows_the_forward() -> None:
    """Sticky moneyness: at an index 1 % up the vol of a strike 1 % up is what it was."""
    before = SURFACE.locate(4200.0, NEAR_S * S, T0, FORWARD)
    moved = SURFACE.locate(4200.0 * 1.01, NEAR_S * S, T0, FORWARD * 1.01)
    assert moved.forward == pytest.approx(before.forward * 1.01)
    assert moved.vol() == pytest.approx(before.vol(), rel=1e-12)


# --- gates ---


def test_a_slice_with_too_few_live_strikes_prices_nothing() -> None:
    book = Book().listed().told()
    made = book.fitted()
    for strike in list(STRIKES)[:4]:
        book.tell(strike, NEAR_S, False, mark_vol=None)
    error = refusal(made)
    assert error.reason is Reason.SURFACE_GATE
    assert "gate strikes" in str(error)
    assert "60%" in str(error)
    made.locate(4000.0, FAR_S * S, T0, FORWARD)
    assert "gate strikes" in str(refusal(made, expiry_s=NEAR_S + 7 * DAY_S)), "it needs both neighbours"


def test_quotes_that_no_smile_passes_through_fail_the_residual() -> None:
    book = Book().listed().told()
    for number, strike in enumerate(STRIKES):
        vol = 0.5 + 0.1 * (number % 2)
        for is_call in (True, False):
            book.tell(strike, NEAR_S, is_call, mark_vol=vol, bid_vol=vol - 0.002, ask_vol=vol + 0.002)
    error = refusal(book.fitted())
    assert error.reason is Reason.SURFACE_GATE
    assert "gate residual" in str(error)


def test_an_expiry_cheaper_than_the_one_before_fails_the_calendar() -> None:
    book = Book().listed().told()
    for strike in STRIKES:
        vol = 0.2 * truth(strike, FAR_S)
        for is_call in (True, False):
            book.tell(strike, FAR_S, is_call, mark_vol=vol, bid_vol=vol - 0.001, ask_vol=vol + 0.001)
    error = refusal(book.fitted(), expiry_s=FAR_S)
    assert error.reason is Reason.SURFACE_GATE
    assert "gate residual" in str(error) or "gate calendar" in str(error)


def test_a_small_calendar_shortfall_is_mended_and_a_larger_one_named() -> None:
    from atomizer.models import surface_fit

    book = Book(most_raised=0.0).listed((NEAR_S, NEAR_S + DAY_S)).told(half=0.03)
    for strike in STRIKES:
        vol = 0.95 * truth(strike, NEAR_S + DAY_S)
        for is_call in (True, False):
            book.tell(strike, NEAR_S + DAY_S, is_call, mark_vol=vol, bid_vol=vol - 0.03, ask_vol=vol + 0.03)
    assert "gate calendar" in str(refusal(book.fitted(), expiry_s=NEAR_S + DAY_S))
    (near, far) = fit_surface(book.jobs[0][1])["rows"]
    assert 0.0 < far[surface_fit.RAISED] < 1.0
    for k in (-0.3, -0.1, 0.0, 0.1, 0.3):
        variances = [
            row[0] + row[1] * (row[2] * (k - row[3]) + math.hypot(k - row[3], row[4])) for row in (near, far)
        ]
        assert variances[1] >= variances[0]


@pytest.mark.parametrize("wrong", ["future", "parity"])
def test_a_forward_that_future_or_parity_contradict_prices_nothing(wrong: str) -> None:
    book = Book().listed().told()
    if wrong == "future":
        future = type(PERP)(
            **{
                **{name: getattr(PERP, name) for name in PERP.__struct_fields__},
                "kind": Kind.FUTURE,
                "expiry_ns": NEAR_S * S,
            }
        )
        book.surface.learn(future, Ticker(instrument="deribit:F", mark=FORWARD * 1.02))
    else:
        for strike in STRIKES:
            book.tell(strike, NEAR_S, False, bid=0.2, ask=0.21)
    error = refusal(book.fitted())
    assert error.reason is Reason.SURFACE_GATE
    assert "gate forward" in str(error)


def test_a_fit_that_holds_butterflies_is_named() -> None:
    made = surface()
    from atomizer.models import surface_fit

    found = made.slices[NEAR_S * S]
    row = [*found.fit[:5], surface_fit.FITTED, 9.0, 1.0, -0.01, 0.0, -0.2, 0.2]  # type: ignore[index]
    found.take(row, 0.02, T0)
    assert "gate butterfly" in str(refusal(made))


def test_a_fit_is_not_used_beyond_its_age_but_values_go_on_at_the_mark() -> None:
    made = surface()
    late = T0 + 10_001 * MS
    assert refusal(made, now_ns=late).reason is Reason.STALE_FIT
    priced = made.price(4100.0, NEAR_S * S, is_call=True, now_ns=late, index=FORWARD)
    assert priced.vol == pytest.approx(truth(4100.0, NEAR_S), abs=2e-3)


# --- fits that come late, twice, out of order, or never ---


def test_a_fit_that_was_overtaken_is_dropped() -> None:
    book = Book().listed().told()
    book.ask(T0)
    book.told()
    book.ask(T0 + 6 * S)
    book.done(2, T0 + 6 * S)
    book.done(1, T0 + 7 * S)
    assert book.fitting.dropped == 1
    assert book.surface.slices[NEAR_S * S].fit is not None
    assert book.surface.slices[NEAR_S * S].fit.as_of_ns == T0 + 6 * S  # type: ignore[union-attr]


def test_a_late_fit_is_as_old_as_its_quotes() -> None:
    book = Book().listed().told()
    book.ask(T0)
    book.done(1, T0 + 11 * S)
    assert refusal(book.surface, now_ns=T0 + 11 * S).reason is Reason.STALE_FIT


def test_one_job_at_a_time_and_another_when_it_never_comes() -> None:
    book = Book().listed().told()
    for wait_ms in (0, 1000, 4000):
        book.told()
        book.ask(T0 + wait_ms * MS)
    assert len(book.jobs) == 1
    book.ask(T0 + 5 * S)
    assert len(book.jobs) == 2
    assert refusal(book.surface).reason is Reason.NO_SURFACE


def test_a_failing_job_leaves_the_slice_to_age() -> None:
    book = Book().listed().told()
    book.fitted()
    book.told()
    book.ask(T0 + 2 * S)
    book.done(2, T0 + 2 * S, error="FloatingPointError: no")
    assert book.fitting.failed == 1
    book.surface.locate(4000.0, NEAR_S * S, T0 + 9 * S, FORWARD)
    assert refusal(book.surface, now_ns=T0 + 11 * S).reason is Reason.STALE_FIT


def test_a_lost_feed_takes_its_fit_and_the_job_under_way() -> None:
    book = Book().listed().told()
    made = book.fitted()
    book.told()
    book.ask(T0 + 2 * S)
    made.forget()
    assert refusal(made).reason is Reason.SURFACE_GATE
    book.told()
    book.done(2, T0 + 3 * S)
    assert refusal(made, now_ns=T0 + 3 * S).reason is Reason.NO_SURFACE


def test_nothing_is_asked_while_nothing_changed() -> None:
    book = Book().listed().told()
    book.fitted()
    book.ask(T0 + 60 * S)
    assert len(book.jobs) == 1


# --- other things that are checked against it ---


def test_the_venues_own_smile_knows_nothing_outside_its_strikes_and_expiries() -> None:
    for strike, expiry_s in (
        (2990.0, NEAR_S),
        (5010.0, FAR_S),
        (4000.0, NEAR_S - DAY_S),
        (4000.0, FAR_S + 1),
    ):
        assert math.isnan(SURFACE.mark(strike, expiry_s * S, T0, FORWARD)[1])
    assert SURFACE.mark(4100.0, NEAR_S * S, T0, FORWARD)[1] == pytest.approx(truth(4100.0, NEAR_S), abs=2e-3)


def bounds(strike: float, expiry_s: int, *, is_call: bool) -> tuple[float, float]:
    found = SURFACE.locate(strike, expiry_s * S, T0, FORWARD)
    return look_at(found, strike, FORWARD, is_call)[1:]


def test_bounds_are_the_cheapest_listed_super_hedge_and_the_dearest_bid() -> None:
    floor, cap = bounds(4000.0, NEAR_S, is_call=True)
    years = (NEAR_S * S - T0) / YEAR_NS
    fair = black76_price(FORWARD, 4000.0, years, truth(4000.0, NEAR_S), 1.0, True)
    assert 0.95 * fair < floor < fair < cap < 1.05 * fair
    floor, cap = bounds(4100.0, NEAR_S, is_call=True)
    assert floor == 0.0
    assert cap > black76_price(FORWARD, 4100.0, years, truth(4100.0, NEAR_S), 1.0, True)
    floor, calendar = bounds(4000.0, NEAR_S + DAY_S, is_call=False)
    put = black76_price(FORWARD, 4000.0, years, truth(4000.0, NEAR_S), 1.0, False)
    assert 0.95 * put < floor < put, "the bid of the expiry before"
    assert put < calendar < math.inf, "the ask of the one after"
    floor, cap = bounds(4000.0, FAR_S + DAY_S, is_call=True)
    assert floor > 0.0
    assert cap == math.inf
    floor, cap = bounds(4000.0, NEAR_S - DAY_S, is_call=True)
    assert floor == 0.0
    assert cap == bounds(4000.0, NEAR_S, is_call=True)[1]


def test_the_super_hedge_is_of_the_next_expiry_where_this_one_offers_none() -> None:
    book = Book().listed().told()
    book.fitted()
    for strike in STRIKES:
        book.tell(strike, NEAR_S, True, ask=None)
    made = book.surface
    found = made.locate(4000.0, NEAR_S * S, T0, FORWARD)
    _vol, _floor, cap = look_at(found, 4000.0, FORWARD, True)
    assert cap == bounds(4000.0, FAR_S, is_call=True)[1]


@settings(max_examples=100, deadline=None)
@given(st.floats(2800.0, 5200.0), st.integers(NEAR_S - DAY_S, FAR_S + DAY_S), st.booleans())
def test_the_vol_of_a_look_is_the_mark(strike: float, expiry_s: int, is_call: bool) -> None:
    found = SURFACE.locate(strike, expiry_s * S, T0, FORWARD)
    vol = look_at(found, strike, FORWARD, is_call)[0]
    forward, mark = SURFACE.mark(strike, expiry_s * S, T0, FORWARD)
    assert vol == pytest.approx(mark, rel=1e-12, nan_ok=True)
    if not math.isnan(mark):
        assert found.forward == pytest.approx(forward, rel=1e-12)


def test_quotes_are_contiguous_however_they_came_about() -> None:
    """Kernels are called without numba's own look at it."""
    book = Book().listed().told()
    made = book.fitted()
    assert all(one.quotes.flags.c_contiguous for one in made.slices.values())
    made.forget()
    made.list_option(option("deribit", 4111.0, NEAR_S, is_call=True), T0)
    (near, *_) = made.slices.values()
    assert near.quotes.flags.c_contiguous
    assert near.quotes.shape[1] == len(STRIKES) + 1


def test_places_follow_what_is_listed() -> None:
    book = Book().listed((NEAR_S, FAR_S)).told()
    made = book.fitted()
    assert made.locate(4000.0, (NEAR_S + DAY_S) * S, T0, FORWARD).share > 0.0
    book.listed((NEAR_S + DAY_S,))
    with pytest.raises(NoPriceError, match="no forward yet"):
        made.locate(4000.0, (NEAR_S + DAY_S) * S, T0, FORWARD)
    assert made.locate(4000.0, NEAR_S * S, T0, FORWARD).share == 0.0


def test_an_expired_slice_is_never_used() -> None:
    made = surface()
    assert refusal(made, expiry_s=NEAR_S, now_ns=NEAR_S * S).reason is Reason.EXPIRED
    made.drop_expired(NEAR_S * S)
    assert made.expiries == [FAR_S * S]


SURFACE = surface()
