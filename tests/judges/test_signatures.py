"""A thousand random messages per venue sign to the same bytes as the venues' own libraries."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account

from atomizer.venues.binance import auth as binance
from atomizer.venues.deribit import auth as deribit
from atomizer.venues.derive import auth as derive
from atomizer.venues.derive.networks import NETWORKS
from atomizer.venues.eip712 import Domain
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.grvt import auth as grvt
from atomizer.venues.keys import HmacKey, private_key_from_pem
from atomizer.venues.rysk import auth as rysk
from atomizer.venues.rysk import treasury
from atomizer.venues.thalex import auth as thalex
from tests.judges.environments import ask

MESSAGES = 1000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# The Rysk messages as their public documentation lists them, typed here a second time.
RYSK_QUOTE = [
    {"name": "assetAddress", "type": "address"},
    {"name": "chainId", "type": "uint256"},
    {"name": "isPut", "type": "bool"},
    {"name": "strike", "type": "uint256"},
    {"name": "expiry", "type": "uint64"},
    {"name": "maker", "type": "address"},
    {"name": "nonce", "type": "uint64"},
    {"name": "price", "type": "uint256"},
    {"name": "quantity", "type": "uint256"},
    {"name": "isTakerBuy", "type": "bool"},
    {"name": "validUntil", "type": "uint64"},
    {"name": "usd", "type": "address"},
    {"name": "collateralAsset", "type": "address"},
]
RYSK_TRANSFER = [
    {"name": "user", "type": "address"},
    {"name": "asset", "type": "address"},
    {"name": "chainId", "type": "uint256"},
    {"name": "amount", "type": "uint256"},
    {"name": "isDeposit", "type": "bool"},
    {"name": "nonce", "type": "uint64"},
]


def wide(rng: random.Random, bits: int) -> int:
    """An integer of random length, so that short and full-width values both occur."""
    return rng.getrandbits(rng.randint(1, bits))


def address(rng: random.Random) -> str:
    return Address(rng.randbytes(20)).checksum


def word(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(LETTERS, k=length))


def decimal(rng: random.Random, whole: int, places: int) -> str:
    text = f"{rng.randint(0, 10**whole)}.{rng.randint(0, 10**places):0{places}d}"
    return text if rng.random() < 0.8 else text.split(".")[0]


def hex_key(rng: random.Random) -> str:
    return "0x" + rng.randint(1, 2**255).to_bytes(32, "big").hex()


def test_rysk_quotes_and_transfers_match_eth_account() -> None:
    rng = random.Random(1)
    for number in range(MESSAGES):
        key = hex_key(rng)
        chain, contract = wide(rng, 64), address(rng)
        domain = {"name": "rysk", "version": "0.0.0", "chainId": chain, "verifyingContract": contract}
        ours = Domain("rysk", "0.0.0", chain, Address.parse(contract))
        if number % 4:
            quote = rysk.QuoteMessage(
                asset_address=Address.parse(address(rng)),
                chain_id=chain,
                is_put=rng.random() < 0.5,
                strike=wide(rng, 256),
                expiry=wide(rng, 64),
                maker=Address.parse(address(rng)),
                nonce=wide(rng, 64),
                price=wide(rng, 256),
                quantity=wide(rng, 256),
                is_taker_buy=rng.random() < 0.5,
                valid_until=wide(rng, 64),
                usd=Address.parse(address(rng)),
                collateral_asset=Address.parse(address(rng)),
            )
            values, name, table = quote, "Quote", RYSK_QUOTE
            found = rysk.sign_quote(ours, quote, EthereumKey(key))
        else:
            transfer = treasury.TransferMessage(
                user=Address.parse(address(rng)),
                asset=Address.parse(address(rng)),
                chain_id=chain,
                amount=wide(rng, 256),
                is_deposit=rng.random() < 0.5,
                nonce=wide(rng, 64),
            )
            values, name, table = transfer, "Transfer", RYSK_TRANSFER
            found = treasury.sign_transfer(ours, transfer, EthereumKey(key))
        message = {
            row["name"]: value.wire if isinstance(value, Address) else value
            for row, value in zip(
                table, (getattr(values, field) for field in values.__struct_fields__), strict=True
            )
        }
        expected = Account.sign_typed_data(key, domain, {name: table}, message).signature
        assert found == "0x" + bytes(expected).hex(), (number, message)


def derive_request(rng: random.Random) -> dict[str, Any]:
    network = rng.choice(NETWORKS)
    key = hex_key(rng)
    kind = rng.choice(("trade", "trade", "quote", "execute", "login"))
    given: dict[str, Any] = {
        "kind": kind,
        "generation": network.generation,
        "network": network.name,
        "key": key,
        "signer": EthereumKey(key).address.checksum,
        "owner": address(rng),
        "wallet": address(rng),
        "timestamp_ms": rng.randint(1, 2**43),
        "subaccount_id": wide(rng, 40),
        "expiry_s": wide(rng, 34),
        "nonce": str(wide(rng, 64)),
        "module": (network.trade_module if kind == "trade" else network.rfq_module).checksum,
        "domain_separator": "0x" + network.domain.separator.hex(),
        "action_typehash": "0x4d7a9f27c403ff9c0f19bce61d76d82f9aa29f8d6d4b0c5474607d9770d1af17",
        "max_fee": decimal(rng, 4, 6),
    }
    if kind == "trade":
        return given | {
            "asset": address(rng),
            "sub_id": str(wide(rng, 96)),
            "limit_price": decimal(rng, 6, 12),
            "amount": decimal(rng, 4, 12),
            "is_bid": rng.random() < 0.5,
        }
    names = sorted(word(rng, 12) for _ in range(rng.randint(1, 4)))
    legs = [
        {
            "instrument_name": name,
            "direction": rng.choice(("buy", "sell")),
            "asset": address(rng),
            "sub_id": str(wide(rng, 96)),
            "price": decimal(rng, 6, 12),
            "amount": decimal(rng, 4, 12),
        }
        for name in names
    ]
    return given | {"direction": rng.choice(("buy", "sell")), "legs": legs}


def derive_legs(given: dict[str, Any]) -> tuple[derive.QuoteLeg, ...]:
    legs = [
        derive.QuoteLeg(
            instrument_name=leg["instrument_name"],
            is_buy=leg["direction"] == "buy",
            asset=Address.parse(leg["asset"]),
            sub_id=int(leg["sub_id"]),
            price=derive.scaled(Decimal(leg["price"]), "price"),
            amount=derive.scaled(Decimal(leg["amount"]), "amount"),
        )
        for leg in given["legs"]
    ]
    return tuple(reversed(legs))  # our side sorts; the libraries sign what they are given


def sign_derive(given: dict[str, Any]) -> str:
    key = EthereumKey(given["key"])
    if given["kind"] == "login":
        return derive.login_signature(given["timestamp_ms"], key)
    (network,) = (n for n in NETWORKS if (n.generation, n.name) == (given["generation"], given["network"]))
    fee = derive.scaled(Decimal(given["max_fee"]), "max_fee")
    owner, nonce = Address.parse(given["owner"]), int(given["nonce"])
    if given["kind"] == "trade":
        order = derive.OrderMessage(
            asset=Address.parse(given["asset"]),
            sub_id=int(given["sub_id"]),
            limit_price=derive.scaled(Decimal(given["limit_price"]), "limit_price"),
            amount=derive.scaled(Decimal(given["amount"]), "amount"),
            max_fee=fee,
            recipient_subaccount_id=given["subaccount_id"],
            is_bid=given["is_bid"],
        )
        action = derive.order_action(network, order, nonce, given["expiry_s"], owner, key.address)
        return derive.sign_action(network, action, key)
    encode = derive.quote_data if given["kind"] == "quote" else derive.execute_data
    action = derive.rfq_action(
        network,
        encode(given["direction"] == "buy", fee, derive_legs(given)),
        subaccount_id=given["subaccount_id"],
        nonce=nonce,
        expiry_s=given["expiry_s"],
        owner=owner,
        signer=key.address,
    )
    return derive.sign_action(network, action, key)


@pytest.mark.system
def test_derive_actions_and_logins_match_the_official_libraries() -> None:
    rng = random.Random(2)
    requests = [derive_request(rng) for _ in range(MESSAGES)]
    expected = ask("derive", "sign_derive.py", requests)
    assert [sign_derive(given).removeprefix("0x") for given in requests] == [
        text.removeprefix("0x") for text in expected
    ]


def grvt_request(rng: random.Random) -> dict[str, Any]:
    legs = [
        {
            "instrument_hash": hex(wide(rng, 200)),
            "base_decimals": rng.randint(0, 9),
            "size": decimal(rng, 5, 11),
            "limit_price": decimal(rng, 6, 11),
            "is_buying": rng.random() < 0.5,
        }
        for _ in range(rng.randint(1, 3))
    ]
    return {
        "env": rng.choice(("prod", "testnet", "dev")),
        "key": hex_key(rng),
        "sub_account_id": str(wide(rng, 64)),
        "time_in_force": rng.choice([item.name for item in grvt.TimeInForce]),
        "is_market": rng.random() < 0.2,
        "post_only": rng.random() < 0.5,
        "reduce_only": rng.random() < 0.5,
        "legs": legs,
        "nonce": wide(rng, 32),
        "expiration": str(wide(rng, 63)),
    }


def sign_grvt(given: dict[str, Any]) -> dict[str, Any]:
    order = grvt.OrderMessage(
        sub_account_id=int(given["sub_account_id"]),
        is_market=given["is_market"],
        time_in_force=grvt.TimeInForce[given["time_in_force"]],
        post_only=given["post_only"],
        reduce_only=given["reduce_only"],
        legs=tuple(
            grvt.OrderLeg(
                asset_id=int(leg["instrument_hash"], 16),
                contract_size=grvt.contract_size(Decimal(leg["size"]), leg["base_decimals"]),
                limit_price=grvt.limit_price(Decimal(leg["limit_price"])),
                is_buying_contract=leg["is_buying"],
            )
            for leg in given["legs"]
        ),
        nonce=given["nonce"],
        expiration_ns=int(given["expiration"]),
    )
    network = {"prod": "mainnet"}.get(given["env"], given["env"])
    signed = grvt.sign_order(grvt.domain(network), order, EthereumKey(given["key"]))
    return {"signer": signed.signer, "r": signed.r, "s": signed.s, "v": signed.v}


@pytest.mark.system
def test_grvt_orders_match_the_official_sdk() -> None:
    rng = random.Random(3)
    requests = [grvt_request(rng) for _ in range(MESSAGES)]
    assert [sign_grvt(given) for given in requests] == ask("grvt", "sign_grvt.py", requests)


def builder_order(rng: random.Random) -> grvt.OrderMessage:
    return grvt.OrderMessage(
        sub_account_id=wide(rng, 64),
        is_market=rng.random() < 0.2,
        time_in_force=rng.choice(list(grvt.TimeInForce)),
        post_only=rng.random() < 0.5,
        reduce_only=rng.random() < 0.5,
        legs=tuple(
            grvt.OrderLeg(wide(rng, 256), wide(rng, 64), wide(rng, 64), rng.random() < 0.5)
            for _ in range(rng.randint(1, 3))
        ),
        nonce=wide(rng, 32),
        expiration_ns=wide(rng, 63),
        builder=Address(rng.randbytes(20)),
        builder_fee=wide(rng, 32),
    )


@pytest.mark.system
def test_grvt_orders_with_a_builder_match_ccxt() -> None:
    rng = random.Random(7)
    requests = []
    found = []
    for _ in range(MESSAGES):
        order, key, network = builder_order(rng), hex_key(rng), rng.choice(("mainnet", "testnet", "dev"))
        legs = [
            {
                "assetID": leg.asset_id,
                "contractSize": leg.contract_size,
                "limitPrice": leg.limit_price,
                "isBuyingContract": leg.is_buying_contract,
            }
            for leg in order.legs
        ]
        message = {
            "subAccountID": order.sub_account_id,
            "isMarket": order.is_market,
            "timeInForce": int(order.time_in_force),
            "postOnly": order.post_only,
            "reduceOnly": order.reduce_only,
            "legs": legs,
            "builder": str(order.builder),
            "builderFee": order.builder_fee,
            "nonce": order.nonce,
            "expiration": order.expiration_ns,
        }
        domain = grvt.domain(network)
        requests.append({"chain_id": domain.chain_id, "key": key, "message": message})
        signed = grvt.sign_order(domain, order, EthereumKey(key))
        found.append({"r": signed.r, "s": signed.s, "v": signed.v})
    assert found == ask("ccxt", "sign_grvt_builder.py", requests)


def rsa_pem() -> str:
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )


def ed25519_pem(rng: random.Random) -> str:
    return (
        Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@pytest.mark.system
def test_thalex_tokens_match_the_official_client() -> None:
    rng = random.Random(4)
    pem = rsa_pem()
    key = private_key_from_pem(pem)
    requests = []
    found = []
    for _ in range(MESSAGES):
        # Whole seconds, or what time.time() can say: a double.
        iat = rng.choice((rng.randint(1, 2**32), rng.uniform(1.6e9, 2e9)))
        kid = "K" + str(rng.randint(0, 10**9))
        requests.append({"kid": kid, "iat": iat})
        whole, _, fraction = repr(iat).partition(".")
        found.append(thalex.login_token(kid, int(whole) * 10**9 + int(fraction.ljust(9, "0")), key))
    assert found == ask("thalex", "sign_thalex.py", {"private_pem": pem, "tokens": requests})


def binance_request(rng: random.Random, pems: dict[str, str]) -> dict[str, Any]:
    kind = rng.choice(("rest", "socket"))
    params: dict[str, Any] = {
        "symbol": word(rng, 7).upper(),
        "quantity": decimal(rng, 4, 3),
        "price": decimal(rng, 6, 2),
        "timestamp": wide(rng, 51),
    }
    if kind == "rest":
        params["newClientOrderId"] = word(rng, 5) + rng.choice("-_.:/ +&=%") + word(rng, 5)
        params["reduceOnly"] = rng.random() < 0.5
        params["orderIdList"] = [wide(rng, 60) for _ in range(3)]
    rows = list(params.items())
    rng.shuffle(rows)
    given: dict[str, Any] = {"kind": kind, "api_key": word(rng, 20), "params": dict(rows)}
    algorithm = rng.choice(("hmac", "ed25519", "rsa"))
    if algorithm == "hmac":
        return given | {"secret": word(rng, 40)}
    return given | {"private_pem": pems[algorithm], "algorithm": algorithm}


@pytest.mark.system
def test_binance_requests_match_the_official_sdk() -> None:
    rng = random.Random(5)
    pems = {"rsa": rsa_pem(), "ed25519": ed25519_pem(rng)}
    requests = [binance_request(rng, pems) for _ in range(MESSAGES)]
    keys = {name: private_key_from_pem(pem) for name, pem in pems.items()}
    found = []
    for given in requests:
        key = HmacKey(given["secret"]) if "secret" in given else keys[given["algorithm"]]
        if given["kind"] == "rest":
            payload = binance.rest_payload(given["params"])
            found.append({"payload": payload, "signature": binance.signature(payload, key)})
        else:
            signed = binance.sign_socket_params(given["params"], given["api_key"], key)
            found.append({"signature": signed["signature"]})
    assert found == ask("binance", "sign_binance.py", requests)


def deribit_request(rng: random.Random) -> dict[str, Any]:
    given: dict[str, Any] = {
        "client_id": word(rng, 8),
        "secret": word(rng, 43),
        "timestamp_ms": wide(rng, 43),
    }
    if rng.random() < 0.2:
        return given | {"kind": "login"}
    params = {"instrument_name": word(rng, 10) + "-C", "amount": decimal(rng, 3, 2), "post_only": "true"}
    path = rng.choice(("buy", "sell", "get_positions"))
    return given | {"kind": "http", "nonce": wide(rng, 50), "path": path, "params": params}


def sign_deribit(given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    key = HmacKey(given["secret"])
    if given["kind"] == "login":
        moment = given["timestamp_ms"]
        return deribit.client_signature_params(given["client_id"], key, moment, str(moment))
    target = "/api/v2" + answer["url"].partition("/api/v2")[2]
    assert target.startswith(f"/api/v2/private/{given['path']}?")
    header = deribit.http_authorization(
        given["client_id"], key, given["timestamp_ms"], str(given["nonce"]), "GET", target
    )
    return {"url": answer["url"], "header": header}


@pytest.mark.system
def test_deribit_logins_and_requests_match_ccxt() -> None:
    rng = random.Random(6)
    requests = [deribit_request(rng) for _ in range(MESSAGES)]
    answers = ask("ccxt", "sign_deribit.py", requests)
    found = [sign_deribit(given, answer) for given, answer in zip(requests, answers, strict=True)]
    assert found == answers
