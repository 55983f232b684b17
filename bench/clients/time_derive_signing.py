"""Times `derive_action_signing` on one order: batches as JSON on stdin, microseconds each on stdout."""

import json
import sys
import time
from decimal import Decimal

from derive_action_signing.module_data.trade import TradeModuleData
from derive_action_signing.signed_action import SignedAction

given = json.load(sys.stdin)


def sign() -> str:
    data = TradeModuleData(
        asset_address=given["asset"],
        sub_id=int(given["sub_id"]),
        limit_price=Decimal(given["limit_price"]),
        amount=Decimal(given["amount"]),
        max_fee=Decimal(given["max_fee"]),
        recipient_id=given["subaccount_id"],
        is_bid=True,
    )
    action = SignedAction(
        subaccount_id=given["subaccount_id"],
        owner=given["owner"],
        signer=given["signer"],
        signature_expiry_sec=given["expiry_s"],
        nonce=given["nonce"],
        module_address=given["module"],
        module_data=data,
        DOMAIN_SEPARATOR=given["domain_separator"],
        ACTION_TYPEHASH=given["action_typehash"],
    )
    return action.sign(given["key"])


signature = sign()
times = []
for _ in range(given["batches"]):
    started = time.perf_counter()
    for _ in range(given["loops"]):
        sign()
    times.append((time.perf_counter() - started) / given["loops"] * 1e6)
json.dump({"signature": signature, "times": times}, sys.stdout)
