"""Signs GRVT orders that name a builder with ccxt's own type table (the SDK's release has none)."""

import json
import sys

import ccxt

client = ccxt.grvt()
TYPES = client.eip_definitions()["EIP712_ORDER_WITH_BUILDER_TYPE"]


def sign(given):
    domain = {"name": "GRVT Exchange", "version": "0", "chainId": given["chain_id"]}
    encoded = client.eth_encode_structured_data(domain, TYPES, given["message"])
    digest = client.hash(encoded, "keccak", "hex")
    signed = client.ecdsa(digest, given["key"].removeprefix("0x"), "secp256k1", None)
    r, s = (client.format_signature_rs(signed[part]) for part in "rs")
    return {"r": r, "s": s, "v": 27 + signed["v"]}


json.dump([sign(given) for given in json.load(sys.stdin)], sys.stdout)
