"""The accounting contract: deposits, option tokens and collateral, in integers of each token's own unit.

Amounts are Python ints, so nothing is ever rounded except the premium (down to the stable's unit) and the
collateral of a written put (up). Net option positions: buying back what was written frees its collateral.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from atomizer.domain.rfq import OnchainTerms
from atomizer.sim.rysk.settings import PRICE_UNIT, QUANTITY_UNIT, STRIKE_UNIT


class SettlementError(Exception):
    """The contract would revert: a balance is too small. The text says which and by how much."""


@dataclass(frozen=True, slots=True)
class OptionKey:
    """One option token."""

    asset: str
    collateral: str
    expiry_s: int
    strike_e8: int
    is_put: bool

    @property
    def token(self) -> str:
        """The option token's address, made up but stable."""
        text = f"{self.asset} {self.collateral} {self.expiry_s} {self.strike_e8} {self.is_put}"
        return "0x" + hashlib.sha256(text.encode()).hexdigest()[:40]


@dataclass(slots=True)
class OptionPosition:
    """Net tokens (1e18, negative when written) and the premium they cost or brought (1e18 USD, same sign)."""

    quantity_e18: int = 0
    premium_e18: int = 0

    def add(self, quantity_e18: int, premium_e18: int) -> None:
        """Book signed tokens; what closes leaves at average premium, the rest takes the new one."""
        opposite = self.quantity_e18 * quantity_e18 < 0
        after = self.quantity_e18 + quantity_e18
        if opposite and abs(quantity_e18) <= abs(self.quantity_e18):
            self.premium_e18 = self.premium_e18 * after // self.quantity_e18
        elif opposite:
            self.premium_e18 = premium_e18 * after // quantity_e18
        else:
            self.premium_e18 += premium_e18
        self.quantity_e18 = after


@dataclass(slots=True)
class MakerAccount:
    """What one maker has inside the contract, and in the wallet it can deposit from."""

    deposits: dict[str, int] = field(default_factory=dict)
    wallet: dict[str, int] = field(default_factory=dict)
    positions: dict[OptionKey, OptionPosition] = field(default_factory=dict)


def option_key(terms: OnchainTerms) -> OptionKey:
    return OptionKey(terms.asset, terms.collateral_token, terms.expiry_s, terms.strike_e8, terms.is_put)


class Accounting:
    """Every maker's account; `units` is the size of one whole token, by address: 10**6 for six decimals."""

    def __init__(self, units: dict[str, int]) -> None:
        self._units = units
        self.accounts: dict[str, MakerAccount] = {}

    def account(self, maker: str) -> MakerAccount:
        """The maker's account; an unknown maker has an empty one that is not kept."""
        return self.accounts.get(maker) or MakerAccount()

    def open(self, maker: str) -> MakerAccount:
        return self.accounts.setdefault(maker, MakerAccount())

    def premium(self, terms: OnchainTerms, price_e18: int) -> int:
        """price x quantity in the premium token's own unit, rounded down."""
        unit = self._units[terms.premium_token]
        return price_e18 * terms.quantity_e18 * unit // (PRICE_UNIT * QUANTITY_UNIT)

    def collateral(self, key: OptionKey, written_e18: int) -> int:
        """What lies locked for this many written tokens: coins for calls, strike cash for puts."""
        unit = self._units[key.collateral]
        if not key.is_put:
            return -(-written_e18 * unit // QUANTITY_UNIT)
        return -(-written_e18 * key.strike_e8 * unit // (QUANTITY_UNIT * STRIKE_UNIT))

    def locked(self, maker: str, token: str) -> int:
        """Collateral behind everything written, in the token's own unit."""
        return sum(
            self.collateral(key, -position.quantity_e18)
            for key, position in self.account(maker).positions.items()
            if key.collateral == token and position.quantity_e18 < 0
        )

    def available(self, maker: str, token: str) -> int:
        return self.account(maker).deposits.get(token, 0) - self.locked(maker, token)

    def check(self, maker: str, terms: OnchainTerms, price_e18: int) -> None:
        """Would this trade settle now?

        Raises:
            SettlementError: the premium (maker buys) or the collateral (maker writes) is not there.
        """
        if terms.is_taker_buy:
            token, need = terms.collateral_token, self._more_collateral(maker, terms)
        else:
            token, need = terms.premium_token, self.premium(terms, price_e18)
        have = self.available(maker, token)
        if need > have:
            raise SettlementError(
                f"insufficient deposited balance: expected at least {need} of {token}, found {have}"
            )

    def settle(self, maker: str, terms: OnchainTerms, price_e18: int) -> None:
        """Move premium and tokens.

        Raises:
            SettlementError: as `check`; nothing has moved.
        """
        self.check(maker, terms, price_e18)
        sign = -1 if terms.is_taker_buy else 1
        account = self.open(maker)
        token = terms.premium_token
        account.deposits[token] = account.deposits.get(token, 0) - sign * self.premium(terms, price_e18)
        key = option_key(terms)
        position = account.positions.setdefault(key, OptionPosition())
        position.add(sign * terms.quantity_e18, sign * price_e18 * terms.quantity_e18 // QUANTITY_UNIT)
        if position.quantity_e18 == 0:
            del account.positions[key]

    def drop(self, maker: str, key: OptionKey) -> None:
        """An option that expired worthless is gone; what was locked behind it is free."""
        self.open(maker).positions.pop(key, None)

    def deliver(self, maker: str, key: OptionKey, stable: str) -> tuple[int, int]:
        """Exchange tokens for strike cash; what moved of the stable and of the token, signed, in their units.

        The side that pays rounds up, the side that receives down.

        Raises:
            SettlementError: what the maker has to give is not there; nothing has moved.
        """
        account = self.open(maker)
        quantity = account.positions[key].quantity_e18
        receives_tokens = (quantity > 0) is not key.is_put
        size = abs(quantity)
        cash_share = size * key.strike_e8 * self._units[stable], QUANTITY_UNIT * STRIKE_UNIT
        token_share = size * self._units[key.asset], QUANTITY_UNIT
        if receives_tokens:
            cash, tokens = -_up(*cash_share), _down(*token_share)
            gives, amount = stable, -cash
        else:
            cash, tokens = _down(*cash_share), -_up(*token_share)
            gives, amount = key.asset, -tokens
        have = account.deposits.get(gives, 0)
        if quantity > 0:
            have -= self.locked(maker, gives)
        if amount > have:
            raise SettlementError(
                f"insufficient deposited balance: expected {amount} of {gives}, found {have}"
            )
        account.deposits[stable] = account.deposits.get(stable, 0) + cash
        account.deposits[key.asset] = account.deposits.get(key.asset, 0) + tokens
        del account.positions[key]
        return cash, tokens

    def deposit(self, maker: str, token: str, amount: int) -> None:
        """From the wallet into the contract.

        Raises:
            SettlementError: the wallet holds less.
        """
        account = self.open(maker)
        self._move(account.wallet, account.deposits, token, amount, account.wallet.get(token, 0))

    def withdraw(self, maker: str, token: str, amount: int) -> None:
        """From the contract to the wallet; locked collateral stays.

        Raises:
            SettlementError: less is available.
        """
        account = self.open(maker)
        self._move(account.deposits, account.wallet, token, amount, self.available(maker, token))

    def _more_collateral(self, maker: str, terms: OnchainTerms) -> int:
        key = option_key(terms)
        position = self.account(maker).positions.get(key)
        held = position.quantity_e18 if position else 0
        before, after = max(0, -held), max(0, terms.quantity_e18 - held)
        return self.collateral(key, after) - self.collateral(key, before)

    @staticmethod
    def _move(source: dict[str, int], target: dict[str, int], token: str, amount: int, have: int) -> None:
        if amount > have:
            raise SettlementError(
                f"insufficient balance: expected at least {amount} of {token}, found {have}"
            )
        source[token] = source.get(token, 0) - amount
        target[token] = target.get(token, 0) + amount


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _down(numerator: int, denominator: int) -> int:
    return numerator // denominator
