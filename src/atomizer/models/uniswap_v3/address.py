"""Where a pool lives: CREATE2 from the factory, the sorted tokens and the fee."""

from __future__ import annotations

from Crypto.Hash import keccak

POOL_INIT_CODE_HASH = bytes.fromhex("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54")


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def _address_bytes(address: str) -> bytes:
    digits = address.removeprefix("0x")
    if len(digits) != 40:
        raise ValueError(
            f"expected an address of 20 bytes in hex, found {address!r}; check the configuration"
        )
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"expected an address in hex, found {address!r}; check the configuration") from None


def checksum_address(raw: bytes) -> str:
    """The mixed-case text form of an address (EIP-55)."""
    digits = raw.hex()
    nibbles = _keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(n, 16) >= 8 else d for d, n in zip(digits, nibbles, strict=False))


def pool_address(
    factory: str, token_a: str, token_b: str, fee: int, init_code_hash: bytes = POOL_INIT_CODE_HASH
) -> str:
    """The checksummed pool address for two tokens in any order and a fee in ppm.

    Raises:
        ValueError: an address is malformed or the tokens are the same.
    """
    token0, token1 = sorted((_address_bytes(token_a), _address_bytes(token_b)))
    if token0 == token1:
        raise ValueError(f"a pool needs two different tokens, found {token_a!r} twice")
    salt = _keccak(token0.rjust(32, b"\0") + token1.rjust(32, b"\0") + fee.to_bytes(32, "big"))
    return checksum_address(_keccak(b"\xff" + _address_bytes(factory) + salt + init_code_hash)[12:])
