"""Signs requests with the official Binance SDK's common package."""

import json
import sys

from binance_common.configuration import ConfigurationRestAPI
from binance_common.signature import Signers
from binance_common.utils import encoded_string, get_signature, websocket_api_signature


def signer_of(given):
    pick = Signers.get_rsa_signer if given["algorithm"] == "rsa" else Signers.get_ed25519_signer
    return pick(given["private_pem"], None)


def sign(given):
    secret = {"api_secret": given["secret"]} if "secret" in given else {"private_key": given["private_pem"]}
    config = ConfigurationRestAPI(api_key=given["api_key"], **secret)
    signer = None if "secret" in given else signer_of(given)
    if given["kind"] == "rest":
        payload = encoded_string(given["params"])
        return {"payload": payload, "signature": get_signature(config, payload, signer)}
    return {"signature": websocket_api_signature(config, given["params"], signer)["signature"]}


json.dump([sign(given) for given in json.load(sys.stdin)], sys.stdout)
