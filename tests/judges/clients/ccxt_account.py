"""What ccxt sees of a Deribit account at given addresses: positions, open orders, balance, own trades."""

import asyncio
import json
import sys

import ccxt.async_support as ccxt


async def account(given):
    client = ccxt.deribit(
        {
            "apiKey": given["client_id"],
            "secret": given["client_secret"],
            "urls": {"api": {"rest": given["http"]}},
        }
    )
    try:
        await client.load_markets()
        positions = await client.fetch_positions()
        orders = await client.fetch_open_orders(None, None, None, {"code": given["currency"]})
        balance = await client.fetch_balance({"code": given["currency"]})
        return {
            "positions": {
                row["info"]["instrument_name"]: row["info"]["size"] for row in positions if row["contracts"]
            },
            "open_orders": [row["id"] for row in orders],
            "balance": balance["info"]["balance"],
            "session": balance["info"]["session_rpl"],
            "funding": [row["info"].get("realized_funding") or 0 for row in positions],
        }
    finally:
        await client.close()


print(json.dumps(asyncio.run(account(json.load(sys.stdin)))))
