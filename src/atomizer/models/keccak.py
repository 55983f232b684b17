"""Keccak-256 with Ethereum's padding, compiled.

A signature hashes two short messages, the second with the first's hash in it, and around a C library the
call costs more than the hash; here it does not, and one call does both. Source: the Keccak reference,
https://keccak.team/keccak_specs_summary.html (f[1600], rate 1088 bits, first padding byte 0x01).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import direct, kernel

__all__ = ["keccak256", "keccak256_nested"]

Bytes = NDArray[np.uint8]

RATE_BYTES = 136
RATE_LANES = 17
ROUNDS = 24
ROUND_CONSTANTS = np.array(
    [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
        0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
        0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
        0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
        0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ],
    dtype=np.uint64,
)  # fmt: skip
# Rho and pi as one walk over the lanes: where each step lands and how far it rotates.
ROTATIONS = np.array(
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44], np.uint64
)
LANES = np.array([10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1])
_EMPTY = np.empty(0, np.uint8)


@kernel("void(Array(uint8, 1, 'C', readonly=True), uint8[::1])")
def _keccak256(data: Bytes, out: Bytes) -> None:
    """Absorb `data`, write 32 bytes to `out`."""
    lanes = np.zeros(25, np.uint64)
    parity = np.zeros(5, np.uint64)
    whole = data.size // RATE_BYTES
    words = data[: whole * RATE_BYTES].view(np.uint64)  # little-endian, as the reference reads lanes
    rest = data[whole * RATE_BYTES :]
    for block in range(whole + 1):
        if block < whole:
            for lane in range(RATE_LANES):
                lanes[lane] ^= words[block * RATE_LANES + lane]
        else:
            for at in range(rest.size):
                lanes[at // 8] ^= np.uint64(rest[at]) << np.uint64(8 * (at % 8))
            lanes[rest.size // 8] ^= np.uint64(1) << np.uint64(8 * (rest.size % 8))
            lanes[RATE_LANES - 1] ^= np.uint64(0x8000000000000000)
        for turn in range(ROUNDS):
            for x in range(5):
                parity[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5):
                after = parity[(x + 1) % 5]
                mixed = parity[(x + 4) % 5] ^ ((after << np.uint64(1)) | (after >> np.uint64(63)))
                for y in range(0, 25, 5):
                    lanes[x + y] ^= mixed
            carried = lanes[1]
            for step in range(24):
                lane, by = LANES[step], ROTATIONS[step]
                moved = lanes[lane]
                lanes[lane] = (carried << by) | (carried >> (np.uint64(64) - by))
                carried = moved
            for y in range(0, 25, 5):
                a, b, c, d, e = lanes[y], lanes[y + 1], lanes[y + 2], lanes[y + 3], lanes[y + 4]
                lanes[y] = a ^ (~b & c)
                lanes[y + 1] = b ^ (~c & d)
                lanes[y + 2] = c ^ (~d & e)
                lanes[y + 3] = d ^ (~e & a)
                lanes[y + 4] = e ^ (~a & b)
            lanes[0] ^= ROUND_CONSTANTS[turn]
    for lane in range(4):
        for byte in range(8):
            out[lane * 8 + byte] = np.uint8(lanes[lane] >> np.uint64(8 * byte))


@kernel("void(uint8[::1], int64)")
def _nested(data: Bytes, split: int) -> None:
    """Hash what follows `split`, then what stands before it with that hash; the result replaces the start."""
    inner = data[split:]
    _keccak256(inner, inner)
    _keccak256(data[: split + 32], data)


_keccak256_now, _nested_now = direct(_keccak256), direct(_nested)


def keccak256_nested(data: bytearray, split: int) -> bytes:
    """`keccak256(data[:split] + keccak256(data[split:]))`, worked out in `data`, which is lost.

    There are at least 32 bytes after `split`.
    """
    _nested_now(np.frombuffer(data, np.uint8), split)
    return bytes(data[:32])


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 hash of `data`."""
    out = np.empty(32, np.uint8)
    _keccak256_now(np.frombuffer(data, np.uint8) if data else _EMPTY, out)
    return out.tobytes()
