"""What the Rysk adapter must be told."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class RyskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One maker. `ws_url` is the base address; times in seconds.

    `assets` maps the token addresses whose RFQs are listened to to the coins they stand for; `stables` maps
    premium tokens to their decimals, `coins` further tokens of the deposit. `ratios` (coins per token) and
    `symbols` say which of them are worth more than a coin and what their options are called.
    `contract_wallet`: the maker is a contract that accepts the key's signatures (EIP-1271), so their
    addresses differ.
    """

    ws_url: str
    account: str
    maker: str
    assets: dict[str, str]
    stables: dict[str, int]
    coins: dict[str, int] = {}
    ratios: dict[str, Decimal] = {}
    symbols: dict[str, str] = {}
    contract_wallet: bool = False
    poll_s: float = 5.0
    answer_timeout_s: float = 5.0
    dead_after_s: float = 12.0
    rate_per_s: float = 50.0
    rate_burst: float = 100.0
