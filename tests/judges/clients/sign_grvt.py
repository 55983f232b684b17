"""Signs orders with the official GRVT SDK: requests as JSON on stdin, signatures on stdout."""

import json
import sys

from eth_account import Account
from pysdk.grvt_raw_base import GrvtApiConfig, GrvtEnv
from pysdk.grvt_raw_signing import sign_order
from pysdk.grvt_raw_types import (
    Instrument,
    InstrumentSettlementPeriod,
    Kind,
    Order,
    OrderLeg,
    OrderMetadata,
    Signature,
    TimeInForce,
)


def instrument(name, given):
    return Instrument(
        instrument=name,
        instrument_hash=given["instrument_hash"],
        base="BTC",
        quote="USDT",
        kind=Kind.PERPETUAL,
        venues=[],
        settlement_period=InstrumentSettlementPeriod.PERPETUAL,
        base_decimals=given["base_decimals"],
        quote_decimals=6,
        tick_size="0.1",
        min_size="0.001",
        create_time="0",
        max_position_size="1000",
    )


def sign(given):
    order = Order(
        sub_account_id=given["sub_account_id"],
        time_in_force=TimeInForce(given["time_in_force"]),
        legs=[
            OrderLeg(
                instrument=f"leg-{number}",
                size=leg["size"],
                limit_price=leg["limit_price"],
                is_buying_asset=leg["is_buying"],
            )
            for number, leg in enumerate(given["legs"])
        ],
        signature=Signature(signer="", r="", s="", v=0, expiration=given["expiration"], nonce=given["nonce"]),
        metadata=OrderMetadata(client_order_id="1"),
        is_market=given["is_market"],
        post_only=given["post_only"],
        reduce_only=given["reduce_only"],
    )
    config = GrvtApiConfig(
        env=GrvtEnv(given["env"]),
        trading_account_id=given["sub_account_id"],
        private_key=given["key"],
        api_key="",
        logger=None,
    )
    listed = {f"leg-{number}": instrument(f"leg-{number}", leg) for number, leg in enumerate(given["legs"])}
    signed = sign_order(order, config, Account.from_key(given["key"]), listed).signature
    return {"signer": signed.signer, "r": signed.r, "s": signed.s, "v": signed.v}


json.dump([sign(given) for given in json.load(sys.stdin)], sys.stdout)
