"""What a person may say to a running node: pause and resume, quote wider or one-sided, move a vol, reconcile.

`atomizer control` is the family; the words that are needed in a hurry are commands of their own as well.
Each is checked, kept in the journal with who said it, and answered with what was done.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from atomizer.config import flags
from atomizer.desk.saying import say, spell
from atomizer.runtime.control import ask
from atomizer.runtime.words import WORDS, Request, Value

RECONCILE_S = 15.0
_POLL_S = 0.1
_scope = click.option(
    "--scope", default="", help="UNDERLYING, venue/NAME or taker/ADDRESS; without it everything."
)
_lapse = click.option(
    "--for", "lasting", default="0", help="How long it holds (10m, 2h); else until resumed."
)


@click.command()
@_scope
@_lapse
@flags.data_dir
@flags.as_json
def pause(scope: str, lasting: str, data_dir: Path, as_json: bool) -> None:
    """Stop quoting everything, an underlying, a venue or a taker. The hedger goes on.

    Example: atomizer pause --scope ETH --for 10m
    """
    say(data_dir, Request(word="pause", scope=scope, for_s=spell(lasting)), as_json=as_json)


@click.command()
@_scope
@flags.data_dir
@flags.as_json
def resume(scope: str, data_dir: Path, as_json: bool) -> None:
    """Let a running node trade again after a kill or a pause.

    Without a scope it lifts the kill level.

    Example: atomizer resume --scope ETH
    """
    say(data_dir, Request(word="resume", scope=scope), as_json=as_json)


@click.command()
@click.argument("factor", type=click.FloatRange(0.0, 100.0, min_open=True))
@_scope
@_lapse
@flags.data_dir
@flags.as_json
def widen(factor: float, scope: str, lasting: str, data_dir: Path, as_json: bool) -> None:
    """Multiply the edge by FACTOR (1 takes it back).

    Example: atomizer widen 2 --scope ETH --for 30m
    """
    request = Request(word="widen", scope=scope, args={"factor": factor}, for_s=spell(lasting))
    say(data_dir, request, as_json=as_json)


@click.command("one-sided")
@click.argument("side", type=click.Choice(["buy", "sell", "both"]))
@_scope
@_lapse
@flags.data_dir
@flags.as_json
def one_sided(side: str, scope: str, lasting: str, data_dir: Path, as_json: bool) -> None:
    """Quote only what makes us buy, or only what makes us sell (both takes it back).

    Example: atomizer one-sided buy --scope ETH
    """
    request = Request(word="one_sided", scope=scope, args={"side": side}, for_s=spell(lasting))
    say(data_dir, request, as_json=as_json)


@click.command()
@click.argument("kind", type=click.Choice(["shift", "skew", "pin", "event", "clear"]))
@click.option("--points", type=float, help="Vol points (0.01): of a shift, of a skew per unit, or a pin.")
@click.option("--strike", type=float, help="Where a pin holds.")
@click.option("--width", type=float, help="How far a pin reaches, in log-moneyness.")
@click.option("--expiry", help="Only this expiry (YYYYMMDD).")
@click.option("--at", "at_s", type=float, help="When an event is, unix seconds.")
@click.option("--variance", type=float, help="What an event adds.")
@_scope
@_lapse
@flags.data_dir
@flags.as_json
def vol(
    kind: str,
    points: float | None,
    strike: float | None,
    width: float | None,
    expiry: str | None,
    at_s: float | None,
    variance: float | None,
    scope: str,
    lasting: str,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Override a vol by hand, for a time; `clear` takes the overrides of an underlying back.

    Example: atomizer vol shift --points 1.5 --scope ETH --for 2h
    """
    given = {"points": points, "strike": strike, "width": width, "at_s": at_s, "variance": variance}
    args: dict[str, Value] = {"kind": kind}
    args.update({name: number for name, number in given.items() if number is not None})
    if expiry is not None:
        args["expiry_s"] = float(_expiry(expiry))
    say(data_dir, Request(word="vol", scope=scope, args=args, for_s=spell(lasting)), as_json=as_json)


def _expiry(text: str) -> int:
    """Unix seconds of 08:00 UTC on a day written YYYYMMDD."""
    from atomizer.domain.names import InstrumentNameError
    from atomizer.venues.naming import expiry_of

    if len(text) != 8 or not text.isdigit():
        raise click.BadParameter(f"expected a day like 20250530, found {text!r}")
    try:
        return expiry_of(int(text[:4]), int(text[4:6]), int(text[6:]), text)
    except InstrumentNameError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("word", type=click.Choice([name for name, word in WORDS.items() if not word.level]))
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@_scope
@_lapse
@click.option(
    "--request-id", default="", help="Told back in the answer; makes a trade's repetition harmless."
)
@flags.data_dir
@flags.as_json
def control(
    word: str,
    values: tuple[str, ...],
    scope: str,
    lasting: str,
    request_id: str,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Say any WORD of the node's closed list, with its values.

    Example: atomizer control widen factor=2 --scope ETH
    """
    args: dict[str, Value] = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"Expected NAME=VALUE, found {item!r}.")
        args[name] = value
    request = Request(word=word, scope=scope, request_id=request_id, args=args, for_s=spell(lasting))
    if as_json:
        say(data_dir, request, as_json=True)
        return
    answer = ask(data_dir, request)
    click.echo(
        answer["done"] if "done" in answer else msgspec.json.format(msgspec.json.encode(answer)).decode()
    )


class DifferenceError(Exception):
    """Venue and ledger disagree about something, or an account could not be read."""


@click.command()
@flags.data_dir
@flags.as_json
def reconcile(data_dir: Path, as_json: bool) -> None:
    """Read every account now and print what venue and ledger disagree about; exit code 1 if anything.

    Example: atomizer reconcile --json
    """
    asked = _status(data_dir)
    ask(data_dir, Request(word="reconcile"))
    found = _read_since(data_dir, asked["now_ns"])
    unread = [name for name, read_ns in found["accounts_read_ns"].items() if read_ns < asked["now_ns"]]
    result = {
        "differences": found["open_differences"],
        "unread": unread,
        "unreconciled": found["unreconciled"],
        "accounts": sorted(found["accounts_read_ns"]),
    }
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    else:
        for name in result["accounts"]:
            click.echo(f"{name}: {'not read' if name in unread else 'read'}")
        for item in result["differences"]:
            where = f"{item['venue']}/{item['account']} {item['what']}"
            click.echo(f"{where}: ledger {item['ours']}, venue {item['theirs']}")
    problems = len(result["differences"]) + len(unread)
    if problems:
        raise DifferenceError(
            f"expected no difference and every account read, found {len(result['differences'])} differences,"
            f" {len(unread)} accounts not read"
        )


def _status(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = ask(data_dir, Request(word="status"))["status"]
    return found


def _read_since(data_dir: Path, asked_ns: int) -> dict[str, Any]:
    """The status once every account was read after this, or after some patience."""
    ends = time.monotonic() + RECONCILE_S
    while True:
        found = _status(data_dir)
        late = [at for at in found["accounts_read_ns"].values() if at < asked_ns]
        if not late or time.monotonic() > ends:
            return found
        time.sleep(_POLL_S)
