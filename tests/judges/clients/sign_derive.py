"""Signs with the official Derive libraries: requests as JSON on stdin, signatures on stdout.

`v2` requests go to `derive_action_signing`, `v3` ones to `derive_py`; both offer the same classes.
"""

import json
import sys
from decimal import Decimal
from types import SimpleNamespace

import derive_action_signing.utils as v2_utils
import derive_py._web3.action_signing as v3
import derive_py._web3.action_signing.utils as v3_utils
from derive_action_signing.module_data import rfq, trade
from derive_action_signing.signed_action import SignedAction
from web3 import Web3

V2 = SimpleNamespace(
    SignedAction=SignedAction,
    TradeModuleData=trade.TradeModuleData,
    RFQQuoteModuleData=rfq.RFQQuoteModuleData,
    RFQExecuteModuleData=rfq.RFQExecuteModuleData,
    RFQQuoteDetails=rfq.RFQQuoteDetails,
)


def module_data(library, given):
    if given["kind"] == "trade":
        return library.TradeModuleData(
            asset_address=given["asset"],
            sub_id=int(given["sub_id"]),
            limit_price=Decimal(given["limit_price"]),
            amount=Decimal(given["amount"]),
            max_fee=Decimal(given["max_fee"]),
            recipient_id=given["subaccount_id"],
            is_bid=given["is_bid"],
        )
    legs = [
        library.RFQQuoteDetails(
            instrument_name=leg["instrument_name"],
            direction=leg["direction"],
            asset_address=leg["asset"],
            sub_id=int(leg["sub_id"]),
            price=Decimal(leg["price"]),
            amount=Decimal(leg["amount"]),
        )
        for leg in given["legs"]
    ]
    kind = library.RFQQuoteModuleData if given["kind"] == "quote" else library.RFQExecuteModuleData
    return kind(global_direction=given["direction"], max_fee=Decimal(given["max_fee"]), legs=legs)


def sign(given):
    if given["kind"] == "login":
        utils = v2_utils if given["generation"] == "v2" else v3_utils
        utils.utc_now_ms = lambda: given["timestamp_ms"]
        return utils.sign_ws_login(Web3(), given["wallet"], given["key"])["signature"]
    library = V2 if given["generation"] == "v2" else v3
    action = library.SignedAction(
        subaccount_id=given["subaccount_id"],
        owner=given["owner"],
        signer=given["signer"],
        signature_expiry_sec=given["expiry_s"],
        nonce=int(given["nonce"]),
        module_address=given["module"],
        module_data=module_data(library, given),
        DOMAIN_SEPARATOR=given["domain_separator"],
        ACTION_TYPEHASH=given["action_typehash"],
    )
    return action.sign(given["key"])


json.dump([sign(given) for given in json.load(sys.stdin)], sys.stdout)
