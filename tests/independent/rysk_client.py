"""A raw Rysk maker: queries that judge kill tests, and quotes signed with eth_account for tests of the twin.

The type table is typed here from the protocol page, a third time: adapter, twin and judge each have one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eth_account import Account
from eth_account.messages import encode_typed_data

from atomizer.net.transport import Transport
from tests.independent.wire import JudgeError, Wire, ask, dial, exact_json, fetch

QUOTE_TYPE = (
    "address assetAddress,uint256 chainId,bool isPut,uint256 strike,uint64 expiry,address maker,uint64 nonce,"
    "uint256 price,uint256 quantity,bool isTakerBuy,uint64 validUntil,address usd,address collateralAsset"
)
TRANSFER_TYPE = "address user,address asset,uint256 chainId,uint256 amount,bool isDeposit,uint64 nonce"
DOMAIN_TYPE = "string name,string version,uint256 chainId,address verifyingContract"
STRIKE_IN_POSITIONS = 10**10  # positions show strikes with 18 decimals, RFQs with 8


class OptionId(NamedTuple):
    """One option: token, expiry (s), strike (1e8), put or call."""

    underlying: str
    expiry_s: int
    strike_e8: int
    is_put: bool


def _fields(declaration: str) -> list[dict[str, str]]:
    pairs = (one.split(" ") for one in declaration.split(","))
    return [{"name": name, "type": kind} for kind, name in pairs]


def _signature(key: str, domain: dict[str, Any], kind: str, declaration: str, message: dict[str, Any]) -> str:
    typed = encode_typed_data(
        full_message={
            "types": {"EIP712Domain": _fields(DOMAIN_TYPE), kind: _fields(declaration)},
            "primaryType": kind,
            "domain": domain,
            "message": message,
        }
    )
    return "0x" + bytes(Account.sign_message(typed, key).signature).hex()


class RyskSigner:
    """One maker's key on one chain and contract."""

    def __init__(self, private_key: str, chain_id: int, contract: str) -> None:
        self._key = private_key
        self.address = Account.from_key(private_key).address.lower()
        self._domain = {
            "name": "rysk",
            "version": "0.0.0",
            "chainId": chain_id,
            "verifyingContract": contract,
        }

    def quote(
        self, rfq: dict[str, Any], price_e18: int, nonce: int, valid_until_s: int, **changes: Any
    ) -> dict[str, Any]:
        """The frame that answers an RFQ push; `changes` replace signed fields before signing."""
        terms = rfq["result"]
        message = {
            "assetAddress": terms["asset"],
            "chainId": terms["chainId"],
            "isPut": terms["isPut"],
            "strike": int(terms["strike"]),
            "expiry": terms["expiry"],
            "maker": self.address,
            "nonce": nonce,
            "price": price_e18,
            "quantity": int(terms["quantity"]),
            "isTakerBuy": terms.get("isTakerBuy", False),
            "validUntil": valid_until_s,
            "usd": terms["usd"],
            "collateralAsset": terms["collateralAsset"],
        } | changes
        params = message | {name: str(message[name]) for name in ("nonce", "price", "quantity", "strike")}
        params["signature"] = _signature(self._key, self._domain, "Quote", QUOTE_TYPE, message)
        return {"jsonrpc": "2.0", "id": rfq["id"], "method": "quote", "params": params}

    def transfer(
        self, asset: str, amount: int, nonce: int, *, is_deposit: bool, call_id: str = "1748500002"
    ) -> dict[str, Any]:
        """A deposit or withdrawal frame; the amount in the token's own unit."""
        message = {
            "user": self.address,
            "asset": asset,
            "chainId": self._domain["chainId"],
            "amount": amount,
            "isDeposit": is_deposit,
            "nonce": nonce,
        }
        params = message | {"amount": str(amount), "nonce": str(nonce)}
        params["signature"] = _signature(self._key, self._domain, "Transfer", TRANSFER_TYPE, message)
        method = "deposit" if is_deposit else "withdraw"
        return {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}


class RyskJudge:
    """One `/maker` socket that only asks; frames that answer nothing are kept in `pushed`."""

    def __init__(self, wire: Wire, account: str) -> None:
        self.wire = wire
        self._account = account.lower()
        self.pushed: list[dict[str, Any]] = []

    async def call(self, call_id: str, method: str, params: dict[str, Any]) -> Any:
        frame = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}
        return await ask(self.wire, frame, self.pushed.append)

    async def send(self, frame: dict[str, Any]) -> Any:
        """Any request frame; the result of its reply."""
        return await ask(self.wire, frame, self.pushed.append)

    async def next_push(self) -> dict[str, Any]:
        """The next frame that answers nothing."""
        if self.pushed:
            return self.pushed.pop(0)
        return exact_json(await self.wire.receive())

    async def balances(self) -> dict[str, int]:
        """Deposited amount by token, in the token's own unit, from either shape."""
        shown = await self.call("balances", "balances", {"account": self._account})
        if isinstance(shown, list):
            return {row["asset"].lower(): int(row["balance"]) for row in shown}
        return {token.lower(): int(amount) for chain in shown.values() for token, amount in chain.items()}

    async def positions(self) -> dict[OptionId, int]:
        """Signed option tokens (1e18); the sign comes from the premium."""
        held: dict[OptionId, int] = {}
        for row in await self.call("positions", "positions", {"account": self._account}):
            strike, rest = divmod(int(row["strike"]), STRIKE_IN_POSITIONS)
            if rest:
                raise JudgeError(f"position strike {row['strike']}: expected at most 8 decimals")
            option = OptionId(row["underlying"], row["expiry"], strike, row["isPut"])
            size = abs(int(row["balance"]))
            held[option] = held.get(option, 0) + (-size if int(row["premium"]) < 0 else size)
        return dict(sorted(item for item in held.items() if item[1]))

    async def close(self) -> None:
        await self.wire.close()


async def rysk_judge(transport: Transport | None, ws_base: str, account: str) -> RyskJudge:
    """A judge on `<ws_base>maker`; without a transport on a real socket."""
    return RyskJudge(await dial(transport, ws_base.rstrip("/") + "/maker"), account)


async def rysk_truth(transport: Transport | None, ws_base: str, account: str) -> dict[str, Any]:
    """What the venue says of the maker: `balances` by token, `positions` by option.

    Raises:
        JudgeError: the venue did not answer, or refused.
    """
    judge = await rysk_judge(transport, ws_base, account)
    try:
        return {"balances": await judge.balances(), "positions": await judge.positions()}
    finally:
        await judge.close()


async def rysk_state(transport: Transport | None, http_base: str) -> dict[str, Any]:
    """The simulated venue's own record: RFQs, quotes, trades, accounts."""
    return await fetch(transport, http_base, "/sim/state")


async def rysk_equity(transport: Transport | None, http_base: str) -> dict[str, Any]:
    """The simulated venue's valuation of its default maker."""
    return await fetch(transport, http_base, "/sim/equity")
