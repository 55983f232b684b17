"""Reads a Deribit at given addresses back with ccxt (pro): history, chains, funding, kinds of market."""

import asyncio
import json
import sys

import ccxt.pro

PERPETUAL, SPOT = "ETH/USD:ETH", "ETH/USDC"
STEPS = 8


def exchange(given):
    return ccxt.pro.deribit(
        {
            "apiKey": given["client_id"],
            "secret": given["client_secret"],
            "urls": {"api": {"rest": given["http"], "ws": given["ws"]}},
        }
    )


def near(client, kind):
    """The earliest future, or the call of the middle strike that expires first."""
    found = [market for market in client.markets.values() if market[kind]]
    if kind == "option":
        found = [market for market in found if market["optionType"] == "call"]
        first = min(market["expiry"] for market in found)
        found = sorted((m for m in found if m["expiry"] == first), key=lambda market: market["strike"])
        return found[len(found) // 2]
    return min((m for m in found if m["inverse"] and "-" in m["symbol"]), key=lambda market: market["expiry"])


async def trade(client, seen):
    """A few immediate orders on every kind of market; amounts say which is which."""
    future, option = near(client, "future"), near(client, "option")
    orders = []
    for number in range(STEPS):
        side = "sell" if number % 2 else "buy"
        orders.append(await client.create_order(PERPETUAL, "market", side, 10 * (number + 1)))
    await client.create_order(future["symbol"], "market", "buy", 70)
    await client.create_order(option["symbol"], "market", "sell", 3)
    spot = await client.create_order(SPOT, "market", "sell", 0.5)
    ticker = await client.fetch_ticker(PERPETUAL)
    far = float(client.price_to_precision(PERPETUAL, ticker["bid"] * 0.98))
    killed = await client.create_order(PERPETUAL, "limit", "buy", 50, far, {"timeInForce": "FOK"})
    crossing = float(client.price_to_precision(PERPETUAL, ticker["ask"] * 1.01))
    filled = await client.create_order(PERPETUAL, "limit", "buy", 90, crossing, {"timeInForce": "FOK"})
    seen["fill or kill"] = [killed["status"], killed["filled"], filled["status"], filled["filled"]]
    seen["spot"] = {"status": spot["status"], "filled": spot["filled"]}
    positions = await client.fetch_positions()
    seen["positions"] = {
        one["symbol"]: [one["side"], abs(one["contracts"])] for one in positions if one["contracts"]
    }
    seen["symbols"] = {"future": future["symbol"], "option": option["symbol"]}
    balance = await client.fetch_balance()
    seen["usdc"] = balance["USDC"]["total"]
    seen["option position"] = (await client.fetch_position(option["symbol"]))["side"]
    return orders


async def history(client, orders, seen):
    """Trades page by page, trades of an order, ended orders."""
    newest = await client.fetch_my_trades(PERPETUAL, limit=3)
    seen["newest"] = sorted(one["amount"] for one in newest)
    pages, start = {}, None
    for _ in range(20):
        params = {"count": 4, "sorting": "asc", "instrument_name": client.market(PERPETUAL)["id"]}
        if start is not None:
            params["start_seq"] = start
        page = (await client.private_get_get_user_trades_by_instrument(params))["result"]
        pages |= {one["trade_id"]: float(one["amount"]) for one in page["trades"]}
        if not page["has_more"]:
            break
        start = int(page["trades"][-1]["trade_seq"])
    everything = await client.fetch_my_trades(PERPETUAL, limit=1000)
    seen["paged"] = {"pages": sorted(pages), "at once": sorted(one["id"] for one in everything)}
    since = everything[-2]["timestamp"]
    later = await client.fetch_my_trades(PERPETUAL, since, 1000, {"end_timestamp": since + 3_600_000})
    seen["since"] = [min(one["timestamp"] for one in later) >= since, len(later) >= 2]
    of_order = await client.fetch_order_trades(orders[3]["id"])
    seen["of order"] = [
        sum(one["amount"] for one in of_order),
        {one["order"] for one in of_order} == {orders[3]["id"]},
    ]
    closed = await client.fetch_closed_orders(PERPETUAL)
    seen["closed"] = sorted(one["amount"] for one in closed if one["status"] == "closed")
    seen["first closed is"] = (await client.fetch_order(orders[0]["id"]))["status"]


async def cancels(client, seen):
    """Every way to cancel leaves what it should."""
    bid = (await client.fetch_ticker(PERPETUAL))["bid"]
    option = near(client, "option")

    async def rest(label):
        price = float(client.price_to_precision(PERPETUAL, bid * 0.97))
        return await client.create_order(PERPETUAL, "limit", "buy", 10, price, {"label": label})

    first, second = await rest("a"), await rest("b")
    await client.create_order(option["symbol"], "limit", "buy", 1, 0.0001)
    edited = await client.edit_order(first["id"], PERPETUAL, "limit", "buy", 20, first["price"] - 5)
    by_label = await client.private_get_cancel_by_label({"label": "b"})
    one = await client.cancel_order(first["id"], PERPETUAL)
    left = [order["symbol"] for order in await client.fetch_open_orders(option["symbol"])]
    await client.cancel_all_orders()
    seen["cancels"] = {
        "edited": [edited["id"] == first["id"], edited["amount"]],
        "by label": int(by_label["result"]),
        "second": (await client.fetch_order(second["id"], PERPETUAL))["status"],
        "by id": one["status"],
        "left": left == [option["symbol"]],
        "after all": len(await client.fetch_open_orders(option["symbol"])),
    }


async def market_data(client, seen):
    """Depths, chain, greeks, funding, open interest, volatility."""
    depths = [await client.fetch_order_book(PERPETUAL, depth) for depth in (1, 5, 20)]
    seen["depths"] = [[len(book["bids"]), len(book["asks"])] for book in depths]
    spot = await client.fetch_order_book(SPOT, 5)
    perpetual = depths[0]
    seen["spot against perpetual"] = spot["bids"][0][0] / perpetual["bids"][0][0]
    chain = await client.fetch_option_chain("ETH")
    listed = [market for market in client.markets.values() if market["option"] and market["base"] == "ETH"]
    seen["chain"] = {
        "all": set(chain) >= {market["symbol"] for market in listed},
        "vols": all(10 < float(one["info"]["mark_iv"]) < 300 for one in chain.values()),
    }
    greeks = await client.fetch_greeks(near(client, "option")["symbol"])
    seen["greeks"] = {
        key: greeks[key] for key in ("delta", "gamma", "vega", "theta", "markImpliedVolatility")
    }
    funding = await client.fetch_funding_rate(PERPETUAL)
    seen["funding"] = funding["fundingRate"]
    seen["funding history"] = len(await client.fetch_funding_rate_history(PERPETUAL))
    interest = await client.fetch_open_interest(PERPETUAL)
    seen["interest"] = interest["openInterestValue"]
    vols = await client.fetch_volatility_history("ETH")
    seen["volatility"] = [len(vols), all(float(one["volatility"]) > 0 for one in vols)]


async def watching(client, seen):
    """What the socket brings of tickers, public and own trades and orders, while trading by request."""
    tasks = {
        "ticker": asyncio.create_task(client.watch_ticker(PERPETUAL)),
        "trades": asyncio.create_task(client.watch_trades(PERPETUAL)),
        "mine": asyncio.create_task(client.watch_my_trades(PERPETUAL)),
        "orders": asyncio.create_task(client.watch_orders(PERPETUAL)),
        "best": asyncio.create_task(client.watch_bids_asks([PERPETUAL])),
    }
    await asyncio.sleep(1.5)
    made = await client.create_order(PERPETUAL, "market", "buy", 40)
    await asyncio.wait_for(asyncio.gather(*tasks.values()), 20)
    found = {name: task.result() for name, task in tasks.items()}
    seen["watched"] = {
        "ticker": found["ticker"]["bid"] < found["ticker"]["ask"],
        "trades": len(found["trades"]) > 0,
        "mine": {one["order"] for one in found["mine"]} == {made["id"]},
        "orders": [one["id"] for one in found["orders"]] == [made["id"]],
        "best": found["best"][PERPETUAL]["bid"] < found["best"][PERPETUAL]["ask"],
    }


async def main(given):
    client, seen = exchange(given), {}
    try:
        await client.load_markets()
        await market_data(client, seen)
        orders = await trade(client, seen)
        await history(client, orders, seen)
        await cancels(client, seen)
        await watching(client, seen)
    finally:
        await client.close()
    return seen


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
