"""Installs, starts and talks to one anvil node on the loopback address."""

from __future__ import annotations

import json
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
CHAIN_ID = 31337
GENESIS = 1_700_000_000
GAS = hex(900_000_000)
START_TIMEOUT_S = 20.0
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ChainError(RuntimeError):
    """The node could not be installed, started or asked."""


class CallRevertedError(ChainError):
    """A call was refused by a contract; `reason` is its text, empty without one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the contract reverted with {reason!r}")
        self.reason = reason


def install(folder: Path) -> Path:
    """`npm ci` in a folder with a lock file, unless done since the lock changed; the node's binary.

    Raises:
        ChainError: npm is missing or fails, or the lock names no node for this machine.
    """
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = shutil.which("npm")
        if npm is None:
            raise ChainError("expected npm on the path, found none; install Node.js with npm")
        done = subprocess.run(  # noqa: S603  fixed arguments
            [npm, "ci"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise ChainError(f"npm ci in {folder.name} failed with {done.returncode}:\n{done.stderr[-2000:]}")
        installed.touch()
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    name = f"anvil-{platform.system().lower()}-{machine}"
    binary = folder / "node_modules" / "@foundry-rs" / name / "bin" / "anvil"
    if not binary.exists():
        raise ChainError(f"expected {name} among the installed packages, found none; add it to package.json")
    return binary


class Node:
    """A running node with mining on demand, as a context manager."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: HTTPConnection | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self.account = ""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        self._home = tempfile.TemporaryDirectory(prefix="atomizer-chain-")
        options = {
            "--host": HOST,
            "--port": port,
            "--chain-id": CHAIN_ID,
            "--timestamp": GENESIS,
            "--accounts": 1,
            "--gas-limit": 1_000_000_000,
            "--block-base-fee-per-gas": 0,
            "--hardfork": "shanghai",
            "--prune-history": 4,
            "--transaction-block-keeper": 8,
        }
        arguments = [str(part) for option in options.items() for part in option]
        self._process = subprocess.Popen(  # noqa: S603  the binary that npm installed
            [str(self._binary), "--quiet", "--no-mining", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": self._home.name},
        )
        self._connection = HTTPConnection(HOST, port, timeout=60)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the node and remove its files."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._home is not None:
            self._home.cleanup()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ChainError(f"the node ended with {process.returncode} before it answered")
            try:
                self.account = self.request("eth_accounts")[0]
            except (OSError, HTTPException):
                time.sleep(0.02)
            else:
                return
        raise ChainError(f"the node did not answer within {START_TIMEOUT_S} s")

    def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results of several requests in one round trip.

        Raises:
            CallRevertedError: a contract refused. ChainError: the node refused.
        """
        if self._connection is None:
            raise ChainError("the node was not started; use it as a context manager")
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request("POST", "/", json.dumps(body), headers)
            answers = json.loads(self._connection.getresponse().read())
        except (OSError, HTTPException):
            self._connection.close()
            raise
        by_number = {answer["id"]: answer for answer in answers}
        return [_result(by_number[number]) for number in range(len(calls))]

    def request(self, method: str, *params: Any) -> Any:
        """One request. Raises as `batch`."""
        return self.batch([(method, list(params))])[0]

    def send(self, to: str | None, data: bytes, *, timestamp: int | None = None) -> dict[str, Any]:
        """Send a transaction from the node's account, mine it in a block of its own, return its receipt.

        A reverted one has status 0x0; this does not raise for it.
        """
        transaction = {"from": self.account, "data": "0x" + data.hex(), "gas": GAS, "gasPrice": "0x0"}
        if to is not None:
            transaction["to"] = to
        digest = self.request("eth_sendTransaction", transaction)
        self.request("evm_mine", *([] if timestamp is None else [timestamp]))
        receipt: dict[str, Any] | None = self.request("eth_getTransactionReceipt", digest)
        if receipt is None:
            raise ChainError(f"transaction {digest} was not mined")
        return receipt

    def call(self, to: str, data: bytes) -> bytes:
        """Run a call on the latest block without changing it. Raises CallRevertedError."""
        return bytes.fromhex(self.request("eth_call", *self.call_request(to, data)[1])[2:])

    def call_request(self, to: str, data: bytes) -> tuple[str, list[Any]]:
        """An eth_call for `batch`."""
        call = {"from": self.account, "to": to, "data": "0x" + data.hex(), "gas": GAS}
        return "eth_call", [call, "latest"]


def _result(answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if error is None:
        return answer["result"]
    message = str(error.get("message", ""))
    if "revert" in message.lower() or error.get("code") == 3:
        raise CallRevertedError(message.removeprefix("execution reverted").removeprefix(": "))
    raise ChainError(f"the node answered {error}")
