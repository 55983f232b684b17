"""An engine with an RFQ venue and a live option chain on its hedge venue, driven by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain import events as ev
from atomizer.domain.bookings import RfqTrade
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import PlaceOrder, Refused, SendQuote
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side
from atomizer.domain.orders import EndReason
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.engine.settings import (
    AccountSettings,
    AllowedAsset,
    AllowedChain,
    EngineSettings,
    Freshness,
    Limits,
)
from atomizer.strategies.responder_settings import ResponderSettings
from atomizer.strategies.rfq_responder import RfqResponder

from .bench_desk import DERIBIT, HEDGE, T0, Desk, S

RYSK = Capabilities(venue="rysk", rfq=True, settlement_margin_ms=60_000)
CHAIN_ID = 31337
CONTRACT, STABLE, ASSET, BITCOIN = "0xc0de", "0x57ab", "0xe7e7", "0xb7b7"
STAKED, UNRATED = "0x57ed", "0x0a7e"
CHAIN = AllowedChain(
    chain_id=CHAIN_ID,
    domain_name="rysk",
    domain_version="0.0.0",
    verifying_contract=CONTRACT,
    premium_tokens=(STABLE,),
    assets=(
        AllowedAsset(address=ASSET, underlying="ETH"),
        AllowedAsset(address=BITCOIN, underlying="BTC"),
        AllowedAsset(address=STAKED, underlying="ETH", ratio=Decimal("1.2"), haircut=Decimal("0.01")),
        AllowedAsset(address=UNRATED, underlying="ETH", ratio=None),
    ),
)
EIGHT = 1_757_318_400  # 08:00 UTC of the day of T0
NEAR_S, FAR_S = EIGHT + 7 * 86_400, EIGHT + 28 * 86_400
STRIKES = range(3000, 5001, 250)
FORWARD = 4000.0
TAKER = "0x7a7e"


def smile(strike: float) -> float:
    """The chain's vol at a strike: a parabola in log-moneyness."""
    x = math.log(strike / FORWARD)
    return 0.6 - 0.1 * x + 0.5 * x * x


def option(venue: str, strike: float, expiry_s: int, *, is_call: bool, underlying: str = "ETH") -> Instrument:
    name = f"{underlying}-{expiry_s}-{strike:g}-{'C' if is_call else 'P'}"
    coin = venue == "deribit"
    return Instrument(
        key=f"{venue}:{name}",
        venue=venue,
        name=name,
        kind=Kind.OPTION,
        underlying=underlying,
        quote=underlying if coin else "USD",
        settlement=underlying if coin else "USD",
        grid=PriceGrid(tick=Decimal("0.0001") if coin else Decimal("1e-18")),
        lot=Decimal(1) if coin else Decimal("1e-18"),
        inverse=coin,
        strike=Decimal(str(strike)),
        is_call=is_call,
        expiry_ns=expiry_s * S,
    )


def chain_events(forward: float = FORWARD) -> list[ev.Event]:
    """Every listed option and a live ticker for it."""
    found: list[ev.Event] = []
    for expiry_s in (NEAR_S, FAR_S):
        for strike in STRIKES:
            for is_call in (True, False):
                instrument = option("deribit", strike, expiry_s, is_call=is_call)
                vol = smile(strike)
                found.append(ev.InstrumentListed(instrument))
                found.append(
                    ev.Ticker(
                        instrument=instrument.key,
                        forward=forward,
                        index=forward,
                        mark_vol=vol,
                        bid_vol=vol - 0.01,
                        ask_vol=vol + 0.01,
                    )
                )
    return found


class RfqDesk(Desk):
    """`ask` feeds one RFQ and gives back the quote or the refusal."""

    def __init__(
        self,
        *strategies: Any,
        limits: Limits | None = None,
        responder: ResponderSettings | None = None,
        fresh: Freshness | None = None,
        deposit: str = "1000000",
        coins: str = "0",
        chain: bool = True,
        perpetual: str = "0",
        listed: tuple[Instrument, ...] = (),
        options: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.responder = RfqResponder(responder or ResponderSettings())
        self.deposit, self.coins = deposit, coins
        self._asked = 0
        settings = EngineSettings(
            limits=limits or Limits(quotes_per_terms=1000, quotes_per_taker=1000),
            freshness=fresh or Freshness(market_ms=600_000, fills_ms=600_000, account_ms=600_000),
            accounts=(
                AccountSettings(venue="deribit", account="main", numeraire="coin"),
                AccountSettings(venue="rysk", account="maker", numeraire="usd"),
            ),
            chains=(CHAIN,),
            hedge_markets=(HEDGE,),
            longest_validity_s=30,
            marks_every_ms=3_600_000,
        )
        super().__init__(
            *strategies,
            settings=settings,
            responders={"rysk": self.responder},
            ready=False,
            **{"capabilities": {"deribit": DERIBIT, "rysk": RYSK}, **more},
        )
        self.feed(*[ev.InstrumentListed(one) for one in listed])
        self.connect(perpetual=perpetual, options=options)
        self.chain = tuple(chain_events()) if chain else ()
        if chain:
            self.feed(*self.chain)

    def connect(self, perpetual: str = "0", options: dict[str, str] | None = None) -> None:
        """Bring both venues up; `perpetual` (USD) and `options` were held before the first run."""
        positions = {HEDGE.instrument: perpetual} if perpetual != "0" else {}
        self.open(positions=positions)
        self.feed(ev.FeedUp("rysk/maker"))
        self.read_rysk(options)

    def read_rysk(
        self,
        positions: dict[str, str] | None = None,
        *,
        usd: str = "",
        coins: str = "",
        asked_ns: int | None = None,
    ) -> list[Any]:
        asked = self.now_ns if asked_ns is None else asked_ns
        return self.feed(
            ev.ReadBegun("rysk", "maker", asked),
            *[
                ev.PositionReport("rysk", "maker", name, Decimal(size))
                for name, size in (positions or {}).items()
            ],
            *[
                ev.BalanceReport(
                    venue="rysk",
                    account="maker",
                    currency=currency,
                    cash=Decimal(amount),
                    equity=Decimal(amount),
                    excess=Decimal(amount),
                )
                for currency, amount in (("USD", usd or self.deposit), ("ETH", coins or self.coins))
            ],
            ev.ReadEnded("rysk", "maker", asked),
        )

    def rfq(
        self,
        *,
        strike: float = 4000.0,
        expiry_s: int = NEAR_S,
        is_call: bool = True,
        size: str = "1",
        taker_buys: bool = False,
        taker: str = TAKER,
        rfq_id: str = "",
        account: str = "maker",
        underlying: str = "ETH",
        **terms: Any,
    ) -> Rfq:
        """A good RFQ; further names replace fields of its terms."""
        self._asked += 1
        instrument = option("rysk", strike, expiry_s, is_call=is_call, underlying=underlying)
        made = OnchainTerms(
            chain_id=CHAIN_ID,
            asset=ASSET,
            premium_token=STABLE,
            collateral_token=ASSET if is_call else STABLE,
            strike_e8=round(strike * 10**8),
            quantity_e18=int(Decimal(size) * 10**18),
            expiry_s=expiry_s,
            is_put=not is_call,
            is_taker_buy=taker_buys,
        )
        return Rfq(
            rfq_id=rfq_id or f"rfq-{self._asked}",
            venue="rysk",
            account=account,
            instrument=instrument.key,
            underlying=underlying,
            side=Side.SELL if taker_buys else Side.BUY,
            size=Decimal(size),
            strike=instrument.strike or Decimal(0),
            is_call=is_call,
            expiry_ns=expiry_s * S,
            taker=taker,
            terms=msgspec.structs.replace(made, **terms),
        )

    def ask(self, **changes: Any) -> SendQuote | Refused:
        """Ask for one option; what it was answered with."""
        rfq = self.rfq(**changes)
        instrument = option(
            "rysk", float(rfq.strike), rfq.terms.expiry_s, is_call=rfq.is_call, underlying=rfq.underlying
        )
        out = self.feed(ev.InstrumentListed(instrument), rfq)
        (answer,) = [
            item
            for item in out
            if isinstance(item, SendQuote) or (isinstance(item, Refused) and item.subject == rfq.rfq_id)
        ]
        return answer

    def quote(self, **changes: Any) -> SendQuote:
        """Ask for one option that must be quoted."""
        answer = self.ask(**changes)
        assert isinstance(answer, SendQuote), answer
        return answer

    def win(self, quote: SendQuote) -> list[Any]:
        """The venue confirms that this quote was executed."""
        return self.feed(
            RfqTrade(
                venue="rysk",
                account="maker",
                instrument=quote.instrument,
                nonce=quote.nonce,
                side=quote.side,
                price=Decimal(quote.price_e18).scaleb(-18),
                size=Decimal(quote.terms.quantity_e18).scaleb(-18),
                premium_currency="USD",
                rfq_id=quote.rfq_id,
                taker=quote.taker,
                ts_ns=self.now_ns,
            )
        )

    def refresh(self, after_s: float = 0.0) -> list[Any]:
        """Time passes with every feed alive, new quotes, a new book and a new index."""
        self.now_ns += round(after_s * S)
        chain = self.chain if after_s >= 1.0 else ()
        return self.feed(
            *chain,
            ev.FeedAlive("deribit/trading"),
            ev.FeedAlive("rysk/maker"),
            ev.IndexPrice("deribit", "eth_usd", FORWARD),
            ev.BookSnapshot(HEDGE.instrument, [(FORWARD - 0.5, 1e6)], [(FORWARD + 0.5, 1e6)], 1),
        )

    def fill_whole(self, orders: Iterable[PlaceOrder]) -> list[Any]:
        """Every order fills as a whole, then ends."""
        out: list[Any] = []
        for order in orders:
            out += self.fill(order, order.lots, trade=f"t{order.order_id}")
            out += self.ended(order.order_id, order.lots, EndReason.FILLED)
        return out


__all__ = ["ASSET", "BITCOIN", "FAR_S", "NEAR_S", "RYSK", "T0", "TAKER", "RfqDesk", "chain_events", "option"]
