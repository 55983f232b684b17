"""How a simulated Rysk behaves: its clients, its rival makers, its settlement, and what goes wrong.

`Behaviour` and its `Faults` can be replaced while a twin runs (`POST /sim/settings`), which is how tests and
rehearsals switch misbehaviour on and off.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

ABOVE_ZERO = (
    "rfq_interval_s",
    "client_vol_points",
    "informed_horizon_s",
    "rival_vol_points",
    "rival_reaction_s",
    "delivery_retry_s",
)
ZERO_OR_MORE = (
    "client_bps",
    "informed_patience_s",
    "rival_bps",
    "rival_noise_vol_points",
    "decision_delay_s",
    "settlement_delay_s",
    "dispute_s",
    "delivery_s",
)
SHARES = (
    "taker_buy_share",
    "put_share",
    "buyer_put_share",
    "off_strike_share",
    "off_expiry_share",
    "informed",
    "rival_answers",
)


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
    delivery_delayed: float = 0.0
    delivery_failed: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise SettingsError(f"fault {name}: expected a probability in [0, 1], found {value}")


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How clients, rivals and the server behave. Times in seconds; widths as stated per field.

    A *width* is vol points at their value in USD plus basis points of the token's price. Clients who need
    the trade sell at `fair - e` or better, `e` exponential with mean the width of `client_vol_points` and
    `client_bps`. They hold coins: those who sell write calls (`put_share` of them puts), those who buy want
    protection (`buyer_put_share` of them puts). `informed` of the clients know the market's next
    `informed_patience_s` + `informed_horizon_s` seconds, see `informed`; what rivals do, see `rivals`.
    """

    acceptance: Acceptance = Acceptance.MARKET
    rfq_interval_s: float = 1.5
    taker_buy_share: float = 0.45
    put_share: float = 0.1
    buyer_put_share: float = 0.9
    off_strike_share: float = 0.15
    off_expiry_share: float = 0.1
    client_vol_points: float = 3.0
    client_bps: float = 10.0
    informed: float = 0.0
    informed_horizon_s: float = 60.0
    informed_patience_s: float = 90.0
    rivals: int = 3
    rival_answers: float = 0.6
    rival_vol_points: float = 0.6
    rival_bps: float = 10.0
    rival_noise_vol_points: float = 0.25
    rival_reaction_s: float = 0.3
    decision_delay_s: float = 1.0
    settlement_delay_s: float = 1.0
    dispute_s: float = 300.0
    delivery_s: float = 3600.0
    delivery_retry_s: float = 600.0
    same_terms_count: int = 12
    confirmation_shape: ConfirmationShape = ConfirmationShape.ALTERNATE
    balances_shape: BalancesShape = BalancesShape.MAP
    faults: Faults = Faults()

    def __post_init__(self) -> None:
        for name in ABOVE_ZERO:
            if not getattr(self, name) > 0.0:
                raise SettingsError(f"{name}: expected a number above zero, found {getattr(self, name)}")
        for name in ZERO_OR_MORE:
            if not getattr(self, name) >= 0.0:
                raise SettingsError(f"{name}: expected zero or more, found {getattr(self, name)}")
        for name in SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"{name}: expected a share in [0, 1], found {getattr(self, name)}")
        for name, least in (("rivals", 0), ("same_terms_count", 2)):
            if getattr(self, name) < least:
                raise SettingsError(f"{name}: expected at least {least}, found {getattr(self, name)}")


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
