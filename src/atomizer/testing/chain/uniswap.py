"""The Uniswap V3 contracts on a local node: deployed from their npm packages, driven by signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from Crypto.Hash import keccak
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode

from atomizer.models.uniswap_v3.address import checksum_address
from atomizer.testing.chain.node import ChainError, Node
from atomizer.testing.chain.payer import payer_code

CORE = "@uniswap/v3-core/artifacts/contracts"
PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"
TOKEN = "@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json"  # noqa: S105  a file name
ZERO = "0x" + "00" * 20
RICH = 1 << 250


@lru_cache(maxsize=256)
def _digest(signature: str) -> bytes:
    return keccak.new(digest_bits=256, data=signature.encode()).digest()


def types_of(signature: str) -> list[str]:
    """The top-level argument types of a signature such as `f(uint256,(address,int24)[])`."""
    inner, depth, parts = signature[signature.index("(") + 1 : signature.rindex(")")], 0, [""]
    for character in inner:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


def encode_call(signature: str, *arguments: Any) -> bytes:
    """Selector and encoded arguments."""
    return _digest(signature)[:4] + abi_encode(types_of(signature), arguments)


def event_data(
    receipt: dict[str, Any], emitter: str, signature: str, plain: Sequence[str]
) -> tuple[Any, ...]:
    """The unindexed values of the one event of that signature from that contract.

    Raises:
        ChainError: the receipt holds none, or several.
    """
    topic = "0x" + _digest(signature).hex()
    found = [
        log
        for log in receipt["logs"]
        if log["topics"][0] == topic and log["address"].lower() == emitter.lower()
    ]
    if len(found) != 1:
        raise ChainError(f"expected one {signature}, found {len(found)} in {receipt['transactionHash']}")
    return tuple(abi_decode(list(plain), bytes.fromhex(found[0]["data"][2:])))


class UniswapChain:
    """Factory, position manager, router, quoter, two tokens and three payers that own positions."""

    def __init__(self, node: Node, packages: Path) -> None:
        self.node = node
        self.packages = packages
        self.tokens_minted = 0
        self.factory = self.deploy(f"{CORE}/UniswapV3Factory.sol/UniswapV3Factory.json")
        tokens = [self.deploy(TOKEN, encode_call("f(string,string)", name, name)[4:]) for name in ("A", "B")]
        self.token0, self.token1 = sorted(tokens, key=lambda address: int(address, 16))
        weth_free = encode_call("f(address,address,address)", self.factory, ZERO, ZERO)[4:]
        self.manager = self.deploy(
            f"{PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json", weth_free
        )
        self.router = self.deploy(
            f"{PERIPHERY}/SwapRouter.sol/SwapRouter.json",
            encode_call("f(address,address)", self.factory, ZERO)[4:],
        )
        self.quoter = self.deploy(
            f"{PERIPHERY}/lens/QuoterV2.sol/QuoterV2.json",
            encode_call("f(address,address)", self.factory, ZERO)[4:],
        )
        self.payers = [self._create(payer_code(self.token0, self.token1)) for _ in range(3)]
        for token in (self.token0, self.token1):
            for holder in (*self.payers, node.account):
                self.transact(token, "mint(address,uint256)", holder, RICH)
            for spender in (self.manager, self.router):
                self.transact(token, "approve(address,uint256)", spender, (1 << 256) - 1)

    def _create(self, code: bytes) -> str:
        receipt = self.node.send(None, code)
        if receipt["status"] != "0x1":
            raise ChainError("a contract could not be deployed")
        return checksum_address(bytes.fromhex(receipt["contractAddress"][2:]))

    def deploy(self, artifact: str, arguments: bytes = b"") -> str:
        """Deploy an artifact of the installed packages; its address."""
        document = json.loads((self.packages / artifact).read_text(encoding="utf-8"))
        return self._create(bytes.fromhex(document["bytecode"][2:]) + arguments)

    def transact(
        self, to: str, signature: str, *arguments: Any, timestamp: int | None = None
    ) -> dict[str, Any]:
        """Send and mine a call; its receipt. Raises ChainError when it reverts."""
        receipt = self.node.send(to, encode_call(signature, *arguments), timestamp=timestamp)
        if receipt["status"] != "0x1":
            raise ChainError(f"{signature} with {arguments} reverted")
        return receipt

    def create_pool(self, fee: int, spacing: int) -> str:
        """A new pool without a price, enabling its fee tier first where the factory has not."""
        enabled = self.node.call(self.factory, encode_call("feeAmountTickSpacing(uint24)", fee))
        if int.from_bytes(enabled, "big") == 0:
            self.transact(self.factory, "enableFeeAmount(uint24,int24)", fee, spacing)
        self.transact(self.factory, "createPool(address,address,uint24)", self.token0, self.token1, fee)
        answer = self.node.call(
            self.factory, encode_call("getPool(address,address,uint24)", self.token0, self.token1, fee)
        )
        return checksum_address(answer[12:])

    @staticmethod
    def position_key(owner: str, tick_lower: int, tick_upper: int) -> bytes:
        """keccak of the packed owner and range, under which a pool keeps a position."""
        ticks = b"".join(tick.to_bytes(3, "big", signed=True) for tick in (tick_lower, tick_upper))
        return keccak.new(digest_bits=256, data=bytes.fromhex(owner[2:]) + ticks).digest()

    def read(self, reads: Sequence[tuple[str, str, Sequence[Any], Sequence[str]]]) -> list[tuple[Any, ...]]:
        """Many (contract, signature, arguments, result types) reads in one round trip."""
        answers = self.node.batch(
            [self.node.call_request(to, encode_call(signature, *args)) for to, signature, args, _ in reads]
        )
        return [
            tuple(abi_decode(list(types), bytes.fromhex(answer[2:])))
            for answer, (_to, _signature, _args, types) in zip(answers, reads, strict=True)
        ]
