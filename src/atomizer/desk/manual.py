"""Manual trades: done elsewhere and booked here, or asked for and brought to the market."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from atomizer.config import flags
from atomizer.desk.saying import new_id, say, spell
from atomizer.runtime.control import RefusedError, RiskRefusedError, ask
from atomizer.runtime.words import Request, Value

Command = TypeVar("Command", bound=Callable[..., Any])
_POLL_S = 0.1
_WAITING = ("pending", "quoted")


def _trade_options(command: Command) -> Command:
    """`--instrument --side --price --amount`, or the variables ORDER_*."""
    for option in (
        click.option("--amount", envvar="ORDER_AMOUNT", required=True, help="In the name's own unit."),
        click.option("--price", envvar="ORDER_PRICE", required=True, help="In the name's own unit."),
        click.option(
            "--side", envvar="ORDER_SIDE", type=click.Choice(["buy", "sell"]), required=True, help="Ours."
        ),
        click.option(
            "--instrument",
            envvar="ORDER_INSTRUMENT",
            required=True,
            help="ETH-PERP, ETH-20250530-3000-C (USD, coins) or ETH-30MAY25-3000-C (Deribit's units).",
        ),
        click.option("--request-id", default="", help="Repeating it is harmless. [default: a new one]"),
    ):
        command = option(command)
    return command


def _order_options(command: Command) -> Command:
    for option in (
        click.option("--ioc", is_flag=True, help="Fill at once what can be, cancel the rest."),
        click.option("--for", "lasting", default="60s", show_default=True, help="How long it may rest."),
        click.option(
            "--wait", default="5s", show_default=True, help="How long to wait for what comes of it."
        ),
    ):
        command = option(command)
    return command


@click.group("manual-trade")
def group() -> None:
    """Record a trade done elsewhere, or ask for one.

    Example: atomizer manual-trade record --instrument ETH-20250530-3000-C --side buy --price 150 --amount 2
    """


@group.command()
@_trade_options
@click.option("--fee", default="", help="Paid for it, in the currency it settles in.")
@click.option("--note", default="", help="Kept beside it in the journal.")
@flags.data_dir
@flags.as_json
def record(
    instrument: str,
    side: str,
    price: str,
    amount: str,
    request_id: str,
    fee: str,
    note: str,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Book a trade that was executed elsewhere. Nothing refuses it; what looks odd is said.

    It counts as exposure on the venue `manual` and is hedged like any other.

    Example: atomizer manual-trade record --instrument ETH-PERP --side sell --price 3500 --amount 1
    """
    args: dict[str, Value] = {"instrument": instrument, "side": side, "price": price, "amount": amount}
    args.update({name: text for name, text in (("fee", fee), ("note", note)) if text})
    request = Request(word="record", request_id=request_id or new_id("rec"), args=args)
    say(data_dir, request, as_json=as_json)


def _execute(
    instrument: str,
    side: str,
    price: str,
    amount: str,
    request_id: str,
    ioc: bool,
    lasting: str,
    wait: str,
    data_dir: Path,
    as_json: bool,
) -> None:
    request = Request(
        word="execute",
        request_id=request_id or new_id("man"),
        args={
            "instrument": instrument,
            "side": side,
            "price": price,
            "amount": amount,
            "time_in_force": "ioc" if ioc else "gtc",
        },
        for_s=spell(lasting),
    )
    try:
        answer = ask(data_dir, request)
    except RefusedError as error:
        if as_json:
            click.echo(msgspec.json.encode(error.answer).decode())
        raise
    trade = _settled(data_dir, request.request_id, spell(wait)) or answer["trade"]
    if as_json:
        click.echo(msgspec.json.encode({**answer, "trade": trade}).decode())
    else:
        click.echo(answer["done"])
        click.echo(_line(trade))
    if trade["state"] in ("failed", "cancelled") and not trade["bookings"]:
        raise RiskRefusedError(f"{trade['trade_id']}: {trade['state']}: {trade['why']}", {"trade": trade})


def _settled(data_dir: Path, trade_id: str, patience_s: float) -> dict[str, Any] | None:
    """The trade once something came of it, or as it stands when patience ends."""
    ends = time.monotonic() + patience_s
    while True:
        found = {item["trade_id"]: item for item in ask(data_dir, Request(word="trades"))["trades"]}
        trade = found.get(trade_id)
        if trade is None or trade["state"] not in _WAITING or time.monotonic() >= ends:
            return trade
        time.sleep(_POLL_S)


@group.command()
@_trade_options
@_order_options
@flags.data_dir
@flags.as_json
def execute(**given: Any) -> None:
    """Bring one order to the market: validated, queued with a bound, through the risk gate, then booked.

    Example: atomizer manual-trade execute --instrument ETH-PERP --side buy --price 3500 --amount 0.1 --ioc
    """
    _execute(**given)


@click.command("manual-order")
@_trade_options
@_order_options
@flags.data_dir
@flags.as_json
def order(**given: Any) -> None:
    """Place a single order by hand; the same as `manual-trade execute`.

    Exit code 5: the risk gate or the venue refused it.

    Example: atomizer manual-order --instrument ETH-PERP --side buy --price 3500 --amount 0.1
    """
    _execute(**given)


@group.command("list")
@flags.data_dir
@flags.as_json
def show(data_dir: Path, as_json: bool) -> None:
    """List manual trades and where they stand, from the journal.

    Example: atomizer manual-trade list
    """
    from atomizer.desk.fold import folded
    from atomizer.runtime.views import trade as shown

    found = [shown(item) for item in folded(data_dir).trades.trades.values() if item.source == "manual"]
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for item in found:
        click.echo(_line(item))


def _line(trade: dict[str, Any]) -> str:
    price = "" if trade.get("price") is None else f" at {trade['price']}"
    done = f", {trade['executed']} executed" if trade["executed"] != "0" else ""
    why = f" ({trade['why']})" if trade["why"] else ""
    return (
        f"{trade['trade_id']} {trade['state']}: {trade['side']} {trade['size']} {trade['instrument']}"
        f"{price}{done}{why}"
    )


@group.command()
@click.argument("trade_id", metavar="ID")
@click.option("--reason", required=True, help="Kept in the journal.")
@flags.data_dir
@flags.as_json
def reverse(trade_id: str, reason: str, data_dir: Path, as_json: bool) -> None:
    """Undo a recorded trade that was none: typed in twice, or wrong. Its delta is hedged back.

    Example: atomizer manual-trade reverse rec-1f2e3d4c --reason "typed in twice"
    """
    say(data_dir, Request(word="reverse", scope=trade_id, args={"reason": reason}), as_json=as_json)


@group.command()
@click.argument("trade_id", metavar="ID")
@flags.data_dir
@flags.as_json
def withdraw(trade_id: str, data_dir: Path, as_json: bool) -> None:
    """Take a request back: its order is cancelled, what was filled stays.

    Example: atomizer manual-trade withdraw man-1f2e3d4c
    """
    say(data_dir, Request(word="withdraw", scope=trade_id), as_json=as_json)
