"""What is served on request: balances and positions as the venue shapes them, equity and state for judges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from atomizer.sim.rysk.behaviour import BalancesShape
from atomizer.sim.rysk.delivery import fixing_e8, pays
from atomizer.sim.rysk.fair import Valuer, fair_value
from atomizer.sim.rysk.ledger import Accounting, OptionKey
from atomizer.sim.rysk.settings import QUANTITY_UNIT, STRIKE_UNIT, RyskTwinSettings

USD_QUANTUM = Decimal("0.000001")


def token_table(settings: RyskTwinSettings) -> dict[str, tuple[str, int]]:
    """Address -> (symbol, decimals) of the tokens this twin knows."""
    return {
        settings.stable: (settings.stable_symbol, settings.stable_decimals),
        **{asset.address: (asset.symbol, asset.decimals) for asset in settings.assets},
    }


def balances(
    accounting: Accounting, settings: RyskTwinSettings, account: str, shape: BalancesShape
) -> list[dict[str, Any]] | dict[str, dict[str, str]]:
    """Deposited amounts in each token's own unit, collateral of written options included."""
    deposits = accounting.account(account).deposits
    if shape == BalancesShape.MAP:
        return {
            str(settings.chain_id): {token: str(deposits.get(token, 0)) for token in token_table(settings)}
        }
    return [
        {
            "chainId": settings.chain_id,
            "asset": token,
            "symbol": symbol,
            "decimals": decimals,
            "balance": str(deposits.get(token, 0)),
            "locked": str(accounting.locked(account, token)),
        }
        for token, (symbol, decimals) in token_table(settings).items()
    ]


def positions(accounting: Accounting, account: str) -> list[dict[str, Any]]:
    """Option tokens inside the contract. The sign of a position is the sign of its premium."""
    return [
        {
            "assetAddress": key.token,
            "balance": str(abs(position.quantity_e18)),
            "strike": str(key.strike_e8 * (QUANTITY_UNIT // STRIKE_UNIT)),
            "expiry": key.expiry_s,
            "isPut": key.is_put,
            "underlying": key.asset,
            "optionAsset": key.asset,
            "premium": str(position.premium_e18),
            "isOtoken": True,
        }
        for key, position in accounting.account(account).positions.items()
    ]


def assets(settings: RyskTwinSettings, valuer: Valuer, now_ns: int) -> dict[str, list[dict[str, Any]]]:
    """The asset list by chain id. As on the venue, a staked token shows its coin's price."""
    return {
        str(settings.chain_id): [
            {
                "active": True,
                "address": asset.address,
                "chainId": settings.chain_id,
                "decimals": asset.decimals,
                "maxTradeSize": str(int(asset.max_size * QUANTITY_UNIT)),
                "minTradeSize": str(int(asset.min_size * QUANTITY_UNIT)),
                "multipliers": [],
                "price": str(
                    int(Decimal(valuer.markets[asset.underlying].state(now_ns).index) * QUANTITY_UNIT)
                ),
                "symbol": asset.symbol,
                "underlying": asset.underlying,
                "underlyingAssetAddress": asset.address,
            }
            for asset in settings.assets
        ]
    }


def token_rows(settings: RyskTwinSettings) -> list[dict[str, Any]]:
    """The listed tokens for the ready line: what a maker's asset table needs to know."""
    return [
        {
            "address": asset.address,
            "symbol": asset.symbol,
            "underlying": asset.underlying,
            "decimals": asset.decimals,
            "ratio": str(asset.ratio),
        }
        for asset in settings.assets
    ]


class Equity:
    """A maker's wealth inside the contract in USD, and what was moved in or out since the start."""

    def __init__(
        self, settings: RyskTwinSettings, valuer: Valuer, accounting: Accounting, account: str, now_ns: int
    ) -> None:
        self._settings = settings
        self._valuer = valuer
        self._accounting = accounting
        self._account = account
        self._transfers = Decimal(0)
        self._start = self.total(now_ns)

    def total(self, now_ns: int) -> Decimal:
        """Stable at 1, tokens at their price, options at the generator's fair value, collateral included.

        Between its fixing and its delivery an option in the money is the exchange it stands for.
        """
        account = self._accounting.account(self._account)
        total = sum(
            (self._worth(token, amount, now_ns) for token, amount in account.deposits.items()), Decimal(0)
        )
        for key, position in account.positions.items():
            total += Decimal(position.quantity_e18) / QUANTITY_UNIT * self._fair(key, now_ns)
        return total.quantize(USD_QUANTUM)

    def moved(self, token: str, amount: int, now_ns: int) -> None:
        """A deposit (positive) or withdrawal, at its worth now."""
        self._transfers += self._worth(token, amount, now_ns)

    def report(self, now_ns: int) -> dict[str, Any]:
        """For `GET /sim/equity`; amounts are decimal strings in USD."""
        return {
            "venue": "rysk",
            "currency": "USD",
            "equity": str(self.total(now_ns)),
            "start": str(self._start),
            "transfers": str(self._transfers.quantize(USD_QUANTUM)),
            "index": self._valuer.markets[self._settings.asset.underlying].state(now_ns).index,
            "indices": {name: market.state(now_ns).index for name, market in self._valuer.markets.items()},
        }

    def _worth(self, token: str, amount: int, now_ns: int) -> Decimal:
        _, decimals = token_table(self._settings)[token]
        units = Decimal(amount).scaleb(-decimals)
        return units if token == self._settings.stable else units * Decimal(self._valuer.price(token, now_ns))

    def _fair(self, key: OptionKey, now_ns: int) -> Decimal:
        """USD per token; negative where an exchange that is due has become one."""
        option = self._valuer.terms(key.asset, key.strike_e8, key.expiry_s, is_put=key.is_put)
        if now_ns < option.expiry_ns:
            value = fair_value(self._valuer.market(key.asset), option, now_ns).usd
            return Decimal(value * self._valuer.ratio(key.asset))
        if not pays(key, fixing_e8(self._valuer, key.asset, key.expiry_s)):
            return Decimal(0)
        difference = Decimal(self._valuer.price(key.asset, now_ns)) - Decimal(key.strike_e8) / STRIKE_UNIT
        return -difference if key.is_put else difference
