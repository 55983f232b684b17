from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from atomizer.config.secret import Secret
from atomizer.telemetry import logs

HUSH = "hush-3f1c"
Start = Callable[..., "tuple[logs.Logs, io.StringIO]"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts logging into a string; everything is undone at the end."""
    level = logging.getLogger().level

    def run(stream: io.StringIO | None = None, **options: Any) -> tuple[logs.Logs, io.StringIO]:
        stream = stream or io.StringIO()
        return logs.configure(stream=stream, **options), stream

    yield run
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [item for item in root.handlers if type(item).__name__ == "_Standard"]:
        root.removeHandler(handler)
    root.setLevel(level)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def refuse(text: str) -> None:
    raise ValueError(text)


def of_file(directory: Path, name: str) -> list[str]:
    return [line["event"] for line in lines((directory / f"{name}.log").read_text())]


def test_json_off_a_terminal_with_stable_keys(start: Start) -> None:
    running, stream = start(context={"network": "sim"})
    logs.get().info("quote_sent", rfq_id="rfq-1", latency_us=47)
    running.close()
    (line,) = lines(stream.getvalue())
    assert list(line) == ["ts", "level", "event", "network", "rfq_id", "latency_us"]
    assert (line["level"], line["event"], line["rfq_id"]) == ("info", "quote_sent", "rfq-1")


def test_words_on_a_terminal(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    running, stream = start(Terminal())
    logs.get().info("quote_sent", rfq_id="rfq-1")
    running.close()
    assert "quote_sent" in stream.getvalue()
    assert "rfq_id=rfq-1" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_each_file_holds_what_the_operations_page_says(start: Start, tmp_path: Path) -> None:
    running, _ = start(directory=tmp_path / "logs")
    logs.get().info("started")
    logs.get("trades").info("hedge_filled")
    logs.get("quotes").info("quote_sent")
    logs.get("quotes").error("quote_failed")
    running.close()
    directory = tmp_path / "logs"
    assert of_file(directory, "atomizer") == ["started", "hedge_filled", "quote_sent", "quote_failed"]
    assert of_file(directory, "trades") == ["hedge_filled"]
    assert of_file(directory, "quotes") == ["quote_sent", "quote_failed"]
    assert of_file(directory, "errors") == ["quote_failed"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("trace", ["trace", "debug", "info", "error"]),
        ("debug", ["debug", "info", "error"]),
        ("info", ["info", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(start: Start, level: str, expected: list[str]) -> None:
    running, stream = start(level=level)
    log = logs.get()
    log.trace("a")
    log.debug("b")
    log.info("c")
    log.error("d")
    running.close()
    assert [line["level"] for line in lines(stream.getvalue())] == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"log_level": "trace", "debug": True, "verbose": True, "terminal": True}, "trace"),
        ({"log_level": None, "debug": True, "verbose": True, "terminal": True}, "debug"),
        ({"log_level": None, "debug": False, "verbose": True, "terminal": True}, "info"),
        ({"log_level": None, "debug": False, "verbose": False, "terminal": True}, "warning"),
        ({"log_level": None, "debug": False, "verbose": False, "terminal": False}, "info"),
    ],
)
def test_which_flag_counts(flags: dict[str, Any], expected: str) -> None:
    assert logs.level_of(**flags) == expected


@pytest.mark.parametrize("terminal", [False, True])
def test_secrets_are_hidden_by_type_by_key_and_by_value(start: Start, terminal: bool, tmp_path: Path) -> None:
    running, stream = start(Terminal() if terminal else None, secrets=[HUSH], directory=tmp_path)
    log = logs.get()
    log.info("login", key=Secret(HUSH), api_secret="other-9", nested={"deep": [{"password": "other-9"}]})
    log.info("connecting", url="wss://x?sig=" + HUSH, text=f"a {HUSH} b")
    try:
        refuse(f"refused {HUSH}")
    except ValueError:
        log.exception("failed")
    logging.getLogger("aiohttp").warning("standard %s", HUSH)
    running.close()
    for text in (stream.getvalue(), (tmp_path / "atomizer.log").read_text()):
        assert HUSH not in text
        assert "other-9" not in text
        assert "refused ********" in text
        assert "standard ********" in text


def test_an_exception_is_an_error_with_its_traceback(start: Start) -> None:
    running, stream = start()
    try:
        refuse("broken")
    except ValueError:
        logs.get().exception("failed")
    running.close()
    (line,) = lines(stream.getvalue())
    assert line["level"] == "error"
    assert "ValueError: broken" in line["exception"]


def test_a_full_queue_drops_and_says_how_many(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "QUEUE_SIZE", 5)
    written = logs.threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            written.wait(5)
            return super().write(text)

    running, stream = start(Slow())
    for _ in range(50):
        logs.get().info("burst")
    written.set()
    running.close()
    dropped = [line["count"] for line in lines(stream.getvalue()) if line["event"] == "log_lines_dropped"]
    kept = [line for line in lines(stream.getvalue()) if line["event"] == "burst"]
    assert sum(dropped) + len(kept) == 50
    assert sum(dropped) >= 40


def test_configuring_again_does_not_double_the_standard_lines(start: Start) -> None:
    first, _ = start()
    second, stream = start()
    logging.getLogger("x").warning("once")
    first.close()
    second.close()
    assert [line["event"] for line in lines(stream.getvalue())] == ["once"]


def test_a_value_without_a_json_form_is_said_in_its_words(start: Start) -> None:
    log, stream = start()
    logs.get().warning("odd", value=frozenset({3}))
    logs.get().warning("next")
    log.close()
    assert [line["event"] for line in lines(stream.getvalue())] == ["odd", "next"]
    assert lines(stream.getvalue())[0]["value"] == "frozenset({3})"
