"""The taker's socket: ask, receive the best quote after the window, accept it.

`accept` is this simulation's own: how a taker's signature reaches the real server is not documented.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from atomizer.net.transport import Clock
from atomizer.sim.rysk.auction import Auction, Stage
from atomizer.sim.rysk.behaviour import Acceptance
from atomizer.sim.rysk.fair import Valuer
from atomizer.sim.rysk.house import AuctionHouse
from atomizer.sim.rysk.messages import (
    Call,
    Fault,
    RpcError,
    error_frame,
    parse_address,
    parse_call,
    parse_terms,
    result_frame,
)
from atomizer.sim.rysk.pushes import shown_apr
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.sim.rysk.settings import QUANTITY_UNIT, STRIKE_UNIT, RyskTwinSettings
from atomizer.sim.rysk.sockets import Socket

NS_PER_S = 1_000_000_000


class TakerDesk:
    """Answers takers."""

    def __init__(self, house: AuctionHouse, settings: RyskTwinSettings, valuer: Valuer, clock: Clock) -> None:
        self._house = house
        self._settings = settings
        self._valuer = valuer
        self._clock = clock

    def message(self, socket: Socket, data: bytes) -> None:
        """One frame from a taker; `request` is answered when its window closes."""
        call_id = ""
        try:
            call = parse_call(data)
            call_id = call.id
            if call.method == "request":
                self._request(socket, call)
            else:
                socket.send(result_frame(call_id, self._accept(call)))
        except RpcError as exc:
            socket.send(error_frame(call_id, exc))

    def _request(self, socket: Socket, call: Call) -> None:
        terms = parse_terms(call)
        settings = self._settings
        if terms.chain_id != settings.chain_id or settings.asset_at(terms.asset) is None:
            raise RpcError(Fault.TERMS, "asset or chainId: not served by this venue")
        if terms.strike_e8 == 0 or terms.quantity_e18 == 0:
            raise RpcError(Fault.MALFORMED, "strike and quantity: expected more than zero")
        if terms.expiry_s * NS_PER_S <= self._clock.now_ns():
            raise RpcError(Fault.TERMS, f"expiry: {terms.expiry_s} has passed")
        order = ScriptedRfq(
            strike=Decimal(terms.strike_e8) / STRIKE_UNIT,
            expiry_s=terms.expiry_s,
            is_put=terms.is_put,
            quantity=Decimal(terms.quantity_e18) / QUANTITY_UNIT,
            is_taker_buy=terms.is_taker_buy,
            taker=parse_address(call.params.get("taker"), "taker"),
            asset=terms.asset,
            acceptance=Acceptance.WAIT,
        )
        self._house.submit(order, on_closed=partial(self._answer, socket, call.id))

    def _answer(self, socket: Socket, call_id: str, auction: Auction) -> None:
        best = auction.best
        if best is None:
            socket.send(error_frame(call_id, RpcError(Fault.NO_QUOTE, "no quotes")))
            return
        terms, now_ns = auction.terms, self._clock.now_ns()
        fields = {
            "rfqId": auction.rfq_id,
            "assetAddress": terms.asset,
            "chainId": terms.chain_id,
            "expiry": terms.expiry_s,
            "isPut": terms.is_put,
            "isTakerBuy": terms.is_taker_buy,
            "maker": best.maker,
            "nonce": str(best.nonce),
            "price": str(best.price_e18),
            "quantity": str(terms.quantity_e18),
            "strike": str(terms.strike_e8),
            "signature": best.signature,
            "validUntil": best.valid_until_s,
            "usd": terms.premium_token,
            "collateralAsset": terms.collateral_token,
            "apy": shown_apr(terms, best.price_e18, self._valuer.price(terms.asset, now_ns), now_ns),
        }
        socket.send(result_frame(call_id, fields))

    def _accept(self, call: Call) -> object:
        if call.method != "accept":
            raise RpcError(Fault.METHOD, f"method not found: {call.method}")
        auction = self._house.auctions.get(str(call.params.get("rfqId")))
        if auction is None:
            raise RpcError(Fault.UNKNOWN_RFQ, "unknown rfq")
        best = auction.best_alive(self._clock.now_ns() // NS_PER_S)
        if auction.stage is not Stage.DECIDING or best is None:
            raise RpcError(Fault.CLOSED, "nothing to accept: decided before, or every quote has expired")
        self._house.execute(auction, best)
        return "OK"
