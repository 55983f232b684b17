"""Money moves here and nowhere else: fills, daily settlement, delivery. Every move of cash is a log row."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from atomizer.sim.deribit.accounts import Account, Marks, value
from atomizer.sim.deribit.fees import Fees, future_delivery_fee, option_delivery_fee
from atomizer.sim.deribit.listings import ZERO, Listing
from atomizer.sim.deribit.positions import Position, coin

FIRST_ROW = 61_000_000


class Fill(NamedTuple):
    """One side of an execution. `side` is the account's own, `reference` what the log row says of it."""

    listing: Listing
    side: int
    amount: Decimal
    price: Decimal
    fee: Decimal
    reference: dict[str, Any]


class Booking:
    """Books what happened to accounts.

    Args:
        now_ms: the time.
        marks: by currency.
        fees: of the venue.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        marks: Callable[[str], Marks],
        fees: Fees,
    ) -> None:
        self._now_ms = now_ms
        self._marks = marks
        self._fees = fees
        self._next_row = FIRST_ROW

    def open(self, account: Account) -> None:
        """Write the opening balances down."""
        for wallet in account.wallets.values():
            if wallet.deposit:
                self._write(account, wallet.currency, "deposit", wallet.deposit, balance=wallet.balance)

    def fee(
        self, account: Account, listing: Listing, price: Decimal, amount: Decimal, *, maker: bool
    ) -> Decimal:
        """What an account pays for a fill, in the settlement currency."""
        return listing.fee(price, amount, self._fees.rate(account, listing, maker=maker))

    def fill(self, account: Account, fill: Fill) -> Decimal:
        """Book a fill; returns the profit it realised."""
        if fill.listing.kind == "spot":
            self._exchange(account, fill)
            return ZERO
        listing, signed = fill.listing, fill.side * fill.amount
        position = account.position(listing)
        self.accrue(position)
        account.wallets[listing.settlement].fees += fill.fee
        closing = min(fill.amount, abs(position.size)) if position.size * fill.side < 0 else ZERO
        realised, fee_left = ZERO, fill.fee
        for word, part in (("close", closing), ("open", fill.amount - closing)):
            if not part:
                continue
            fee = fee_left if part == fill.amount or word == "open" else coin(fill.fee * part / fill.amount)
            fee_left -= fee
            gain = position.trade(fill.side * part, fill.price)
            realised += gain
            cashflow = -coin(position.worth(fill.side * part, fill.price)) if listing.option else gain
            change = (cashflow if listing.option else ZERO) - fee
            self._move(
                account,
                listing.settlement,
                "trade",
                change,
                cashflow=cashflow,
                commission=fee,
                position=position,
                side=f"{word} {'buy' if signed > 0 else 'sell'}",
                amount=part,
                price=fill.price,
                **fill.reference,
            )
        return realised

    def _exchange(self, account: Account, fill: Fill) -> None:
        """Spot: coins against the quote currency, a row in each."""
        listing = fill.listing
        account.wallets[listing.quote].fees += fill.fee
        paid = coin(fill.amount * fill.price)
        side = "buy" if fill.side > 0 else "sell"
        for currency, cashflow, fee in (
            (listing.coin, fill.side * fill.amount, ZERO),
            (listing.quote, -fill.side * paid, fill.fee),
        ):
            self._move(
                account,
                currency,
                "trade",
                cashflow - fee,
                cashflow=cashflow,
                commission=fee,
                side=side,
                amount=fill.amount,
                price=fill.price,
                instrument=listing.name,
                **fill.reference,
            )

    def accrue(self, position: Position) -> None:
        """Take a perpetual's funding up to now."""
        if position.listing.is_perpetual:
            position.accrue(self._marks(position.listing.settlement).funding)

    def settle(self, account: Account, position: Position, price: Decimal) -> Decimal:
        """The daily settlement of a position; cash of a future moves, an option only begins a new session."""
        listing = position.listing
        self.accrue(position)
        funding, realised = position.funding, position.session
        floating = position.session_unrealised(price)
        unlogged = position.take_unlogged()
        total = position.settle(price)
        if listing.option or not (position.size or total):
            return total
        self._move(
            account,
            listing.settlement,
            "settlement",
            total,
            cashflow=total,
            commission=None,
            position=position,
            side="long" if position.size > 0 else "short" if position.size else "-",
            amount=abs(position.size),
            price=price,
            session_rpl=realised,
            session_upl=floating,
            total_interest_pl=funding if listing.is_perpetual else None,
            interest_pl=unlogged if listing.is_perpetual else None,
            info={"settlement_price": float(price), "floating_pl": float(floating)},
        )
        return total

    def deliver_option(
        self, account: Account, position: Position, future: Listing, price: Decimal
    ) -> Decimal:
        """First step: in the money, the option becomes a position in its expiry's future at the strike.

        Returns the option's worth per coin at the delivery price.
        """
        listing, size = position.listing, position.size
        option = listing.option
        assert option is not None
        strike = Decimal(repr(option.strike)).normalize()
        inside = price - strike if option.is_call else strike - price
        worth = max(inside, ZERO) / price
        fee = ZERO if account.is_house else option_delivery_fee(listing, size, worth)
        account.wallets[listing.settlement].fees += fee
        if inside > 0:
            account.position(future).trade(size * strike * (1 if option.is_call else -1), strike)
        position.size = position.cost = position.basis = position.session = ZERO
        self._move(
            account,
            listing.settlement,
            "delivery",
            -fee,
            cashflow=ZERO,
            commission=fee,
            position=position,
            side="close sell" if size > 0 else "close buy",
            amount=abs(size),
            price=coin(worth),
            settlement_price=float(price),
            index_price=float(price),
            info={"delivered_into": future.name, "strike": float(strike)} if inside > 0 else {},
        )
        return worth

    def deliver_future(self, account: Account, position: Position, price: Decimal) -> Decimal:
        """Second step: what is left in the future is settled to cash; returns the session's profit."""
        listing, size = position.listing, position.size
        fee = ZERO if account.is_house else future_delivery_fee(listing, size, price)
        account.wallets[listing.settlement].fees += fee
        realised, floating = position.session, position.session_unrealised(price)
        total = position.settle(price)
        position.realised += coin(position.unrealised(price))
        position.size = position.cost = position.basis = ZERO
        self._move(
            account,
            listing.settlement,
            "delivery",
            total - fee,
            cashflow=total,
            commission=fee,
            position=position,
            side="close sell" if size > 0 else "close buy" if size else "-",
            amount=abs(size),
            price=price,
            session_rpl=realised,
            session_upl=floating,
            settlement_price=float(price),
            index_price=float(price),
        )
        return total

    def _move(self, account: Account, currency: str, kind: str, change: Decimal, **details: Any) -> None:
        """Move the balance and write the row."""
        balance = account.pay(currency, change)
        if not account.is_house:
            self._write(account, currency, kind, change, balance=balance, **details)

    def _write(
        self,
        account: Account,
        currency: str,
        kind: str,
        change: Decimal,
        *,
        balance: Decimal,
        position: Position | None = None,
        instrument: str | None = None,
        cashflow: Decimal | None = None,
        commission: Decimal | None = ZERO,
        side: str = "-",
        price: Decimal | None = None,
        amount: Decimal | None = None,
        **more: Any,
    ) -> None:
        self._next_row += 1
        listing = position.listing if position else None
        row: dict[str, Any] = {
            "id": self._next_row,
            "type": kind,
            "timestamp": self._now_ms(),
            "user_id": account.number,
            "username": account.name,
            "currency": currency,
            "instrument_name": listing.name if listing else instrument,
            "side": side,
            "price": _number(price),
            "amount": _number(amount),
            "position": _number(position.size) if position else None,
            "change": float(change),
            "cashflow": float(change if cashflow is None else cashflow),
            "commission": _number(commission),
            "balance": float(balance),
            "equity": float(value(account, currency, self._marks(currency)).equity),
            "interest_pl": None,
            "info": None,
        }
        if listing is not None:
            row["price_currency"] = listing.quote
            row["contracts"] = None if amount is None else float(amount / listing.contract_size)
        if kind == "trade" and position is not None and listing is not None:
            row["profit_as_cashflow"] = False
            if listing.is_perpetual:
                row["interest_pl"] = float(position.take_unlogged())
        account.log.add(row | {key: _number(found) for key, found in more.items() if found is not None})


def _number(found: Any) -> Any:
    return float(found) if isinstance(found, Decimal) else found
