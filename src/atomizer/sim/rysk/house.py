"""The auction house: RFQs arrive, are pushed, gather quotes for the window, are decided."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np

from atomizer.domain.rfq import OnchainTerms
from atomizer.net.transport import Clock
from atomizer.sim.market import Market
from atomizer.sim.rysk.agenda import Agenda
from atomizer.sim.rysk.auction import Auction, LiveQuote, Stage
from atomizer.sim.rysk.clients import (
    Request,
    RivalQuote,
    Stream,
    Streams,
    draw_request,
    draw_rivals,
    reservation,
    rival_price,
)
from atomizer.sim.rysk.fair import NS_PER_S, FairValue, Terms, fair_value
from atomizer.sim.rysk.messages import result_frame
from atomizer.sim.rysk.pushes import TRAPS, malformed_frame, outbid_notice, rfq_frame, spoiled
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.sim.rysk.settings import PRICE_UNIT, STRIKE_UNIT, Acceptance, RfqFault, RyskTwinSettings
from atomizer.sim.rysk.settlement import Settlement
from atomizer.sim.rysk.sockets import Sockets

# Generated RFQs count from 1, scripted ones from here: asking by hand shifts no generated draw.
SCRIPTED_FROM = 2**32
KEPT_AUCTIONS = 10_000
LAST_SECOND_S = 0.5
LATE_PUSH_S = 0.2


class AuctionHouse:
    """All RFQs of one twin."""

    def __init__(
        self,
        settings: RyskTwinSettings,
        market: Market,
        clock: Clock,
        agenda: Agenda,
        sockets: Sockets,
        settlement: Settlement,
    ) -> None:
        self._settings = settings
        self._market = market
        self._clock = clock
        self._agenda = agenda
        self._sockets = sockets
        self._settlement = settlement
        self._streams = Streams(settings.seed)
        self._arrivals = self._streams.of(Stream.ARRIVAL, 0)
        self._generated = 0
        self._scripted = SCRIPTED_FROM
        self._quiet: Callable[[], None] | None = None
        self.behaviour = settings.behaviour
        self.auctions: dict[str, Auction] = {}
        self.pushed: Counter[str] = Counter()
        self.stages: Counter[str] = Counter()

    # --- arrivals ---

    def open_doors(self) -> None:
        """Let generated clients come from now on."""
        self._agenda.after(self._gap_s(), self._arrive)

    def _gap_s(self) -> float:
        return float(self._arrivals.exponential(self.behaviour.rfq_interval_s))

    def _arrive(self) -> None:
        self._generated += 1
        number = self._generated
        settings = self._settings
        request = draw_request(
            self._streams.of(Stream.REQUEST, number),
            self.behaviour,
            settings.asset,
            self._market,
            self._clock.now_ns(),
            settings.takers,
        )
        if request is not None:
            taker = self.taker_address(request.taker)
            faults = self._drawn_faults(self._streams.of(Stream.RFQ_FAULT, number))
            self._launch(number, request, taker, faults, rivals=True, acceptance=None)
        self._agenda.after(self._gap_s(), self._arrive)

    def _drawn_faults(self, random: np.random.Generator) -> tuple[RfqFault, ...]:
        faults = self.behaviour.faults
        return tuple(fault for fault in RfqFault if random.random() < getattr(faults, fault.value))

    def taker_address(self, number: int) -> str:
        """A simulated client's address."""
        return self._address(f"taker {number}")

    def _address(self, label: str) -> str:
        text = f"atomizer simulation {label} {self._settings.seed}"
        return "0x" + hashlib.sha256(text.encode()).hexdigest()[:40]

    def submit(self, order: ScriptedRfq, on_closed: Callable[[Auction], None] | None = None) -> str:
        """Ask by hand; the id of the RFQ (of the first, where the same terms are asked many times)."""
        number = self._scripted
        self._scripted += 1
        return self._launch(
            number,
            order.request(),
            order.taker.lower() or self.taker_address(0),
            order.faults,
            rivals=order.rivals,
            acceptance=order.acceptance,
            on_closed=on_closed,
        )

    # --- one RFQ ---

    def _launch(
        self,
        number: int,
        request: Request,
        taker: str,
        faults: tuple[RfqFault, ...],
        *,
        rivals: bool,
        acceptance: Acceptance | None,
        on_closed: Callable[[Auction], None] | None = None,
    ) -> str:
        now_ns = self._clock.now_ns()
        terms = self._terms(request)
        for fault in faults:
            terms = spoiled(terms, fault, now_ns)
        copies = self.behaviour.same_terms_count if RfqFault.SAME_TERMS in faults else 1
        identity = self._streams.of(Stream.IDENTITY, number)
        first = ""
        for _ in range(copies):
            auction = Auction(
                rfq_id=str(uuid.UUID(bytes=identity.bytes(16), version=4)),
                number=number,
                terms=terms,
                taker=taker,
                opened_ns=now_ns,
                closes_ns=now_ns + round(self._settings.window_s * NS_PER_S),
                acceptance=acceptance,
                trap=next((fault for fault in faults if fault in TRAPS), None),
                on_closed=on_closed,
            )
            first = first or auction.rfq_id
            self._open(auction, faults, rivals=rivals)
        return first

    def _terms(self, request: Request) -> OnchainTerms:
        settings = self._settings
        return OnchainTerms(
            chain_id=settings.chain_id,
            asset=settings.asset.address,
            premium_token=settings.stable,
            collateral_token=settings.stable if request.is_put else settings.asset.address,
            strike_e8=request.strike_e8,
            quantity_e18=request.quantity_e18,
            expiry_s=request.expiry_s,
            is_put=request.is_put,
            is_taker_buy=request.is_taker_buy,
        )

    def _open(self, auction: Auction, faults: tuple[RfqFault, ...], *, rivals: bool) -> None:
        self._keep(auction)
        for fault in faults:
            self.pushed[fault.value] += 1
        settings, asset = self._settings, self._settings.asset
        if RfqFault.MALFORMED in faults:
            random = self._streams.of(Stream.MALFORMED, auction.number)
            frame = malformed_frame(random, auction, asset, settings.contract)
        else:
            frame = rfq_frame(auction, asset, settings.contract)
        self.pushed["rfqs"] += 1
        times = 2 if RfqFault.DUPLICATE in faults else 1
        late_s = settings.window_s + LATE_PUSH_S if RfqFault.LATE in faults else 0.0
        for _ in range(times):
            if late_s:
                self._agenda.after(late_s, partial(self._sockets.push_rfq, asset.address, frame))
            else:
                self._sockets.push_rfq(asset.address, frame)
        if rivals and auction.trap is None:
            for rival in draw_rivals(
                self._streams.of(Stream.RIVALS, auction.number), self.behaviour, settings.window_s
            ):
                self._agenda.after(rival.delay_s, partial(self._rival, auction, rival))
        self._agenda.after(settings.window_s, partial(self._close, auction))

    def _keep(self, auction: Auction) -> None:
        self.auctions[auction.rfq_id] = auction
        while len(self.auctions) > KEPT_AUCTIONS:
            del self.auctions[next(iter(self.auctions))]

    # --- quotes ---

    def offer(self, auction: Auction, quote: LiveQuote) -> bool:
        """Take a checked quote in and tell those it outbids; whether it is best."""
        best = auction.offer(quote)
        if best:
            for maker in auction.makers():
                mine = auction.best_of(maker)
                if maker != quote.maker and mine is not None:
                    self._sockets.push_maker(maker, result_frame("", outbid_notice(auction, mine)))
        return best

    def _rival(self, auction: Auction, rival: RivalQuote) -> None:
        fair = self.fair(auction.terms)
        price = rival_price(rival, self.behaviour, fair, is_taker_buy=auction.terms.is_taker_buy)
        if price > 0:
            self.offer(
                auction,
                LiveQuote(
                    rfq_id=auction.rfq_id,
                    maker=self._address(f"rival {rival.maker}"),
                    nonce=auction.number,
                    price_e18=price,
                    valid_until_s=auction.closes_ns // NS_PER_S + self._settings.max_validity_s,
                    is_rival=True,
                ),
            )

    def fair(self, terms: OnchainTerms) -> FairValue:
        """The generator's value of these terms now."""
        option = Terms(terms.strike_e8 / STRIKE_UNIT, terms.expiry_s * NS_PER_S, not terms.is_put)
        return fair_value(self._market, option, self._clock.now_ns())

    # --- decisions ---

    def _close(self, auction: Auction) -> None:
        auction.stage = Stage.DECIDING
        if auction.on_closed is not None:
            auction.on_closed(auction)
        acceptance = auction.acceptance or self.behaviour.acceptance
        if auction.best is None:
            self._end(auction, Stage.UNANSWERED)
        elif acceptance == Acceptance.NEVER:
            self._end(auction, Stage.DECLINED)
        elif acceptance != Acceptance.WAIT:
            random = self._streams.of(Stream.DECISION, auction.number)
            delay_s = float(random.exponential(self.behaviour.decision_delay_s))
            if random.random() < self.behaviour.faults.last_second:
                left_ns = auction.best.valid_until_s * NS_PER_S - self._clock.now_ns()
                delay_s = left_ns / NS_PER_S - LAST_SECOND_S
            self._agenda.after(delay_s, partial(self._decide, auction, acceptance, random))

    def _decide(self, auction: Auction, acceptance: Acceptance, random: np.random.Generator) -> None:
        """The client looks at what is still alive and takes it or leaves it."""
        best = auction.best_alive(self._clock.now_ns() // NS_PER_S)
        if best is None:
            self._end(auction, Stage.EXPIRED)
        elif acceptance == Acceptance.MARKET and not self._acceptable(auction, best, random):
            self._end(auction, Stage.DECLINED)
        else:
            self.execute(auction, best)

    def _acceptable(self, auction: Auction, quote: LiveQuote, random: np.random.Generator) -> bool:
        buys = auction.terms.is_taker_buy
        limit = reservation(random, self.behaviour, self.fair(auction.terms), is_taker_buy=buys)
        price = quote.price_e18 / PRICE_UNIT
        return price <= limit if buys else price >= limit

    def execute(self, auction: Auction, best: LiveQuote) -> None:
        """The client takes the best quote; with the fault switched on, every live one of that maker."""
        faults = self.behaviour.faults
        if best.is_rival:
            self._end(auction, Stage.LOST)
            if self._streams.of(Stream.FOREIGN, auction.number).random() < faults.confirmation_foreign:
                self._confirm_foreign(auction, best)
            return
        self._end(auction, Stage.TRADED)
        quotes = [best]
        if self._streams.of(Stream.EXECUTE_ALL, auction.number).random() < faults.execute_all:
            now_s = self._clock.now_ns() // NS_PER_S
            quotes += [
                quote
                for quote in auction.quotes
                if quote.maker == best.maker and quote is not best and quote.valid_until_s > now_s
            ]
        for quote in quotes:
            self._settlement.execute(auction, quote, self.behaviour, self._agenda.after)

    def _confirm_foreign(self, auction: Auction, quote: LiveQuote) -> None:
        """Somebody else's confirmation reaches every maker socket."""
        fields = self._settlement.confirmation(auction, quote)
        frame = self._settlement.envelope(fields, self.behaviour.confirmation_shape)
        self._sockets.push_all_makers(frame)

    def _end(self, auction: Auction, stage: Stage) -> None:
        auction.stage = stage
        self.stages[stage.value] += 1
