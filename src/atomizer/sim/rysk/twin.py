"""A simulated Rysk: the maker's wire protocol over a generated market, behind the transport seam.

Written from the protocol page alone. It never imports a venue adapter and checks signatures with another
library than the system under test, so that one misunderstanding cannot hide on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from atomizer.net.transport import Clock, HttpRequest, HttpResponse
from atomizer.sim.market import Market
from atomizer.sim.rysk import views
from atomizer.sim.rysk.agenda import Agenda
from atomizer.sim.rysk.auction import LiveQuote
from atomizer.sim.rysk.behaviour import Behaviour, SettingsError, merged
from atomizer.sim.rysk.checks import QuoteChecks
from atomizer.sim.rysk.delivery import Deliveries, Delivery
from atomizer.sim.rysk.fair import Valuer
from atomizer.sim.rysk.house import AuctionHouse
from atomizer.sim.rysk.ledger import Accounting, SettlementError
from atomizer.sim.rysk.messages import (
    Call,
    Fault,
    RpcError,
    encode,
    error_frame,
    parse_account,
    parse_address,
    parse_call,
    parse_quote,
    parse_transfer,
    result_frame,
)
from atomizer.sim.rysk.pushes import outbid_notice
from atomizer.sim.rysk.scripted import ScriptedRfq, parse_scripted
from atomizer.sim.rysk.settings import RyskTwinSettings
from atomizer.sim.rysk.settlement import Settlement, Trade
from atomizer.sim.rysk.sockets import Socket, Sockets
from atomizer.sim.rysk.taker import TakerDesk
from atomizer.sim.rysk.takings import takings

JSON_HEADERS = {"Content-Type": "application/json"}
NS_PER_S = 1_000_000_000


class RyskTwin:
    """The simulated venue; `start` before serving, `stop` raises what went wrong inside."""

    def __init__(self, markets: Sequence[Market], settings: RyskTwinSettings, clock: Clock) -> None:
        self._valuer = Valuer(markets, settings.assets)
        self._settings = settings
        self._clock = clock
        self._sockets = Sockets()
        self._agenda = Agenda()
        self.accounting = self._opened_accounts()
        self._checks = QuoteChecks(settings, self.accounting)
        self._deliveries = Deliveries(settings, self._valuer, clock, self.accounting, self._agenda.after)
        self._settlement = Settlement(
            settings,
            self._valuer,
            clock,
            self.accounting,
            self._checks.nonces,
            self._sockets,
            self._deliveries,
        )
        self._house = AuctionHouse(
            settings, self._valuer, clock, self._agenda, self._sockets, self._settlement
        )
        self._deliveries.behaviour = lambda: self._house.behaviour
        self._taker = TakerDesk(self._house, settings, self._valuer, clock)
        self._equity = views.Equity(
            settings, self._valuer, self.accounting, settings.maker.address, clock.now_ns()
        )
        self._accepted = 0
        self._refused: Counter[str] = Counter()

    def _opened_accounts(self) -> Accounting:
        settings = self._settings
        units = {address: int(10**places) for address, (_, places) in views.token_table(settings).items()}
        accounting = Accounting(units)
        account = accounting.open(settings.maker.address)
        stable_unit = 10**settings.stable_decimals
        account.deposits[settings.stable] = int(settings.deposit_usd * stable_unit)
        for asset in settings.assets:
            account.deposits[asset.address] = int(settings.deposit_coins * 10**asset.decimals)
            account.wallet[asset.address] = int(settings.wallet_coins * 10**asset.decimals)
        account.wallet[settings.stable] = int(settings.wallet_usd * stable_unit)
        return accounting

    # --- life ---

    def start(self, *, clients: bool = True) -> None:
        """Begin on the running loop; without `clients` only scripted RFQs come.

        Should the twin break inside, its sockets close: nobody waits for a venue that is no more.
        """
        self._agenda.start(self._sockets.close_all)
        if clients:
            self._house.open_doors()

    async def stop(self) -> None:
        """Close the sockets and end; raises what ended the twin before its time, if anything did."""
        await self._agenda.stop()

    def ready(self, host: str, port: int) -> dict[str, Any]:
        """The line a process of its own prints when it can be reached."""
        settings, rows = self._settings, views.token_rows(self._settings)
        return {
            "venue": "rysk",
            "ws": f"ws://{host}:{port}/",
            "http": f"http://{host}:{port}",
            "credentials": {
                "maker_address": settings.maker.address,
                "private_key": settings.maker.private_key,
            },
            "chain_id": settings.chain_id,
            "contract": settings.contract,
            "tokens": {
                "asset": rows[0],
                "assets": rows,
                "stable": {
                    "address": settings.stable,
                    "symbol": settings.stable_symbol,
                    "decimals": settings.stable_decimals,
                },
            },
        }

    # --- control, for tests and rehearsals ---

    @property
    def behaviour(self) -> Behaviour:
        return self._house.behaviour

    def configure(self, changes: dict[str, Any]) -> None:
        """Replace fields of the behaviour from now on.

        Raises:
            SettingsError: unknown field, wrong type or value out of range.
        """
        self._house.behaviour = merged(self._house.behaviour, changes)

    def submit_rfq(self, order: ScriptedRfq) -> str:
        """Ask by hand; the RFQ's id."""
        return self._house.submit(order)

    @property
    def trades(self) -> list[Trade]:
        """Every execution of a maker's quote so far."""
        return self._settlement.trades

    @property
    def deliveries(self) -> list[Delivery]:
        """What became of every option of a maker that expired."""
        return self._deliveries.all

    def takers(self) -> dict[str, Any]:
        """What came of those who asked, see `takings`."""
        return takings(
            self._house.heard, self.trades, self._settings.maker.address, self._valuer, self._clock.now_ns()
        )

    def equity(self) -> dict[str, Any]:
        """The default maker's wealth in USD: equity, start, transfers, index."""
        return self._equity.report(self._clock.now_ns())

    def state(self) -> dict[str, Any]:
        """Everything a judge compares with what the maker believes."""
        now_s = self._clock.now_ns() // NS_PER_S
        return {
            "rfqs": {**self._house.pushed, **self._house.stages},
            "quotes": {
                "accepted": self._accepted,
                "refused": dict(self._refused),
            },
            "trades": msgspec.to_builtins(self.trades),
            "deliveries": msgspec.to_builtins(self.deliveries),
            "live_quotes": [
                {
                    "rfqId": quote.rfq_id,
                    "maker": quote.maker,
                    "nonce": str(quote.nonce),
                    "price": str(quote.price_e18),
                    "validUntil": quote.valid_until_s,
                }
                for auction in self._house.auctions.values()
                for quote in auction.quotes
                if not quote.is_rival and quote.valid_until_s > now_s
            ],
            "accounts": {maker: self._account_state(maker) for maker in self.accounting.accounts},
        }

    def _account_state(self, maker: str) -> dict[str, Any]:
        seen, spent = self._checks.nonces.counts(maker)
        tokens = views.token_table(self._settings)
        return {
            "deposits": {
                token: str(self.accounting.account(maker).deposits.get(token, 0)) for token in tokens
            },
            "locked": {token: str(self.accounting.locked(maker, token)) for token in tokens},
            "positions": views.positions(self.accounting, maker),
            "nonces_seen": seen,
            "nonces_spent": spent,
        }

    # --- sockets ---

    def accept(self, target: str, headers: Mapping[str, str]) -> Socket | None:  # noqa: ARG002  (the seam's signature)
        """Sockets `/rfqs/<asset>`, `/maker`, `/taker`; anything else is refused."""
        path = urlsplit(target).path.lower().rstrip("/")
        if path == "/maker":
            return Socket(self._sockets.makers, self._maker_message)
        if path == "/taker":
            return Socket(self._sockets.takers, self._taker.message)
        address = path.removeprefix("/rfqs/")
        if address != path and self._settings.asset_at(address) is not None:
            return self._sockets.listener(address)
        return None

    def _maker_message(self, socket: Socket, data: bytes) -> None:
        call_id = ""
        try:
            call = parse_call(data)
            call_id = call.id
            socket.send(result_frame(call_id, self._answer(socket, call)))
        except RpcError as exc:
            self._refused[exc.fault.value] += 1
            socket.send(error_frame(call_id, exc))

    def _answer(self, socket: Socket, call: Call) -> object:
        if call.method == "quote":
            return self._quote(socket, call)
        if call.method in ("deposit", "withdraw"):
            return self._transfer(call)
        if call.method not in ("balances", "positions"):
            raise RpcError(Fault.METHOD, f"method not found: {call.method}")
        account = parse_account(call)
        socket.speaks_for(account)
        if call.method == "positions":
            return views.positions(self.accounting, account)
        return views.balances(self.accounting, self._settings, account, self.behaviour.balances_shape)

    def _quote(self, socket: Socket, call: Call) -> object:
        message = parse_quote(call)
        auction = self._house.auctions.get(call.id)
        checked = self._checks.quote(message, auction, self._clock.now_ns())
        socket.speaks_for(message.maker)
        self._accepted += 1
        quote = LiveQuote(
            rfq_id=checked.rfq_id,
            maker=message.maker,
            nonce=message.nonce,
            price_e18=message.price_e18,
            valid_until_s=message.valid_until_s,
            received_ns=self._clock.now_ns(),
            signature=message.signature,
        )
        if self._house.offer(checked, quote):
            return "OK"
        return outbid_notice(checked, quote)

    def _transfer(self, call: Call) -> object:
        message = parse_transfer(call)
        self._checks.transfer(message)
        now_ns = self._clock.now_ns()
        try:
            if message.is_deposit:
                self.accounting.deposit(message.user, message.asset, message.amount)
            else:
                self.accounting.withdraw(message.user, message.asset, message.amount)
        except SettlementError as exc:
            raise RpcError(Fault.BALANCE, str(exc)) from exc
        if message.user == self._settings.maker.address:
            self._equity.moved(
                message.asset, message.amount if message.is_deposit else -message.amount, now_ns
            )
        return "OK"

    # --- plain requests ---

    def http(self, request: HttpRequest) -> HttpResponse:
        """Public reads, and `/sim/...` for judges and rehearsals."""
        url = urlsplit(request.target)
        try:
            return self._respond(request, url.path.rstrip("/"), parse_qs(url.query))
        except (SettingsError, RpcError) as exc:
            return _json(400, {"error": str(exc)})

    def _respond(self, request: HttpRequest, path: str, query: dict[str, list[str]]) -> HttpResponse:
        if request.method == "GET":
            if path == "/ping":
                return _json(200, "pong")
            if path == "/api/assets":
                return _json(200, views.assets(self._settings, self._valuer, self._clock.now_ns()))
            if path == "/api/maker/positions":
                account = parse_address(query.get("address", [""])[0], "address")
                return _json(200, views.positions(self.accounting, account))
            if path.startswith("/api/expiry-prices/"):
                return self._expiry_prices(path.split("/")[3:])
            if path == "/sim/takers":
                return _json(200, self.takers())
            if path == "/sim/equity":
                return _json(200, self.equity())
            if path == "/sim/state":
                return _json(200, self.state())
            if path == "/sim/settings":
                return _json(200, msgspec.to_builtins(self.behaviour))
        elif request.method == "POST" and path == "/sim/rfq":
            return _json(200, {"id": self.submit_rfq(parse_scripted(request.body))})
        elif request.method == "POST" and path == "/sim/settings":
            self.configure(_changes(request.body))
            return _json(200, msgspec.to_builtins(self.behaviour))
        return _json(404, {"error": f"no such page: {request.method} {path}"})

    def _expiry_prices(self, parts: list[str]) -> HttpResponse:
        """`/api/expiry-prices/<asset>/<unix seconds>`; the real page's shape is not known."""
        if len(parts) == 2 and parts[1].isdigit():
            found = self._deliveries.prices(parts[0].lower(), int(parts[1]))
            if found is not None:
                return _json(200, found)
        return _json(404, {"error": "no fixing of such a token and expiry"})


def _changes(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise SettingsError(f"settings: expected a JSON object, found {exc}") from exc


def _json(status: int, content: object) -> HttpResponse:
    return HttpResponse(status=status, body=encode(content), headers=JSON_HEADERS)
