"""The instruments Deribit lists, read once per currency and kept up to date; told to the sink when new."""

from __future__ import annotations

import logging

import msgspec

from atomizer.domain.events import InstrumentListed
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.ports import Sink
from atomizer.net.transport import Clock
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.rpc import Rpc
from atomizer.venues.deribit.settings import DeribitSettings

log = logging.getLogger(__name__)
NS_PER_DAY = 86_400 * 10**9


class Listing:
    """Instruments by venue name. Shared by both sockets."""

    def __init__(self, settings: DeribitSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.by_name: dict[str, Instrument] = {}
        self.complete = False
        self.sink: Sink

    async def load(self, rpc: Rpc) -> None:
        """Read every configured currency."""
        for currency in self._settings.currencies:
            for data in await rpc.call(
                "public/get_instruments", {"currency": currency, "expired": False}, codec.decode_instruments
            ):
                self._learn(data)
        self.complete = True
        self.sink.flush()

    async def require(self, rpc: Rpc, name: str) -> Instrument | None:
        """An instrument outside the configured currencies, read when first met; None for combos."""
        known = self.by_name.get(name)
        if known is None:
            self._learn(
                await rpc.call("public/get_instrument", {"instrument_name": name}, codec.decode_instrument)
            )
            known = self.by_name.get(name)
        return known

    def state_changed(self, data: wire.StateData) -> None:
        """Only the state `open` may be traded."""
        known = self.by_name.get(data.instrument_name)
        if known is not None and known.open is not (data.state == "open"):
            self._put(msgspec.structs.replace(known, open=data.state == "open"))

    def _learn(self, data: wire.InstrumentData) -> None:
        try:
            listed = codec.instrument(data, self._settings.venue)
        except ArithmeticError:
            log.warning(
                "%s: %s has an impossible tick or lot, left out", self._settings.venue, data.instrument_name
            )
            return
        if listed is not None and self.by_name.get(listed.name) != listed:
            self._put(listed)

    def _put(self, listed: Instrument) -> None:
        self.by_name[listed.name] = listed
        self.sink.put(InstrumentListed(listed))

    def options(self) -> list[Instrument]:
        """The options to follow: configured coins, not expired, near enough."""
        now_ns = self._clock.now_ns()
        last_ns = now_ns + int(self._settings.option_days * NS_PER_DAY)
        return [
            listed
            for listed in self.by_name.values()
            if listed.kind is Kind.OPTION
            and listed.underlying in self._settings.option_underlyings
            and listed.expiry_ns is not None
            and now_ns < listed.expiry_ns <= last_ns
        ]

    def indices(self) -> list[str]:
        """Index names of what is followed."""
        followed = [self.by_name[name] for name in self._settings.books if name in self.by_name]
        return sorted({listed.index for listed in [*followed, *self.options()] if listed.index})
