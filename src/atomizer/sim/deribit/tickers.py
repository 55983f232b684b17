"""Ticker data, written as JSON text at once: a chain's worth is renewed several times a second."""

from __future__ import annotations

from atomizer.sim import pricing
from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.listings import Listing, underlying_index


class Tickers:
    """The `data` of ticker messages, cached per step and book change."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._cache: dict[str, tuple[int, int, bytes]] = {}

    def data(self, listing: Listing) -> bytes:
        """The ticker object of one instrument as JSON."""
        book, state = self._exchange.books[listing.name], self._exchange.state()
        cached = self._cache.get(listing.name)
        if cached is not None and cached[0] == state.step and cached[1] == book.change_id:
            return cached[2]
        text = self._perpetual(listing) if listing.option is None else self._option(listing)
        data = text.encode()
        self._cache[listing.name] = (state.step, book.change_id, data)
        return data

    def touch(self, listing: Listing) -> tuple[float, float, float, float]:
        """(bid, bid amount, ask, ask amount), zeros where a side is empty."""
        book = self._exchange.books[listing.name]
        if book.live or listing.option is None:
            book = self._exchange.live_book(listing)
            found: list[float] = []
            for side in (BUY, SELL):
                top = book.levels(side, 1)
                found += top[0] if top else [0.0, 0.0]
            return found[0], found[1], found[2], found[3]
        state, flow = self._exchange.state(), self._exchange.flow
        touch = flow.touch(state, listing)
        bid, ask = int(touch.bid[listing.row]), int(touch.ask[listing.row])
        return (
            listing.price(bid),
            listing.amount(flow.size_at(listing, bid, state)) if bid else 0.0,
            listing.price(ask),
            listing.amount(flow.size_at(listing, ask, state)),
        )

    def _common(self, listing: Listing) -> str:
        exchange = self._exchange
        book, marks = exchange.books[listing.name], exchange.marks()
        bid, bid_amount, ask, ask_amount = self.touch(listing)
        last = f"{listing.price(book.last_ticks)}" if book.last_ticks else "null"
        mark = marks.mark[listing.name]
        digits = listing.digits
        return (
            f'{{"instrument_name":"{listing.name}","timestamp":{exchange.now_ms},"state":"open",'
            f'"best_bid_price":{bid:.{digits}f},"best_bid_amount":{bid_amount},'
            f'"best_ask_price":{ask:.{digits}f},"best_ask_amount":{ask_amount},'
            f'"index_price":{marks.index:.4f},"estimated_delivery_price":{marks.index:.4f},'
            f'"mark_price":{mark:.6f},"last_price":{last},"settlement_price":null,"open_interest":0.0,'
            f'"stats":{{"volume":{book.volume},"volume_usd":null,"low":null,"high":null,"price_change":null}},'
        )

    def _perpetual(self, listing: Listing) -> str:
        mark = self._exchange.marks().mark[listing.name]
        return (
            f'{self._common(listing)}"min_price":{mark * 0.9:.2f},"max_price":{mark * 1.1:.2f},'
            '"funding_8h":0.0,"current_funding":0.0,"interest_value":0.0}'
        )

    def _option(self, listing: Listing) -> str:
        option = listing.option
        assert option is not None
        exchange, row = self._exchange, listing.row
        state = exchange.state()
        prices = exchange.market.prices(state)
        bid_vol, ask_vol = self._touch_vols(listing)
        return (
            f"{self._common(listing)}"
            f'"min_price":0.0001,"max_price":{max(2.0 * exchange.marks().mark[listing.name], 0.05):.4f},'
            f'"underlying_price":{prices[pricing.FORWARD, row]:.4f},'
            f'"underlying_index":"{underlying_index(option)}","interest_rate":0.0,'
            f'"bid_iv":{100.0 * bid_vol:.2f},"ask_iv":{100.0 * ask_vol:.2f},'
            f'"mark_iv":{100.0 * prices[pricing.VOL, row]:.2f},'
            f'"greeks":{{"delta":{prices[pricing.DELTA, row]:.5f},"gamma":{prices[pricing.GAMMA, row]:.6f},'
            f'"rho":0.0,"theta":{prices[pricing.THETA, row]:.5f},"vega":{prices[pricing.VEGA, row]:.5f}}}}}'
        )

    def _touch_vols(self, listing: Listing) -> tuple[float, float]:
        """Implied vols of the shown prices, 0 where there is none."""
        option, state = listing.option, self._exchange.state()
        assert option is not None
        if not self._exchange.books[listing.name].live:
            touch = self._exchange.flow.touch(state, listing)
            return float(touch.bid_vol[listing.row]), float(touch.ask_vol[listing.row])
        forward, tau = state.forward(option.expiry_ns), state.tau(option.expiry_ns)
        bid, _, ask, _ = self.touch(listing)
        bid_vol, ask_vol = (
            pricing.implied_vol(price * state.index, forward, option.strike, tau, is_call=option.is_call)
            for price in (bid, ask)
        )
        return bid_vol or 0.0, ask_vol or 0.0
