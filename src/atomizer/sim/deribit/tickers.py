"""Ticker data, written as JSON text at once: a chain's worth is renewed several times a second."""

from __future__ import annotations

from atomizer.sim import pricing
from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.listings import OPTION_TICK, Listing, underlying_index
from atomizer.sim.market import MarketState

# Price in coin at which an option's upper price band starts.
MIN_MAX_PRICE = 0.05


class Tickers:
    """The `data` of ticker messages, made once per step (and change, where a book is live)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._live: dict[str, tuple[int, int, bytes]] = {}
        self._chain: list[bytes] = []
        self._chain_step = -1
        self._heads = [f'{{"instrument_name":"{listing.name}",' for listing in exchange.options]
        self._tails = [
            f'"underlying_index":"{underlying_index(option)}","interest_rate":0.0,'
            for option in exchange.market.options
        ]

    def data(self, listing: Listing) -> bytes:
        """The ticker object of one instrument as JSON."""
        book, state = self._exchange.books[listing.name], self._exchange.state()
        if listing.option is not None and not book.live:
            if state.step != self._chain_step:
                self._chain = self._write_chain(state)
                self._chain_step = state.step
            return self._chain[listing.row]
        cached = self._live.get(listing.name)
        if cached is not None and cached[:2] == (state.step, book.change_id):
            return cached[2]
        text = self._perpetual(listing) if listing.option is None else self._live_option(listing, state)
        data = text.encode()
        self._live[listing.name] = (state.step, book.change_id, data)
        return data

    def touch(self, listing: Listing) -> tuple[float, float, float, float]:
        """(bid, bid amount, ask, ask amount), zeros where a side is empty."""
        exchange = self._exchange
        book = exchange.books[listing.name]
        if book.live or listing.option is None:
            book = exchange.live_book(listing)
            found: list[float] = []
            for side in (BUY, SELL):
                top = book.levels(side, 1)
                found += top[0] if top else [0.0, 0.0]
            return found[0], found[1], found[2], found[3]
        touch = exchange.flow.touch(exchange.state(), listing)
        bid, ask = int(touch.bid[listing.row]), int(touch.ask[listing.row])
        return listing.price(bid), self._amount(listing, bid), listing.price(ask), self._amount(listing, ask)

    def _amount(self, listing: Listing, ticks: int) -> float:
        return listing.amount(self._exchange.flow.size_at(listing, ticks)) if ticks else 0.0

    def _statistics(self, listing: Listing) -> str:
        book = self._exchange.books[listing.name]
        last = str(listing.price(book.last_ticks)) if book.last_ticks else "null"
        return (
            f'"last_price":{last},"settlement_price":null,"open_interest":0.0,'
            f'"stats":{{"volume":{book.volume},"volume_usd":null,"low":null,"high":null,"price_change":null}},'
        )

    def _index(self) -> str:
        index = self._exchange.index()
        now = self._exchange.now_ms
        return (
            f'"timestamp":{now},"state":"open","index_price":{index:.4f},'
            f'"estimated_delivery_price":{index:.4f},'
        )

    def _perpetual(self, listing: Listing) -> str:
        mark = self._exchange.perpetual_mark()
        bid, bid_amount, ask, ask_amount = self.touch(listing)
        return (
            f'{{"instrument_name":"{listing.name}",{self._index()}{self._statistics(listing)}'
            f'"best_bid_price":{bid},"best_bid_amount":{bid_amount},'
            f'"best_ask_price":{ask},"best_ask_amount":{ask_amount},"mark_price":{mark:.4f},'
            f'"min_price":{mark * 0.9:.2f},"max_price":{mark * 1.1:.2f},'
            '"funding_8h":0.0,"current_funding":0.0,"interest_value":0.0}'
        )

    def _write_chain(self, state: MarketState) -> list[bytes]:
        """Every option as if nobody looked at its book."""
        exchange, tick = self._exchange, float(OPTION_TICK)
        prices = exchange.market.prices(state).tolist()
        touch = exchange.flow.touch(state, exchange.options[0])
        index = self._index()
        written = []
        for listing, bid, ask, bid_vol, ask_vol in zip(
            exchange.options,
            touch.bid.tolist(),
            touch.ask.tolist(),
            touch.bid_vol.tolist(),
            touch.ask_vol.tolist(),
            strict=True,
        ):
            prices_text = (
                f'"best_bid_price":{bid * tick:.4f},"best_bid_amount":{self._amount(listing, bid)},'
                f'"best_ask_price":{ask * tick:.4f},"best_ask_amount":{self._amount(listing, ask)},'
                f'"bid_iv":{100.0 * bid_vol:.2f},"ask_iv":{100.0 * ask_vol:.2f},'
            )
            written.append(self._option(listing, state, prices, index, prices_text).encode())
        return written

    def _live_option(self, listing: Listing, state: MarketState) -> str:
        """An option whose book is kept: prices and vols are what rests there."""
        option = listing.option
        assert option is not None
        forward, tau = state.forward(option.expiry_ns), state.tau(option.expiry_ns)
        bid, bid_amount, ask, ask_amount = self.touch(listing)
        bid_vol, ask_vol = (
            pricing.implied_vol(price * state.index, forward, option.strike, tau, is_call=option.is_call)
            for price in (bid, ask)
        )
        prices_text = (
            f'"best_bid_price":{bid},"best_bid_amount":{bid_amount},'
            f'"best_ask_price":{ask},"best_ask_amount":{ask_amount},'
            f'"bid_iv":{100.0 * (bid_vol or 0.0):.2f},"ask_iv":{100.0 * (ask_vol or 0.0):.2f},'
        )
        prices = self._exchange.market.prices(state).tolist()
        return self._option(listing, state, prices, self._index(), prices_text)

    def _option(
        self, listing: Listing, state: MarketState, prices: list[list[float]], index: str, touch: str
    ) -> str:
        row = listing.row
        mark = prices[pricing.USD][row] / state.index
        return (
            f"{self._heads[row]}{index}{self._statistics(listing)}{touch}{self._tails[row]}"
            f'"mark_price":{mark:.6f},"min_price":0.0001,"max_price":{max(2.0 * mark, MIN_MAX_PRICE):.4f},'
            f'"underlying_price":{prices[pricing.FORWARD][row]:.4f},'
            f'"mark_iv":{100.0 * prices[pricing.VOL][row]:.2f},'
            f'"greeks":{{"delta":{prices[pricing.DELTA][row]:.5f},"gamma":{prices[pricing.GAMMA][row]:.6f},'
            f'"rho":0.0,"theta":{prices[pricing.THETA][row]:.5f},"vega":{prices[pricing.VEGA][row]:.5f}}}}}'
        )
