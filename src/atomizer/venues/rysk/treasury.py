"""Deposits into and withdrawals from Rysk's accounting contract.

The same kind of key signs quotes, so this module is kept out of the quoting process: an import
contract forbids it to everything that runs a responder. Only a person's command may call it.
"""

from __future__ import annotations

import msgspec

from atomizer.venues.eip712 import Domain, StructType, typed_digest
from atomizer.venues.ethereum import Address, EthereumKey

__all__ = ["TRANSFER_TYPE", "TransferMessage", "sign_transfer", "transfer_digest", "transfer_hash"]

TRANSFER_TYPE = StructType(
    "Transfer(address user,address asset,uint256 chainId,uint256 amount,bool isDeposit,uint64 nonce)"
)


class TransferMessage(msgspec.Struct, frozen=True, gc=False):
    """One transfer; `amount` is in the token's own decimals."""

    user: Address
    asset: Address
    chain_id: int
    amount: int
    is_deposit: bool
    nonce: int


def transfer_hash(transfer: TransferMessage) -> bytes:
    """The EIP-712 struct hash; field errors name field and value."""
    return TRANSFER_TYPE.hash(
        transfer.user,
        transfer.asset,
        transfer.chain_id,
        transfer.amount,
        transfer.is_deposit,
        transfer.nonce,
    )


def transfer_digest(domain: Domain, transfer: TransferMessage) -> bytes:
    """The 32 bytes that are signed.

    Raises:
        DomainRefusedError: the transfer names another chain than the domain.
    """
    struct_hash = transfer_hash(transfer)
    domain.require_chain(transfer.chain_id, "transfer")
    return typed_digest(domain, struct_hash)


def sign_transfer(domain: Domain, transfer: TransferMessage, key: EthereumKey) -> str:
    """`0x` and 65 bytes (r, s, v 27 or 28) in lower-case hex."""
    return "0x" + key.sign_digest(transfer_digest(domain, transfer)).hex()
