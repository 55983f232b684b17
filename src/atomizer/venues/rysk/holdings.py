"""What the maker holds: balances and positions in whatever shape the venue answers.

No official page gives the shapes of these two answers, so they are read liberally: lists or maps, by chain
or not, amounts as integers of the token or as whole numbers with a point. What cannot be understood is an
error that says so, never a zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from atomizer.domain.events import BalanceReport, PositionReport
from atomizer.domain.instruments import Instrument, instrument_key
from atomizer.venues.rysk.codec import VENUE, Options, e18

TOKEN_FIELDS = ("asset", "assetAddress", "token", "tokenAddress", "address", "symbol", "currency")
AMOUNT_FIELDS = ("balance", "amount", "deposited", "available", "total", "value")
ITEM_LISTS = ("positions", "balances", "items", "data", "result")
# A strike at or above this has 18 decimals: with 8 it would be ten million.
STRIKE_E18_FROM = 10**15
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


class ShapeError(ValueError):
    """An answer that cannot be understood."""


class Token(NamedTuple):
    """A token balances are held in: what the ledger calls it, the decimals of its amounts, and how much of
    that currency one token counts as."""

    currency: str
    decimals: int
    ratio: Decimal = Decimal(1)


def balances(
    answer: Any, account: str, tokens: Mapping[str, Token], chain_ids: frozenset[int]
) -> list[BalanceReport]:
    """One report per currency of the configured tokens (by address in lower case).

    Raises:
        ShapeError: the answer is neither a list nor a map, names none of the tokens, or an amount is no
            number.
    """
    if not isinstance(answer, (list, Mapping)):
        raise ShapeError(f"rysk balances: expected a list or a map, found {type(answer).__name__}")
    sums: dict[str, Decimal] = {}
    for chain_id, name, amount in _amounts(answer, None):
        token = tokens.get(name.lower())
        if token is not None and (chain_id is None or chain_id in chain_ids):
            held = sums.get(token.currency, Decimal(0))
            sums[token.currency] = held + _whole_tokens(amount, token) * token.ratio
    if not sums:
        raise ShapeError("rysk balances: expected one of the configured tokens, found none of them named")
    return [
        BalanceReport(
            venue=VENUE, account=account, currency=currency, cash=amount, equity=amount, excess=amount
        )
        for currency, amount in sorted(sums.items())
    ]


def _amounts(node: Any, chain_id: int | None) -> Iterator[tuple[int | None, str, Any]]:
    """(chain, token name, amount) of every entry found, at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from _amounts(item, chain_id)
        return
    if not isinstance(node, Mapping):
        return
    named = node.get("chainId", chain_id)
    chain_id = int(named) if isinstance(named, (int, str)) and str(named).isdigit() else chain_id
    token = next((node[field] for field in TOKEN_FIELDS if isinstance(node.get(field), str)), None)
    amount = next((node[field] for field in AMOUNT_FIELDS if isinstance(node.get(field), (str, int))), None)
    if token is not None and amount is not None:
        yield chain_id, token, amount
        return
    for key, value in node.items():
        if isinstance(value, Mapping) and _ADDRESS.fullmatch(key.lower()):
            yield from _amounts({"asset": key, **value}, chain_id)
        elif isinstance(value, (Mapping, list)):
            yield from _amounts(value, int(key) if key.isdigit() else chain_id)
        elif isinstance(value, (str, int)) and key != "chainId":
            yield chain_id, key, value


def _whole_tokens(amount: Any, token: Token) -> Decimal:
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        raise ShapeError(
            f"rysk balances: expected a number for {token.currency}, found {amount!r:.40}"
        ) from None
    if not value.is_finite():
        raise ShapeError(
            f"rysk balances: expected a finite number for {token.currency}, found {amount!r:.40}"
        )
    return value if "." in str(amount) else Decimal(f"{value:f}E-{token.decimals}")


def positions(
    answer: Any, account: str, options: Options, assets: Mapping[str, str]
) -> list[tuple[PositionReport, Instrument | None]]:
    """Reports of option tokens, each with its instrument when that was not met before.

    `assets` maps names the venue may use for an underlying (symbol or coin, lower case) to token addresses.
    A token whose option is not understood is reported under its address, so that it shows as a difference.

    Raises:
        ShapeError: no list of positions, or a field that is no number.
    """
    merged: dict[str, tuple[Decimal, Instrument | None, int]] = {}
    for item in _items(answer):
        if item.get("isOtoken") is False:
            continue
        found, new = _option(item, options, assets)
        token = str(item.get("assetAddress", item.get("optionAsset", ""))).lower()
        key = found.key if found is not None else instrument_key(VENUE, token)
        size, listed, ts_ns = merged.get(key, (Decimal(0), None, 0))
        merged[key] = (size + _size(item), found if new else listed, ts_ns)
    return [
        (PositionReport(VENUE, account, key, size, ts_ns), listed)
        for key, (size, listed, ts_ns) in merged.items()
    ]


def _items(answer: Any) -> list[Mapping[str, Any]]:
    if isinstance(answer, Mapping):
        nested = next((answer[name] for name in ITEM_LISTS if isinstance(answer.get(name), list)), None)
        answer = nested if nested is not None else list(answer.values())
    if not isinstance(answer, list) or not all(isinstance(item, Mapping) for item in answer):
        raise ShapeError(f"rysk positions: expected a list of positions, found {type(answer).__name__}")
    return answer


def _size(item: Mapping[str, Any]) -> Decimal:
    """The signed size; a short shows as a negative balance, or as a negative premium."""
    size = e18(_integer(item, "balance" if "balance" in item else "quantity"))
    short = size > 0 and "premium" in item and _integer(item, "premium") < 0
    return -size if short else size


def _option(
    item: Mapping[str, Any], options: Options, assets: Mapping[str, str]
) -> tuple[Instrument | None, bool]:
    names = [str(item[name]).lower() for name in ("underlying", "underlyingAsset", "asset") if name in item]
    asset = next((assets[name] for name in names if name in assets), "")
    strike = _integer(item, "strike")
    strike_e8 = strike // 10**10 if strike >= STRIKE_E18_FROM else strike
    return options.find(asset, _integer(item, "expiry"), strike_e8, is_put=bool(item.get("isPut")))


def _integer(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    try:
        return int(str(value))
    except ValueError:
        raise ShapeError(f"rysk positions: expected an integer {name}, found {value!r:.40}") from None
