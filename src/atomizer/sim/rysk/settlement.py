"""From an accepted quote to money: settlement after a delay, then the confirmation, or what replaces it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from atomizer.net.transport import Clock
from atomizer.sim.rysk.auction import Auction, LiveQuote
from atomizer.sim.rysk.behaviour import Behaviour, ConfirmationShape
from atomizer.sim.rysk.checks import Nonces
from atomizer.sim.rysk.clients import Stream, Streams
from atomizer.sim.rysk.delivery import Deliveries
from atomizer.sim.rysk.fair import NS_PER_S, Valuer
from atomizer.sim.rysk.ledger import Accounting, SettlementError
from atomizer.sim.rysk.messages import ERROR_CODE, encode
from atomizer.sim.rysk.pushes import confirmation_fields, confirmation_frame, shown_apr
from atomizer.sim.rysk.settings import RyskTwinSettings, derived_key
from atomizer.sim.rysk.signatures import sign, signing_domain
from atomizer.sim.rysk.sockets import Sockets


class Outcome(StrEnum):
    """What became of an accepted quote."""

    PENDING = "pending"
    SETTLED = "settled"
    FAILED = "failed"


class Confirmation(StrEnum):
    """How a settled trade was told to the maker."""

    NONE = "none"
    SENT = "sent"
    TWICE = "twice"
    LOST = "lost"
    UNHEARD = "unheard"


class Trade(msgspec.Struct):
    """One execution of one quote, for judges. Integers as strings on the wire's scales."""

    rfq_id: str
    maker: str
    quote_nonce: str
    asset: str
    price: str
    quantity: str
    strike: str
    expiry: int
    is_put: bool
    is_taker_buy: bool
    informed: bool
    quoted_ns: int
    accepted_ns: int
    outcome: Outcome = Outcome.PENDING
    settled_ns: int = 0
    premium: str = "0"
    confirmation: Confirmation = Confirmation.NONE
    reason: str = ""


class Settlement:
    """Executes quotes against the accounting contract and tells the makers."""

    def __init__(
        self,
        settings: RyskTwinSettings,
        valuer: Valuer,
        clock: Clock,
        accounting: Accounting,
        nonces: Nonces,
        sockets: Sockets,
        deliveries: Deliveries,
    ) -> None:
        self._settings = settings
        self._valuer = valuer
        self._clock = clock
        self._accounting = accounting
        self._nonces = nonces
        self._sockets = sockets
        self._deliveries = deliveries
        self._streams = Streams(settings.seed)
        self._confirmed = 0
        self.trades: list[Trade] = []

    def execute(
        self,
        auction: Auction,
        quote: LiveQuote,
        behaviour: Behaviour,
        after: Callable[[float, Callable[[], None]], None],
    ) -> None:
        """Accept a maker's quote now; it settles later."""
        terms = auction.terms
        trade = Trade(
            rfq_id=auction.rfq_id,
            maker=quote.maker,
            quote_nonce=str(quote.nonce),
            asset=terms.asset,
            price=str(quote.price_e18),
            quantity=str(terms.quantity_e18),
            strike=str(terms.strike_e8),
            expiry=terms.expiry_s,
            is_put=terms.is_put,
            is_taker_buy=terms.is_taker_buy,
            informed=auction.informed,
            quoted_ns=quote.received_ns,
            accepted_ns=self._clock.now_ns(),
        )
        self.trades.append(trade)
        random = self._streams.of(Stream.TRADE, len(self.trades))
        delay_s = behaviour.settlement_delay_s * random.uniform(0.5, 1.5)
        after(delay_s, lambda: self._settle(auction, quote, trade, behaviour, random))

    def _settle(
        self,
        auction: Auction,
        quote: LiveQuote,
        trade: Trade,
        behaviour: Behaviour,
        random: np.random.Generator,
    ) -> None:
        trade.settled_ns = self._clock.now_ns()
        if random.random() < behaviour.faults.transaction_failed:
            self._fail(trade, "transaction failed")
            return
        if trade.settled_ns >= auction.terms.expiry_s * NS_PER_S:
            self._fail(trade, "transaction failed: the option has expired")
            return
        try:
            self._accounting.check(quote.maker, auction.terms, quote.price_e18)
        except SettlementError as exc:
            self._fail(trade, f"transaction failed: {exc}")
            return
        if not self._nonces.spend(quote.maker, quote.nonce):
            self._fail(trade, "transaction failed: nonce already spent")
            return
        self._accounting.settle(quote.maker, auction.terms, quote.price_e18)
        self._deliveries.watch(auction.terms.expiry_s)
        trade.outcome = Outcome.SETTLED
        trade.premium = str(self._accounting.premium(auction.terms, quote.price_e18))
        self._confirm(trade, self.confirmation(auction, quote), behaviour, random)

    def confirmation(self, auction: Auction, quote: LiveQuote) -> dict[str, Any]:
        """What the push says; the taker's signature covers the same terms under its own nonce."""
        now_ns = self._clock.now_ns()
        taker_nonce = auction.number
        settings = self._settings
        message = {
            "assetAddress": auction.terms.asset,
            "chainId": auction.terms.chain_id,
            "isPut": auction.terms.is_put,
            "strike": auction.terms.strike_e8,
            "expiry": auction.terms.expiry_s,
            "maker": quote.maker,
            "nonce": taker_nonce,
            "price": quote.price_e18,
            "quantity": auction.terms.quantity_e18,
            "isTakerBuy": auction.terms.is_taker_buy,
            "validUntil": quote.valid_until_s,
            "usd": auction.terms.premium_token,
            "collateralAsset": auction.terms.collateral_token,
        }
        key = derived_key(f"taker {auction.taker}", settings.seed)
        signature = sign(signing_domain(settings.chain_id, settings.contract), "Quote", message, key)
        apr = shown_apr(
            auction.terms, quote.price_e18, self._valuer.price(auction.terms.asset, now_ns), now_ns
        )
        return confirmation_fields(auction, quote, taker_nonce, signature, apr, now_ns)

    def envelope(self, fields: dict[str, Any], shape: ConfirmationShape) -> bytes:
        """In the shape asked for; alternating ones take turns."""
        as_method = shape == ConfirmationShape.METHOD
        if shape == ConfirmationShape.ALTERNATE:
            as_method = self._confirmed % 2 == 1
        self._confirmed += 1
        return confirmation_frame(fields, as_method=as_method)

    def _confirm(
        self, trade: Trade, fields: dict[str, Any], behaviour: Behaviour, random: np.random.Generator
    ) -> None:
        lost = random.random() < behaviour.faults.confirmation_lost
        twice = random.random() < behaviour.faults.confirmation_duplicate
        if lost:
            trade.confirmation = Confirmation.LOST
            return
        heard = False
        for _ in range(2 if twice else 1):
            frame = self.envelope(fields, behaviour.confirmation_shape)
            heard = self._sockets.push_maker(trade.maker, frame)
        if not heard:
            trade.confirmation = Confirmation.UNHEARD
        else:
            trade.confirmation = Confirmation.TWICE if twice else Confirmation.SENT

    def _fail(self, trade: Trade, reason: str) -> None:
        trade.outcome = Outcome.FAILED
        trade.reason = reason
        error = {
            "code": ERROR_CODE,
            "message": reason,
            "data": {"maker": trade.maker, "quoteNonce": trade.quote_nonce, "rfqId": trade.rfq_id},
        }
        self._sockets.push_maker(trade.maker, encode({"jsonrpc": "2.0", "id": "trade", "error": error}))
