"""Logs for people and for machines: JSON off a terminal, words on one, and the files operators expect.

`logs/atomizer.log` holds everything, `trades.log` and `quotes.log` their channels, `errors.log` errors;
all JSON lines. The caller only hands over a dict; a thread renders and writes. The queue is bounded: when
it is full, lines below error are dropped, and the number dropped is logged. Nothing in the engine's pass
logs: the journal is its log.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog

HIDDEN = "********"
LEVELS: dict[str, int] = {"trace": 5, "debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
CHANNELS = ("trades", "quotes")
QUEUE_SIZE = 10_000
_MAIN, _ERRORS = "atomizer", "errors"
_SENSITIVE = re.compile(
    r"secret|private_key|password|passphrase|authorization|access_token|refresh_token", re.IGNORECASE
)
_SHORTEST_SECRET = 6  # shorter ones would blot out ordinary words

# Anything else is logged by its str, which a secret never shows itself in.
_PLAIN = (str, int, float, bool, type(None))

Record = MutableMapping[str, Any]


def level_of(*, log_level: str | None, debug: bool, verbose: bool, terminal: bool) -> str:
    """The level that the flags ask for: the named one over --debug over --verbose over the default."""
    if log_level:
        return log_level
    if debug:
        return "debug"
    if verbose:
        return "info"
    return "warning" if terminal else "info"


def get(channel: str = "") -> Any:
    """A logger; `channel` "trades" or "quotes" writes to that file as well."""
    logger = structlog.get_logger()
    return logger.bind(channel=channel) if channel else logger


class Logs:
    """The running set-up. `close` writes what is queued and ends the thread."""

    def __init__(
        self,
        *,
        level: str,
        directory: Path | None,
        stream: IO[str],
        terminal: bool,
        secrets: Iterable[str],
        context: Mapping[str, Any],
    ) -> None:
        self._least = LEVELS[level]
        self._stream = stream
        self._context = dict(context)
        self._hidden = [json.dumps(item)[1:-1] for item in secrets if len(item) >= _SHORTEST_SECRET]
        self._files = _opened(directory)
        self._console = structlog.dev.ConsoleRenderer(colors=_colours(terminal)) if terminal else None
        self._queue: queue.Queue[Record | None] = queue.Queue(QUEUE_SIZE)
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Hand over one record; never waits, except for an error when the queue is full."""
        error = LEVELS.get(record.get("level", ""), 0) >= LEVELS["error"]
        try:
            self._queue.put(record, block=error, timeout=1.0 if error else None)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        for file in self._files.values():
            file.close()

    def _work(self) -> None:
        while (record := self._queue.get()) is not None:
            self._write(record)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(
                    {"level": "error", "event": "log_lines_dropped", "count": dropped, "ts": time.time_ns()}
                )

    def _write(self, record: Record) -> None:
        line = self._rendered(record)
        number = LEVELS.get(record["level"], 0)
        for name, file in self._files.items():
            if (
                name == _MAIN
                or record.get("channel") == name
                or (name == _ERRORS and number >= LEVELS["error"])
            ):
                self._out(file, line)
        self._out(self._stream, line if self._console is None else self._words(record))

    def _out(self, file: IO[str], line: str) -> None:
        try:
            file.write(line + "\n")
            file.flush()
        except (OSError, ValueError):
            # A full disk or a closed terminal: a log has nowhere to say so but in its own count.
            self._dropped += 1

    def _rendered(self, record: Record) -> str:
        head = {"ts": _time(record["ts"]), "level": record["level"], "event": record["event"]}
        rest = {key: value for key, value in record.items() if key not in head}
        text = msgspec.json.encode(head | self._context | _masked(rest), enc_hook=str).decode()
        return self._without_secrets(text)

    def _words(self, record: Record) -> str:
        shown = {"timestamp": _time(record["ts"]), **_masked({k: v for k, v in record.items() if k != "ts"})}
        assert self._console is not None
        return self._without_secrets(str(self._console(None, record["level"], shown)))

    def _without_secrets(self, text: str) -> str:
        for value in self._hidden:
            text = text.replace(value, HIDDEN)
        return text


class _Outlet:
    """What structlog calls at the end of its chain: hands the finished record over."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def msg(self, **record: Any) -> None:
        self._logs.put(record)

    trace = debug = info = warning = error = critical = exception = msg


class _Standard(logging.Handler):
    """Carries records of the standard library's logging (asyncio, aiohttp) into the same files."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        entry: Record = {
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "ts": time.time_ns(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry["exception"] = structlog.processors.format_exc_info(
                None, "", {"exc_info": record.exc_info}
            )["exception"]
        self._logs.put(entry)


def configure(
    *,
    level: str = "info",
    directory: Path | None = None,
    stream: IO[str] | None = None,
    secrets: Iterable[str] = (),
    context: Mapping[str, Any] | None = None,
) -> Logs:
    """Start logging for this process.

    Args:
        directory: where the log files go, made if missing; None writes to the stream only.
        stream: stderr unless said otherwise; words when it is a terminal, JSON lines when not.
        secrets: values that are blotted out wherever they turn up.
        context: keys on every JSON line, e.g. the network.
    """
    stream = stream or sys.stderr
    logs = Logs(
        level=level,
        directory=directory,
        stream=stream,
        terminal=stream.isatty(),
        secrets=secrets,
        context=context or {},
    )
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _stamp, structlog.processors.format_exc_info],
        wrapper_class=_bound(LEVELS[level]),
        logger_factory=lambda *_: _Outlet(logs),
        cache_logger_on_first_use=False,
    )
    standard = logging.getLogger()
    for handler in [item for item in standard.handlers if isinstance(item, _Standard)]:
        standard.removeHandler(handler)
    standard.addHandler(_Standard(logs))
    standard.setLevel(max(LEVELS[level], LEVELS["debug"]))
    return logs


def _bound(least: int) -> type[Any]:
    """structlog's filtering logger with `trace` below debug, which it does not know."""
    filtering: type[Any] = structlog.make_filtering_bound_logger(max(least, LEVELS["debug"]))

    class Bound(filtering):  # type: ignore[misc]
        def trace(self, event: str, **values: Any) -> Any:
            return self._proxy_to_logger("trace", event, **values) if least <= LEVELS["trace"] else None

    return Bound


def _stamp(_logger: Any, method: str, record: Record) -> Record:
    record["level"] = "error" if method == "exception" else method
    record["ts"] = time.time_ns()
    return record


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them, with those hidden whose key says that they are secret, at any depth."""
    return {key: HIDDEN if _SENSITIVE.search(key) else _mask(value) for key, value in values.items()}


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _masked({str(key): item for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return [_mask(item) for item in value]
    return value if isinstance(value, _PLAIN) else str(value)


def _time(ts_ns: int) -> str:
    seconds, rest = divmod(ts_ns, 10**9)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def _opened(directory: Path | None) -> dict[str, IO[str]]:
    if directory is None:
        return {}
    directory.mkdir(parents=True, exist_ok=True)
    names = (_MAIN, *CHANNELS, _ERRORS)
    return {name: (directory / f"{name}.log").open("a", encoding="utf-8") for name in names}


def _colours(terminal: bool) -> bool:
    return terminal and "NO_COLOR" not in os.environ
