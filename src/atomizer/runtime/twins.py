"""Simulated venues by name: built from a few options, served on a transport until told to stop."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from atomizer.config.errors import ConfigError
from atomizer.net.transport import Application, Clock, Server, Transport
from atomizer.sim.calendar import DAY_NS
from atomizer.sim.chain import Chain, ChainError, load_chain
from atomizer.sim.faults import FaultSpec, FaultSpecError, FaultyApplication, known_fault, parse_faults
from atomizer.sim.market import MAX_SEED, Market, UnknownUnderlyingError
from atomizer.sim.recording import Recording, RecordingError, load_recording

HOST = "127.0.0.1"


class Twin(Application, Protocol):
    """What every simulated venue offers beside its wire protocol."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self, host: str, port: int) -> dict[str, Any]: ...

    def equity(self) -> dict[str, Any]: ...


class VenueNotBuiltError(ConfigError):
    """No simulated venue of this name. The text lists those there are."""


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """What the user chose. `start_ns` must agree between venues that are to share a market."""

    seed: int
    start_ns: int
    chain: Chain | None = None
    underlyings: tuple[str, ...] = ("ETH",)
    staked: bool = False
    key: str = ""
    secret: str = field(default="", repr=False)
    venue_faults: dict[str, str] = field(default_factory=dict)
    recording: Recording | None = None

    def markets(self) -> tuple[Market, ...]:
        """The markets of these options, one per underlying; a chain's own where one is given.

        Raises:
            ConfigError: a coin without a generated market.
        """
        if self.chain is not None:
            return (Market(self.seed, self.start_ns, chain=self.chain),)
        try:
            return tuple(
                Market(self.seed, self.start_ns, underlying=underlying, spot=self.recorded_spot(underlying))
                for underlying in self.underlyings
            )
        except UnknownUnderlyingError as error:
            raise ConfigError([str(error)]) from error

    def recorded_spot(self, underlying: str) -> float | None:
        """Where a recorded perpetual of a coin begins, so that its index begins there too."""
        middle = self.recording.middle(f"{underlying}-PERPETUAL") if self.recording else None
        return None if middle is None else float(middle)


def _deribit(options: TwinOptions, markets: Sequence[Market], clock: Clock) -> Twin:
    from atomizer.sim.deribit import Credential, DeribitTwin, DeribitTwinSettings
    from atomizer.sim.deribit.settings import DEFAULT_CREDENTIALS
    from atomizer.sim.deribit.terms import TermError, with_terms

    settings = DeribitTwinSettings(recording=options.recording)
    if options.key or options.secret:
        first = Credential(DEFAULT_CREDENTIALS[0].account, options.key, options.secret)
        settings = replace(settings, credentials=(first, *DEFAULT_CREDENTIALS[1:]))
    try:
        settings = with_terms(settings, options.venue_faults)
    except TermError as error:
        raise ConfigError([str(error)]) from error
    try:
        return DeribitTwin(markets, settings, clock)
    except RecordingError as error:
        raise ConfigError([str(error)]) from error


def _rysk(options: TwinOptions, markets: Sequence[Market], clock: Clock) -> Twin:
    behaviour = importlib.import_module("atomizer.sim.rysk.behaviour")
    rysk = importlib.import_module("atomizer.sim.rysk.settings")
    twin = importlib.import_module("atomizer.sim.rysk.twin")
    changes: dict[str, Any] = {}
    try:
        if options.secret:
            changes["maker"] = rysk.maker_of(options.secret)
        if options.venue_faults:
            spec = ",".join(f"{name}={text}" for name, text in options.venue_faults.items())
            changes["behaviour"] = behaviour.merged(behaviour.Behaviour(), behaviour.parse_spec(spec))
        underlyings = [market.underlying for market in markets]
        settings = rysk.default_settings(underlyings, options.seed, staked=options.staked, **changes)
    except behaviour.SettingsError as error:
        raise ConfigError([str(error)]) from error
    built: Twin = twin.RyskTwin(markets, settings, clock)
    return built


# Module that must be there, and what builds the venue. Modules are imported when their venue is asked for.
VENUES: dict[str, tuple[str, Callable[[TwinOptions, Sequence[Market], Clock], Twin]]] = {
    "deribit": ("atomizer.sim.deribit.twin", _deribit),
    "rysk": ("atomizer.sim.rysk.twin", _rysk),
}


def built_venues() -> list[str]:
    """Names of the simulated venues of this installation."""
    return [name for name, (module, _) in VENUES.items() if _present(module)]


def _present(module: str) -> bool:
    package = module.rpartition(".")[0]
    return importlib.util.find_spec(package) is not None and importlib.util.find_spec(module) is not None


def require_built(venue: str) -> None:
    """Check that there is such a simulated venue.

    Raises:
        VenueNotBuiltError: there is not; the text lists those there are.
    """
    built = built_venues()
    if venue not in built:
        raise VenueNotBuiltError([f"venue {venue!r} is not built; expected one of {', '.join(built)}"])


def build_twin(venue: str, options: TwinOptions, clock: Clock) -> Twin:
    """A simulated venue that has not started.

    Raises:
        VenueNotBuiltError: no such venue; the text lists those there are.
        ConfigError: options the venue cannot take.
    """
    if venue not in built_venues():
        raise VenueNotBuiltError(
            [f"venue {venue!r} is not built; expected one of {', '.join(built_venues())}"]
        )
    return VENUES[venue][1](options, options.markets(), clock)


def read_options(
    venue: str,
    *,
    seed: int,
    start_ns: int | None,
    now_ns: int,
    chain: Path | None,
    underlying: str,
    staked: bool = False,
    recording: Path | None = None,
    fault: str,
    key: str,
    secret: str,
) -> tuple[TwinOptions, FaultSpec]:
    """Check what a user gave; `underlying` may list several.

    Without a start the market began at midnight UTC, for every venue alike.

    Raises:
        ConfigError: one of them cannot be used.
    """
    require_built(venue)
    if not 0 <= seed < MAX_SEED:
        raise ConfigError([f"seed: expected 0 to 2**63 - 1, found {seed}"])
    if bool(key) != bool(secret) and venue == "deribit":
        raise ConfigError(["expected --key and --secret together, found one of them"])
    if recording is not None and venue != "deribit":
        raise ConfigError([f"--recording is for the simulated deribit, found {venue}"])
    try:
        network, own = split_faults(venue, fault)
        recorded = load_chain(chain) if chain else None
        played = load_recording(recording) if recording else None
    except (FaultSpecError, ChainError, RecordingError) as error:
        raise ConfigError([str(error)]) from error
    begin = now_ns - now_ns % DAY_NS if start_ns is None else start_ns
    return TwinOptions(
        seed, begin, recorded, split_underlyings(underlying), staked, key, secret, own, played
    ), network


def split_underlyings(text: str) -> tuple[str, ...]:
    """`ETH,BTC` as coins, each once, in the order given.

    Raises:
        ConfigError: none, or one twice.
    """
    found = tuple(part.strip().upper() for part in text.split(",") if part.strip())
    if not found or len(set(found)) < len(found):
        raise ConfigError([f"underlying: expected coins such as ETH,BTC, each once, found {text!r}"])
    return found


def split_faults(venue: str, text: str) -> tuple[FaultSpec, dict[str, str]]:
    """(faults of the network, the venue's own terms without its name).

    Raises:
        FaultSpecError: a term of neither.
    """
    network, own = [], {}
    for term in filter(None, (one.strip() for one in text.split(","))):
        name, found, value = term.partition("=")
        if found and name.startswith(f"{venue}.") and not known_fault(name):
            own[name.removeprefix(f"{venue}.")] = value
        else:
            network.append(term)
    return parse_faults(",".join(network)), own


@asynccontextmanager
async def served(
    twin: Twin, transport: Transport, port: int, faults: FaultSpec, seed: int
) -> AsyncIterator[Server]:
    """A started twin on a local port; stops both at the end.

    Raises:
        TransportError: the port is taken.
    """
    application = twin if faults == FaultSpec() else FaultyApplication(twin, faults, seed)
    server = await transport.serve(HOST, port, application)
    try:
        twin.start()
        try:
            yield server
        finally:
            await twin.stop()
    finally:
        await server.stop()


async def run_until(
    twin: Twin,
    transport: Transport,
    port: int,
    faults: FaultSpec,
    seed: int,
    announce: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> None:
    """Serve, announce the ready line, and wait for `stop`."""
    async with served(twin, transport, port, faults, seed) as server:
        announce(twin.ready(HOST, server.port))
        await stop.wait()
