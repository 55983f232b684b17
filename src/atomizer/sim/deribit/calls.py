"""One request on its way through the venue: who asks, what, over which connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.auth import Grant
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.params import Params

if TYPE_CHECKING:
    from atomizer.sim.deribit.session import Session
    from atomizer.sim.deribit.twin import DeribitTwin


@dataclass(frozen=True, slots=True)
class Held:
    """A reply that waits until none of `orders` is in the speed bump; `build` makes or refuses it."""

    orders: Sequence[Order]
    build: Callable[[], Any]


@dataclass(slots=True)
class Call:
    """A request. `session` is None over HTTP; `after` runs once the reply is sent."""

    twin: DeribitTwin
    method: str
    params: Params
    grant: Grant | None
    session: Session | None
    after: list[Callable[[], None]] = field(default_factory=list)
    silent: bool = False

    @property
    def account(self) -> Account:
        """The account that asks.

        Raises:
            DeribitError: nobody has authenticated.
        """
        if self.grant is None:
            raise DeribitError("authorization_required")
        return self.twin.exchange.accounts[self.grant.credential.account]

    @property
    def socket(self) -> Session:
        """The connection.

        Raises:
            DeribitError: asked over HTTP.
        """
        if self.session is None:
            raise DeribitError("must_be_websocket_request")
        return self.session

    def require(self, area: str, *, write: bool) -> None:
        """Check the scope.

        Raises:
            DeribitError: 13403, or 10000 without authentication.
        """
        if self.grant is None:
            raise DeribitError("authorization_required")
        if not self.grant.allows(area, write=write):
            raise DeribitError("scope_exceeded", f"needs {area}:{'read_write' if write else 'read'}")


Method = Callable[[Call], Any]
