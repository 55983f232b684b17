"""The instruments Deribit lists, read once per currency and kept up to date; told to the sink when new."""

from __future__ import annotations

import logging
from collections.abc import Sequence

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
    """Instruments by venue name and by key. Shared by both sockets."""

    def __init__(self, settings: DeribitSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.by_name: dict[str, Instrument] = {}
        self.by_key: dict[str, Instrument] = {}
        self.complete = False
        self.sink: Sink

    async def load(self, rpc: Rpc) -> None:
        """Read every configured currency. What is known and no longer listed is closed."""
        listed: dict[str, None] = {}
        for currency in self._settings.currencies:
            found = await rpc.call(
                "public/get_instruments", {"currency": currency, "expired": False}, codec.decode_instruments
            )
            legs = await self._legs(rpc, currency) if self._settings.combos else {}
            for data in found:
                listed[data.instrument_name] = None
                self._learn(data, legs.get(data.instrument_name, ()))
        for name, known in list(self.by_name.items()):
            if name not in listed and known.expiry_ns is not None and known.expiry_ns <= self._clock.now_ns():
                self._set_open(known, open_now=False)
        self.complete = True
        self.sink.flush()

    @staticmethod
    async def _legs(rpc: Rpc, currency: str) -> dict[str, list[wire.ComboLeg]]:
        found = await rpc.call("public/get_combos", {"currency": currency}, codec.decode_combos)
        return {combo.id: combo.legs for combo in found}

    async def require(self, rpc: Rpc, name: str) -> Instrument | None:
        """An instrument outside the configured currencies, read when first met; None for a combo whose legs
        are not known."""
        known = self.by_name.get(name)
        if known is None:
            self._learn(
                await rpc.call("public/get_instrument", {"instrument_name": name}, codec.decode_instrument)
            )
            known = self.by_name.get(name)
        return known

    def state_changed(self, data: wire.StateData) -> bool:
        """Only the state `open` may be traded. False: the instrument is not known yet."""
        known = self.by_name.get(data.instrument_name)
        if known is None:
            return False
        self._set_open(known, open_now=data.state == codec.OPEN, settling=data.state == codec.SETTLEMENT)
        return True

    def _set_open(self, known: Instrument, *, open_now: bool, settling: bool = False) -> None:
        if (known.open, known.settling) != (open_now, settling):
            self._put(msgspec.structs.replace(known, open=open_now, settling=settling))

    def _learn(self, data: wire.InstrumentData, legs: Sequence[wire.ComboLeg] = ()) -> None:
        try:
            listed = codec.instrument(data, self._settings.venue, legs)
        except ArithmeticError:
            log.warning(
                "%s: %s has an impossible tick or lot, left out", self._settings.venue, data.instrument_name
            )
            return
        if listed is not None and self.by_name.get(listed.name) != listed:
            self._put(listed)

    def _put(self, listed: Instrument) -> None:
        self.by_name[listed.name] = self.by_key[listed.key] = listed
        self.sink.put(InstrumentListed(listed))

    def books(self) -> list[str]:
        """Names whose whole book is followed: the configured ones, then dated futures by expiry."""
        dated = [
            listed
            for listed in self.by_name.values()
            if listed.kind is Kind.FUTURE
            and listed.inverse
            and listed.underlying in self._settings.future_books
            and (listed.expiry_ns or 0) > self._clock.now_ns()
        ]
        dated.sort(key=lambda listed: (listed.expiry_ns or 0, listed.name))
        return list(dict.fromkeys([*self._settings.books, *(listed.name for listed in dated)]))

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
        followed = [self.by_name[name] for name in self.books() if name in self.by_name]
        return sorted({listed.index for listed in [*followed, *self.options()] if listed.index})
