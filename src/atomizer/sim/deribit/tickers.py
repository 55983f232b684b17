"""Ticker data, written as JSON text at once: a chain's worth is renewed several times a second."""

from __future__ import annotations

from atomizer.sim import pricing
from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.listings import OPTION_TICK, Listing, underlying_index
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import MarketState

# Price in coin at which an option's upper price band starts.
MIN_MAX_PRICE = 0.05


class Tickers:
    """The `data` of ticker messages, made once per step (and change, where a book is live)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._live: dict[str, tuple[int, int, bytes]] = {}
        self._chains: dict[str, tuple[int, list[bytes]]] = {}

    def data(self, listing: Listing) -> bytes:
        """The ticker object of one instrument as JSON."""
        book, underlying = self._exchange.books[listing.name], self._exchange.underlying(listing)
        state = underlying.state()
        if listing.option is not None and not book.live:
            step, chain = self._chains.get(listing.coin, (-1, []))
            if state.step != step:
                chain = self._write_chain(underlying, state)
                self._chains[listing.coin] = state.step, chain
            return chain[listing.row]
        cached = self._live.get(listing.name)
        if cached is not None and cached[:2] == (state.step, book.change_id):
            return cached[2]
        text = (
            self._perpetual(listing, underlying)
            if listing.option is None
            else self._live_option(listing, underlying, state)
        )
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
        underlying = exchange.underlying(listing)
        touch = underlying.flow.touch(underlying.state(), listing)
        bid, ask = int(touch.bid[listing.row]), int(touch.ask[listing.row])
        return listing.price(bid), self._amount(listing, bid), listing.price(ask), self._amount(listing, ask)

    def _amount(self, listing: Listing, ticks: int) -> float:
        return (
            listing.amount(self._exchange.underlying(listing).flow.size_at(listing, ticks)) if ticks else 0.0
        )

    def _statistics(self, listing: Listing) -> str:
        book = self._exchange.books[listing.name]
        last = str(listing.price(book.last_ticks)) if book.last_ticks else "null"
        return (
            f'"last_price":{last},"settlement_price":null,"open_interest":0.0,'
            f'"stats":{{"volume":{book.volume},"volume_usd":null,"low":null,"high":null,"price_change":null}},'
        )

    def _index(self, underlying: Underlying) -> str:
        index = underlying.index()
        now = self._exchange.now_ms
        return (
            f'"timestamp":{now},"state":"open","index_price":{index:.4f},'
            f'"estimated_delivery_price":{index:.4f},'
        )

    def _perpetual(self, listing: Listing, underlying: Underlying) -> str:
        mark = underlying.perpetual_mark()
        bid, bid_amount, ask, ask_amount = self.touch(listing)
        return (
            f'{{"instrument_name":"{listing.name}",{self._index(underlying)}{self._statistics(listing)}'
            f'"best_bid_price":{bid},"best_bid_amount":{bid_amount},'
            f'"best_ask_price":{ask},"best_ask_amount":{ask_amount},"mark_price":{mark:.4f},'
            f'"min_price":{mark * 0.9:.2f},"max_price":{mark * 1.1:.2f},'
            '"funding_8h":0.0,"current_funding":0.0,"interest_value":0.0}'
        )

    def _write_chain(self, underlying: Underlying, state: MarketState) -> list[bytes]:
        """Every option of a coin as if nobody looked at its book."""
        tick = float(OPTION_TICK)
        prices = underlying.market.prices(state).tolist()
        touch = underlying.flow.touch(state, underlying.options[0])
        index = self._index(underlying)
        written = []
        for listing, bid, ask, bid_vol, ask_vol in zip(
            underlying.options,
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

    def _live_option(self, listing: Listing, underlying: Underlying, state: MarketState) -> str:
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
        prices = underlying.market.prices(state).tolist()
        return self._option(listing, state, prices, self._index(underlying), prices_text)

    def _option(
        self, listing: Listing, state: MarketState, prices: list[list[float]], index: str, touch: str
    ) -> str:
        row = listing.row
        assert listing.option is not None
        mark = prices[pricing.USD][row] / state.index
        return (
            f'{{"instrument_name":"{listing.name}",{index}{self._statistics(listing)}{touch}'
            f'"underlying_index":"{underlying_index(listing.option)}","interest_rate":0.0,'
            f'"mark_price":{mark:.6f},"min_price":0.0001,"max_price":{max(2.0 * mark, MIN_MAX_PRICE):.4f},'
            f'"underlying_price":{prices[pricing.FORWARD][row]:.4f},'
            f'"mark_iv":{100.0 * prices[pricing.VOL][row]:.2f},'
            f'"greeks":{{"delta":{prices[pricing.DELTA][row]:.5f},"gamma":{prices[pricing.GAMMA][row]:.6f},'
            f'"rho":0.0,"theta":{prices[pricing.THETA][row]:.5f},"vega":{prices[pricing.VEGA][row]:.5f}}}}}'
        )
