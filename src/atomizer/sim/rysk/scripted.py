"""RFQs that a test or a person asks for by hand, beside the generated ones."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.sim.rysk.behaviour import Acceptance, RfqFault, SettingsError
from atomizer.sim.rysk.clients import Request
from atomizer.sim.rysk.messages import RpcError, parse_address
from atomizer.sim.rysk.settings import QUANTITY_UNIT, STRIKE_UNIT, RyskTwinSettings


class ScriptedRfq(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One RFQ by hand: strike in USD and quantity per token, expiry in unix seconds.

    `asset` is the token's address, empty for the first one listed.
    `acceptance` None follows the twin's behaviour; `rivals` false keeps rival makers out; `faults` are
    applied in their order; `taker` empty takes the first simulated client.
    """

    strike: Decimal
    expiry_s: int
    is_put: bool
    quantity: Decimal
    is_taker_buy: bool = False
    taker: str = ""
    asset: str = ""
    acceptance: Acceptance | None = None
    rivals: bool = True
    faults: tuple[RfqFault, ...] = ()

    def request(self, settings: RyskTwinSettings) -> Request:
        """As a client's wish.

        Raises:
            SettingsError: a strike or quantity that is not positive or too fine for the wire, or a token
                that is not listed.
        """
        address = self.asset.lower() or settings.asset.address
        if settings.asset_at(address) is None:
            raise SettingsError(f"asset: expected the address of a listed token, found {self.asset!r}")
        return Request(
            asset=address,
            strike_e8=_scaled(self.strike, STRIKE_UNIT, "strike"),
            expiry_s=self.expiry_s,
            is_put=self.is_put,
            quantity_e18=_scaled(self.quantity, QUANTITY_UNIT, "quantity"),
            is_taker_buy=self.is_taker_buy,
            taker=0,
        )


def parse_scripted(body: bytes) -> ScriptedRfq:
    """The body of `POST /sim/rfq`.

    Raises:
        SettingsError: not a scripted RFQ.
    """
    try:
        order = msgspec.json.decode(body, type=ScriptedRfq)
        if order.taker:
            parse_address(order.taker, "taker")
    except (msgspec.DecodeError, RpcError) as exc:
        raise SettingsError(f"rfq: {exc}; see docs/venues/rysk-twin.md for the fields") from exc
    return order


def _scaled(value: Decimal, unit: int, name: str) -> int:
    scaled = value * unit
    if not value.is_finite() or scaled <= 0 or scaled != int(scaled):
        raise SettingsError(f"{name}: expected a positive number of at most {len(str(unit)) - 1} decimals")
    return int(scaled)
