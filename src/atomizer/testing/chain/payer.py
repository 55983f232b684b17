"""A small contract, assembled here, that acts for a position owner and pays what a pool asks.

Called with an address word followed by a payload it forwards the payload; called back by a pool it
transfers what it owes. Flash loans are repaid with the two amounts in the callback's data.
"""

from __future__ import annotations

OPCODES = {
    "STOP": 0x00,
    "SUB": 0x03,
    "SGT": 0x13,
    "EQ": 0x14,
    "ISZERO": 0x15,
    "SHR": 0x1C,
    "CALLER": 0x33,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "CALLDATACOPY": 0x37,
    "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "CALL": 0xF1,
    "RETURN": 0xF3,
    "REVERT": 0xFD,
}
FLASH_CALLBACK = 0xE9CBAFB0
TRANSFER = 0xA9059CBB


def assemble(source: str) -> bytes:
    """EVM code from words: opcodes, numbers to push, `@label` to push a label, `label:` to set one."""
    words = source.split()
    labels: dict[str, int] = {}
    for _ in range(2):
        code = bytearray()
        for word in words:
            if word.endswith(":"):
                labels[word[:-1]] = len(code)
                code.append(OPCODES["JUMPDEST"])
            elif word.startswith("@"):
                code += b"\x61" + labels.get(word[1:], 0).to_bytes(2, "big")
            elif word in OPCODES:
                code.append(OPCODES[word])
            else:
                number = int(word, 0)
                size = max(1, (number.bit_length() + 7) // 8)
                code += bytes([0x5F + size]) + number.to_bytes(size, "big")
    return bytes(code)


def _payment(token: str, label: str) -> str:
    """Transfer the amount on the stack to the caller if it is above zero."""
    return f"""
        0 DUP2 SGT ISZERO @{label}_none JUMPI
        {TRANSFER << 224} 0 MSTORE  CALLER 4 MSTORE  36 MSTORE
        32 0 68 0 0 {token} GAS CALL ISZERO @fail JUMPI
        0 @{label}_none JUMP
        {label}_none: POP
    """


def payer_code(token0: str, token1: str) -> bytes:
    """Creation code of a payer for two tokens."""
    runtime = assemble(
        f"""
        0 CALLDATALOAD 224 SHR DUP1 ISZERO @forward JUMPI
        {FLASH_CALLBACK} EQ @flash JUMPI
        4 CALLDATALOAD {_payment(token0, "pay0")}
        36 CALLDATALOAD {_payment(token1, "pay1")} STOP
        flash:
        132 CALLDATALOAD {_payment(token0, "repay0")}
        164 CALLDATALOAD {_payment(token1, "repay1")} STOP
        forward:
        32 CALLDATASIZE SUB 32 0 CALLDATACOPY
        0 0  32 CALLDATASIZE SUB  0 0  0 CALLDATALOAD GAS CALL
        RETURNDATASIZE 0 0 RETURNDATACOPY
        ISZERO @fail JUMPI
        RETURNDATASIZE 0 RETURN
        fail:
        RETURNDATASIZE 0 REVERT
        """
    )
    size = len(runtime)
    prefix = b"\x61" + size.to_bytes(2, "big") + b"\x80\x60\x0c\x60\x00\x39\x60\x00\xf3"
    return prefix + runtime
