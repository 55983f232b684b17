"""What a simulated Rysk can be told: identities, money at the start, how clients behave, what goes wrong.

Identities are fixed for the life of a twin. `Behaviour` and its `Faults` can be replaced while it runs
(`POST /sim/settings`), which is how tests and rehearsals switch misbehaviour on and off.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from enum import StrEnum

import msgspec
from eth_account import Account

CHAIN_ID = 31337
CONTRACT = "0x5100000000000000000000000000000000000c0d"
STABLE = "0x510000000000000000000000000000000000057a"
FOREIGN = "0x66000000000000000000000000000000000000f0"
UNDERLYING_ADDRESSES = {
    "ETH": "0x51000000000000000000000000000000000000e1",
    "BTC": "0x51000000000000000000000000000000000000b1",
}
QUANTITY_UNIT = 10**18
PRICE_UNIT = 10**18
STRIKE_UNIT = 10**8


class SettingsError(ValueError):
    """A twin setting outside its range; the text says which, what was found, what is allowed."""


class Acceptance(StrEnum):
    """What a client does with the best quote; WAIT leaves it to a message on the taker's socket."""

    MARKET = "market"
    ALWAYS = "always"
    NEVER = "never"
    WAIT = "wait"


class ConfirmationShape(StrEnum):
    """Which of the two observed envelopes a confirmation comes in."""

    RESULT = "result"
    METHOD = "method"
    ALTERNATE = "alternate"


class BalancesShape(StrEnum):
    """The venue's shape is unverified, so both readings can be served."""

    MAP = "map"
    LIST = "list"


class RfqFault(StrEnum):
    """What is wrong with one RFQ push."""

    FOREIGN_DOMAIN = "foreign_domain"
    FOREIGN_USD = "foreign_usd"
    FOREIGN_CHAIN = "foreign_chain"
    FOREIGN_COLLATERAL = "foreign_collateral"
    STRIKE_OFF = "strike_off"
    HUGE_QUANTITY = "huge_quantity"
    EXPIRED = "expired"
    MALFORMED = "malformed"
    LATE = "late"
    DUPLICATE = "duplicate"
    SAME_TERMS = "same_terms"


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probabilities in [0, 1], each drawn per RFQ or per trade from its own seeded stream."""

    foreign_domain: float = 0.0
    foreign_usd: float = 0.0
    foreign_chain: float = 0.0
    foreign_collateral: float = 0.0
    strike_off: float = 0.0
    huge_quantity: float = 0.0
    expired: float = 0.0
    malformed: float = 0.0
    late: float = 0.0
    duplicate: float = 0.0
    same_terms: float = 0.0
    confirmation_lost: float = 0.0
    confirmation_duplicate: float = 0.0
    confirmation_foreign: float = 0.0
    execute_all: float = 0.0
    last_second: float = 0.0
    transaction_failed: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise SettingsError(f"fault {name}: expected a probability in [0, 1], found {value}")


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How clients, rivals and the server behave. Times in seconds; widths as stated per field.

    A client sells at `fair - e` or better, `e` exponential with mean `client_vol_points` x (USD per vol
    point) + `client_bps` of the index; a rival quotes around fair less a log-normal width of the same form.
    Most clients write covered calls: `put_share` of them ask for puts.
    """

    acceptance: Acceptance = Acceptance.MARKET
    rfq_interval_s: float = 1.5
    taker_buy_share: float = 0.1
    put_share: float = 0.2
    off_strike_share: float = 0.15
    off_expiry_share: float = 0.1
    client_vol_points: float = 3.0
    client_bps: float = 8.0
    rivals: int = 2
    rival_answers: float = 0.6
    rival_vol_points: float = 1.75
    rival_bps: float = 5.0
    decision_delay_s: float = 1.0
    settlement_delay_s: float = 1.0
    same_terms_count: int = 12
    confirmation_shape: ConfirmationShape = ConfirmationShape.ALTERNATE
    balances_shape: BalancesShape = BalancesShape.MAP
    faults: Faults = Faults()

    def __post_init__(self) -> None:
        for name in ("rfq_interval_s", "client_vol_points", "rival_vol_points"):
            value = getattr(self, name)
            if not value > 0.0:
                raise SettingsError(f"{name}: expected a number above zero, found {value}")
        for name in ("client_bps", "rival_bps", "decision_delay_s", "settlement_delay_s"):
            value = getattr(self, name)
            if not value >= 0.0:
                raise SettingsError(f"{name}: expected zero or more, found {value}")
        for name in ("taker_buy_share", "put_share", "off_strike_share", "off_expiry_share", "rival_answers"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise SettingsError(f"{name}: expected a share in [0, 1], found {value}")
        for name, least in (("rivals", 0), ("same_terms_count", 2)):
            value = getattr(self, name)
            if value < least:
                raise SettingsError(f"{name}: expected at least {least}, found {value}")


class TwinAsset(msgspec.Struct, frozen=True):
    """The underlying token options are written on; trade sizes in coins."""

    symbol: str
    underlying: str
    address: str
    decimals: int = 18
    min_size: Decimal = Decimal("0.1")
    max_size: Decimal = Decimal(20)
    size_step: Decimal = Decimal("0.1")


class MakerCredentials(msgspec.Struct, frozen=True):
    """The simulated maker's account. The key is a throwaway of this simulation and never printed by repr."""

    address: str
    private_key: str

    def __repr__(self) -> str:
        return f"MakerCredentials(address={self.address!r})"


class RyskTwinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One twin. Deposits in whole USD and whole coins; a coin deposit is needed to write calls."""

    asset: TwinAsset
    maker: MakerCredentials
    seed: int = 1
    chain_id: int = CHAIN_ID
    contract: str = CONTRACT
    stable: str = STABLE
    stable_symbol: str = "USDC"
    stable_decimals: int = 6
    deposit_usd: Decimal = Decimal(1_000_000)
    deposit_coins: Decimal = Decimal(0)
    wallet_usd: Decimal = Decimal(1_000_000)
    window_s: float = 2.0
    max_validity_s: int = 600
    takers: int = 6
    behaviour: Behaviour = Behaviour()


def derived_key(label: str, seed: int) -> str:
    """A throwaway private key, 32 bytes hex with 0x, the same for the same label and seed."""
    return "0x" + hashlib.sha256(f"atomizer simulation {label} {seed}".encode()).hexdigest()


def simulated_maker(seed: int) -> MakerCredentials:
    """The maker account a twin of this seed opens when none is given."""
    return maker_of(derived_key("maker", seed))


def maker_of(private_key: str) -> MakerCredentials:
    """Credentials of a given simulation key.

    Raises:
        SettingsError: not 32 bytes of hex.
    """
    try:
        address = Account.from_key(private_key).address.lower()
    except ValueError as exc:
        raise SettingsError(
            "maker key: expected 32 bytes of hex with 0x, found something else; give a throwaway key"
        ) from exc
    return MakerCredentials(address=address, private_key=private_key)


def asset_for(underlying: str) -> TwinAsset:
    """The 1:1 wrapper a twin lists for an underlying; sizes fit its usual price.

    Raises:
        SettingsError: an underlying without an address here.
    """
    address = UNDERLYING_ADDRESSES.get(underlying)
    if address is None:
        known = ", ".join(UNDERLYING_ADDRESSES)
        raise SettingsError(f"underlying: expected one of {known}, found {underlying!r}")
    if underlying == "BTC":
        step, most = Decimal("0.01"), Decimal(1)
        return TwinAsset("WBTC", underlying, address, min_size=step, max_size=most, size_step=step)
    return TwinAsset(f"W{underlying}", underlying, address)


def default_settings(underlying: str, seed: int = 1, **changes: object) -> RyskTwinSettings:
    """Settings of an ordinary twin; keyword arguments replace fields of `RyskTwinSettings`."""
    plain = RyskTwinSettings(asset=asset_for(underlying), maker=simulated_maker(seed), seed=seed)
    return msgspec.structs.replace(plain, **changes)


def merged(behaviour: Behaviour, changes: dict[str, object]) -> Behaviour:
    """The behaviour with some fields replaced; `faults` merges field by field.

    Raises:
        SettingsError: unknown field, wrong type or value out of range.
    """
    fields = msgspec.to_builtins(behaviour)
    faults = changes.get("faults", {})
    if not isinstance(faults, dict):
        raise SettingsError(f"faults: expected an object of name and probability, found {faults!r}")
    fields.update(changes)
    fields["faults"] = {**msgspec.to_builtins(behaviour.faults), **faults}
    try:
        return msgspec.convert(fields, Behaviour)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"settings: {exc}; see docs/venues/rysk-twin.md for the fields") from exc


def parse_spec(spec: str) -> dict[str, object]:
    """`name=value,name=value` as changes for `merged`: fault names with probabilities, behaviour fields.

    Example: `confirmation_lost=0.2,acceptance=always`.

    Raises:
        SettingsError: a part without `=`, or a name that is neither fault nor behaviour field.
    """
    changes: dict[str, object] = {}
    faults: dict[str, object] = {}
    for part in filter(None, (one.strip() for one in spec.split(","))):
        name, found, text = part.partition("=")
        if not found:
            raise SettingsError(f"fault: expected name=value, found {part!r}")
        if name in Faults.__struct_fields__:
            faults[name] = _value(text)
        elif name in Behaviour.__struct_fields__ and name != "faults":
            changes[name] = _value(text)
        else:
            known = ", ".join((*Faults.__struct_fields__, *Behaviour.__struct_fields__[:-1]))
            raise SettingsError(f"fault: expected one of {known}, found {name!r}")
    return changes | {"faults": faults}


def _value(text: str) -> object:
    """A number where it is one, else the word."""
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text
