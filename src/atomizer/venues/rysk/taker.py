"""Asking Rysk's makers for a price as a taker would: one request, the best quote after the window.

It signs nothing and accepts nothing: a quote is looked at and left to die. The message is that of the taker
socket; which fields of its answer the real server sends is not verified.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.net.transport import Connection, Transport, TransportError
from atomizer.venues.ethereum import Address
from atomizer.venues.rysk.names import OptionTerms

E18 = Decimal(10) ** 18


class TakerError(TransportError):
    """No answer, or one that is none. A refusal by the makers is a result, not an error."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: `is_taker_buy` from the taker's side, `quantity` in tokens."""

    asset: str
    chain_id: int
    terms: OptionTerms
    quantity: Decimal
    is_taker_buy: bool
    taker: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The best quote, or why there is none. `price` is the premium per token."""

    rfq_id: str = ""
    maker: str = ""
    price: Decimal | None = None
    valid_until_s: int = 0
    refused: str = ""


class _Waiting:
    """A handler for one exchange."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def opened(self, connection: Connection) -> None:
        """Nothing: the request follows once `connect` returns."""

    def message(self, data: bytes, last: bool) -> None:  # noqa: ARG002  (the transport's signature)
        if not self.answer.done():
            self.answer.set_result(data)

    def closed(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(TakerError(f"rysk/taker: the connection was closed: {reason}"))


async def ask(transport: Transport, base_url: str, asked: Ask, timeout_s: float) -> Answered:
    """Send one request and wait for the best quote.

    Raises:
        TransportError: no connection, no answer in time, or one that cannot be read.
    """
    url = f"{base_url.rstrip('/')}/taker"
    waiting = _Waiting()
    connection = await transport.connect(url, waiting)
    try:
        connection.send(request(asked))
        async with asyncio.timeout(timeout_s):
            data = await waiting.answer
    except TimeoutError:
        raise TakerError(f"{url}: expected an answer within {timeout_s:g} s, found none") from None
    finally:
        waiting.answer.cancel()
        connection.close()
    return answered(data)


def request(asked: Ask) -> bytes:
    """The message."""
    quantity = asked.quantity * E18
    return msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": "1",
            "method": "request",
            "params": {
                "asset": Address.parse(asked.asset).checksum.lower(),
                "chainId": asked.chain_id,
                "expiry": asked.terms.expiry,
                "isPut": asked.terms.is_put,
                "isTakerBuy": asked.is_taker_buy,
                "quantity": str(int(quantity)),
                "strike": str(asked.terms.strike_e8),
                "taker": asked.taker.lower(),
            },
        }
    )


def answered(data: bytes) -> Answered:
    """What an answer says.

    Raises:
        TakerError: another shape.
    """
    try:
        message: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in message:
            return Answered(refused=str(message["error"]["message"]))
        result = message["result"]
        return Answered(
            rfq_id=str(result.get("rfqId", "")),
            maker=str(result["maker"]),
            price=Decimal(int(result["price"])) / E18,
            valid_until_s=int(result["validUntil"]),
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise TakerError(
            f"rysk/taker: expected a quote, found {data[:200]!r} ({type(error).__name__}: {error})"
        ) from None
