"""What a running node says of itself: plain values for the control socket, read and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.trades import MANUAL, Trade
from atomizer.engine.core import Engine
from atomizer.engine.pricing import NoPriceError

TRADES_SHOWN = 200
MS = 1_000_000


def status(engine: Engine) -> dict[str, Any]:
    """How the core stands."""
    halts, now_ns, ledger = engine.halts, engine.now_ns, engine.ledger
    letters = ledger.open_letters()
    return {
        "run": engine.run,
        "kill_level": halts.kill_level,
        "journal": halts.journal,
        "paused": {scope: str(why) for scope, why in sorted(halts.paused.items())},
        "paused_until_ns": dict(sorted(halts.paused_until.items())),
        "controls": [{"said": rule.in_words(), "until_ns": rule.until_ns} for rule in engine.controls.rules],
        "surfaces": {name: surface.gates(now_ns) for name, surface in sorted(engine.surfaces.items())},
        "naked": dict(sorted(halts.naked.items())),
        "breaches": [msgspec.to_builtins(item) for _key, item in sorted(engine.breaches.open.items())],
        "unreconciled": {"/".join(key): text for key, text in sorted(halts.unreconciled.items())},
        "feeds": {
            name: "fresh" if feed.fresh(now_ns) else feed.why or "silent"
            for name, feed in sorted(engine.market.feeds.items())
        },
        "index": _indices(engine),
        "net_delta": {name: track[0] for name, track in sorted(engine.naked.items())},
        "working_orders": len(ledger.orders),
        "live_quotes": len(engine.exposure.signed.live),
        "positions": {
            f"{key.venue}/{key.account}/{key.instrument}": str(size)
            for key, size in ledger.position_sizes().items()
        },
        "differences": len(ledger.differences),
        "open_differences": [msgspec.to_builtins(item) for _, item in sorted(ledger.differences.items())],
        "accounts_read_ns": {
            f"{item.venue}/{item.account}": ledger.read_asked_ns.get((item.venue, item.account), 0)
            for item in engine.settings.accounts
        },
        "trade_states": ledger.trades.counts(),
        "dead_letters": len(letters),
        "alerts": [
            *(f"{item.letter_id} {item.kind} {item.subject}: {item.text}" for item in letters),
            *_clock_alerts(engine),
        ],
        "numeraire": {f"{item.venue}/{item.account}": item.numeraire for item in engine.settings.accounts},
        "now_ns": now_ns,
    }


def _clock_alerts(engine: Engine) -> Iterator[str]:
    """Venues whose clock is so far from ours that signing will stop if it goes on."""
    fresh = engine.settings.freshness
    for venue, offset_ns in sorted(engine.market.clock_offset_ns.items()):
        if abs(offset_ns) > fresh.clock_warn_ms * MS:
            yield (
                f"clock of {venue}: {offset_ns / MS:+.0f} ms from ours, signing stops beyond "
                f"{fresh.clock_stop_ms}; set this machine's clock by NTP"
            )


def trade(item: Trade) -> dict[str, Any]:
    """One trade, for people and programs."""
    shown: dict[str, Any] = msgspec.to_builtins(item)
    shown["side"] = item.side.name.lower()
    return shown


def trades(engine: Engine) -> list[dict[str, Any]]:
    """The newest trades, oldest of them first."""
    return [trade(item) for item in list(engine.ledger.trades.trades.values())[-TRADES_SHOWN:]]


def inventory(engine: Engine) -> dict[str, Any]:
    """Positions with greeks and value, balances, and net delta per underlying."""
    rows = []
    numeraire = {(item.venue, item.account): item.numeraire for item in engine.settings.accounts}
    for holding, instrument, size in engine.ledger.held():
        counted = numeraire.get((holding.venue, holding.account)) or _natural(instrument)
        try:
            forward, vol, mark = engine.valuation(instrument)
        except NoPriceError as error:
            rows.append({**_named(holding, size), "unpriced": str(error)})
            continue
        rows.append(
            {
                **_named(holding, size),
                "forward": forward,
                "vol": vol,
                "mark": mark,
                "numeraire": counted,
            }
        )
    return {
        "positions": rows,
        "index": _indices(engine),
        "now_ns": engine.now_ns,
        "delta": engine.settings.delta_name,
        "net_delta": {name: engine.net_delta(name) for name in sorted(engine.surfaces)},
    }


def _indices(engine: Engine) -> dict[str, float]:
    found = {name: engine.exposure.index(name) for name in sorted(engine.surfaces)}
    return {name: price for name, price in found.items() if price is not None}


def _natural(instrument: Instrument) -> str:
    return "coin" if instrument.inverse else "usd"


def _named(holding: Any, size: Any) -> dict[str, Any]:
    return {
        "venue": holding.venue,
        "account": holding.account,
        "instrument": holding.instrument,
        "size": str(size),
    }


def markets(engine: Engine, scope: str) -> dict[str, Any]:
    """What the node sees of every instrument: touch, mark, vols; and how fresh its feeds are."""
    market, now_ns = engine.market, engine.now_ns
    rows = []
    for key in sorted(market.instruments):
        instrument = market.instruments[key]
        if instrument.venue == MANUAL:
            continue
        if scope and scope not in (instrument.underlying, f"venue/{instrument.venue}"):
            continue
        rows.append(market_row(instrument, *_seen(engine, key)))
    return {
        "instruments": rows,
        "index": {name: price for name, (price, _seen_ns) in sorted(market.indices.items())},
        "feeds": {
            name: {
                "fresh": feed.fresh(now_ns),
                "age_ms": round((now_ns - feed.alive_ns) / 1e6) if feed.up else None,
                "why": feed.why,
            }
            for name, feed in sorted(market.feeds.items())
        },
        "clock_offset_ms": {name: ns / 1e6 for name, ns in sorted(market.clock_offset_ns.items())},
        "now_ns": now_ns,
    }


def _seen(engine: Engine, key: str) -> tuple[Any, Any]:
    known = engine.market.tickers.get(key)
    return engine.market.books.get(key), None if known is None else known.ticker


def market_row(instrument: Instrument, book: Any, ticker: Any) -> dict[str, Any]:
    """One instrument: the book's touch where a book is followed, else the ticker's."""
    row: dict[str, Any] = {
        "instrument": instrument.key,
        "kind": str(instrument.kind),
        "underlying": instrument.underlying,
        "open": instrument.open,
        "bid": None,
        "ask": None,
    }
    if instrument.kind is Kind.OPTION:
        row["expiry_ns"], row["strike"] = instrument.expiry_ns, str(instrument.strike)
    if book is not None and not book.stale:
        row["bid"], row["ask"] = book.best_bid, book.best_ask
    if ticker is not None:
        if book is None:
            row["bid"], row["ask"] = ticker.bid, ticker.ask
        row["mark"], row["forward"] = ticker.mark, ticker.forward
        row["bid_vol"], row["ask_vol"], row["mark_vol"] = ticker.bid_vol, ticker.ask_vol, ticker.mark_vol
    return row
