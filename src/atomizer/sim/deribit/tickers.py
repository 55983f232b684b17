"""Ticker data, written as JSON text at once: a chain's worth is renewed several times a second."""

from __future__ import annotations

from atomizer.sim import pricing
from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.funding import rate_of
from atomizer.sim.deribit.listings import OPTION_TICK, Listing, future_name
from atomizer.sim.deribit.states import ARCHIVIZED, OPEN
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import MarketState

# Price in coin at which an option's upper price band starts.
MIN_MAX_PRICE = 0.05


class Tickers:
    """The `data` of ticker messages, made once per step (and change, where a book is live)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._live: dict[str, tuple[int, int, bytes]] = {}
        self._chains: dict[str, tuple[int, dict[str, bytes]]] = {}

    def data(self, listing: Listing) -> bytes:
        """The ticker object of one instrument as JSON."""
        book, underlying = self._exchange.books[listing.name], self._exchange.underlying(listing)
        state = underlying.state()
        if book.state == ARCHIVIZED:
            return self._archived(listing, underlying).encode()
        if listing.option is not None and not book.live:
            step, chain = self._chains.get(listing.coin, (-1, {}))
            if state.step != step or listing.name not in chain:
                chain = self._write_chain(underlying, state)
                self._chains[listing.coin] = state.step, chain
            return chain[listing.name]
        cached = self._live.get(listing.name)
        if cached is not None and cached[:2] == (state.step, book.change_id):
            return cached[2]
        text = (
            self._linear(listing, underlying, state)
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
        if book.state != OPEN:
            return 0.0, 0.0, 0.0, 0.0
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

    def _statistics(self, listing: Listing, underlying: Underlying) -> str:
        """State, last and settlement prices, volume; what it would be delivered at."""
        book = self._exchange.books[listing.name]
        last = str(listing.price(book.last_ticks)) if book.last_ticks else "null"
        settled = "null" if book.settlement_price is None else str(book.settlement_price)
        delivered = f'"delivery_price":{book.delivery_price},' if book.delivery_price is not None else ""
        estimate = underlying.estimated_delivery(listing.expiry_ns)
        return (
            f'"state":"{book.state}","estimated_delivery_price":{estimate:.4f},{delivered}'
            f'"last_price":{last},"settlement_price":{settled},"open_interest":{self._interest(listing)},'
            f'"stats":{{"volume":{book.volume},"volume_usd":null,"low":null,"high":null,"price_change":null}},'
        )

    def _interest(self, listing: Listing) -> float:
        """Open interest: what all long positions add up to, the house's included."""
        found = (account.positions.get(listing.name) for account in self._exchange.everybody)
        return float(sum(position.size for position in found if position is not None and position.size > 0))

    def _index(self, underlying: Underlying) -> str:
        return f'"timestamp":{self._exchange.now_ms},"index_price":{underlying.index():.4f},'

    def _archived(self, listing: Listing, underlying: Underlying) -> str:
        """What is left of an instrument that has been delivered."""
        return (
            f'{{"instrument_name":"{listing.name}",{self._index(underlying)}'
            f'{self._statistics(listing, underlying)}"best_bid_price":0.0,"best_bid_amount":0.0,'
            '"best_ask_price":0.0,"best_ask_amount":0.0,"mark_price":0.0,"min_price":0.0,"max_price":0.0}'
        )

    def _linear(self, listing: Listing, underlying: Underlying, state: MarketState) -> str:
        """Futures, spot and combos: everything without a strike."""
        mark = underlying.mark(listing)
        bid, bid_amount, ask, ask_amount = self.touch(listing)
        band = abs(mark) * 0.1
        funding = ""
        if listing.is_perpetual:
            interest = underlying.funding
            funding = (
                f',"funding_8h":{interest.last_8h(self._exchange.now_ms)!r},'
                f'"current_funding":{rate_of(state)!r},"interest_value":{interest.interest!r}'
            )
        return (
            f'{{"instrument_name":"{listing.name}",{self._index(underlying)}'
            f"{self._statistics(listing, underlying)}"
            f'"best_bid_price":{bid},"best_bid_amount":{bid_amount},'
            f'"best_ask_price":{ask},"best_ask_amount":{ask_amount},"mark_price":{mark},'
            f'"min_price":{mark - band:.4f},"max_price":{mark + band:.4f}{funding}}}'
        )

    def _write_chain(self, underlying: Underlying, state: MarketState) -> dict[str, bytes]:
        """Every option of a coin as if nobody looked at its book."""
        tick = float(OPTION_TICK)
        prices = underlying.columns.prices(state).tolist()
        options = underlying.options
        touch = underlying.flow.touch(state, options[0])
        bids, asks = touch.bid.tolist(), touch.ask.tolist()
        bid_vols, ask_vols = touch.bid_vol.tolist(), touch.ask_vol.tolist()
        index = self._index(underlying)
        written = {}
        for listing in options:
            row = listing.row
            quoted = self._exchange.books[listing.name].state == OPEN
            bid, ask = (bids[row], asks[row]) if quoted else (0, 0)
            bid_vol, ask_vol = (bid_vols[row], ask_vols[row]) if quoted else (0.0, 0.0)
            prices_text = (
                f'"best_bid_price":{bid * tick:.4f},"best_bid_amount":{self._amount(listing, bid)},'
                f'"best_ask_price":{ask * tick:.4f},"best_ask_amount":{self._amount(listing, ask)},'
                f'"bid_iv":{100.0 * bid_vol:.2f},"ask_iv":{100.0 * ask_vol:.2f},'
            )
            text = self._option(listing, underlying, state, prices, index, prices_text)
            written[listing.name] = text.encode()
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
        prices = underlying.columns.prices(state).tolist()
        return self._option(listing, underlying, state, prices, self._index(underlying), prices_text)

    def _option(
        self,
        listing: Listing,
        underlying: Underlying,
        state: MarketState,
        prices: list[list[float]],
        index: str,
        touch: str,
    ) -> str:
        row = listing.row
        mark = prices[pricing.USD][row] / state.index
        return (
            f'{{"instrument_name":"{listing.name}",{index}{self._statistics(listing, underlying)}{touch}'
            f'"underlying_index":"{future_name(listing.coin, listing.expiry_ns)}","interest_rate":0.0,'
            f'"mark_price":{mark:.6f},"min_price":0.0001,"max_price":{max(2.0 * mark, MIN_MAX_PRICE):.4f},'
            f'"underlying_price":{prices[pricing.FORWARD][row]:.4f},'
            f'"mark_iv":{100.0 * prices[pricing.VOL][row]:.2f},'
            f'"greeks":{{"delta":{prices[pricing.DELTA][row]:.5f},"gamma":{prices[pricing.GAMMA][row]:.6f},'
            f'"rho":0.0,"theta":{prices[pricing.THETA][row]:.5f},"vega":{prices[pricing.VEGA][row]:.5f}}}}}'
        )
