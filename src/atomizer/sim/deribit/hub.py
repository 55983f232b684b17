"""Subscriptions and notifications: one encoding per channel and moment, whoever listens.

Raw channels speak when something happens, the others on the clock: 100 ms on every step, agg2 once a
second. User channels exist once per account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.books import BookFeed, VenueBook, grouped
from atomizer.sim.deribit.channels import Channel
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.funding import rate_of
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.reports import estimated_expiration, position_report
from atomizer.sim.deribit.tickers import Tickers
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.deribit.volatility import volatility_index

SLOW_STEPS = 10

_encode = msgspec.json.Encoder().encode


class Subscriber(Protocol):
    """A connection that listens."""

    account: Account | None

    def push(self, data: bytes) -> None: ...


class Topic:
    """One channel, for one account where it is private, and who listens."""

    def __init__(self, channel: Channel, account: Account | None) -> None:
        self.channel = channel
        self.account = account
        self.subscribers: dict[Subscriber, None] = {}
        self.pending: list[Any] = []
        self.seen = -1
        self.shown: dict[str, Any] = {}
        self._head = (
            f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{channel.name}","data":'
        ).encode()

    def message(self, data: bytes) -> bytes:
        return self._head + data + b"}}"

    def say(self, data: bytes) -> None:
        message = self.message(data)
        for subscriber in list(self.subscribers):
            subscriber.push(message)


class Hub:
    """Everything that is told without being asked."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.tickers = Tickers(exchange)
        self._topics: dict[tuple[str, str], Topic] = {}
        self._feeds: dict[str, BookFeed] = {}
        self._portfolios: set[str] = set()

    # --- subscribing ---

    def add(self, subscriber: Subscriber, channel: Channel) -> Callable[[], None]:
        """Subscribe; returns what sends the channel's first message, if it has one."""
        account = subscriber.account if channel.private else None
        key = (channel.name, account.name if account else "")
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(channel, account)
            self._watch(channel, 1)
        topic.subscribers[subscriber] = None
        return lambda: self._greet(subscriber, topic)

    def remove(self, subscriber: Subscriber, channel: Channel) -> None:
        account = subscriber.account if channel.private else None
        key = (channel.name, account.name if account else "")
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.subscribers.pop(subscriber, None)
        if not topic.subscribers:
            del self._topics[key]
            self._feeds.pop(channel.name, None)
            self._watch(channel, -1)

    def _watch(self, channel: Channel, change: int) -> None:
        """Books that are looked at have makers; option tickers need none."""
        exchange = self.exchange
        listing = exchange.listings.get(channel.scope)
        if listing is None or channel.private:
            return
        if channel.feed in ("ticker", "incremental_ticker", "perpetual") and listing.option:
            return
        book = exchange.books[listing.name]
        book.watchers += change
        if change > 0:
            exchange.live_book(listing)

    def _greet(self, subscriber: Subscriber, topic: Topic) -> None:
        data = self._opening(topic)
        if data is not None:
            subscriber.push(topic.message(data))

    def _opening(self, topic: Topic) -> bytes | None:
        exchange, channel = self.exchange, topic.channel
        if channel.feed == "incremental_ticker":
            if not topic.shown:
                topic.shown = self._ticker(channel)
            return _encode({"type": "snapshot", **topic.shown})
        if channel.feed == "book":
            feed = self._feeds.get(channel.name)
            if feed is None:
                feed = self._feeds[channel.name] = BookFeed(exchange.books[channel.scope])
                feed.start(exchange.now_ms)
            return _encode(feed.snapshot())
        return self._current(channel)

    def _current(self, channel: Channel) -> bytes | None:
        """What a state-like channel says now; None for channels of happenings."""
        exchange = self.exchange
        if channel.feed == "ticker":
            return self.tickers.data(exchange.listings[channel.scope])
        if channel.feed == "grouped":
            book = exchange.books[channel.scope]
            return _encode(grouped(book, channel.group, channel.depth, exchange.now_ms))
        if channel.feed == "quote":
            return _encode(self._quote(exchange.listings[channel.scope]))
        if channel.feed == "perpetual":
            state = exchange.underlying(exchange.listings[channel.scope]).state()
            interest = {"interest": rate_of(state), "index_price": round(state.index, 4)}
            return _encode({"timestamp": exchange.now_ms} | interest)
        if channel.feed == "estimated_expiration_price":
            return _encode(estimated_expiration(self._indexed(channel.scope), exchange.now_ns))
        if channel.feed == "deribit_price_index":
            index = self._indexed(channel.scope).index()
            return _encode({"index_name": channel.scope, "price": index, "timestamp": exchange.now_ms})
        if channel.feed == "deribit_volatility_index":
            return _encode(volatility_index(self._indexed(channel.scope), exchange.now_ms))
        if channel.feed == "markprice":
            return _encode(self._mark_prices(channel.scope))
        return None

    def _quote(self, listing: Listing) -> dict[str, Any]:
        bid, bid_amount, ask, ask_amount = self.tickers.touch(listing)
        return {
            "timestamp": self.exchange.now_ms,
            "instrument_name": listing.name,
            "best_bid_price": bid,
            "best_bid_amount": bid_amount,
            "best_ask_price": ask,
            "best_ask_amount": ask_amount,
        }

    def _indexed(self, index_name: str) -> Underlying:
        """The coin of an index; the channel was granted, so there is one."""
        found = self.exchange.by_index(index_name)
        assert found is not None
        return found

    def _mark_prices(self, index_name: str) -> list[dict[str, Any]]:
        exchange, underlying = self.exchange, self._indexed(index_name)
        marks, state = underlying.marks(), underlying.state()
        return [
            {
                "instrument_name": listing.name,
                "mark_price": marks.mark[listing.name],
                "iv": round(state.vol(listing.option.strike, listing.option.expiry_ns), 4),
                "timestamp": exchange.now_ms,
            }
            for listing in underlying.options
            if listing.option
        ]

    # --- what happens ---

    def book_changed(self, book: VenueBook) -> None:
        """Tell the raw channels of a book."""
        self._say_book(book, "raw")
        topic = self._topics.get((f"quote.{book.listing.name}", ""))
        if topic is not None:
            quote = self._quote(book.listing)
            key = hash(tuple(list(quote.values())[2:]))
            if key != topic.seen:
                topic.seen = key
                topic.say(_encode(quote))

    def _say_book(self, book: VenueBook, interval: str) -> None:
        name = f"book.{book.listing.name}.{interval}"
        feed = self._feeds.get(name)
        topic = self._topics.get((name, ""))
        if feed is None or topic is None:
            return
        changes = feed.changes(self.exchange.now_ms)
        if changes is not None:
            topic.say(_encode(changes))

    def traded(self, listing: Listing, trade: dict[str, Any]) -> None:
        for scope in listing.scopes():
            self._happened("", f"trades.{scope}", [trade], many=True)

    def orders_changed(self, account: Account, listing: Listing, orders: list[dict[str, Any]]) -> None:
        for scope in listing.scopes():
            for order in orders:
                self._happened(account.name, f"user.orders.{scope}", [order], many=False)
        self._portfolios.add(account.name)

    def user_trades(self, account: Account, trades: list[dict[str, Any]]) -> None:
        """Each trade on its own instrument's channels: those of a combo are on its legs."""
        by_name: dict[str, list[dict[str, Any]]] = {}
        for trade in trades:
            by_name.setdefault(trade["instrument_name"], []).append(trade)
        for name, found in by_name.items():
            for scope in self.exchange.listings[name].scopes():
                self._happened(account.name, f"user.trades.{scope}", found, many=True)
        self._portfolios.add(account.name)

    def mmp_triggered(self, account: Account, status: dict[str, Any]) -> None:
        for index in (status["index_name"], "any"):
            topic = self._topics.get((f"user.mmp_trigger.{index}", account.name))
            if topic is not None:
                topic.say(_encode(status))

    def combo_traded(self, account: Account, listing: Listing, trade: dict[str, Any]) -> None:
        for scope in listing.scopes():
            self._happened(account.name, f"user.combo_trades.{scope}", [trade], many=True)

    def state_changed(self, listing: Listing, state: str) -> None:
        data = {"timestamp": self.exchange.now_ms, "state": state, "instrument_name": listing.name}
        for scope in listing.scopes()[1:]:
            topic = self._topics.get((f"instrument.state.{scope}", ""))
            if topic is not None:
                topic.say(_encode(data))

    def lock_changed(self, index_name: str, *, locked: bool) -> None:
        topic = self._topics.get(("platform_state", ""))
        if topic is not None:
            topic.say(_encode({"price_index": index_name, "locked": locked}))

    def money_moved(self, account: Account) -> None:
        """Its portfolio is told with the next step."""
        self._portfolios.add(account.name)

    def account_changed(
        self, account: Account, listing: Listing, orders: list[dict[str, Any]], trades: list[dict[str, Any]]
    ) -> None:
        """Tell user.changes; positions ride with trades."""
        positions = []
        if trades:
            names = dict.fromkeys(trade["instrument_name"] for trade in trades)
            positions = [
                position_report(account.position(one), self.exchange.marks(one.settlement))
                for one in map(self.exchange.listings.__getitem__, names)
                if one.kind != "spot"
            ]
        change = {
            "instrument_name": listing.name,
            "trades": trades,
            "orders": orders,
            "positions": positions,
        }
        for scope in listing.scopes():
            for interval in ("raw", "100ms", "agg2"):
                topic = self._topics.get((f"user.changes.{scope}.{interval}", account.name))
                if topic is not None and interval == "raw":
                    topic.say(_encode(change))
                elif topic is not None:
                    topic.pending.append(change)

    def _happened(self, account: str, prefix: str, items: list[Any], *, many: bool) -> None:
        """Raw: at once, as a list or (orders) one by one; else kept for the clock, always as a list."""
        topic = self._topics.get((f"{prefix}.raw", account))
        if topic is not None:
            topic.say(_encode(items if many else items[0]))
        for interval in ("100ms", "agg2"):
            topic = self._topics.get((f"{prefix}.{interval}", account))
            if topic is not None:
                topic.pending += items

    # --- the clock ---

    def tick(self, step: int, option_steps: int) -> None:
        """One market step: everything that speaks on the clock."""
        slow = step % SLOW_STEPS == 0
        options_due = step % option_steps == 0
        for topic in list(self._topics.values()):
            channel = topic.channel
            if channel.interval == "agg2" and not slow:
                continue
            if topic.pending:
                self._flush(topic)
            elif channel.feed == "ticker":
                listing = self.exchange.listings[channel.scope]
                gone = self.exchange.books[listing.name].state == "archivized"
                if not gone and (slow or options_due or listing.option is None):
                    topic.say(self.tickers.data(self.exchange.listings[channel.scope]))
            elif channel.feed == "incremental_ticker":
                self._say_increment(topic)
            elif channel.feed == "book" and channel.interval != "raw":
                self._say_book(self.exchange.books[channel.scope], channel.interval)
            elif channel.feed == "grouped":
                self._say_if_changed(topic)
            elif channel.feed in ("deribit_price_index", "perpetual") or (
                slow
                and channel.feed in ("markprice", "deribit_volatility_index", "estimated_expiration_price")
            ):
                data = self._current(channel)
                assert data is not None
                topic.say(data)
            elif channel.feed == "user.portfolio":
                self._say_portfolio(topic, slow=slow)
        self._portfolios.clear()

    def _flush(self, topic: Topic) -> None:
        pending, topic.pending = topic.pending, []
        if topic.channel.feed != "user.changes":
            topic.say(_encode(pending))
            return
        for change in pending:
            topic.say(_encode(change))

    def _say_if_changed(self, topic: Topic) -> None:
        change_id = self.exchange.books[topic.channel.scope].change_id
        if topic.seen != change_id:
            topic.seen = change_id
            data = self._current(topic.channel)
            assert data is not None
            topic.say(data)

    def _ticker(self, channel: Channel) -> dict[str, Any]:
        listing = self.exchange.listings[channel.scope]
        ticker: dict[str, Any] = msgspec.json.decode(self.tickers.data(listing))
        return ticker

    def _say_increment(self, topic: Topic) -> None:
        """What changed of a ticker since the last message; the time alone is no change."""
        now = self._ticker(topic.channel)
        changed = {key: value for key, value in now.items() if topic.shown.get(key) != value}
        if changed.keys() <= {"timestamp"}:
            return
        topic.shown = now
        topic.say(_encode({"type": "change", "instrument_name": topic.channel.scope, **changed}))

    def _say_portfolio(self, topic: Topic, *, slow: bool) -> None:
        account = topic.account
        assert account is not None
        if not slow and account.name not in self._portfolios:
            return
        asked = topic.channel.scope.upper()
        for currency in account.wallets:
            if asked in (currency, "ANY"):
                topic.say(_encode(self.exchange.portfolio(account, currency)))


def later(delay_ms: int, call: Callable[[], None]) -> None:
    """Now, or after a delay on the running loop."""
    if delay_ms <= 0:
        call()
    else:
        asyncio.get_running_loop().call_later(delay_ms / 1000.0, call)


def rendered(orders: list[Order]) -> list[dict[str, Any]]:
    """Order objects as they are now."""
    return [order.render() for order in orders]
