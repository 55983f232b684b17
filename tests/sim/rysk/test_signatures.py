"""The twin's own EIP-712 against published vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from atomizer.sim.rysk.signatures import SignatureError, recover, sign

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "rysk_signing.json"
KINDS = {"quote": "Quote", "transfer": "Transfer"}


def typed(message: dict[str, Any]) -> dict[str, Any]:
    """Numbers as the twin holds them."""
    return {
        name: int(value) if isinstance(value, str) and value.isdigit() else value
        for name, value in message.items()
    }


@pytest.mark.needs_shared
@pytest.mark.skipif(not VECTORS.exists(), reason="reference vectors are not beside the checkout")
def test_published_vectors_recover_to_their_signers():
    counted = dict.fromkeys(KINDS, 0)
    for vector in json.loads(VECTORS.read_text())["vectors"]:
        kind, inputs = vector["kind"], vector["inputs"]
        if kind not in KINDS:
            continue
        signature = vector["expected"]["signature"]
        address = Account.from_key(inputs["private_key"]).address.lower()
        message = typed(inputs["message"])
        assert recover(inputs["domain"], KINDS[kind], message, signature) == address, vector["id"]
        assert sign(inputs["domain"], KINDS[kind], message, inputs["private_key"]) == signature
        counted[kind] += 1
    assert all(counted.values()), counted


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("", "65 bytes"),
        ("0x" + "zz" * 65, "other characters"),
        ("0x" + "11" * 64 + "00", "v 27 or 28, found 0"),
        ("0x" + "11" * 32 + "ff" * 32 + "1b", "lower half"),
        ("0x" + "00" * 64 + "1b", "no address"),
    ],
)
def test_bytes_that_are_no_signature(signature, text):
    message = {
        "user": "0x" + "11" * 20,
        "asset": "0x" + "22" * 20,
        "chainId": 1,
        "amount": 1,
        "isDeposit": True,
        "nonce": 1,
    }
    domain = {"name": "rysk", "version": "0.0.0", "chainId": 1, "verifyingContract": "0x" + "33" * 20}
    with pytest.raises(SignatureError, match=text):
        recover(domain, "Transfer", message, signature)
