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
from atomizer.sim.rysk.agenda import Agenda
from atomizer.sim.rysk.auction import Auction, LiveQuote, Stage
from atomizer.sim.rysk.behaviour import Acceptance, RfqFault
from atomizer.sim.rysk.clients import Request, Stream, Streams, draw_informed, draw_request, reservation
from atomizer.sim.rysk.fair import NS_PER_S, FairValue, Valuer
from atomizer.sim.rysk.informed import accepts, later_value
from atomizer.sim.rysk.messages import result_frame
from atomizer.sim.rysk.pushes import TRAPS, malformed_frame, outbid_notice, rfq_frame, spoiled
from atomizer.sim.rysk.rivals import Rival, draw_rivals
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.sim.rysk.settings import PRICE_UNIT, RyskTwinSettings, TwinAsset
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
        valuer: Valuer,
        clock: Clock,
        agenda: Agenda,
        sockets: Sockets,
        settlement: Settlement,
    ) -> None:
        self._settings = settings
        self._valuer = valuer
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
        self.heard: Counter[tuple[bool, str]] = Counter()

    # --- arrivals ---

    def open_doors(self) -> None:
        """Let generated clients come from now on."""
        self._agenda.after(self._gap_s(), self._arrive)

    def _gap_s(self) -> float:
        """Clients come to every token at the same rate."""
        tokens = len(self._settings.assets)
        return float(self._arrivals.exponential(self.behaviour.rfq_interval_s / tokens))

    def _arrive(self) -> None:
        self._generated += 1
        number = self._generated
        informed = self._streams.of(Stream.INFORMED, number)
        if informed.random() < self.behaviour.informed:
            self._arrive_informed(number, informed)
        else:
            random = self._streams.of(Stream.REQUEST, number)
            asset = self._one_asset(random)
            now_ns, takers = self._clock.now_ns(), self._settings.takers
            market = self._valuer.market(asset.address)
            request = draw_request(random, self.behaviour, asset, market, now_ns, takers)
            if request is not None:
                self._ask(number, request)
        self._agenda.after(self._gap_s(), self._arrive)

    def _arrive_informed(self, number: int, random: np.random.Generator) -> None:
        asset = self._one_asset(random)
        settles_s = self._settings.window_s + self.behaviour.settlement_delay_s
        drawn = draw_informed(
            random,
            self.behaviour,
            asset,
            self._valuer.market(asset.address),
            self._clock.now_ns(),
            self._settings.takers,
            settles_s,
        )
        if drawn is not None:
            wait_s, request = drawn
            self._agenda.after(wait_s, partial(self._ask, number, request))

    def _one_asset(self, random: np.random.Generator) -> TwinAsset:
        assets = self._settings.assets
        return assets[int(random.integers(len(assets)))] if len(assets) > 1 else assets[0]

    def _ask(self, number: int, request: Request) -> None:
        taker = self.taker_address(request.taker, informed=request.informed)
        faults = self._drawn_faults(self._streams.of(Stream.RFQ_FAULT, number))
        self._launch(number, request, taker, faults, rivals=True, acceptance=None)

    def _drawn_faults(self, random: np.random.Generator) -> tuple[RfqFault, ...]:
        faults = self.behaviour.faults
        return tuple(fault for fault in RfqFault if random.random() < getattr(faults, fault.value))

    def taker_address(self, number: int, *, informed: bool = False) -> str:
        """A simulated client's address; those who know the future have addresses of their own."""
        return self._address(f"informed taker {number}" if informed else f"taker {number}")

    def _address(self, label: str) -> str:
        text = f"atomizer simulation {label} {self._settings.seed}"
        return "0x" + hashlib.sha256(text.encode()).hexdigest()[:40]

    def submit(self, order: ScriptedRfq, on_closed: Callable[[Auction], None] | None = None) -> str:
        """Ask by hand; the id of the RFQ (of the first, where the same terms are asked many times)."""
        number = self._scripted
        self._scripted += 1
        return self._launch(
            number,
            order.request(self._settings),
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
                informed=request.informed,
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
            asset=request.asset,
            premium_token=settings.stable,
            collateral_token=settings.stable if request.is_put else request.asset,
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
        settings = self._settings
        asset = settings.asset_at(auction.terms.asset) or settings.asset
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
            random = self._streams.of(Stream.RIVALS, auction.number)
            for rival in draw_rivals(random, self.behaviour, settings.window_s):
                self._agenda.after(rival.delay_s, partial(self._rival_opens, auction, rival))
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
        self._wake_rivals(auction)
        return best

    def _rival_opens(self, auction: Auction, rival: Rival) -> None:
        auction.rivals.append(rival)
        price = rival.opening(self.fair(auction.terms), is_taker_buy=auction.terms.is_taker_buy)
        if price > 0:
            self._rival_quote(auction, rival, price)

    def _wake_rivals(self, auction: Auction) -> None:
        """Those who were outbid think for a moment and may improve while the window is open."""
        best = auction.best
        for rival in auction.rivals:
            outbid = best is not None and best.maker != self._rival_address(rival)
            if outbid and not rival.waiting and auction.stage is Stage.OPEN:
                rival.waiting = True
                self._agenda.after(rival.reaction_s, partial(self._rival_improves, auction, rival))

    def _rival_improves(self, auction: Auction, rival: Rival) -> None:
        rival.waiting = False
        best = auction.best
        if auction.stage is not Stage.OPEN or best is None or best.maker == self._rival_address(rival):
            return
        buys = auction.terms.is_taker_buy
        price = rival.improved(self.fair(auction.terms), best.price_e18, is_taker_buy=buys)
        if price is not None:
            self._rival_quote(auction, rival, price)

    def _rival_address(self, rival: Rival) -> str:
        return self._address(f"rival {rival.maker}")

    def _rival_quote(self, auction: Auction, rival: Rival, price_e18: int) -> None:
        self.offer(
            auction,
            LiveQuote(
                rfq_id=auction.rfq_id,
                maker=self._rival_address(rival),
                nonce=auction.number,
                price_e18=price_e18,
                valid_until_s=auction.closes_ns // NS_PER_S + self._settings.max_validity_s,
                received_ns=self._clock.now_ns(),
                is_rival=True,
            ),
        )

    def fair(self, terms: OnchainTerms) -> FairValue:
        """The generator's value of these terms now."""
        return self._valuer.fair(terms, self._clock.now_ns())

    # --- decisions ---

    def _close(self, auction: Auction) -> None:
        auction.stage = Stage.DECIDING
        self.heard[auction.informed, "rfqs"] += 1
        self.heard[auction.informed, "quoted"] += self._settings.maker.address in auction.makers()
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
            if auction.informed:
                delay_s = 0.0
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
        buys, price = auction.terms.is_taker_buy, quote.price_e18 / PRICE_UNIT
        if auction.informed:
            return accepts(price, self._later(auction.terms), buys=buys)
        limit = reservation(random, self.behaviour, self.fair(auction.terms), is_taker_buy=buys)
        return price <= limit if buys else price >= limit

    def _later(self, terms: OnchainTerms) -> float:
        """What the option is worth at an informed taker's horizon, hedged from its settlement on."""
        behaviour = self.behaviour
        option = self._valuer.terms(terms.asset, terms.strike_e8, terms.expiry_s, is_put=terms.is_put)
        settled_ns = self._clock.now_ns() + round(behaviour.settlement_delay_s * NS_PER_S)
        until_ns = settled_ns + round(behaviour.informed_horizon_s * NS_PER_S)
        market = self._valuer.market(terms.asset)
        return later_value(market, option, settled_ns, until_ns) * self._valuer.ratio(terms.asset)

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
