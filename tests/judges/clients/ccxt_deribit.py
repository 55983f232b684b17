"""Trades on a Deribit at given addresses with ccxt (pro), as any of its users would; reports what it saw."""

import asyncio
import json
import sys

import ccxt.pro

PERPETUAL = "ETH/USD:ETH"


def exchange(given, secret=None):
    return ccxt.pro.deribit(
        {
            "apiKey": given["client_id"],
            "secret": secret or given["client_secret"],
            "urls": {"api": {"rest": given["http"], "ws": given["ws"]}},
        }
    )


async def books(client, seen):
    """Four states of the book that the socket brings."""
    seen["books"] = []
    for _ in range(4):
        book = await client.watch_order_book(PERPETUAL)
        seen["books"].append(
            {
                "bid": book["bids"][0],
                "ask": book["asks"][0],
                "levels": [len(book["bids"]), len(book["asks"])],
                "timestamp": book["timestamp"],
            }
        )


async def rest_edit_cancel(client, seen):
    """A post-only order placed, found, edited, cancelled."""
    book = await client.fetch_order_book(PERPETUAL, 5)
    price = client.price_to_precision(PERPETUAL, book["bids"][0][0] * 0.98)
    placed = await client.create_order(
        PERPETUAL, "limit", "buy", 100, float(price), {"postOnly": True, "label": "judge-1"}
    )
    open_orders = await client.fetch_open_orders(PERPETUAL)
    lower = client.price_to_precision(PERPETUAL, float(price) - 10)
    edited = await client.edit_order(
        placed["id"], PERPETUAL, "limit", "buy", 70, float(lower), {"post_only": True}
    )
    fetched = await client.fetch_order(placed["id"], PERPETUAL)
    cancelled = await client.cancel_order(placed["id"], PERPETUAL)
    seen["placed"] = summary(placed)
    seen["open"] = [summary(order) for order in open_orders]
    seen["edited"] = summary(edited)
    seen["fetched"] = summary(fetched)
    seen["cancelled"] = summary(cancelled)
    seen["asked"] = {"price": float(price), "lower": float(lower)}


async def trade(client, seen):
    """Takes liquidity on the perpetual and on an option; reads trades, positions and balance back."""
    before = await client.fetch_balance()
    bought = await client.create_order(PERPETUAL, "market", "buy", 500)
    ticker = await client.fetch_ticker(PERPETUAL)
    crossing = float(client.price_to_precision(PERPETUAL, ticker["bid"] * 0.99))
    sold = await client.create_order(
        PERPETUAL, "limit", "sell", 200, crossing, {"timeInForce": "IOC", "reduceOnly": True}
    )
    option = next(
        market
        for market in client.markets.values()
        if market["option"] and market["optionType"] == "call" and market["strike"] == 4000
    )
    greeks = await client.fetch_greeks(option["symbol"])
    await client.create_order(option["symbol"], "market", "buy", 2)
    seen["bought"], seen["sold"] = summary(bought), summary(sold)
    seen["trades"] = [
        {key: one[key] for key in ("id", "order", "side", "price", "amount", "takerOrMaker")}
        | {"fee": one["fee"]["cost"], "currency": one["fee"]["currency"]}
        for one in await client.fetch_my_trades(PERPETUAL)
    ]
    seen["public_trades"] = len(await client.fetch_trades(PERPETUAL))
    seen["positions"] = {
        one["symbol"]: {"side": one["side"], "contracts": one["contracts"], "notional": one["notional"]}
        for one in await client.fetch_positions()
        if one["contracts"]
    }
    seen["option"] = option["symbol"]
    seen["greeks"] = {key: greeks[key] for key in ("delta", "vega", "markImpliedVolatility", "markPrice")}
    seen["balance"] = {"before": before["ETH"], "after": (await client.fetch_balance())["ETH"]}


async def pushes(client, seen):
    """Orders, trades and balances that the socket brings while trading by request."""
    orders = asyncio.create_task(client.watch_orders(PERPETUAL))
    trades = asyncio.create_task(client.watch_my_trades(PERPETUAL))
    balance = asyncio.create_task(equity_of(client, "ETH"))
    await asyncio.sleep(1.0)
    made = await client.create_order(PERPETUAL, "market", "sell", 30)
    got_orders, got_trades, got_balance = await asyncio.wait_for(asyncio.gather(orders, trades, balance), 20)
    seen["pushed"] = {
        "made": made["id"],
        "orders": [summary(order) for order in got_orders],
        "trades": [{"order": one["order"], "amount": one["amount"]} for one in got_trades],
        "equity": got_balance,
    }


async def equity_of(client, currency):
    """Equity in one currency: each comes in a message of its own, and ccxt's object changes with them."""
    while True:
        info = (await client.watch_balance())["info"]
        if info["currency"] == currency:
            return float(info["equity"])


async def errors(client, given, seen):
    """What ccxt makes of the venue's refusals."""
    price = (await client.fetch_ticker(PERPETUAL))["bid"] * 0.98
    on_grid = float(client.price_to_precision(PERPETUAL, price))

    async def name_of(call):
        try:
            await call
        except ccxt.BaseError as error:
            return type(error).__name__
        return "none"

    crossing = float(client.price_to_precision(PERPETUAL, price * 1.05))
    stranger = exchange(given, secret="wrong")
    seen["errors"] = {
        "unknown order": await name_of(client.cancel_order("ETH-1", PERPETUAL)),
        "too large": await name_of(client.create_order(PERPETUAL, "limit", "buy", 500_000_000, on_grid)),
        "post only": await name_of(
            client.create_order(
                PERPETUAL, "limit", "buy", 10, crossing, {"post_only": True, "reject_post_only": True}
            )
        ),
        "wrong secret": await name_of(stranger.fetch_balance()),
    }
    await stranger.close()


async def leave(client, seen):
    """Two orders left behind are gone after a cancel of all."""
    bid = (await client.fetch_ticker(PERPETUAL))["bid"]
    for share in (0.97, 0.96):
        price = float(client.price_to_precision(PERPETUAL, bid * share))
        await client.create_order(PERPETUAL, "limit", "buy", 10, price)
    seen["resting"] = len(await client.fetch_open_orders(PERPETUAL))
    await client.cancel_all_orders(PERPETUAL)
    seen["left"] = len(await client.fetch_open_orders(PERPETUAL))


def summary(order):
    keys = ("id", "status", "side", "price", "amount", "filled", "symbol")
    return {key: order[key] for key in keys} | {"label": order["info"]["label"]}


async def main(given):
    client, seen = exchange(given), {}
    try:
        markets = await client.load_markets()
        perpetual = markets[PERPETUAL]
        seen["markets"] = {
            "options": sum(1 for market in markets.values() if market["option"]),
            "tick": perpetual["precision"]["price"],
            "inverse": perpetual["inverse"],
            "contract_size": perpetual["contractSize"],
        }
        await books(client, seen)
        await rest_edit_cancel(client, seen)
        await trade(client, seen)
        await pushes(client, seen)
        await errors(client, given, seen)
        await leave(client, seen)
    finally:
        await client.close()
    return seen


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
