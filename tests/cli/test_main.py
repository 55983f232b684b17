"""The command table, what help imports, and how every kind of error ends."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from atomizer import __version__
from atomizer.cli import exits, main
from atomizer.cli.exits import Exit
from atomizer.config.errors import ConfigError
from atomizer.net.transport import TransportError
from atomizer.storage.errors import JournalDamagedError

FIXTURE = Path(__file__).parents[1] / "storage" / "fixtures" / "journal-v1"
HEAVY = (
    "numpy",
    "numba",
    "scipy",
    "asyncio",
    "aiohttp",
    "structlog",
    "yaml",
    "picows",
    "eth_account",
    "cryptography",
    "msgspec",
)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """Puts a command `fail` into the table that raises what the list holds."""
    errors: list[BaseException] = []

    @click.command()
    def fail() -> None:
        raise errors[0]

    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    monkeypatch.setitem(sys.modules, "failing_commands", sys.modules[__name__])
    monkeypatch.setitem(main.COMMANDS, "fail", main.Entry("failing_commands:fail", "fails"))
    yield errors


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_of_the_table_loads(name: str) -> None:
    assert isinstance(main.load(name, main.COMMANDS[name]), click.Command)


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = main.load(name, main.COMMANDS[name])
    assert command.help
    assert "Example: atomizer" in command.help


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom atomizer.cli import main\n"
        "assert main.run(['--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
    for name, entry in main.COMMANDS.items():
        assert name in result.stdout
        assert entry.help in result.stdout


def test_help_lists_only_modules_that_could_exist() -> None:
    assert all(
        entry.target.startswith("atomizer.") and ":" in entry.target for entry in main.COMMANDS.values()
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == Exit.OK
    assert capsys.readouterr().out == f"atomizer {__version__}\n"


def test_an_unknown_command_has_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["journl"]) == Exit.USAGE
    assert "Did you mean journal?" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error() -> None:
    assert main.run(["journal", "verify", "--nonsense"]) == Exit.USAGE


def test_no_command_shows_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == Exit.USAGE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["risk.max_dleta: unknown", "network: missing"]), Exit.CONFIG),
        (TransportError("127.0.0.1:1 refused"), Exit.NETWORK),
        (JournalDamagedError("line 3"), Exit.FAILURE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [TransportError("gone")])]), Exit.NETWORK),
        (BaseExceptionGroup("tasks", [KeyboardInterrupt(), TransportError("gone")]), Exit.INTERRUPTED),
    ],
)
def test_our_errors_end_with_a_message_and_their_code(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], error: BaseException, code: Exit
) -> None:
    failing.append(error)
    assert main.run(["fail"]) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert all(line.startswith("atomizer: ") for line in shown.splitlines() if line)


def test_every_fault_of_a_configuration_is_shown(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(ConfigError(["one: wrong", "two: wrong"]))
    main.run(["fail"])
    assert capsys.readouterr().err == "atomizer: one: wrong\natomizer: two: wrong\n"


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), ExceptionGroup("x", [TransportError("a"), KeyError("b")])]
)
def test_a_fault_of_the_program_keeps_its_traceback(
    failing: list[BaseException], error: BaseException
) -> None:
    failing.append(error)
    with pytest.raises(type(error)):
        main.run(["fail"])


def test_a_missing_module_is_said_and_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(main.COMMANDS, "gone", main.Entry("atomizer.cli.gone:command", "gone"))
    assert main.run(["gone"]) == Exit.FAILURE
    assert "gone: expected the module atomizer.cli.gone, found none" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(exits.BY_ERROR))
def test_every_error_of_the_exit_table_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), attribute), Exception)


def test_interrupt_during_a_command_ends_with_130() -> None:
    # A shell that starts the tests in the background leaves the interrupt ignored.
    code = "import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from atomizer.cli import main\n"
    code += "main.load = lambda *_: (os.kill(os.getpid(), signal.SIGINT), time.sleep(5))\nmain.main()"
    started = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True, check=False)
    assert result.returncode == Exit.INTERRUPTED
    assert "interrupted" in result.stderr
    assert time.monotonic() - started < 5


# --- config ---


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    from atomizer.runtime.settings import ALIASES

    for name in ALIASES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_config_check_accepts_the_defaults(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("MAX_POSITION_DELTA", "3")
    assert main.run(["config", "check"]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.out == "the configuration is valid\n"
    assert "MAX_POSITION_DELTA sets risk.max_delta = 3.0" in captured.err


def test_config_check_ends_with_3_and_a_suggestion(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("risk: {max_dleta: 5}\n")
    assert main.run(["config", "check", "--config", str(tmp_path / "config.yaml")]) == Exit.CONFIG
    assert "did you mean risk.max_delta?" in capsys.readouterr().err


def test_config_show_hides_secrets_and_names_origins(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("RYSK_PRIVATE_KEY", "0xhush")
    assert main.run(["config", "show", "--origin", "--json"]) == Exit.OK
    out = capsys.readouterr().out
    assert "hush" not in out
    assert json.loads(out)["rysk.private_key"] == {
        "value": "********",
        "origin": "environment RYSK_PRIVATE_KEY",
    }
    assert main.run(["config", "show", "--origin"]) == Exit.OK
    assert "hush" not in capsys.readouterr().out


# --- journal ---


def test_journal_verify_of_a_whole_journal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["journal", "verify", "--data-dir", str(FIXTURE), "--json"]) == Exit.OK
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["clean_end"]) == (26, True)


def test_journal_verify_of_a_damaged_journal_ends_with_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = FIXTURE / "journal-000001.jsonl"
    (tmp_path / source.name).write_bytes(source.read_bytes().replace(b'"lots":4300', b'"lots":4301'))
    assert main.run(["journal", "verify", "--data-dir", str(tmp_path)]) == Exit.FAILURE
    error = capsys.readouterr().err
    assert "journal-000001.jsonl line " in error
    assert "expected checksum" in error


def test_journal_show_filters_and_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["journal", "show", "--data-dir", str(FIXTURE), "--type", "quote", "--json"]
    assert main.run(arguments) == Exit.OK
    assert [json.loads(line)["body"]["nonce"] for line in capsys.readouterr().out.splitlines()] == [
        1757318400000,
        1757318400001,
    ]
    for last, expected in ((1, [26]), (2, [25, 26]), (3, [24, 25, 26])):
        assert main.run(["journal", "show", "--data-dir", str(FIXTURE), "--last", str(last)]) == Exit.OK
        assert [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()] == expected


def test_journal_show_of_an_unknown_type_lists_the_types(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["journal", "show", "--data-dir", str(FIXTURE), "--type", "fil"]) == Exit.USAGE
    assert "fill" in capsys.readouterr().err


def test_the_kill_switch_starts_without_kernels() -> None:
    heavy = ("numba", "numpy", "aiohttp", "picows")
    code = f"import sys, atomizer.desk.commands\nprint([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
