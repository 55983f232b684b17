"""The simulated Deribit as a server: sockets at /ws/api/v2, plain requests under /api/v2.

`GET /sim/equity` and `GET /sim/state` are not the venue's: they tell judges what really happened. The
operator's pages are in `operator`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from atomizer.net.transport import Clock, Handler, HttpRequest, HttpResponse
from atomizer.sim.deribit import (
    account_methods,
    combo_methods,
    history,
    margin_methods,
    money_methods,
    operator,
    public_methods,
    quote_methods,
    session_methods,
    trading_methods,
    volatility,
)
from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.auth import Authority
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.calls import Call, Held, Method
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.hub import Hub, later, rendered
from atomizer.sim.deribit.limits import Limits
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.reports import equity_report, positions
from atomizer.sim.deribit.session import POLICY_CLOSE, Session
from atomizer.sim.deribit.settings import TIERS, DeribitTwinSettings
from atomizer.sim.market import Market

SOCKET_PATH, API_PATH = "/ws/api/v2", "/api/v2"
METHODS: dict[str, Method] = {
    **session_methods.METHODS,
    **public_methods.METHODS,
    **trading_methods.METHODS,
    **account_methods.METHODS,
    **combo_methods.METHODS,
    **money_methods.METHODS,
    **margin_methods.METHODS,
    **quote_methods.METHODS,
    **history.METHODS,
    **volatility.METHODS,
}
CANCEL_ON_DISCONNECT = "cancel_on_disconnect"


class DeribitTwin:
    """One simulated venue. Runs on any event loop: it knows loop time and the given clock.

    Args:
        markets: one per coin, with the same seed, start and step.
        settings: of the venue.
        clock: what time it is.

    Raises:
        ValueError: no market, two of one coin, or markets that do not move together.
    """

    def __init__(self, markets: Sequence[Market], settings: DeribitTwinSettings, clock: Clock) -> None:
        if not markets or len({market.underlying for market in markets}) < len(markets):
            found = ", ".join(market.underlying for market in markets) or "none"
            raise ValueError(f"expected markets of different coins, found {found}")
        if len({(market.start_ns, market.step_ns) for market in markets}) > 1:
            raise ValueError("expected markets with one start and one step, found several")
        self.settings = settings
        self._clock = clock
        self.exchange = Exchange(markets, settings, clock, self)
        self.hub = Hub(self.exchange)
        self.authority = Authority(settings.credentials, f"{markets[0].seed}:{markets[0].start_ns}")
        self.limits = Limits(TIERS[settings.tier])
        self.requests: Counter[str] = Counter()
        self.placements: Counter[str] = Counter()
        self._sessions: dict[int, Session] = {}
        self._next_session = 1
        self._timer: asyncio.TimerHandle | None = None
        self._last_step = -1
        self._option_steps = max(settings.option_ticker_ms * 1_000_000 // self.exchange.step_ns, 1)

    # --- life ---

    def start(self) -> None:
        """Begin to move with the market, on the running loop."""
        self._tick()

    async def stop(self) -> None:
        """Stand still; connections are the server's to close."""
        self.exchange.entrance.bump.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ready(self, host: str, port: int) -> dict[str, Any]:
        """What a user needs to connect."""
        first = self.settings.credentials[0]
        return {
            "venue": "deribit",
            "ws": f"ws://{host}:{port}{SOCKET_PATH}",
            "http": f"http://{host}:{port}",
            "credentials": {"client_id": first.client_id, "client_secret": first.client_secret},
        }

    def equity(self, account: str | None = None) -> dict[str, Any]:
        """Equity of an account (default: the first key's) at this moment's fair marks."""
        name = account or self.settings.credentials[0].account
        return equity_report(self.exchange.accounts[name], self.exchange.marks)

    @property
    def now_us(self) -> int:
        return self._clock.now_ns() // 1000

    def _tick(self) -> None:
        exchange = self.exchange
        step_ns = exchange.step_ns
        since_start = max(exchange.now_ns - exchange.start_ns, 0)
        step = since_start // step_ns
        if step != self._last_step:
            elapsed = min(max(step - self._last_step, 1), 10) * step_ns * 1e-9
            self._last_step = step
            exchange.advance()
            exchange.anonymous_tick(elapsed)
            self.hub.tick(step, self._option_steps)
        passed = max(exchange.now_ns - exchange.start_ns, 0) % step_ns
        self._timer = asyncio.get_running_loop().call_later((step_ns - passed) * 1e-9, self._tick)

    # --- Application ---

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:  # noqa: ARG002 - no cookies here
        if urlsplit(target).path != SOCKET_PATH:
            return None
        session = Session(self, self._next_session)
        self._next_session += 1
        self._sessions[session.number] = session
        return session

    def http(self, request: HttpRequest) -> HttpResponse:
        received_us = self.now_us
        parts = urlsplit(request.target)
        if parts.path == "/sim/equity":
            return _json(200, self.equity(dict(parse_qsl(parts.query)).get("account")))
        if parts.path == "/sim/state":
            return _json(200, self.report())
        if parts.path in operator.PATHS:
            try:
                return _json(200, operator.act(self.exchange, parts.path, dict(parse_qsl(parts.query))))
            except DeribitError as error:
                return _json(400, {"error": error.body()})
        if parts.path != API_PATH and not parts.path.startswith(f"{API_PATH}/"):
            return _json(404, {"error": f"expected a path under {API_PATH}"})
        identity: Any = None
        try:
            method, values, identity = _http_request(request, parts.path, parts.query)
            grant = self.authority.by_header(request, self.exchange.now_ns)
            call = Call(self, method, Params(values), grant, None)
            result = self._perform(call, "http")
            if isinstance(result, Held):  # a plain request cannot wait here
                result = result.build()
        except DeribitError as error:
            return _json(400, self._envelope(identity, received_us, error=error))
        return _json(200, self._envelope(identity, received_us, result=result))

    # --- sockets ---

    def answer(self, session: Session, request: Any, received_us: int) -> None:
        """Perform one socket request and reply."""
        if not isinstance(request, dict):
            error = DeribitError("Parse error", "expected one JSON object")
            session.reply(self._envelope(None, received_us, error=error))
            return
        identity = request.get("id")
        try:
            call = self._socket_call(session, request)
            result = self._perform(call, session.peer.rsplit(":", 1)[0])
        except DeribitError as error:
            session.reply(self._envelope(identity, received_us, error=error))
            if error.name == "too_many_requests":
                session.close(POLICY_CLOSE, "too many requests")
            return
        if isinstance(result, Held):
            self.exchange.entrance.bump.after(
                result.orders, lambda: self._reply_held(session, identity, received_us, result)
            )
        elif not call.silent:
            session.reply(self._envelope(identity, received_us, result=result))
        for follow in call.after:
            follow()

    def _reply_held(self, session: Session, identity: Any, received_us: int, held: Held) -> None:
        """Answer a request whose orders have left the speed bump."""
        try:
            body = self._envelope(identity, received_us, result=held.build())
        except DeribitError as error:
            body = self._envelope(identity, received_us, error=error)
        session.reply(body)

    def _socket_call(self, session: Session, request: dict[str, Any]) -> Call:
        """Who asks: the token in the params, else the authenticated socket."""
        method, values = request.get("method"), request.get("params")
        if not isinstance(method, str) or not isinstance(values, dict | None):
            raise DeribitError("Invalid Request", "expected method and an object of params")
        params, grant, now_ns = Params(values or {}), session.grant, self.exchange.now_ns
        if params.has("access_token"):
            grant = self.authority.by_token(params.text("access_token"), session.number, now_ns)
        elif grant is not None and now_ns > grant.expires_ns:
            grant = None
        return Call(self, method, params, grant, session)

    def session_closed(self, session: Session) -> None:
        """A socket is gone: its subscriptions and tokens end, its orders if it asked for that."""
        self._sessions.pop(session.number, None)
        for channel in session.channels.values():
            self.hub.remove(session, channel)
        session.channels.clear()
        self.authority.close_session(session.number)
        if session.logged_out or not session.cancel_on_disconnect:
            return
        for account in self.exchange.accounts.values():
            for order in [o for o in account.open_orders.values() if o.via == session.number]:
                self.exchange.cancel(order, CANCEL_ON_DISCONNECT)

    def _perform(self, call: Call, address: str) -> Any:
        method = METHODS.get(call.method)
        if method is None:
            raise DeribitError("Method not found", f"{call.method} is not simulated")
        self.requests[call.method] += 1
        if self.settings.limits:
            owner = f"account {call.grant.credential.account}" if call.grant else f"address {address}"
            self.limits.charge(call.method, owner, self.exchange.now_ns)
        if call.method.startswith("private/") and call.grant is None:
            raise DeribitError("authorization_required")
        return method(call)

    def _envelope(
        self, identity: Any, received_us: int, *, result: Any = None, error: DeribitError | None = None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"jsonrpc": "2.0"}
        if identity is not None:
            body["id"] = identity
        if error is not None:
            body["error"] = error.body()
        else:
            body["result"] = result
        sent_us = self.now_us
        return body | {
            "usIn": received_us,
            "usOut": sent_us,
            "usDiff": sent_us - received_us,
            "testnet": True,
        }

    # --- Listener ---

    def account_changed(
        self, account: Account, listing: Listing, orders: list[Order], trades: list[dict[str, Any]]
    ) -> None:
        """Orders and trades may be told apart from each other: their delays are settings."""
        hub, order_ms, trade_ms = (
            self.hub,
            self.settings.order_push_delay_ms,
            self.settings.trade_push_delay_ms,
        )
        told = rendered(orders)
        told_trades = [dict(trade) for trade in trades]
        if order_ms == trade_ms:
            later(order_ms, lambda: hub.account_changed(account, listing, told, told_trades))
        else:
            later(order_ms, lambda: hub.account_changed(account, listing, told, []))
            if told_trades:
                later(trade_ms, lambda: hub.account_changed(account, listing, [], told_trades))
        later(order_ms, lambda: hub.orders_changed(account, listing, told))
        if told_trades:
            later(trade_ms, lambda: hub.user_trades(account, told_trades))

    def mmp_triggered(self, account: Account, status: dict[str, Any]) -> None:
        later(self.settings.order_push_delay_ms, lambda: self.hub.mmp_triggered(account, status))

    def combo_traded(self, account: Account, listing: Listing, trade: dict[str, Any]) -> None:
        told = dict(trade)
        later(self.settings.trade_push_delay_ms, lambda: self.hub.combo_traded(account, listing, told))

    def state_changed(self, listing: Listing, state: str) -> None:
        self.hub.state_changed(listing, state)

    def lock_changed(self, index_name: str, *, locked: bool) -> None:
        self.hub.lock_changed(index_name, locked=locked)

    def money_moved(self, account: Account) -> None:
        self.hub.money_moved(account)

    def traded(self, listing: Listing, trade: dict[str, Any]) -> None:
        self.hub.traded(listing, trade)

    def book_changed(self, book: VenueBook) -> None:
        self.hub.book_changed(book)

    # --- for judges ---

    def count_placement(self, label: str) -> None:
        """Remember how often a label was placed: nothing may be sent twice."""
        self.placements[label] += 1

    def report(self) -> dict[str, Any]:
        """Everything that happened to every account."""
        accounts = {
            name: {
                "open_orders": rendered(list(account.open_orders.values())),
                "orders": rendered(list(account.orders.values())),
                "trades": account.trades,
                "positions": positions(account, self.exchange.marks, "any", "any"),
                "balances": {one.currency: str(one.balance) for one in account.wallets.values()},
                "fees": {one.currency: str(one.fees) for one in account.wallets.values()},
                "equity": self.equity(name),
            }
            for name, account in self.exchange.accounts.items()
        }
        return {
            "venue": "deribit",
            "now_ms": self.exchange.now_ms,
            "accounts": accounts,
            "requests": dict(self.requests),
            "placements": dict(self.placements),
            "sessions": len(self._sessions),
        }


def _http_request(request: HttpRequest, path: str, query: str) -> tuple[str, dict[str, Any], Any]:
    """(method, params, id) of a GET with a query or a POST of JSON-RPC."""
    method = path[len(API_PATH) :].strip("/")
    if request.method.upper() == "GET":
        return method, dict(parse_qsl(query, keep_blank_values=True)), None
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        raise DeribitError("Parse error", "expected a JSON body") from None
    if not isinstance(body, dict):
        raise DeribitError("Invalid Request", "expected one JSON object")
    values = body.get("params")
    named = body.get("method") or method
    if not isinstance(named, str) or not isinstance(values, dict | None):
        raise DeribitError("Invalid Request", "expected method and an object of params")
    return named, values or {}, body.get("id")


def _json(status: int, body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode(body), {"Content-Type": "application/json"})
